//go:build !nosandbox

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox/cognito"
)

// A call to the sign-in service without an answer: after three seconds each command
// names the service and the key that stops it, and Ctrl-C stops it.
func TestCommandsNameWhatTheyWaitFor(t *testing.T) {
	if testing.Short() {
		t.Skip("a pty")
	}
	t.Parallel()
	w := demotest.Start(t, demo.Options{})
	if _, err := w.Sandbox.Pool.AddUser(cognito.User{Username: "mary", Password: tablePassword, Email: "mary@example.com"}); err != nil {
		t.Fatal(err)
	}
	passwords := map[string]string{"mary": tablePassword}
	for _, p := range w.People {
		passwords[p.Username] = p.Password
	}
	// Two machines with a sign-in, for the commands that renew and revoke it.
	signedIn := func() *terminal {
		s, _ := open(t, w, 100, 30, "login", "-u", "mary")
		s.shows("Password:")
		s.keys(tablePassword, "enter")
		s.shows("as mary")
		s.quits()
		return s
	}
	first, second := signedIn(), signedIn()
	expire(t, first)
	again := func(s *terminal, args ...string) *terminal {
		cmd := exec.Command(s.cmd.Path, args...)
		cmd.Dir, cmd.Env = s.cmd.Dir, s.cmd.Env
		return start(t, cmd, 100, 30)
	}
	password, _ := open(t, w, 100, 30, "login", "-u", "ada")
	password.shows("Password:")
	byCode, _ := open(t, w, 100, 30, "login", "--code")
	byCode.shows("User name at")
	totp, _ := open(t, w, 100, 30, "login", "-u", "alan")
	totp.shows("Password:")
	totp.keys(passwords["alan"], "enter")
	totp.shows("Code of your authenticator app:")
	reset, _ := open(t, w, 100, 30, "login", "--forgot", "-u", "mary")
	reset.shows("Code by mail")
	reset.keys(w.Sandbox.CodeNow("mary"), "enter")
	reset.shows("New password:")
	reset.keys("Another-Horse-8", "enter")
	reset.shows("again:")

	for _, call := range []string{"InitiateAuth", respond + "SOFTWARE_TOKEN_MFA", "ForgotPassword", "ConfirmForgotPassword", "GetTokensFromRefreshToken", "RevokeToken"} {
		w.Sandbox.Pool.Break(cognito.FaultHang, call)
	}
	password.keys(passwords["ada"], "enter")
	byCode.keys("mary", "enter")
	totp.keys(w.Sandbox.CodeNow("alan"), "enter")
	reset.keys("Another-Horse-8", "enter")
	forgot, _ := open(t, w, 100, 30, "login", "--forgot", "-u", "ada")
	waiting := map[string]*terminal{
		"the password": password, "a code in place of it": byCode, "the second factor": totp, "a forgotten password": forgot, "its code": reset,
		"a renewal": again(first, "ls"), "the sign-out": again(second, "logout"),
	}
	stopped := map[string]*terminal{}
	for end := time.Now().Add(patience); len(waiting) > 0; <-time.After(25 * time.Millisecond) {
		for name, s := range waiting {
			if screen := s.text(); strings.Contains(screen, "Waiting for the sign-in service at 127.0.0.1:") && strings.Contains(screen, "Ctrl-C stops it.") {
				s.keys("ctrl+c")
				stopped[name] = s
				delete(waiting, name)
			} else if time.Now().After(end) {
				t.Fatalf("%s: no notice:\n%s", name, screen)
			}
		}
	}
	for name, s := range stopped {
		if code := s.quits(); code != api.ExitInterrupted {
			t.Errorf("%s: exit code %d:\n%s", name, code, s.text())
		}
	}
}

// expire makes the stored access token one of yesterday.
func expire(t *testing.T, s *terminal) {
	t.Helper()
	home := ""
	for _, e := range s.cmd.Env {
		if dir, ok := strings.CutPrefix(e, "XDG_STATE_HOME="); ok {
			home = dir
		}
	}
	files, err := filepath.Glob(filepath.Join(home, "usher", "tokens", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	old := regexp.MustCompile(`"asked":"[^"]*"`).ReplaceAll(raw, fmt.Appendf(nil, `"asked":%q`, time.Now().Add(-24*time.Hour).UTC().Format(time.RFC3339)))
	if bytes.Equal(raw, old) {
		t.Fatalf("no time in %s", files[0])
	}
	if err := os.WriteFile(files[0], old, 0o600); err != nil {
		t.Fatal(err)
	}
}
