package download

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"usher/client/download/part"
)

// TestConflicts checks that only Overwrite replaces an existing file.
func TestConflicts(t *testing.T) {
	w := newTestbed(t)
	o := w.put("b/k.tar.gz", random(1, 5000), "CRC64NVME")
	for _, c := range []struct {
		name     string
		there    []byte
		mode     Conflict
		want     State
		err      error
		released int
		at       string
	}{
		{"differs, refuse", []byte("mine"), Refuse, Failed, ErrExists, 0, ""},
		{"same size, refuse", random(7, 5000), Refuse, Failed, ErrExists, 1, ""},
		{"same, refuse", o.data, Refuse, Skipped, nil, 1, "k.tar.gz"},
		{"differs, skip", []byte("mine"), Skip, Skipped, nil, 0, "k.tar.gz"},
		{"differs, overwrite", []byte("mine"), Overwrite, Done, nil, 1, "k.tar.gz"},
		{"same, overwrite", o.data, Overwrite, Done, nil, 1, "k.tar.gz"},
		{"differs, keep both", []byte("mine"), KeepBoth, Done, nil, 1, "k.tar (1).gz"},
	} {
		e, dir := w.engine(), scratch(t)
		target := filepath.Join(dir, "k.tar.gz")
		must(t, os.WriteFile(target, c.there, 0o644))
		r := w.request("b/k.tar.gz", dir)
		r.Conflict = c.mode
		before := w.released
		id := e.Add(r)[0]
		wait(t, e)
		tr := find(t, e, id)
		if tr.State != c.want || c.err != nil && !errors.Is(tr.Err, c.err) || w.released-before != c.released {
			t.Errorf("%s: %v, %v, %d URLs", c.name, tr.State, tr.Err, w.released-before)
		}
		if c.at != "" && tr.Dest != filepath.Join(dir, c.at) {
			t.Errorf("%s: at %s", c.name, tr.Dest)
		}
		now, _ := os.ReadFile(target)
		if c.mode != Overwrite && !bytes.Equal(now, c.there) {
			t.Errorf("%s: the file was replaced", c.name)
		}
		if c.want == Done {
			mustEqual(t, tr.Dest, o.data)
		}
		if left := leftovers(t, dir); left != nil {
			t.Errorf("%s: left behind %v", c.name, left)
		}
		e.Close()
	}
}

// TestAlreadyDownloaded checks that a downloaded file needs neither a URL nor an
// audit event in the next run, until the file changes.
func TestAlreadyDownloaded(t *testing.T) {
	w := newTestbed(t)
	w.put("b/k", random(1, 5000), "CRC64NVME")
	e, dir := w.engine(), scratch(t)
	id := e.Add(w.request("b/k", dir))[0]
	wait(t, e)
	dest := find(t, e, id).Dest
	f, err := e.disk.Folder(dir, nil, false)
	must(t, err)
	if f.Record("k") == "" {
		t.Skip("this file system keeps no extended attributes")
	}
	f.Release()
	if s := e.Local(dir, []Request{w.request("b/k", dir), w.request("b/absent", dir)}); s[0].Presence != Here || s[1].Presence != Absent {
		t.Errorf("%+v", s)
	}
	before := w.released
	id = e.Add(w.request("b/k", dir))[0]
	wait(t, e)
	if tr := find(t, e, id); tr.State != Skipped || tr.Verified != part.Recorded || w.released != before {
		t.Errorf("%v, %q, %d URLs", tr.State, tr.Verified, w.released-before)
	}
	data, _ := os.ReadFile(dest)
	data[0] ^= 1
	must(t, os.WriteFile(dest, data, 0o600))
	if s := e.Local(dir, []Request{w.request("b/k", dir)}); s[0].Presence != HereMaybe {
		t.Errorf("after a change: %+v", s)
	}
	id = e.Add(w.request("b/k", dir))[0]
	wait(t, e)
	if tr := find(t, e, id); tr.State != Failed || !errors.Is(tr.Err, ErrExists) {
		t.Errorf("after a change: %v, %v", tr.State, tr.Err)
	}
}
