//go:build !nosandbox

package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox/cognito/hosted/hostedtest"
)

// sinks are the places at which a secret of a sign-in could be left.
type sinks struct {
	mu      sync.Mutex
	content map[string][]byte
}

func (s *sinks) add(name string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.content[name] = append(append(s.content[name], content...), '\n')
}

// folder adds the files of a folder, apart from those with a name.
func (s *sinks) folder(t *testing.T, dir string, without ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		for _, name := range without {
			if d.Name() == name {
				return nil
			}
		}
		raw, err := os.ReadFile(path)
		s.add(path, raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// watchProcesses adds the command lines of all processes, again and again, until
// stop is called.
func (s *sinks) watchProcesses() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			var all []byte
			for _, name := range lines {
				raw, _ := os.ReadFile(name)
				all = append(all, bytes.ReplaceAll(raw, []byte{0}, []byte(" "))...)
			}
			s.add("the list of processes", all)
			select {
			case <-done:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return func() { close(done); <-ended }
}

// find returns the secrets in the sinks. A text of digits is found as a word.
func (s *sinks) find(secrets map[string]string) (found []string) {
	for name, content := range s.content {
		for secret, value := range secrets {
			is := bytes.Contains(content, []byte(value))
			if strings.Trim(value, "0123456789") == "" {
				is = regexp.MustCompile(`\b` + value + `\b`).Match(content)
			}
			if is {
				found = append(found, name+" has the "+secret)
			}
		}
	}
	return found
}

// Sign-ins with passwords, codes and browsers, by commands with --debug and on the
// screen, leave none of their secrets: neither in the output, in a file, in a log,
// in the list of processes nor in the titles of a browser's history. The stored
// tokens are in their file alone.
func TestNoSecretOfASignInIsLeft(t *testing.T) {
	if testing.Short() {
		t.Skip("a pty")
	}
	t.Parallel()
	dir := t.TempDir()
	w := demotest.Start(t, demo.Options{Dir: dir})
	s := &sinks{content: map[string][]byte{}}
	stop := s.watchProcesses()
	secrets, tokens := map[string]string{}, map[string]string{}
	for _, p := range w.People {
		secrets["password of "+p.Username] = p.Password
	}
	var last *terminal
	login := func(name string, play func(*terminal), args ...string) {
		t.Helper()
		var home string
		if last == nil {
			last, home = open(t, w, 120, 40, append([]string{"login", "--debug"}, args...)...)
			secrets["home"] = filepath.Dir(home)
		} else {
			cmd := exec.Command(last.cmd.Path, append([]string{"login", "--debug"}, args...)...)
			cmd.Dir, cmd.Env = last.cmd.Dir, last.cmd.Env
			last = start(t, cmd, 120, 40)
		}
		play(last)
		if code := last.quits(); code != 0 {
			t.Fatalf("%s: exit code %d\n%s", name, code, last.text())
		}
		last.raw.Lock()
		s.add("the screen of "+name, last.raw.b)
		last.raw.Unlock()
		var file struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		}
		files, err := filepath.Glob(filepath.Join(secrets["home"], "state", "usher", "tokens", "*.json"))
		if err != nil || len(files) != 1 {
			t.Fatalf("%v %v", files, err)
		}
		readJSON(t, files[0], &file)
		tokens["access token of "+name] = file.Access[len(file.Access)-60:]
		tokens["refresh token of "+name] = file.Refresh
	}
	types := func(s *terminal, prompt, text string) {
		s.shows(prompt)
		s.keys(text, "enter")
	}
	secrets["new password"], secrets["password after a reset"] = "Zebra-crossing-7", "Giraffe-crossing-8"
	login("edsger", func(s *terminal) {
		types(s, "Password:", secrets["password of edsger"])
		types(s, "New password:", secrets["new password"])
		types(s, "again:", secrets["new password"])
		s.shows("as edsger")
	}, "-u", "edsger")
	login("ada", func(s *terminal) {
		s.shows("Code by mail")
		s.keys(w.Sandbox.CodeNow("ada"), "enter") // the person's own typing is on the screen
		types(s, "New password:", secrets["password after a reset"])
		types(s, "again:", secrets["password after a reset"])
		s.shows("as ada")
	}, "--forgot", "-u", "ada")
	login("alan", func(s *terminal) {
		types(s, "Password:", secrets["password of alan"])
		s.shows("Code of your authenticator app:")
		secrets["code of alan"] = w.Sandbox.CodeNow("alan")
		s.keys(secrets["code of alan"], "enter")
		s.shows("as alan")
	}, "-u", "alan")
	var titles []string
	login("barbara", func(s *terminal) {
		s.shows("Waiting for the browser")
		address := s.address()
		b, err := hostedtest.New()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.SignIn(t.Context(), address, "barbara", secrets["password of barbara"]); err != nil {
			t.Fatal(err)
		}
		for _, u := range b.Visited {
			if code := u.Query().Get("code"); code != "" {
				secrets["authorization code of barbara"] = code
			}
		}
		titles = append(titles, b.Titles...)
		s.shows("as barbara")
	}, "--sso")
	login("katherine", func(s *terminal) {
		approved, err := w.Browse(t.Context(), s.device(w), "katherine")
		if err != nil {
			t.Fatal(err)
		}
		request, state, _ := strings.Cut(approved.State, ".")
		secrets["authorization code of katherine"], secrets["state of katherine"], secrets["request's HMAC"] = approved.Code, state, request
		for i, cookie := range approved.Cookies {
			secrets[fmt.Sprint("cookie ", i)] = cookie
		}
		titles = append(titles, approved.Titles...)
		s.shows("Number on the page:")
		s.keys(approved.Number, "enter")
		s.shows("as katherine")
	}, "--device")
	for _, args := range [][]string{{"whoami"}, {"ls"}, {"logout", "--everywhere"}} {
		cmd := exec.Command(last.cmd.Path, append([]string{"--debug"}, args...)...)
		cmd.Dir, cmd.Env = last.cmd.Dir, last.cmd.Env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v %s", args, err, out)
		}
		s.add("usher "+args[0], out)
	}
	stop()
	home := secrets["home"]
	delete(secrets, "home")
	s.folder(t, home)
	s.folder(t, dir, "sandbox.json", "pool.json", "mail.jsonl", "config", "state")
	s.add("the titles of the browser", []byte(strings.Join(titles, "\n")))
	for name, value := range secrets {
		if len(value) < 6 {
			t.Fatalf("the %s is %q", name, value)
		}
	}
	for name, value := range tokens {
		secrets[name] = value
	}
	if found := s.find(secrets); len(found) > 0 {
		t.Errorf("%q", found)
	}
	// Controls: each planted secret is found, and the sinks have content.
	planted := &sinks{content: map[string][]byte{}}
	for name, value := range secrets {
		planted.add(name, []byte(`{"x":"`+value+`"}`))
	}
	if found := planted.find(secrets); len(found) < len(secrets) || len(titles) < 4 {
		t.Errorf("of %d planted secrets %d are found; %d titles", len(secrets), len(found), len(titles))
	}
	for _, sink := range []string{filepath.Join(dir, "backend.log"), filepath.Join(dir, "audit.db"), "the screen of ada", "the list of processes"} {
		if sink == "the list of processes" && runtime.GOOS != "linux" {
			continue // has no /proc
		}
		if len(s.content[sink]) < 100 {
			t.Errorf("%s has %d bytes", sink, len(s.content[sink]))
		}
	}
	if runtime.GOOS == "linux" && !bytes.Contains(s.content["the list of processes"], []byte("--device")) {
		t.Error("the list of processes lacks the commands")
	}
	t.Logf("SECRETS of sign-ins: sinks=%d secrets=%d found=0", len(s.content), len(secrets))
}
