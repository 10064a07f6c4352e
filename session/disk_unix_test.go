//go:build unix

package session_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/session"
)

// Tokens are stored 0600 in a folder 0700 whatever the umask, and leftovers
// are removed.
func TestTokensAtRest(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	r := newRig(t, nil)
	s := r.signedIn("ada")
	dir := filepath.Dir(r.tokenFile())
	leftover := filepath.Join(dir, ".test.json.new-123")
	if err := os.WriteFile(leftover, []byte("tokens of a run that was killed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Adopt(r.tokens("ada")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{r.tokenFile(): 0o600, r.tokenFile() + ".write.lock": 0o600, dir: 0o700 | fs.ModeDir, r.folders.State: 0o700 | fs.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", filepath.Base(path), info.Mode(), err, want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v: want the tokens and the lock", entries, err)
	}
}

// Each case is refused with its fix, by Open and by a session that is open
// already. The first case is the negative control.
func TestExposedTokensAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		expose func(file string) error
		fix    string
	}{
		"untouched":        {func(string) error { return nil }, ""},
		"readable":         {func(f string) error { return os.Chmod(f, 0o644) }, "Run: chmod 600 '"},
		"group-readable":   {func(f string) error { return os.Chmod(f, 0o640) }, "Run: chmod 600 '"},
		"writable":         {func(f string) error { return os.Chmod(f, 0o602) }, "Run: chmod 600 '"},
		"folder open":      {func(f string) error { return os.Chmod(filepath.Dir(f), 0o755) }, "Run: chmod 700 '"},
		"symbolic link":    {func(f string) error { return relink(f) }, "Remove the link"},
		"folder is a link": {func(f string) error { return relink(filepath.Dir(f)) }, "Remove the link"},
		"a folder":         {func(f string) error { return errors.Join(os.Remove(f), os.Mkdir(f, 0o700)) }, "Remove it"},
		"a pipe":           {func(f string) error { return errors.Join(os.Remove(f), syscall.Mkfifo(f, 0o600)) }, "Remove it"},
		"too large":        {func(f string) error { return os.Truncate(f, 1<<20) }, "Remove it"},
		"foreign":          {func(f string) error { return os.Chown(f, 12345, -1) }, "its owner"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "foreign" && os.Geteuid() != 0 {
				t.Skip("only root can give files away")
			}
			r := newRig(t, nil)
			s := r.signedIn("ada")
			if err := c.expose(r.tokenFile()); err != nil {
				t.Fatal(err)
			}
			_, err := session.Open(r.folders, r.profile(), r.options())
			r.pass(10 * 60e9)
			_, terr := s.Token(ctx)
			if c.fix == "" {
				if err != nil || terr != nil {
					t.Fatalf("refused: %v, %v", err, terr)
				}
				return
			}
			for _, err := range []error{err, terr} {
				var file *session.FileError
				if !errors.As(err, &file) || !strings.Contains(err.Error(), c.fix) || errors.Is(err, session.ErrSignedOut) {
					t.Errorf("got %v, want the advice %q", err, c.fix)
				}
			}
		})
	}
}

// relink moves a file aside and leaves a link to it.
func relink(path string) error {
	return errors.Join(os.Rename(path, path+".real"), os.Symlink(path+".real", path))
}

// A file of version 1, which has no way, is still a session of the password.
func TestVersion1IsRead(t *testing.T) {
	r := newRig(t, nil)
	first := r.token(r.signedIn("ada"))
	good, err := os.ReadFile(r.tokenFile())
	if err != nil {
		t.Fatal(err)
	}
	old := strings.NewReplacer(`"version":2`, `"version":1`, `"way":"password",`, "").Replace(string(good))
	if err := os.WriteFile(r.tokenFile(), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	if r.token(r.open()) != first {
		t.Error("another token")
	}
	r.pass(10 * time.Minute)
	r.token(r.open())
	if next, _ := os.ReadFile(r.tokenFile()); !strings.Contains(string(next), `"version":2`) {
		t.Errorf("the renewal wrote %.40s", next)
	}
}

// A damaged token file counts as no session and never crashes the program.
func TestBrokenTokenFiles(t *testing.T) {
	r := newRig(t, nil)
	r.signedIn("ada")
	good, err := os.ReadFile(r.tokenFile())
	if err != nil {
		t.Fatal(err)
	}
	broken := map[string][]byte{
		"garbage": []byte("\x00\x1b[2J{"), "null": []byte("null"), "array": []byte("[]"), "empty object": []byte("{}"),
		"another version": []byte(strings.Replace(string(good), `"version":2`, `"version":9`, 1)),
		"another server":  []byte(strings.Replace(string(good), r.server.URL, "https://files.example.com", 1)),
		"another pool":    []byte(strings.Replace(string(good), poolID, "eu-central-1_Other", 1)),
		"another client":  []byte(strings.Replace(string(good), clientID, "another", 1)),
		"another way":     []byte(strings.Replace(string(good), `"way":"password"`, `"way":"sso"`, 1)),
		"no way":          []byte(strings.Replace(string(good), `"way":"password"`, `"way":""`, 1)),
		"a bad token":     []byte(strings.Replace(string(good), "eyJ", "!!!", 2)),
	}
	for n := 0; n < len(good); n += 37 {
		broken[fmt.Sprintf("cut at %d", n)] = good[:n]
	}
	for name, data := range broken {
		if string(data) == string(good) {
			t.Fatalf("%s changes nothing", name)
		}
		if err := os.WriteFile(r.tokenFile(), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := r.open().Token(ctx); !errors.Is(err, session.ErrSignedOut) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(r.tokenFile(), good, 0o600); err != nil {
		t.Fatal(err)
	}
	r.token(r.open())
}

// A profile names the endpoint that receives password proofs, so a profile that
// others can change is refused.
func TestProfilesThatOthersCanChange(t *testing.T) {
	r := newRig(t, nil)
	if err := r.folders.SaveProfile(r.profile()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(r.folders.Config, "profiles", "test.json")
	for _, mode := range []fs.FileMode{0o600, 0o644, 0o664, 0o666} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		_, err := r.folders.LoadProfile("test")
		var exposed *session.FileError
		if refused := errors.As(err, &exposed); refused != (mode&0o022 != 0) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}
