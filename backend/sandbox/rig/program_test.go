package rig

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// person runs the real program with a home directory of its own.
type person struct {
	t    *testing.T
	home string
	env  []string
}

func newPerson(t *testing.T, w *demotest.Demo) person {
	home := t.TempDir()
	return person{t, home, []string{"HOME=" + home, "USHER_SERVER=" + w.Server, "LANG=C.UTF-8", "TZ=UTC", "TMPDIR=" + t.TempDir()}}
}

// usher runs one command, which must succeed, and returns its standard output.
func (p person) usher(stdin string, args ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool(p.t, "USHER_RIG_USHER"), args...)
	cmd.Env, cmd.Dir, cmd.Stdin = p.env, p.home, strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("usher %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

// testProgram plays the main job with the real program: sign in, list, fetch, and
// find the events in the log.
func testProgram(t *testing.T, w *demotest.Demo, want map[string]string) {
	grace := newPerson(t, w)
	for _, p := range w.People {
		if p.Username == "grace" {
			grace.usher(p.Password+"\n", "login", "--username", "grace", "--password-stdin")
		}
	}
	if got := grace.usher("", "ls", reports+"/"); got != "annual/\n" {
		t.Errorf("ls: %q, want annual/ alone", got)
	}
	listed := strings.Split(strings.TrimSuffix(grace.usher("", "ls", "-R", "-p", "-0", reports+"/"+audited), "\x00"), "\x00")
	for _, path := range listed {
		if want[strings.TrimPrefix(path, reports+"/")] == "" {
			t.Errorf("ls -R: %q is not listed", path)
		}
	}
	for key := range want {
		if !slices.Contains(listed, reports+"/"+key) {
			t.Errorf("ls -R: %q is missing", key)
		}
	}

	rows := lines[struct {
		Path, Dest, State, Verified, Event string
	}](t, grace.usher("", "get", "--json", reports+"/"+audited, "-o", "got"))
	for _, r := range rows {
		body, err := os.ReadFile(filepath.Join(grace.home, r.Dest))
		if filepath.IsAbs(r.Dest) {
			body, err = os.ReadFile(r.Dest)
		}
		key := strings.TrimPrefix(r.Path, reports+"/")
		if err != nil || digest(body) != want[key] {
			t.Errorf("%q: %v: not the stored bytes", r.Path, err)
		}
		if r.Verified == "" || r.Verified == "size" || r.Event == "" {
			t.Errorf("%q: verified by %q, event %q", r.Path, r.Verified, r.Event)
		}
	}
	if len(rows) != len(want) || files(t, filepath.Join(grace.home, "got")) != len(want) {
		t.Errorf("%d of %d objects were fetched", len(rows), len(want))
	}

	events := lines[event.Event](t, grace.usher("", "audit", "--json", "action:completed", "who:grace"))
	verified := 0
	for _, e := range events {
		if e.Verified != "" && want[e.Key] != "" {
			verified++
		}
	}
	if verified < len(want) {
		t.Errorf("the log has %d verified downloads of %d", verified, len(want))
	}
	grace.usher("", "logout")
}

// lines decodes output with one JSON object per line.
func lines[T any](t *testing.T, out string) []T {
	t.Helper()
	var all []T
	scan := bufio.NewScanner(strings.NewReader(out))
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		var one T
		if err := json.Unmarshal(scan.Bytes(), &one); err != nil {
			t.Fatalf("%v: %q", err, scan.Text())
		}
		all = append(all, one)
	}
	return all
}

// files returns the number of files below a directory.
func files(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return n
}
