package session_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/session"
)

func TestResolve(t *testing.T) {
	r := newRig(t, nil)
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	resolve := func(profile, server string, pairs ...string) (session.Profile, error) {
		return r.folders.Resolve(ctx, profile, server, env(pairs...))
	}
	_, err := resolve("", "")
	wantErr(t, err, session.ErrNoServer)

	p, err := resolve("", "", "USHER_SERVER", r.server.URL+"/")
	if err != nil || !p.Transient || p.Server != r.server.URL {
		t.Fatalf("loopback server alone: %+v, %v", p, err)
	}
	if _, err := session.Open(r.folders, p, r.options()); err != nil {
		t.Errorf("a transient profile: %v", err)
	}
	if _, err := os.Stat(r.folders.Config); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a transient profile was saved")
	}
	_, err = resolve("", "https://files.example.com")
	if err == nil || !strings.Contains(err.Error(), "usher configure https://files.example.com") {
		t.Errorf("a server never seen: %v", err)
	}

	other := r.profile()
	other.Name = "other"
	if err := errors.Join(r.folders.SaveProfile(r.profile()), r.folders.SaveProfile(other), r.folders.SetDefault("other")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		profile, server, env, want string
	}{
		{"", "", "", "other"},
		{"test", "", "", "test"},
		{"", "", "test", "test"},
		{"other", "", "test", "other"},
		{"test", r.server.URL, "", "test"},
		{"test", "http://127.0.0.1:1", "", ""},
		{"missing", "", "", ""},
		{"", "", "../test", ""},
		{"", "nonsense", "", ""},
	} {
		p, err := resolve(c.profile, c.server, "USHER_PROFILE", c.env)
		if p.Name != c.want && err == nil || (err == nil) != (c.want != "") {
			t.Errorf("%+v: %q, %v", c, p.Name, err)
		}
	}
	if p, err := resolve("test", "", "USHER_SERVER", "http://127.0.0.1:1"); err != nil || p.Name != "test" {
		t.Errorf("a flag is weaker than the environment: %v", err)
	}
	if p, err := resolve("", "", "USHER_SERVER", r.server.URL); err != nil || p.Transient {
		t.Errorf("a saved loopback server: %+v, %v", p, err)
	}
}

func TestState(t *testing.T) {
	f := session.Folders{Config: t.TempDir(), State: filepath.Join(t.TempDir(), "usher")}
	if _, err := f.LoadState("place"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no state: %v", err)
	}
	if err := f.SaveState("place", []byte("here")); err != nil {
		t.Fatal(err)
	}
	if data, err := f.LoadState("place"); err != nil || string(data) != "here" {
		t.Errorf("%q, %v", data, err)
	}
	if got := f.StateFile("../../x"); filepath.Dir(got) != f.State {
		t.Errorf("state file %q", got)
	}
	if d := session.DefaultFolders(); filepath.Base(d.Config) != "usher" || filepath.Base(d.State) != "usher" {
		t.Errorf("%+v", d)
	}
}
