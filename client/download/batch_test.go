package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/download/part"
)

// TestAllTransfersWaitForSignIn checks that a transfer added during the wait for
// a sign-in has the waiting state too, and that none counts as running.
func TestAllTransfersWaitForSignIn(t *testing.T) {
	w := newTestbed(t)
	for i := range 3 {
		w.put(fmt.Sprintf("b/%d", i), random(uint64(i), 9<<20), "CRC64NVME")
	}
	var in atomic.Bool
	w.onRelease = func(int, api.ReleaseRequest) error {
		if in.Load() {
			return nil
		}
		return &api.Error{Code: api.TokenExpired}
	}
	e, dir := w.engine(), scratch(t)
	e.Add(w.request("b/0", dir))
	eventually(t, "the wait for a sign-in", func() bool { return e.Snapshot().Transfers[0].State == WaitingSignIn })
	e.Add(w.request("b/1", dir), w.request("b/2", dir))
	wait(t, e) // returns because no transfer can run
	for _, tr := range e.Snapshot().Transfers {
		if tr.State != WaitingSignIn {
			t.Errorf("%s: %v", tr.Key, tr.State)
		}
	}
	in.Store(true)
	e.SignedIn()
	eventually(t, "the end", func() bool { return e.Snapshot().FilesDone == 3 })
}

// TestSaveWithoutASignIn checks that Save returns an error when the session
// ended: nobody can sign in again at a pipe.
func TestSaveWithoutASignIn(t *testing.T) {
	w := newTestbed(t)
	w.put("b/k", random(1, 1000), "CRC64NVME")
	w.onRelease = func(int, api.ReleaseRequest) error { return &api.Error{Code: api.SessionRevoked} }
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := Save(ctx, w.config(), Request{Bucket: "b", Key: "k"}, io.Discard); !errors.Is(err, &api.Error{Code: api.SessionRevoked}) {
		t.Errorf("%v", err)
	}
}

// TestOneNameTwoObjects downloads two objects with one name from different
// folders. Both are kept under every conflict rule, and the next run finds each
// under its own name.
func TestOneNameTwoObjects(t *testing.T) {
	for _, c := range []Conflict{Refuse, Overwrite, Leave, KeepBoth} {
		w := newTestbed(t)
		w.put("b/x/same.txt", []byte("x"), "CRC64NVME")
		w.put("b/y/same.txt", []byte("yy"), "CRC64NVME")
		dir := scratch(t)
		for round := range 2 {
			e := w.engine()
			for _, key := range []string{"b/x/same.txt", "b/y/same.txt"} {
				r := w.request(key, dir)
				r.Conflict = c
				e.Add(r)
			}
			wait(t, e)
			for _, tr := range e.Snapshot().Transfers {
				want := []State{Done, Skipped}[round]
				if c == Overwrite {
					want = Done
				}
				if tr.State != want || tr.Differs {
					t.Errorf("conflict %d, round %d: %s is %v, %v", c, round, tr.Key, tr.State, tr.Err)
				}
			}
			mustEqual(t, filepath.Join(dir, "same.txt"), []byte("x"))
			mustEqual(t, filepath.Join(dir, "same (1).txt"), []byte("yy"))
			if found, _ := os.ReadDir(dir); len(found) != 2 {
				t.Errorf("%d files", len(found))
			}
			must(t, e.Close())
		}
	}
}

// TestLeave checks that an existing file is compared and not changed, and that
// an equal file is recorded as such.
func TestLeave(t *testing.T) {
	w := newTestbed(t)
	for _, k := range []string{"same", "other", "longer"} {
		w.put("b/"+k, []byte("0123456789"), "CRC64NVME")
	}
	dir := scratch(t)
	existing := map[string]string{"same": "0123456789", "other": "9876543210", "longer": "0123456789+"}
	for k, v := range existing {
		must(t, os.WriteFile(filepath.Join(dir, k), []byte(v), 0o600))
	}
	for round, released := range []int{2, 1} { // the second round uses the record of the equal file
		w.released = 0
		e := w.engine()
		endBatch := e.OpenBatch() // a file with a record may end before the next one is added
		for k := range existing {
			r := w.request("b/"+k, dir)
			r.Conflict = Leave
			e.Add(r)
		}
		endBatch()
		wait(t, e)
		for _, tr := range e.Snapshot().Transfers {
			if tr.State != Skipped || tr.Differs != (tr.Key != "same") || tr.Fetched != 0 {
				t.Errorf("round %d: %s is %v, differs %v, %v", round, tr.Key, tr.State, tr.Differs, tr.Err)
			}
			mustEqual(t, filepath.Join(dir, tr.Key), []byte(existing[tr.Key]))
		}
		if s := e.Snapshot(); s.FilesDone != 3 || s.FilesSame != 1 || s.FilesDiffer != 2 || s.BytesNew != 0 {
			t.Errorf("round %d: %d done, %d the same, %d differ", round, s.FilesDone, s.FilesSame, s.FilesDiffer)
		}
		must(t, e.Close())
		if w.released != released && canRecord(t, dir) {
			t.Errorf("round %d: %d URLs, want %d", round, w.released, released)
		}
		for _, item := range w.reported {
			if item.Bytes != 0 {
				t.Errorf("a report of %d bytes without a fetch", item.Bytes)
			}
		}
	}
}

