package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// With a company account: sign in with a browser, and open a folder, in a small
// terminal.
func TestCompanySignInOnTheScreen(t *testing.T) {
	if testing.Short() {
		t.Skip("a pty")
	}
	w := demotest.Start(t, demo.Options{})
	program, err := exec.LookPath("usher") // the test binary under that name (testscript.Main)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	file := filepath.Join(home, "password")
	for _, p := range w.People {
		if p.Username == "barbara" {
			if err := os.WriteFile(file, []byte(p.Password), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := exec.Command(program)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{
		"HOME=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, "config"), "XDG_STATE_HOME=" + filepath.Join(home, "state"),
		"TERM=xterm-256color", "LANG=C.UTF-8", "TZ=UTC", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir(),
		"COLORTERM=truecolor", "USHER_SERVER=" + w.Server, "BROWSER=browser barbara " + file + " %s",
	}
	s := start(t, cmd, 80, 24)
	s.shows("Sign in", "Sign in with Usher Demo company")
	s.keys("tab", "tab", "enter")
	s.shows("company-reports", "builds")
	s.keys("down", "enter")
	s.shows("quarterly")
	s.keys("q")
}
