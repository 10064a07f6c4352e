//go:build !nosandbox

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox/cognito"
	"usher/backend/sandbox/cognito/hosted/hostedtest"
)

// A first morning over SSH, from an empty home: configure, then the sign-in, then the
// folders. It plays with a temporary password and a second factor, with the company, and
// with another device. Nothing is written outside of the folders of usher, and no secret
// is left on the screen.
func TestSceneFirstMorning(t *testing.T) {
	longScenes(t, firstMorning)
}

func firstMorning(t *testing.T, at stage) {
	w := demotest.Start(t, demo.Options{})
	if _, err := w.Sandbox.Pool.AddUser(cognito.User{Username: "dorothy", Groups: []string{"engineering"}, Password: tablePassword, Temporary: true, SetUpMFA: true}); err != nil {
		t.Fatal(err)
	}
	for _, way := range []struct {
		name, person, folder string
		play                 func(*terminal)
	}{
		{"password", "dorothy", "builds", func(s *terminal) {
			s.keys("dorothy", "tab", tablePassword, "enter")
			s.shows("Choose a new password", "At least 8 characters") // the rules come first
			s.keys("Zebra-crossing-7", "tab", "Zebra-crossing-7", "enter")
			s.until("the ways to a second factor, or its QR code", func(screen string) bool {
				if strings.Contains(screen, "Choose how to continue") {
					s.keys("enter")
				}
				return strings.Contains(screen, "Set up your second factor")
			})
			s.until("a QR code beside the secret, and the keys", func(screen string) bool {
				return strings.Count(screen, "▀")+strings.Count(screen, "█") > 100 && strings.Contains(screen, "type its secret there:") && strings.Contains(screen, "esc start over")
			})
			s.keys(w.Sandbox.CodeNow("dorothy"))
		}},
		{"company", "barbara", "company-reports", func(s *terminal) {
			s.keys("tab", "tab", "tab", "enter") // over SSH, the other device comes first
			s.shows("Sign in with your browser", "ssh -N -L", "Waiting for the browser")
			address := s.address()
			b, err := hostedtest.New()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.SignIn(t.Context(), address, "barbara", passwordOf(t, w, "barbara")); err != nil {
				t.Fatal(err)
			}
		}},
		{"device", "grace", "company-reports", func(s *terminal) {
			s.keys("tab", "tab", "enter")
			approved, err := w.Browse(t.Context(), s.device(w), "grace")
			if err != nil {
				t.Fatal(err)
			}
			s.shows("Enter the number on the page")
			s.keys(approved.Number)
		}},
	} {
		t.Run(way.name, func(t *testing.T) {
			s, downloads := at.open(t, nil, "configure", w.Server)
			s.t = t
			s.shows("Organization  Usher Demo", "Region", "user name and password", "Trust this server? [y/N]")
			s.keys("y", "enter")
			s.shows("Now sign in: usher login")
			s.ends()
			s.cmd.Env = append(s.cmd.Env, "SSH_CONNECTION=192.0.2.1 50000 192.0.2.2 22", "USER="+way.person)
			usher := at.again(s)
			usher.shows("Sign in", "Password")
			way.play(usher)
			usher.shows("● "+way.person, way.folder)
			usher.keys("q")
			usher.ends()
			if left := strings.TrimSpace(usher.text()); strings.Contains(left, "Secret") || strings.Contains(left, "http") {
				t.Errorf("the terminal shows:\n%s", left)
			}
			home := filepath.Dir(downloads)
			entries, err := os.ReadDir(home)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.Name() != "config" && e.Name() != "state" {
					t.Errorf("%s is in the home", e.Name())
				}
			}
			usher.raw.Lock()
			defer usher.raw.Unlock()
			for _, secret := range []string{tablePassword, "Zebra-crossing-7", passwordOf(t, w, "barbara")} {
				if strings.Contains(string(usher.raw.b), secret) {
					t.Error("a password was on the terminal")
				}
			}
		})
	}
}