// canRecord reports whether the file system stores usher's records on files.
func canRecord(t *testing.T, dir string) bool {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "note"))
	must(t, err)
	defer os.Remove(f.Name())
	defer f.Close()
	part.WriteRecord(f, "x")
	d := part.NewDisk(maxIdleFolders, part.Options{})
	defer d.Close()
	folder, err := d.Folder(dir, nil, false)
	must(t, err)
	defer folder.Release()
	return folder.Record("note") == "x"
}

// TestKeepBothOnce checks that a file kept beside another one is found in the
// next run and not downloaded again.
func TestKeepBothOnce(t *testing.T) {
	w := newTestbed(t)
	w.put("b/same.txt", []byte("theirs"), "CRC64NVME")
	dir := scratch(t)
	must(t, os.WriteFile(filepath.Join(dir, "same.txt"), []byte("mine!!"), 0o600))
	for range 3 {
		e := w.engine()
		r := w.request("b/same.txt", dir)
		r.Conflict = KeepBoth
		e.Add(r)
		wait(t, e)
		must(t, e.Close())
	}
	mustEqual(t, filepath.Join(dir, "same.txt"), []byte("mine!!"))
	mustEqual(t, filepath.Join(dir, "same (1).txt"), []byte("theirs"))
	if found, _ := os.ReadDir(dir); len(found) != 2 {
		t.Errorf("%d files", len(found))
	}
}

// TestOpenBatch checks that the sums cover all transfers of an open batch, though
// the first ones end before the next are added, and that the next batch begins at zero.
func TestOpenBatch(t *testing.T) {
	w := newTestbed(t)
	w.put("b/one", random(1, 1000), "CRC64NVME")
	w.put("b/two", random(2, 2000), "CRC64NVME")
	w.put("b/three", random(3, 4000), "CRC64NVME")
	e, dir := w.engine(), scratch(t)
	add := func(key string) Snapshot {
		e.Add(w.request(key, dir))
		wait(t, e)
		return e.Snapshot()
	}
	add("b/three")
	endBatch := e.OpenBatch()
	if s := e.Snapshot(); s.Files != 1 || s.Counting == 0 {
		t.Errorf("an open batch without a transfer: %d files, %d counted", s.Files, s.Counting)
	}
	add("b/one")
	if s := add("b/two"); s.Files != 2 || s.FilesDone != 2 || s.BytesDone != 3000 || s.BytesNew != 3000 || s.Counting == 0 {
		t.Errorf("two files: %+v", s)
	}
	endBatch()
	if s := e.Snapshot(); s.Files != 2 || s.Counting != 0 {
		t.Errorf("the end: %d files, %d counted", s.Files, s.Counting)
	}
	if s := add("b/three"); s.Files != 1 || s.FilesDone != 1 {
		t.Errorf("the next batch: %+v", s)
	}
}

