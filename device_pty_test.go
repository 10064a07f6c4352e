package main

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox/cognito/hosted/hostedtest"
)

// shown is a device sign-in on a screen.
type shown struct{ address, code string }

func (s shown) Address() string  { return s.address }
func (s shown) UserCode() string { return s.code }

var shownCode = regexp.MustCompile(`\b[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}\b`)

// device waits for the code of a device sign-in with its QR code.
func (s *terminal) device(w *demotest.Demo) shown {
	s.t.Helper()
	var code string
	s.until("a code beside a QR code", func(screen string) bool {
		code = shownCode.FindString(screen)
		rows := 0
		for line := range strings.Lines(screen) {
			if strings.ContainsAny(line, "▀▄█") {
				rows++
			}
		}
		return code != "" && rows >= 13
	})
	return shown{w.Server + "/d", code}
}

// unwritten reports the secrets of a sign-in that are in the output or in a file
// of the home. The user code, which the screen must show, is the control.
func (s *terminal) unwritten(home string, in shown, a demotest.Approval) {
	s.t.Helper()
	s.raw.Lock()
	sinks := map[string][]byte{"the screen": bytes.Clone(s.raw.b)}
	s.raw.Unlock()
	err := filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		sinks[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(sinks) < 2 || !bytes.Contains(sinks["the screen"], []byte(in.code)) {
		s.t.Errorf("%d sinks; the screen has no user code", len(sinks))
	}
	for name, content := range sinks {
		for secret, value := range map[string]string{"state": a.State, "authorization code": a.Code, "request": strings.Split(a.State, ".")[0]} {
			if len(value) < 20 || bytes.Contains(content, []byte(value)) {
				s.t.Errorf("%s has the %s, of %d bytes", name, secret, len(value))
			}
		}
		if name != "the screen" && bytes.Contains(content, []byte(in.code)) {
			s.t.Errorf("%s has the user code", name)
		}
	}
}

// With a browser on another device: the code beside its QR code, the number of
// the page, and a folder, in a small terminal.
func TestDeviceSignInOnTheScreen(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a pty")
	}
	w := demotest.Start(t, demo.Options{})
	s, downloads := open(t, w, 80, 24)
	s.shows("Sign in", "Sign in with a browser on another device")
	s.keys("tab", "tab", "tab", "enter")
	in := s.device(w)
	s.shows("Sign in on another device", "Waiting for the browser")
	approved, err := w.Browse(t.Context(), in, "grace")
	if err != nil {
		t.Fatal(err)
	}
	s.shows("Enter the number on the page")
	s.keys(wrongNumber(approved.Number), "enter")
	s.shows("That is not the number on the page.")
	s.keys(approved.Number, "enter")
	s.shows("● grace", "2018-annual-report.pdf") // the only folder opens
	s.keys("q")
	s.unwritten(filepath.Dir(downloads), in, approved)
}

// hasEnded requires that the server ended a request that its terminal left.
func hasEnded(t *testing.T, in shown) {
	t.Helper()
	b, err := hostedtest.New()
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.Visit(t.Context(), in.address+"/"+strings.ReplaceAll(in.code, "-", ""))
	if err != nil || p.Status != http.StatusGone || !strings.Contains(p.Body, "This sign-in has ended already.") {
		t.Errorf("the request of a terminal that left: %d, %v", p.Status, err)
	}
}

// A device sign-in ends at the server with esc, and with the program.
func TestDeviceSignInIsLeft(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a pty")
	}
	w := demotest.Start(t, demo.Options{})
	s, _ := open(t, w, 80, 24)
	s.shows("Sign in", "Sign in with a browser on another device")
	s.keys("tab", "tab", "tab", "enter")
	first := s.device(w)
	s.keys("esc")
	s.hides("Sign in on another device")
	s.keys("tab", "tab", "tab", "enter")
	second := s.device(w)
	for end := time.Now().Add(patience); ; <-time.After(50 * time.Millisecond) { // esc does not wait for the server
		b, err := hostedtest.New()
		if err != nil {
			t.Fatal(err)
		}
		if p, err := b.Visit(t.Context(), first.address+"/"+strings.ReplaceAll(first.code, "-", "")); err == nil && p.Status == http.StatusGone {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the first request is still pending")
		}
	}
	s.keys("ctrl+c")
	if code := s.quits(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	hasEnded(t, second)
}

func wrongNumber(right string) string {
	if right == "000000" {
		return "000001"
	}
	return "000000"
}

// usher login --device: a wrong number, then the right one. The next usher login
// takes the same way, and Ctrl-C stops it at the code and at the number. logout --everywhere ends the browser's
// sign-in too.
func TestDeviceLogin(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a pty")
	}
	w := demotest.Start(t, demo.Options{})
	s, downloads := open(t, w, 100, 40, "login", "--device")
	in := s.device(w)
	approved, err := w.Browse(t.Context(), in, "katherine")
	if err != nil {
		t.Fatal(err)
	}
	s.shows("Number on the page:")
	s.keys(wrongNumber(approved.Number), "enter")
	s.shows("That is not the number on the page.")
	s.keys(approved.Number, "enter")
	s.shows("as katherine")
	if code := s.quits(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.unwritten(filepath.Dir(downloads), in, approved)

	again := func() *terminal {
		cmd := exec.Command(s.cmd.Path, "login")
		cmd.Dir, cmd.Env = s.cmd.Dir, s.cmd.Env
		return start(t, cmd, 100, 40)
	}
	s2 := again()
	left := s2.device(w)
	s2.shows("Ctrl-C stops.")
	s2.keys("ctrl+c")
	if code := s2.quits(); code != 130 {
		t.Errorf("Ctrl-C at the code: exit code %d\n%s", code, s2.text())
	}
	hasEnded(t, left)
	s3 := again()
	left = s3.device(w)
	if _, err := w.Browse(t.Context(), left, "katherine"); err != nil {
		t.Fatal(err)
	}
	s3.shows("Number on the page:")
	s3.keys("ctrl+c")
	if code := s3.quits(); code != 130 {
		t.Errorf("Ctrl-C at the number: exit code %d\n%s", code, s3.text())
	}
	hasEnded(t, left)

	// The browser's own sign-in ends too: the address is printed.
	cmd := exec.Command(s.cmd.Path, "logout", "--everywhere")
	cmd.Dir, cmd.Env = s.cmd.Dir, s.cmd.Env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("logout: %v\n%s", err, out)
	}
	address := regexp.MustCompile(`http\S+/logout\?\S+`).FindString(string(out))
	b, err := hostedtest.New()
	if err != nil {
		t.Fatal(err)
	}
	if p, err := b.Visit(t.Context(), address); err != nil || !strings.Contains(p.Body, "You are signed out") {
		t.Errorf("%q leads to %d %s, %v\n%s", address, p.Status, p.Body, err, out)
	}
}
