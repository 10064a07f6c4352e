package keyring_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"usher/session/keyring"
)

func env(bus string) func(string) string {
	return func(name string) string {
		if name == "DBUS_SESSION_BUS_ADDRESS" {
			return bus
		}
		return ""
	}
}

// Without a bus there is no keyring, and none is started.
func TestNoBus(t *testing.T) {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		t.Skip("no bus on this system")
	}
	for _, bus := range []string{"", "unix:path=" + filepath.Join(t.TempDir(), "none")} {
		if _, err := keyring.New(env(bus)).Key("x", true); !errors.Is(err, keyring.ErrAbsent) {
			t.Errorf("%q: %v", bus, err)
		}
	}
}

// A bus that never answers ends after the limit.
func TestSilentBus(t *testing.T) {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		t.Skip("no bus on this system")
	}
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		_, err := keyring.New(env("unix:path="+path)).Key("x", true)
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, keyring.ErrSlow) {
			t.Errorf("got %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the limit has no effect")
	}
}

// The keyring of gnome-keyring, unlocked and locked, in a session bus of its own.
// The test binary runs as the client; the environment names the expectation.
func TestSecretService(t *testing.T) {
	want := os.Getenv("USHER_KEYRING_JUDGE")
	if want == "" {
		for _, program := range []string{"dbus-run-session", "gnome-keyring-daemon"} {
			if _, err := exec.LookPath(program); err != nil {
				t.Skip(program + " is not installed")
			}
		}
		home := t.TempDir()
		for _, c := range []struct{ want, start string }{
			{"unlocked", "printf secret | gnome-keyring-daemon --unlock --components=secrets"}, // makes the keyring too
			{"locked", "gnome-keyring-daemon --start --components=secrets"},
		} {
			cmd := exec.Command("dbus-run-session", "--", "sh", "-c", c.start+` >/dev/null 2>&1; exec "$0" -test.run=TestSecretService -test.v`, os.Args[0])
			cmd.Env = append(os.Environ(), "USHER_KEYRING_JUDGE="+c.want, "HOME="+home, "XDG_DATA_HOME="+home, "XDG_RUNTIME_DIR="+t.TempDir())
			out, err := cmd.CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("PASS: TestSecretService")) {
				t.Errorf("%s: %v\n%s", c.want, err, out)
			}
		}
		return
	}
	r := &keyring.Ring{Getenv: os.Getenv, Random: rand.Reader}
	first, err := r.Key("judge", true)
	if want == "locked" {
		if !errors.Is(err, keyring.ErrLocked) {
			t.Fatalf("locked: %v", err)
		}
		return
	}
	if err != nil || len(first) != 32 {
		t.Fatalf("unlocked: %v", err)
	}
	again, err := r.Key("judge", false)
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("another key: %v", err)
	}
	if _, err := r.Key("other", false); !errors.Is(err, keyring.ErrNoKey) {
		t.Errorf("an absent key: %v", err)
	}
}