// TestBatches checks the sums of a snapshot: they cover the transfers added since
// the queue was last idle, with the bytes of paused and failed ones.
func TestBatches(t *testing.T) {
	w := newTestbed(t)
	w.put("b/one", random(1, 3<<20), "CRC64NVME")
	w.put("b/two", random(2, 9<<20), "CRC64NVME")
	w.put("b/three", random(3, 1000), "")
	e, dir := w.engine(), scratch(t)
	e.Add(w.request("b/one", dir))
	wait(t, e)
	if s := e.Snapshot(); s.Files != 1 || s.FilesDone != 1 || s.Bytes != 3<<20 || s.BytesDone != 3<<20 || s.BytesNew != 3<<20 {
		t.Errorf("first: %+v", s)
	}
	half := make(chan struct{})
	w.mu.Lock()
	w.onGet = func(_ int, o *object, rw http.ResponseWriter, r *http.Request) bool {
		if len(o.data) < 9<<20 {
			return false
		}
		rw.Header().Set("ETag", o.etag)
		return hangHalf(rw, r, o, half)
	}
	w.mu.Unlock()
	two := e.Add(w.request("b/two", dir))[0]
	if s := e.Snapshot(); s.Files != 1 || s.FilesDone != 0 || s.BytesDone != 0 {
		t.Errorf("a new batch begins with %+v", s)
	}
	eventually(t, "some bytes", func() bool { return find(t, e, two).Fetched > 1<<20 })
	e.Pause(two)
	eventually(t, "the pause", func() bool { e.mu.Lock(); defer e.mu.Unlock(); return len(e.window.active) == 0 })
	had := find(t, e, two).Done
	e.Add(w.request("b/three", dir))
	wait(t, e)
	s := e.Snapshot()
	if s.Files != 2 || s.FilesDone != 1 || s.FilesPlain != 1 || s.BytesDone != had+1000 || s.BytesNew != 1000 || s.Left != 0 {
		t.Errorf("with one paused at %d: %+v", had, s)
	}
	close(half)
	w.mu.Lock()
	w.onGet = nil
	w.mu.Unlock()
	e.ResumeAll()
	wait(t, e)
	if s := e.Snapshot(); s.Files != 2 || s.FilesDone != 2 || s.Bytes != s.BytesDone || s.BytesNew != 9<<20+1000 {
		t.Errorf("at the end: %+v", s)
	}
	e.Add(w.request("b/one", dir), w.request("b/two", dir))
	wait(t, e)
	if s := e.Snapshot(); s.Files != 2 || s.FilesDone != 2 || s.FilesSame != 2 || s.BytesNew != 0 {
		t.Errorf("existing files: %+v", s)
	}
}

// hangHalf sends half of the requested range and waits until resume is closed or
// the client closes the connection.
func hangHalf(rw http.ResponseWriter, r *http.Request, o *object, resume chan struct{}) bool {
	var from, to int
	if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); n != 2 {
		return false
	}
	rw.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(o.data)))
	rw.Header().Set("Content-Length", fmt.Sprint(to+1-from))
	rw.WriteHeader(http.StatusPartialContent)
	mid := (from + to) / 2
	_, _ = rw.Write(o.data[from:mid])
	rw.(http.Flusher).Flush()
	select {
	case <-resume:
	case <-r.Context().Done():
	}
	return true
}

// TestPausedWalkResumes pauses a folder during its listing. After the resume the
// listing is complete.
func TestPausedWalkResumes(t *testing.T) {
	w := newTestbed(t)
	w.page = 5
	for i := range 60 {
		w.put(fmt.Sprintf("b/f/%02d", i), []byte("x"), "")
	}
	for _, all := range []bool{false, true} {
		reached, resume := make(chan struct{}), make(chan struct{})
		var once atomic.Bool
		w.lists.Store(0)
		w.onList = func(n int) error {
			if n == 4 && once.CompareAndSwap(false, true) {
				close(reached)
				<-resume
			}
			return nil
		}
		e := w.engine()
		id := e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: scratch(t)})[0]
		<-reached
		if all {
			e.PauseAll()
			e.ResumeAll() // before the listing noticed the pause
		} else {
			e.Pause(id)
		}
		close(resume)
		if !all {
			eventually(t, "the pause", func() bool { e.mu.Lock(); defer e.mu.Unlock(); return len(e.list.walks) == 0 })
			e.Resume(id)
		}
		wait(t, e)
		if tr := find(t, e, id); tr.State != Done || tr.Files != 60 || tr.FilesDone != 60 {
			t.Errorf("%v, %v, %d of %d files", tr.State, tr.Err, tr.FilesDone, tr.Files)
		}
	}
}

// listedFolder adds a folder with a complete listing of n files. Releases block
// until proceed is called.
func (w *testbed) listedFolder(n int, size int64, change ...func(*Config)) (e *Engine, id ID, proceed func()) {
	var listed []api.Entry
	for i := range n {
		listed = append(listed, api.Entry{Name: fmt.Sprintf("%04d", i), Kind: api.KindObject, Size: size, ETag: `"e"`})
	}
	blocked := make(chan struct{})
	w.onRelease = func(int, api.ReleaseRequest) error { <-blocked; return &api.Error{Code: api.NotFound} }
	e = w.engine(change...)
	id = e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: scratch(w.t), Listed: listed, ListedAll: true})[0]
	return e, id, func() { close(blocked) }
}

