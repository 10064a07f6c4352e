package evidence_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/audit/bundle"
	"usher/backend/audit/checkpoint"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"

	"usher/client/evidence"
	"usher/session"
)

// world is a demo with some events, and the key of its log.
func world(t *testing.T) (w *demotest.Demo, auditor demotest.Actor, key string) {
	t.Helper()
	w = demotest.Start(t, demo.Options{})
	public, err := session.Discover(t.Context(), w.Server)
	if err != nil {
		t.Fatal(err)
	}
	ada := w.SignIn(t, "ada")
	for _, prefix := range []string{"", "annual/", "annual/", "=cmd/"} {
		_, _ = ada.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: prefix}) // one is refused
	}
	return w, w.SignIn(t, "grace"), public.AuditLog.Key
}

func export(t *testing.T, auditor demotest.Actor, key, query string, complete bool) (string, evidence.Done) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "e.tar")
	done, err := evidence.Export(t.Context(), evidence.Config{Server: auditor, Key: key, Query: query, Complete: complete, Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return path, done
}

func verify(t *testing.T, path, key string) bundle.Report {
	t.Helper()
	v, err := checkpoint.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := evidence.Verify(t.Context(), path, bundle.Check{Key: v})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The tests share a world: each reads the log, and adds its own events.
func TestEvidence(t *testing.T) {
	t.Parallel()
	w, auditor, key := world(t)
	for name, test := range map[string]func(*testing.T, *demotest.Demo, demotest.Actor, string){
		"an export proves its events":      testExport,
		"an export is for auditors":        testExportIsForAuditors,
		"a canceled export leaves no file": testCanceledExport,
		"the README works without usher":   testReadmeWithoutUsher,
		"an export answers queries":        testQueriesOfAFile,
	} {
		t.Run(name, func(t *testing.T) { test(t, w, auditor, key) })
	}
}

// An export has the matching events and proves them; the log has its record.
func testExport(t *testing.T, w *demotest.Demo, auditor demotest.Actor, key string) {
	for _, complete := range []bool{false, true} {
		path, done := export(t, auditor, key, "who:ada since:1h", complete)
		r := verify(t, path, key)
		if r.FaultCount > 0 || r.Matches != done.Matches || r.Matches < 4 {
			t.Fatalf("complete %v: %+v, %+v", complete, r, done)
		}
		if complete && r.Events <= r.Matches+1 {
			t.Errorf("a complete export has %d events, of which %d match", r.Events, r.Matches)
		}
		recorded := w.Events(t, "id:"+done.Event)
		if len(recorded) != 1 {
			t.Fatalf("%d records of the export", len(recorded))
		}
		if e := recorded[0]; e.Action != event.AuditExport || int64(e.Count) != done.Matches || e.Query != done.Query || e.User.Username != "grace" || (e.Reason != "") != complete {
			t.Errorf("recorded: %+v", e)
		}
		left, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(left) != 1 {
			t.Errorf("the folder has %v (%v)", left, err)
		}
	}
}

// An open export has its events in the order of the log, and pages on from each of them.
func testQueriesOfAFile(t *testing.T, w *demotest.Demo, auditor demotest.Actor, key string) {
	path, done := export(t, auditor, key, "who:ada", true)
	f, err := evidence.OpenFile(t.Context(), path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	query := func(in api.AuditQueryRequest) (ids []string) {
		for {
			page, err := f.AuditQuery(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Events {
				ids = append(ids, e.ID)
			}
			if in.Cursor = page.Cursor; in.Cursor == "" {
				return ids
			}
		}
	}
	all := query(api.AuditQueryRequest{Limit: 3})
	if len(all) != f.Len() || int64(len(all)) != done.Events {
		t.Errorf("%d events of %d in %d rows", len(all), done.Events, f.Len())
	}
	var want []string
	for _, e := range w.Events(t, "") {
		if slices.Contains(all, e.ID) {
			want = append(want, e.ID)
		}
	}
	if !slices.Equal(all, want) {
		t.Errorf("events %v, the log has %v", all, want)
	}
	up := slices.Clone(all)
	slices.Reverse(up)
	if got := query(api.AuditQueryRequest{Oldest: true, Limit: 2}); !slices.Equal(got, up) {
		t.Errorf("from the oldest: %v, want %v", got, up)
	}
	for i, id := range all {
		if got := query(api.AuditQueryRequest{Before: id}); !slices.Equal(got, all[i+1:]) {
			t.Errorf("before event %d: %v, want %v", i, got, all[i+1:])
		}
		if got := query(api.AuditQueryRequest{After: id}); !slices.Equal(got, up[len(up)-i:]) {
			t.Errorf("after event %d: %v, want %v", i, got, up[len(up)-i:])
		}
	}
	if got := query(api.AuditQueryRequest{After: "01JZZZZZZZZZZZZZZZZZZZZZZZ"}); len(got) > 0 {
		t.Errorf("after an unknown event: %v", got)
	}
}

// Only auditors export. The refusal is recorded, and no file is there.
func testExportIsForAuditors(t *testing.T, w *demotest.Demo, _ demotest.Actor, key string) {
	path := filepath.Join(t.TempDir(), "e.tar")
	for _, name := range []string{"ada", "margaret"} {
		_, err := evidence.Export(t.Context(), evidence.Config{Server: w.SignIn(t, name), Key: key, Query: "", Path: path})
		var answer *api.Error
		if !errors.As(err, &answer) || answer.Code != api.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if denied := w.Events(t, "action:audit-read outcome:denied"); len(denied) != 2 {
		t.Errorf("%d refusals are recorded", len(denied))
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A canceled export leaves no file, at any step. An existing file stays.
func testCanceledExport(t *testing.T, _ *demotest.Demo, auditor demotest.Actor, key string) {
	dir := t.TempDir()
	for at := 0; ; at++ {
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stopped by the test")
		calls := 0
		_, err := evidence.Export(ctx, evidence.Config{Server: auditor, Key: key, Path: filepath.Join(dir, "e.tar"), Progress: func(evidence.Progress) {
			if calls++; calls > at {
				cancel(stop)
			}
		}})
		cancel(nil)
		if err == nil && calls <= at { // not canceled
			if at < 2 {
				t.Errorf("an export has %d reports of its progress", at)
			}
			_ = os.Remove(filepath.Join(dir, "e.tar"))
			break
		}
		if !errors.Is(err, stop) {
			t.Errorf("after %d calls: %v", at, err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Fatalf("after %d calls: left %v", at, left)
		}
	}
	path := filepath.Join(dir, "mine")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.Export(t.Context(), evidence.Config{Server: auditor, Key: key, Path: path}); !errors.Is(err, evidence.ErrExists) {
		t.Errorf("%v", err)
	}
	if kept, _ := os.ReadFile(path); string(kept) != "mine" {
		t.Errorf("the file is now %q", kept)
	}
}

// A stranger with Python and openssl follows the README.
func testReadmeWithoutUsher(t *testing.T, _ *demotest.Demo, auditor demotest.Actor, key string) {
	if testing.Short() {
		t.Skip("needs Python")
	}
	for _, tool := range []string{"python3", "openssl", "tar"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	for _, complete := range []bool{false, true} {
		path, done := export(t, auditor, key, "who:ada since:1h", complete)
		dir := t.TempDir()
		run := func(name string, args ...string) (string, error) {
			cmd := exec.Command(name, args...)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		if out, err := run("tar", "xf", path); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		readme, err := os.ReadFile(filepath.Join(dir, "README.txt"))
		if err != nil {
			t.Fatal(err)
		}
		_, script, _ := strings.Cut(string(readme), "\nimport ")
		if err := os.WriteFile(filepath.Join(dir, "check.py"), []byte("import "+script), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := run("python3", "check.py", "log.pub")
		if err != nil || !strings.Contains(out, "events are in the log") || complete && !strings.Contains(out, "0 events of the range are not here") {
			t.Errorf("complete %v: %v\n%s", complete, err, out)
		}
		// Python's csv reads every cell, and none is a formula.
		out, err = run("python3", "-c", `import csv
rows = list(csv.reader(open("events.csv", newline="", encoding="utf-8")))
assert all(len(r) == len(rows[0]) for r in rows)
assert not any(c[:1] in set("=+-@\t\r") for r in rows for c in r if c), rows
print(len(rows) - 1)`)
		if err != nil || strings.TrimSpace(out) != itoa(done.Matches) {
			t.Errorf("csv: %v %s, want %d rows", err, out, done.Matches)
		}
		// Control: the script finds a changed event, and a changed name of a group.
		for name, change := range map[string][2]string{"events.jsonl": {`"allowed"`, `"alloved"`}, "groups.txt": {`finance-team`, `finance-tean`}} {
			raw, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			changed := bytes.Replace(raw, []byte(change[0]), []byte(change[1]), 1)
			if bytes.Equal(changed, raw) {
				t.Fatalf("%s has no %s:\n%s", name, change[0], raw)
			}
			for _, text := range [][]byte{changed, raw} {
				if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
					t.Fatal(err)
				}
				if out, err := run("python3", "check.py", "log.pub"); (err == nil) != bytes.Equal(text, raw) {
					t.Errorf("%s, changed %v: %v\n%s", name, !bytes.Equal(text, raw), err, out)
				}
			}
		}
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// A log in tables that is sealed to a bucket is exported from there.
func TestExportOfASealedLog(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("make test waits for the seal")
	}
	w := demotest.Start(t, demo.Options{Stack: true})
	public, err := session.Discover(t.Context(), w.Server)
	if err != nil {
		t.Fatal(err)
	}
	ada, grace := w.SignIn(t, "ada"), w.SignIn(t, "grace")
	if _, err := ada.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: "annual/"}); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(2 * time.Minute)
	for { // the seal follows the events
		path, done := export(t, grace, public.AuditLog.Key, "who:ada", true)
		r := verify(t, path, public.AuditLog.Key)
		if r.FaultCount > 0 || r.Matches != done.Matches {
			t.Fatalf("%+v", r.Faults)
		}
		if r.Matches >= 2 && len(r.Manifest.Event) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the sealed log has %d of ada's events", r.Matches)
		}
		time.Sleep(200 * time.Millisecond)
	}
}
