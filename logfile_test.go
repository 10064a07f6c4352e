package main

import (
	"path/filepath"
	"strings"
	"testing"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// An export and a copy of a log open on the page of the audit log, without a server.
// The head has the result of their verification.
func TestLogFileOnTheScreen(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	c := commands{t: t, home: t.TempDir(), server: w.Server}
	for _, p := range w.People {
		if p.Username == "grace" {
			if out, errs := c.run(p.Password+"\n", "login", "--username", "grace", "--password-stdin"); !strings.Contains(errs, "signed in") {
				t.Fatal(out, errs)
			}
		}
	}
	dir := t.TempDir()
	export, backup, key := filepath.Join(dir, "evidence.tar"), filepath.Join(dir, "copy.db"), filepath.Join(w.Dir, "audit.key.pub")
	if out, errs := c.run("", "audit", "export", "-o", export); !strings.Contains(out, "proved") {
		t.Fatal(out, errs)
	}
	if out, errs := c.run("", "audit", "backup", "--log", filepath.Join(w.Dir, "audit.db"), backup); errs != "" {
		t.Fatal(out, errs)
	}
	w.Close() // no server answers from here on

	s, _ := open(t, nil, 120, 40, "audit", "--file", export, "--screen")
	s.shows("export whole: ", " events, by the key in the file", "session-start", "evidence.tar")
	s.keys("b", "w")
	s.shows("Events by who", "S3 sent", "no log")
	s.keys("enter")
	s.shows("who:")
	s.keys("esc")
	s.shows("Events by who")
	s.keys("esc")
	s.shows("newest first")
	s.keys("V")
	s.shows("This log is a file")
	s.keys("0")
	s.shows("Saved questions", "uptime")
	s.keys("esc")
	s.shows("newest first")
	s.keys("enter")
	s.shows("Leaf", "index ")
	s.keys("esc")
	s.shows("newest first")
	s.keys("esc")
	s.shows("q ends usher")
	s.keys("q")
	if code := s.quits(); code != 0 {
		t.Errorf("exit code %d", code)
	}

	s, _ = open(t, nil, 120, 40, "audit", "--file", backup, "--key", key, "--screen", "who:grace")
	s.shows("log whole up to ", "who:grace", "session-start")
	s.keys("ctrl+c")
	if code := s.quits(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
