//go:build !nosandbox

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox/cognito/hosted/hostedtest"
	"usher/session"
)

// With an https origin, the access tokens of a browser's sign-in are for this server
// alone (RFC 8707): of the sign-in and of its renewals, on this machine and on
// another device. A sign-in with a password has tokens without an audience.
func TestTokensAreForThisServer(t *testing.T) {
	if testing.Short() {
		t.Skip("a pty")
	}
	t.Parallel()
	w, certificate := demotest.StartTLS(t, demo.Options{})
	for way, signIn := range map[string]func(*terminal){
		"sso": func(s *terminal) { s.shows("as barbara") },
		"device": func(s *terminal) {
			approved, err := w.Browse(t.Context(), s.device(w), "katherine")
			if err != nil {
				t.Fatal(err)
			}
			s.shows("Number on the page:")
			s.keys(approved.Number, "enter")
			s.shows("as katherine")
		},
		"password": func(s *terminal) {
			s.shows("User name at")
			s.keys("ada", "enter")
			s.shows("Password:")
			s.keys(passwordOf(t, w, "ada"), "enter")
			s.shows("as ada")
		},
	} {
		t.Run(way, func(t *testing.T) {
			home := t.TempDir()
			file := filepath.Join(home, "password")
			if err := os.WriteFile(file, []byte(passwordOf(t, w, "barbara")), 0o600); err != nil {
				t.Fatal(err)
			}
			program, err := exec.LookPath("usher") // the test binary under that name (testscript.Main)
			if err != nil {
				t.Fatal(err)
			}
			usher := func(args ...string) *exec.Cmd {
				cmd := exec.Command(program, args...)
				cmd.Env = []string{
					"HOME=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, "config"), "XDG_STATE_HOME=" + filepath.Join(home, "state"), "TERM=xterm-256color",
					"PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir(), "SSL_CERT_FILE=" + certificate, "USHER_SERVER=" + w.Server, "BROWSER=browser barbara " + file + " %s",
				}
				return cmd
			}
			if out, err := usher("configure", w.Server+"#"+w.Pin).CombinedOutput(); err != nil {
				t.Fatalf("configure: %v %s", err, out)
			}
			s := start(t, usher("login", "--"+way), 100, 40)
			s.t = t
			signIn(s)
			if code := s.quits(); code != 0 {
				t.Fatalf("exit code %d:\n%s", code, s.text())
			}
			first := audience(t, home)
			expire(t, s)
			if out, err := usher("ls").CombinedOutput(); err != nil {
				t.Fatalf("ls after the token's end: %v %s", err, out)
			}
			want := any(w.Server)
			if way == "password" {
				want = nil
			}
			if renewed := audience(t, home); first.aud != want || renewed.aud != want || first.token == renewed.token {
				t.Errorf("the audience is %v, after a renewal %v (renewed: %t), want %v", first.aud, renewed.aud, first.token != renewed.token, want)
			}
		})
	}
}

type stored struct {
	token string
	aud   any
}

// audience returns the stored access token and its audience.
func audience(t *testing.T, home string) stored {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(home, "state", "usher", "tokens", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	var file struct {
		Access string `json:"access_token"`
	}
	readJSON(t, files[0], &file)
	return stored{session.NewSecret(file.Access).String(), hostedtest.Claims(t, file.Access)["aud"]}
}

func readJSON(t *testing.T, path string, to any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}
