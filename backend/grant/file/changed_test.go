package file_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/backend/grant/file"
)

// A change takes effect only after its record.
func TestAChangeIsRecordedFirst(t *testing.T) {
	h := open(t, oneGrant)
	before, err := h.store.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.refuse = errors.New("disk full")
	h.write(twoGrants)
	for range 3 {
		h.clock.advance(time.Second)
		if got := h.grants(); got != 1 {
			t.Fatalf("%d grants are in force without a record", got)
		}
	}
	if problem := h.store.Problem(); problem == nil || !strings.Contains(problem.Error(), "disk full") {
		t.Errorf("the problem is %v", problem)
	}
	if n := strings.Count(h.log.String(), "disk full"); n != 1 {
		t.Errorf("the log has the cause %d times", n)
	}
	h.refuse = nil // after the log recovers, no further edit is needed
	h.clock.advance(time.Second)
	if got := h.grants(); got != 2 {
		t.Fatalf("%d grants are in force", got)
	}
	if err := h.store.Problem(); err != nil {
		t.Errorf("the problem is still %v", err)
	}
	after, err := h.store.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := file.Change{Before: before.Version(), After: after.Version(), Added: 1, Old: before, New: after}
	if len(h.changes) != 1 || h.changes[0] != want {
		t.Errorf("recorded %+v, want %+v", h.changes, want)
	}
}

func TestChangesAreCounted(t *testing.T) {
	for _, c := range []struct {
		name, text     string
		added, removed int
	}{
		{"one added", twoGrants, 1, 0},
		{"all removed", "grants: []\n", 0, 1},
		{"a reason", "grants:\n  - {group: g, bucket: bkt, prefix: a/, reason: why}\n", 1, 1},
		{"another group", "grants:\n  - {group: h, bucket: bkt, prefix: a/}\n  - {group: i, bucket: bkt, prefix: a/}\n", 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := open(t, oneGrant)
			h.write(c.text)
			h.clock.advance(time.Second)
			h.grants()
			h.clock.advance(time.Second)
			h.grants()
			if len(h.changes) != 1 || h.changes[0].Added != c.added || h.changes[0].Removed != c.removed {
				t.Errorf("recorded %+v, want %d added and %d removed", h.changes, c.added, c.removed)
			}
		})
	}
}

// An edit of the layout only is no change and causes no event.
func TestAnEditOfTheLayoutIsNoChange(t *testing.T) {
	h := open(t, oneGrant)
	h.write("# a comment\n" + oneGrant)
	h.clock.advance(time.Second)
	h.grants()
	if len(h.changes) != 0 {
		t.Errorf("recorded %+v", h.changes)
	}
}

func TestReloadReadsAtOnce(t *testing.T) {
	h := open(t, oneGrant)
	h.write(twoGrants)
	if err := h.store.Reload(t.Context()); err != nil || h.grants() != 2 {
		t.Errorf("%v, %d grants", err, h.grants())
	}
	h.write("grants:\n")
	if err := h.store.Reload(t.Context()); err == nil || h.grants() != 2 {
		t.Errorf("a bad file: %v, %d grants", err, h.grants())
	}
}

// grantsAt writes a grants file in two nested folders, with these modes.
func grantsAt(t *testing.T, outer, inner, mode os.FileMode) string {
	t.Helper()
	top := filepath.Join(t.TempDir(), "outer")
	dir := filepath.Join(top, "inner")
	path := filepath.Join(dir, "grants.yaml")
	for _, err := range []error{
		os.MkdirAll(dir, 0o755), os.WriteFile(path, []byte(oneGrant), 0o600),
		os.Chmod(path, mode), os.Chmod(dir, inner), os.Chmod(top, outer),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestAFileThatOthersCanWriteIsRefused(t *testing.T) {
	const sticky = os.ModeSticky
	for _, c := range []struct {
		name               string
		outer, inner, file os.FileMode
		fix                string // last path element in the fix; "" for a good file
	}{
		{"private", 0o700, 0o700, 0o600, ""},
		{"readable by all", 0o755, 0o755, 0o644, ""},
		{"writable by the group", 0o775, 0o775, 0o664, ""},
		{"a sticky folder", 0o777 | sticky, 0o777 | sticky, 0o644, ""},
		{"writable by all", 0o755, 0o755, 0o666, "grants.yaml"},
		{"writable by others only", 0o755, 0o755, 0o602, "grants.yaml"},
		{"in a sticky folder, writable by all", 0o755, 0o777 | sticky, 0o666, "grants.yaml"},
		{"an open folder", 0o755, 0o777, 0o600, "inner"},
		{"an open folder above", 0o777, 0o755, 0o600, "outer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := grantsAt(t, c.outer, c.inner, c.file)
			link := filepath.Join(t.TempDir(), "link.yaml")
			if err := os.Symlink(path, link); err != nil {
				t.Fatal(err)
			}
			for _, at := range []string{path, link} {
				_, opened := file.Open(file.Config{Path: at, Now: time.Now, Log: slog.New(slog.DiscardHandler), Changed: recorded})
				if (opened != nil) != (c.fix != "") {
					t.Errorf("opening %s: %v", at, opened)
				}
				err := file.Guarded(at)
				switch {
				case c.fix == "" && err != nil:
					t.Errorf("%s: %v", at, err)
				case c.fix != "" && (!errors.Is(err, file.ErrWritable) || !strings.HasSuffix(err.Error(), "chmod o-w "+before(path, c.fix))):
					t.Errorf("%s: %v, want the fix for %s", at, err, c.fix)
				}
			}
		})
	}
}

// before returns path up to the named element, inclusive.
func before(path, name string) string {
	return path[:strings.LastIndex(path, "/"+name)] + "/" + name
}

// A link in an open folder can be replaced, so its target does not matter.
func TestALinkInAnOpenFolderIsRefused(t *testing.T) {
	path := grantsAt(t, 0o755, 0o755, 0o600)
	dir := filepath.Join(t.TempDir(), "open")
	link := filepath.Join(dir, "grants.yaml")
	for _, err := range []error{os.Mkdir(dir, 0o755), os.Symlink(path, link), os.Chmod(dir, 0o777)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Guarded(link); !errors.Is(err, file.ErrWritable) {
		t.Errorf("%v", err)
	}
}

func TestAnOpenFileKeepsThePreviousGrants(t *testing.T) {
	h := open(t, oneGrant)
	if err := os.Chmod(h.path, 0o666); err != nil {
		t.Fatal(err)
	}
	h.write(twoGrants)
	h.clock.advance(time.Second)
	if got := h.grants(); got != 1 {
		t.Errorf("%d grants are in force from a file that everyone can write", got)
	}
	if err := h.store.Problem(); !errors.Is(err, file.ErrWritable) {
		t.Errorf("the problem is %v", err)
	}
	if err := os.Chmod(h.path, 0o600); err != nil {
		t.Fatal(err)
	}
	h.clock.advance(time.Second)
	if got := h.grants(); got != 2 || h.store.Problem() != nil {
		t.Errorf("after chmod: %d grants, %v", got, h.store.Problem())
	}
}