// TestSlowLink checks that a slow link has few files in flight and few released
// URLs that are not in use yet.
func TestSlowLink(t *testing.T) {
	w := newTestbed(t)
	e, id, proceed := w.listedFolder(600, 200_000, func(c *Config) { c.Timeouts.Tick = time.Hour })
	defer func() { proceed(); e.Cancel(id); e.Close() }()
	eventually(t, "the list", func() bool { return find(t, e, id).Files == 600 })
	admitted := func(rate, files float64) (int, int) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if rate > 0 {
			e.sums.meter.warm, e.sums.meter.rate, e.sums.meter.files = true, rate, files
		}
		e.admit()
		return e.window.smallIn, e.fitSlots()
	}
	for _, c := range []struct {
		rate, files float64
		in, slots   int
	}{
		{0, 0, 42, 20},       // rate unknown: 8 MiB ahead, 4 MiB in flight
		{200e3, 1, 42, 5},    // 1 MiB in flight; 15 s ahead is less than already admitted
		{10e6, 50, 600, 128}, // all files start within 15 s
	} {
		if in, slots := admitted(c.rate, c.files); in != c.in || slots != c.slots {
			t.Errorf("at %v bytes a second: %d admitted, want %d; %d slots, want %d", c.rate, in, c.in, slots, c.slots)
		}
	}
}

// TestDiskErrorTexts checks that the error of a full disk has the file, the
// space that it needs and the free space.
func TestDiskErrorTexts(t *testing.T) {
	w := newTestbed(t)
	w.put("b/f/big.bin", random(1, 9<<20), "")
	w.put("b/f/small.bin", random(1, 1000), "")
	dir := scratch(t)
	e := w.engine(func(c *Config) { c.hooks.disk.Free = func(*part.Folder) int64 { return 8 << 20 } })
	big, small := e.Add(w.request("b/f/big.bin", dir))[0], e.Add(w.request("b/f/small.bin", dir))[0]
	wait(t, e)
	if got := find(t, e, small); got.State != Done {
		t.Errorf("a small file on a small disk: %v, %v", got.State, got.Err)
	}
	got := find(t, e, big)
	if got.State != Failed || got.Err.Error() != "No space left for "+filepath.Join(dir, "big.bin")+": needs 9.44 MB, 7.34 MB available." {
		t.Errorf("%v, %v", got.State, got.Err)
	}
	if strings.Contains((&Error{Kind: ErrDisk, Path: "x", Detail: "no"}).Error(), "kept") {
		t.Error("the error of a transfer without bytes says that bytes are kept")
	}
}

// TestCancelFailedFile checks that canceling the failed file of a folder removes
// it from the list, and that the folder is done then.
func TestCancelFailedFile(t *testing.T) {
	w := newTestbed(t)
	for i := range 3 {
		w.put(fmt.Sprintf("b/f/%d", i), []byte("x"), "")
	}
	w.denied["b/f/1"] = true
	e, dir := w.engine(), scratch(t)
	id := e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: dir})[0]
	wait(t, e)
	for _, tr := range e.Snapshot().Transfers {
		if tr.State == Denied {
			e.Cancel(tr.ID)
		}
	}
	s := e.Snapshot()
	if tr := find(t, e, id); tr.State != Done || tr.Files != 2 || tr.FilesFailed != 0 || s.Files != 2 || s.FilesFailed != 0 || len(s.Transfers) != 3 {
		t.Errorf("%v with %d files, %d failed; in all %d, %d failed, %d rows", tr.State, tr.Files, tr.FilesFailed, s.Files, s.FilesFailed, len(s.Transfers))
	}
}

// TestListedFolderCounts checks that a folder with a complete listing is counted
// before its first file arrives.
func TestListedFolderCounts(t *testing.T) {
	w := newTestbed(t)
	e, id, proceed := w.listedFolder(5000, 10)
	eventually(t, "the count", func() bool {
		tr := find(t, e, id)
		return tr.Files == 5000 && tr.Size == 50_000 && !tr.Counting
	})
	proceed()
	e.Cancel(id)
}
