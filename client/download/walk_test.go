package download

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/backend/api"
)

// TestExcludedFiles checks that the excluded files of a folder are not fetched,
// neither now nor by a later run that resumes the folder.
func TestExcludedFiles(t *testing.T) {
	w := newTestbed(t)
	for _, name := range []string{"a", "big", "sub/big", "z"} {
		w.put("b/f/"+name, random(1, 10), "")
	}
	dir, queue := scratch(t), filepath.Join(scratch(t), "queue")
	with := func(c *Config) { c.QueueFile = queue }
	page, err := w.List(t.Context(), api.ListRequest{Bucket: "b", Prefix: "f/", Recursive: true})
	must(t, err)
	w.onRelease = func(int, api.ReleaseRequest) error { return &api.Error{Code: api.TokenExpired} }
	e := w.engine(with)
	e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: dir, Without: []string{"big", "sub/big"}, Listed: page.Entries, ListedAll: true})
	eventually(t, "waiting for a sign-in", func() bool { return len(e.Snapshot().Transfers) == 3 })
	must(t, e.Close())

	w.onRelease = nil
	e = w.engine(with)
	saved, err := e.Unfinished()
	if err != nil || len(saved) != 1 {
		t.Fatalf("unfinished: %+v, %v", saved, err)
	}
	id := e.Add(saved[0].Request)[0]
	wait(t, e)
	if tr := find(t, e, id); tr.State != Done || tr.Files != 2 || tr.FilesDone != 2 {
		t.Errorf("%v, %v, %d of %d files", tr.State, tr.Err, tr.FilesDone, tr.Files)
	}
	for name, want := range map[string]bool{"a": true, "z": true, "big": false, "sub/big": false} {
		if _, err := os.Stat(filepath.Join(dir, "f", name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWalkErrors plays a failed listing, an expired cursor and an expired sign-in
// during a walk.
func TestWalkErrors(t *testing.T) {
	w := newTestbed(t)
	for i := range 250 {
		w.put(fmt.Sprintf("b/f/%03d", i), []byte("x"), "")
	}
	lists := 0
	w.onList = func(n int) error {
		lists = n
		switch n {
		case 1:
			return fmt.Errorf("no route: %w", context.DeadlineExceeded)
		case 2:
			return &api.Error{Code: api.StorageUnavailable}
		case 4:
			return &api.Error{Code: api.BadCursor}
		case 6:
			return &api.Error{Code: api.TokenExpired}
		}
		return nil
	}
	e := w.engine()
	id := e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: scratch(t), Name: "."})[0]
	eventually(t, "waiting for a sign-in", func() bool { return find(t, e, id).State == WaitingSignIn })
	e.SignedIn()
	eventually(t, "the end", func() bool { return find(t, e, id).State.Finished() })
	if tr := find(t, e, id); tr.State != Done || tr.FilesDone != 250 {
		t.Errorf("%v, %d files, %v", tr.State, tr.FilesDone, tr.Err)
	}
	if lists != 7 { // 3 pages and 4 failures: a walk goes on from its start by cursors
		t.Errorf("%d listings", lists)
	}
	w.onList = func(int) error { return &api.Error{Code: api.NotFound} }
	id = e.Add(Request{Bucket: "b", Key: "g/", Folder: true, Dir: scratch(t)})[0]
	wait(t, e)
	if tr := find(t, e, id); tr.State != Denied {
		t.Errorf("a folder without a grant: %v, %v", tr.State, tr.Err)
	}
}

// TestMalformedKeyInBatch checks that a key that the backend refuses as malformed
// does not fail the other objects of its batch.
func TestMalformedKeyInBatch(t *testing.T) {
	w := newTestbed(t)
	e, dir := w.engine(), scratch(t)
	w.onRelease = func(_ int, req api.ReleaseRequest) error {
		for _, o := range req.Objects {
			if o.Key == "odd" {
				return &api.Error{Code: api.BadRequest}
			}
		}
		return nil
	}
	var reqs []Request
	for i := range 20 {
		w.put(fmt.Sprintf("b/%d", i), []byte("x"), "")
		reqs = append(reqs, w.request(fmt.Sprintf("b/%d", i), dir))
	}
	e.Add(append(reqs, Request{Bucket: "b", Key: "odd", Dir: dir})...)
	wait(t, e)
	if s := e.Snapshot(); s.FilesDone != 20 || s.FilesFailed != 1 {
		t.Errorf("%d done, %d failed", s.FilesDone, s.FilesFailed)
	}
}

// omitting is a lister that leaves names out of each page.
type omitting struct {
	Lister
	names int
}

func (o omitting) List(ctx context.Context, req api.ListRequest) (api.ListResponse, error) {
	page, err := o.Lister.List(ctx, req)
	page.Omitted = o.names
	return page, err
}

// A folder whose listing lacks names is not shown as complete.
func TestWalkCountsOmittedNames(t *testing.T) {
	w := newTestbed(t)
	for i := range 150 { // two pages
		w.put(fmt.Sprintf("b/f/%03d", i), []byte("x"), "")
	}
	for _, names := range []int{0, 2} {
		e := w.engine(func(c *Config) { c.Lister = omitting{c.Lister, names} })
		id := e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: scratch(t)})[0]
		wait(t, e)
		tr := find(t, e, id)
		if said := strings.Contains(tr.Event, "Tell your administrator"); tr.State != Done || tr.Omitted != 2*names || said != (names > 0) {
			t.Errorf("%v, %d names are left out, %q", tr.State, tr.Omitted, tr.Event)
		}
	}
}
