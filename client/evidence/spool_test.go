package evidence

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"usher/backend/audit/bundle"
)

// The folder of a killed export is removed by the next one, and that of a running one
// stays.
func TestAbandonedFoldersAreRemoved(t *testing.T) {
	t.Parallel()
	in := filepath.Join(t.TempDir(), "a[b]*")
	if err := os.Mkdir(in, 0o700); err != nil {
		t.Fatal(err)
	}
	running, err := newSpool(in)
	if err != nil {
		t.Fatal(err)
	}
	folder := func(name string, age time.Duration, files ...string) {
		t.Helper()
		dir := filepath.Join(in, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := os.WriteFile(filepath.Join(dir, f), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(dir, at, at); err != nil {
			t.Fatal(err)
		}
	}
	folder(".usher-export-1", 0, lockName, eventsFile, tarFile) // its process was killed
	folder(".usher-export-2", 0)                                // its process has just begun
	folder(".usher-export-3", 2*emptyAge)                       // its process was killed at the beginning
	folder(".usher-export-4", 2*emptyAge, "mine")
	folder("usher-export-5", 2*emptyAge, lockName)
	target := filepath.Join(in, "target")
	if err := os.WriteFile(target, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	folder(".usher-export-6", 2*emptyAge, eventsFile)
	if err := os.Symlink(target, filepath.Join(in, ".usher-export-6", lockName)); err != nil {
		t.Fatal(err)
	}
	next, err := newSpool(in)
	if err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(escaped(in), "*"))
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := filepath.Glob(filepath.Join(escaped(in), ".*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range left {
		left[i] = filepath.Base(p)
	}
	for _, p := range hidden {
		left = append(left, filepath.Base(p))
	}
	slices.Sort(left)
	want := []string{filepath.Base(running.dir), filepath.Base(next.dir), ".usher-export-2", ".usher-export-4", ".usher-export-6", "target", "usher-export-5"}
	slices.Sort(want)
	if left = slices.Compact(left); !slices.Equal(left, want) {
		t.Errorf("left %v, want %v", left, want)
	}
	running.remove()
	next.remove()
	if _, err := os.Lstat(running.dir); !os.IsNotExist(err) {
		t.Errorf("a finished export leaves its folder: %v", err)
	}
}

// Nodes in two runs are merged, and more runs than a server sends are refused.
func TestNodesAreMerged(t *testing.T) {
	t.Parallel()
	s, err := newSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.remove()
	out, err := s.create(nodesFile)
	if err != nil {
		t.Fatal(err)
	}
	nodes := nodeFile{outlet: out}
	for _, lo := range []int64{0, 8, 40, 2, 4, 6, 10, 30, 35} {
		if err := nodes.add(bundle.Node{Lo: lo, Hi: lo + 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := nodes.close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(s.path(nodesFile))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var got []int64
	for next := nodes.merged(f); ; {
		n, ok, err := next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		got = append(got, n.Lo)
	}
	if want := []int64{0, 2, 4, 6, 8, 10, 30, 35, 40}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	other, err := s.create("other")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.close() }()
	many := nodeFile{outlet: other}
	for i := range int64(maxRuns + 1) {
		err = many.add(bundle.Node{Lo: 100 - i, Hi: 200})
	}
	if err == nil {
		t.Error("nodes without order are accepted")
	}
}
