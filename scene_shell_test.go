//go:build !nosandbox

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// logsIn signs in with the command, and waits for its end.
func (at stage) logsIn(s *terminal, w *demotest.Demo, name string) {
	s.t.Helper()
	s.shows("User name")
	s.keys(name, "enter")
	s.shows("Password")
	s.keys(passwordOf(s.t, w, name), "enter")
	s.shows("signed in to")
	s.ends()
}

// A pipeline: commands in a terminal and without one, with exit codes and JSON.
func TestScenePipeline(t *testing.T) {
	longScenes(t, func(t *testing.T, at stage) {
		w := demotest.Start(t, demo.Options{})
		s, _ := at.open(t, w, "login")
		at.logsIn(s, w, "ada")
		got := s.runs("get", "company-reports/annual/audited/**/*.md", "-o", "data", "--json")
		lines := strings.Split(strings.TrimSpace(got.out), "\n")
		for _, line := range lines {
			if !json.Valid([]byte(line)) {
				t.Errorf("not JSON: %q", line)
			}
		}
		if got.code != 0 || len(lines) < 2 || strings.ContainsRune(got.out+got.err, ansi.ESC) {
			t.Errorf("%+v", got)
		}
		if _, err := os.Stat(filepath.Join(s.cmd.Dir, "data", "restated", "why.md")); err != nil {
			t.Error(err)
		}
		if got := s.runs("ls", "-R", "--json", "company-reports/annual/audited/"); got.code != 0 || !strings.Contains(got.out, `"restated/why.md"`) && !strings.Contains(got.out, "restated/why.md") {
			t.Errorf("%+v", got)
		}
		if got := s.runs("get", "builds/images/"); got.code != 4 || strings.Count(got.err, "\n") != 1 || got.out != "" {
			t.Errorf("without a grant: %+v", got)
		}
		if got := s.runs("url", "company-reports/annual/audited/restated/why.md", "--curl"); got.code != 0 || !strings.HasPrefix(got.out, "curl ") {
			t.Errorf("%+v", got)
		}
		run := at.again(s, "get", "company-reports/annual/audited/", "-o", "all")
		run.shows("verified")
		run.ends()
		if _, err := os.Stat(filepath.Join(s.cmd.Dir, "all", "audited", "restated", "why.md")); err != nil {
			t.Error(err)
		}
	})
}

// Why can't I? The admin explains a denial, finds the people of a folder, and changes
// the grants after a look at the effect.
func TestSceneWhyCantI(t *testing.T) {
	longScenes(t, func(t *testing.T, at stage) {
		w := demotest.Start(t, demo.Options{Stack: true})
		s, _ := at.open(t, w, "login")
		at.logsIn(s, w, "margaret")
		explain := at.again(s, "access", "explain", "grace", "company-reports/quarterly/q3.csv")
		explain.shows("grace", "external-auditors", "company-reports/annual/audited/", "would allow it")
		explain.ends()
		who := at.again(s, "access", "who", "company-reports/annual/audited/")
		who.shows("external-auditors", "grace")
		who.ends()
		change := filepath.Join(s.home(), "new.yaml")
		if err := os.WriteFile(change, []byte("grants:\n- {group: external-auditors, bucket: company-reports, prefix: quarterly/}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		diff := at.again(s, "grants", "diff", change)
		diff.shows("grace", "company-reports/quarterly/")
		diff.ends()
		apply := at.again(s, "grants", "apply", change)
		apply.shows("in force")
		apply.ends()
		if after := s.runs("access", "explain", "grace", "company-reports/quarterly/q3.csv"); !strings.Contains(after.out, "can read") || strings.Contains(after.out, "cannot") {
			t.Errorf("%+v", after)
		}
		if got := len(w.Events(t, "who:margaret action:grants-changed")); got != 1 {
			t.Errorf("%d events of the change", got)
		}
		page := at.again(s)
		page.shows("● margaret")
		page.keys("X")
		page.shows("All grants", "external-auditors", "company-reports/quarterly/")
		page.keys("q")
		page.hides("All grants")
	})
}
