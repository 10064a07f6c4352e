package download

import (
	"os"
	"path/filepath"
	"testing"
)

// interrupted is an engine with a saved queue of a file and a folder, and their parts.
func interrupted(t *testing.T) (*testbed, func(*Config), string) {
	w := newTestbed(t)
	dir, queue := scratch(t), filepath.Join(scratch(t), "queue")
	with := func(c *Config) { c.QueueFile, c.Limit, c.Timeouts.Checkpoint = queue, 400_000, 1 }
	for i, name := range []string{"b/alone", "b/f/one", "b/f/deep/two"} {
		w.put(name, random(uint64(i), 9<<20), "CRC64NVME")
	}
	e := w.engine(with)
	e.Add(w.request("b/alone", dir), Request{Bucket: "b", Key: "f/", Folder: true, Dir: dir})
	eventually(t, "sidecars of three files", func() bool {
		n := 0
		for _, p := range leftovers(t, dir) {
			if filepath.Ext(p) == ".json" {
				n++
			}
		}
		return n == 3
	})
	must(t, e.Close())
	return w, with, dir
}

// TestForgetRemovesParts checks that the parts of forgotten transfers leave the disk,
// those in a folder too, and that nothing else does.
func TestForgetRemovesParts(t *testing.T) {
	w, with, dir := interrupted(t)
	must(t, os.WriteFile(filepath.Join(dir, "f", "notes.txt"), nil, 0o600))
	outside := scratch(t)
	must(t, os.WriteFile(filepath.Join(outside, ".usher-0123456789abcdef"), nil, 0o600))
	must(t, os.Symlink(outside, filepath.Join(dir, "f", "link")))
	e := w.engine(with)
	if saved, err := e.Unfinished(); err != nil || len(saved) != 2 {
		t.Fatalf("%d unfinished transfers, %v", len(saved), err)
	}
	must(t, e.Forget())
	if left := leftovers(t, dir); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if left := leftovers(t, outside); len(left) != 1 {
		t.Error("a part behind a link was removed")
	}
	if _, err := os.Stat(filepath.Join(dir, "f", "notes.txt")); err != nil {
		t.Error(err)
	}
}

// TestForgetKeepsUsedParts checks that an unfinished transfer of this run keeps the
// part of an object that an earlier run has begun.
func TestForgetKeepsUsedParts(t *testing.T) {
	w, with, dir := interrupted(t)
	e := w.engine(with)
	r := w.request("b/f/deep/two", dir)
	r.Whole = false
	base := ""
	r.Base = &base
	id := e.Add(r)[0]
	eventually(t, "the file", func() bool { return find(t, e, id).Done > 0 })
	e.Pause(id)
	eventually(t, "the pause", func() bool { return e.Snapshot().Running == 0 })
	must(t, e.Forget())
	for _, p := range leftovers(t, dir) {
		if filepath.Base(filepath.Dir(p)) != "deep" {
			t.Errorf("left: %s", p)
		}
	}
	e.Cancel(id)
	eventually(t, "no part", func() bool { return len(leftovers(t, dir)) == 0 })
}

// TestRemoveFolderOfEarlierRun checks that a folder that is removed before its walk
// has begun leaves no parts of an earlier run.
func TestRemoveFolderOfEarlierRun(t *testing.T) {
	w, with, dir := interrupted(t)
	e := w.engine(with, func(c *Config) { c.Lister = heldLister{} })
	saved, _ := e.Unfinished()
	for _, s := range saved {
		e.Cancel(e.Add(s.Request)[0])
	}
	eventually(t, "no part", func() bool { return len(leftovers(t, dir)) == 0 })
}
