package download

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/api"
)

// sendHalf sends the first half of each object, and the rest when resume is
// closed.
func (w *testbed) sendHalf(resume <-chan struct{}) {
	w.onGet = func(_ int, o *object, rw http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") != "" {
			return false
		}
		rw.Header().Set("ETag", o.etag)
		rw.Header().Set("Content-Length", fmt.Sprint(len(o.data)))
		rw.Write(o.data[:len(o.data)/2])
		rw.(http.Flusher).Flush()
		select {
		case <-resume:
		case <-r.Context().Done():
			return true
		}
		rw.Write(o.data[len(o.data)/2:])
		return true
	}
}

// TestPauseResume checks that fetched bytes are kept over a pause and a restart.
func TestPauseResume(t *testing.T) {
	w := newTestbed(t)
	o := w.put("b/k", random(1, 600_000), "CRC64NVME")
	w.sendHalf(make(chan struct{}))
	dir, queue := scratch(t), filepath.Join(scratch(t), "queue")
	e := w.engine(func(c *Config) { c.QueueFile = queue })
	id := e.Add(w.request("b/k", dir))[0]
	eventually(t, "half", func() bool { return find(t, e, id).Fetched > 200_000 })
	if again := e.Add(w.request("b/k", dir))[0]; again != id {
		t.Error("the same request was queued twice")
	}
	e.Pause(id)
	wait(t, e)
	if tr := find(t, e, id); tr.State != Paused || tr.Err != nil {
		t.Fatalf("%v, %v", tr.State, tr.Err)
	}
	if s := e.Local(dir, []Request{w.request("b/k", dir)})[0]; s.Presence != HerePartial || s.Percent < 30 || s.Percent > 60 {
		t.Errorf("the local state is %+v", s)
	}
	must(t, e.Close())

	e = w.engine(func(c *Config) { c.QueueFile = queue })
	saved, err := e.Unfinished()
	if err != nil || len(saved) != 1 || saved[0].Request.Key != "k" || saved[0].Done < 200_000 || saved[0].Size != 600_000 {
		t.Fatalf("unfinished: %+v, %v", saved, err)
	}
	id = e.Add(saved[0].Request)[0]
	wait(t, e)
	tr := find(t, e, id)
	if tr.State != Done || tr.Fetched > 400_000 || tr.AuditID != "ev-1" || w.chains[len(w.chains)-1] != "ev-1" {
		t.Errorf("%v, fetched %d, %v, events %q, first %q", tr.State, tr.Fetched, tr.Err, w.chains, tr.AuditID)
	}
	mustEqual(t, tr.Dest, o.data)
	must(t, e.Close())
	if _, err := os.Stat(queue); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the queue is not empty: %v", err)
	}
}

// TestQueueIsKept checks that the saved queue is kept by an engine that does not
// resume it, and is removed by Forget.
func TestQueueIsKept(t *testing.T) {
	w := newTestbed(t)
	w.put("b/a", random(1, 10), "")
	w.put("b/c", random(2, 10), "")
	dir, queue := scratch(t), filepath.Join(scratch(t), "sub", "queue")
	with := func(c *Config) { c.QueueFile = queue }
	w.onRelease = func(int, api.ReleaseRequest) error { return &api.Error{Code: api.TokenExpired} }
	e := w.engine(with)
	e.Add(w.request("b/a", dir), w.request("b/gone", dir))
	eventually(t, "waiting for a sign-in", func() bool { return e.Snapshot().Transfers[0].State == WaitingSignIn })
	wait(t, e) // Wait does not wait for a sign-in
	other := w.engine(with)
	if s, _ := other.Unfinished(); s != nil {
		t.Error("two processes own one queue")
	}
	must(t, other.Close())
	must(t, e.Close())
	if info, err := os.Stat(queue); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the queue: %v, %v", info, err)
	}
	w.onRelease = nil
	e = w.engine(with)
	id := e.Add(w.request("b/c", dir))[0]
	wait(t, e)
	if tr := find(t, e, id); tr.State != Done {
		t.Errorf("%v, %v", tr.State, tr.Err)
	}
	must(t, e.Close())
	e = w.engine(with)
	if s, _ := e.Unfinished(); len(s) != 2 {
		t.Errorf("%d unfinished transfers, want 2", len(s))
	}
	must(t, e.Forget())
	must(t, e.Close())
	if _, err := os.Stat(queue); !errors.Is(err, os.ErrNotExist) {
		t.Error("Forget kept the queue")
	}
	must(t, os.WriteFile(queue, []byte("{garbage"), 0o600))
	e = w.engine(with)
	if s, err := e.Unfinished(); s != nil || err != nil {
		t.Errorf("a damaged queue: %v, %v", s, err)
	}
}

// TestArrivedMeanwhile checks that a file is not fetched if another engine
// finishes it while this engine waits for the URL.
func TestArrivedMeanwhile(t *testing.T) {
	w := newTestbed(t)
	o := w.put("b/k", random(1, 600_000), "CRC64NVME")
	dir := scratch(t)
	w.onRelease = func(n int, _ api.ReleaseRequest) error {
		if n == 1 {
			other := w.engine()
			other.Add(w.request("b/k", dir))
			wait(t, other)
			must(t, other.Close())
		}
		return nil
	}
	e := w.engine()
	id := e.Add(w.request("b/k", dir))[0]
	wait(t, e)
	if tr := find(t, e, id); tr.State != Skipped || tr.Fetched != 0 {
		t.Errorf("%v, %v, fetched %d", tr.State, tr.Err, tr.Fetched)
	}
	// The server counts after its last write, which the client may see first.
	eventually(t, "the count of one download", func() bool { return w.sent.Load() >= 600_000 })
	if n := w.sent.Load(); n != 600_000 {
		t.Errorf("%d bytes were sent", n)
	}
	mustEqual(t, filepath.Join(dir, "k"), o.data)
	if left := leftovers(t, dir); left != nil {
		t.Errorf("left behind %v", left)
	}
}

// TestCancel checks that Cancel removes the part, and a second Cancel removes the
// transfer from the list.
func TestCancel(t *testing.T) {
	w := newTestbed(t)
	w.put("b/k", random(1, 600_000), "CRC64NVME")
	w.put("b/l", random(2, 600_000), "CRC64NVME")
	w.sendHalf(make(chan struct{}))
	dir := scratch(t)
	e := w.engine()
	ids := e.Add(w.request("b/k", dir), w.request("b/l", dir))
	eventually(t, "half", func() bool { return find(t, e, ids[0]).Fetched > 200_000 && find(t, e, ids[1]).Fetched > 200_000 })
	e.Cancel(ids[0])
	e.Pause(ids[1])
	wait(t, e)
	e.Cancel(ids[1])
	eventually(t, "both parts gone", func() bool { return leftovers(t, dir) == nil })
	s := e.Snapshot()
	if len(s.Transfers) != 2 || s.Transfers[0].State != Cancelled || s.Transfers[1].State != Cancelled || s.Files != 0 || s.Bytes != 0 {
		t.Errorf("%+v", s)
	}
	e.Cancel(ids[0])
	if s := e.Snapshot(); len(s.Transfers) != 1 {
		t.Errorf("%d transfers on the list, want 1", len(s.Transfers))
	}
	w.onGet = nil
	e.Retry(ids[1])
	wait(t, e)
	if s := e.Snapshot(); s.Transfers[0].State != Done || s.Files != 1 || s.FilesDone != 1 || s.BytesDone != 600_000 || s.Bytes != 600_000 {
		t.Errorf("%+v", s)
	}
}

// TestFolderControl pauses, resumes and retries a whole folder.
func TestFolderControl(t *testing.T) {
	w := newTestbed(t)
	for i := range 350 {
		w.put(fmt.Sprintf("b/f/%03d", i), []byte(fmt.Sprint("content ", i)), "CRC64NVME")
	}
	w.denied["b/f/100"] = true
	blocked := make(chan struct{})
	w.onRelease = func(int, api.ReleaseRequest) error { <-blocked; return nil }
	e, dir := w.engine(), scratch(t)
	id := e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: dir})[0]
	eventually(t, "the walk", func() bool { tr := find(t, e, id); return tr.Files == 350 && !tr.Counting })
	e.Pause(id)
	close(blocked)
	wait(t, e)
	if tr := find(t, e, id); tr.State != Paused {
		t.Fatalf("%v", tr.State)
	}
	e.ResumeAll()
	wait(t, e)
	tr := find(t, e, id)
	if tr.State != Failed || tr.FilesDone != 349 || tr.FilesFailed != 1 || !strings.Contains(tr.Event, "1 of 350") {
		t.Fatalf("%v, %d done, %d failed, %q", tr.State, tr.FilesDone, tr.FilesFailed, tr.Event)
	}
	w.mu.Lock()
	w.denied = map[string]bool{}
	w.mu.Unlock()
	e.RetryAll()
	wait(t, e)
	if tr := find(t, e, id); tr.State != Done || tr.FilesDone != 350 || tr.FilesFailed != 0 {
		t.Fatalf("%v, %d done, %d failed%s", tr.State, tr.FilesDone, tr.FilesFailed, failures(e))
	}
	if s := e.Snapshot(); s.Files != 350 || s.FilesDone != 350 || s.Bytes != s.BytesDone {
		t.Errorf("files %d done %d, bytes %d done %d", s.Files, s.FilesDone, s.Bytes, s.BytesDone)
	}
}

// TestRenewal checks that no request starts with a URL that is about to expire.
// The next URL continues the first event, and the chain of events has one
// completion report.
func TestRenewal(t *testing.T) {
	w := newTestbed(t)
	o := w.put("b/k", random(1, 40<<20), "CRC64NVME") // more requests than first connections
	var shift atomic.Int64
	w.onGet = func(n int, _ *object, _ http.ResponseWriter, _ *http.Request) bool {
		if n == 3 {
			shift.Store(int64(55 * time.Second))
		}
		return false
	}
	e := w.engine(func(c *Config) { c.Now = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) } })
	id := e.Add(w.request("b/k", scratch(t)))[0]
	wait(t, e)
	tr := find(t, e, id)
	mustEqual(t, tr.Dest, o.data)
	must(t, e.Close())
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.chains) < 2 || w.chains[0] != "" || w.chains[1] != "ev-1" || tr.AuditID != "ev-1" {
		t.Errorf("chains %q", w.chains)
	}
	if len(w.reported) != 1 || w.reported[0].Event != "ev-1" || w.reported[0].Outcome != api.CompletedDone ||
		w.reported[0].Bytes != 40<<20 || w.reported[0].Verified != "crc64nvme" {
		t.Errorf("reported %+v", w.reported)
	}
}

// TestNoSecrets checks that errors and events contain no URL, no signature and no
// control character.
func TestNoSecrets(t *testing.T) {
	w := newTestbed(t)
	name := "b/dir/\x1b[2J\u202egpj.exe"
	w.put(name, random(1, 5000), "CRC64NVME")
	var mu sync.Mutex
	var texts []string
	for _, f := range []func(int, *object, http.ResponseWriter, *http.Request) bool{
		status(500, "x"), status(403, "AccessDenied"), status(404, "x"), status(412, "x"), status(301, "x"), status(400, "x"),
		w.closeAfter(10, true),
	} {
		w.onGet = f
		e := w.engine(func(c *Config) {
			c.Finished = func(tr Transfer) {
				mu.Lock()
				defer mu.Unlock()
				texts = append(texts, fmt.Sprintf("%v %+v %s", tr.Err, tr.Err, tr.Event))
			}
		})
		e.Add(w.request(name, scratch(t)))
		wait(t, e)
		e.Close()
	}
	e := w.engine(func(c *Config) { c.S3Hosts = []string{"elsewhere.example"} })
	e.Add(w.request(name, scratch(t)))
	wait(t, e)
	texts = append(texts, fmt.Sprint(e.Snapshot().Transfers[0].Err))
	if len(texts) != 8 {
		t.Fatalf("%d errors, want 8", len(texts))
	}
	for _, s := range texts {
		if strings.Contains(s, "Signature") || strings.Contains(s, "X-Amz") || strings.ContainsAny(s, "\x1b\u202e") {
			t.Errorf("not allowed in a text: %q", s)
		}
	}
}

// TestLimitMoveAndGuards checks the rate limit, Move, and the names that are
// refused: settings in the home directory, and names that are paths.
func TestLimitMoveAndGuards(t *testing.T) {
	w := newTestbed(t)
	w.put("b/k", random(1, 300_000), "CRC64NVME")
	e := w.engine(func(c *Config) { c.Limit = 400_000 })
	began := time.Now()
	id := e.Add(w.request("b/k", scratch(t)))[0]
	wait(t, e)
	if took := time.Since(began); find(t, e, id).State != Done || took > 20*time.Second {
		t.Errorf("%v in %v", find(t, e, id).State, took)
	}
	began = time.Now()
	e.Add(w.request("b/k", scratch(t))) // the limiter's burst is used up
	wait(t, e)
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("300,000 bytes at 400,000 a second took %v", took)
	}

	blocked := make(chan struct{})
	w.onRelease = func(int, api.ReleaseRequest) error { <-blocked; return nil }
	e = w.engine(func(c *Config) { c.Parallel = 1 })
	var ids []ID
	dir := scratch(t)
	for i := range 5 {
		w.put(fmt.Sprintf("b/big%d", i), random(uint64(i), 9<<20), "")
		ids = append(ids, e.Add(w.request(fmt.Sprintf("b/big%d", i), dir))...)
	}
	e.Move(ids[4], -1)
	if s := e.Snapshot(); s.Transfers[3].ID != ids[4] {
		t.Error("Move did not change the order")
	}
	e.PauseAll()
	close(blocked)
	wait(t, e)

	home := scratch(t)
	t.Setenv("HOME", home)
	w.put("b/.bashrc", []byte("evil"), "")
	e = w.engine()
	id = e.Add(w.request("b/.bashrc", home))[0]
	in := e.Add(w.request("b/.bashrc", filepath.Join(home, "Downloads")))[0]
	wait(t, e)
	if tr := find(t, e, id); tr.State != Failed || !errors.Is(tr.Err, ErrName) {
		t.Errorf("a settings file in the home directory: %v, %v", tr.State, tr.Err)
	}
	if tr := find(t, e, in); tr.State != Done {
		t.Errorf("below it: %v, %v", tr.State, tr.Err)
	}
	for _, name := range []string{"../x", "a/b", "..", `a\b`, "/x", ".usher-x"} {
		r := w.request("b/k", home)
		r.Name = name
		id := e.Add(r)[0]
		wait(t, e)
		if tr := find(t, e, id); tr.State != Failed || !errors.Is(tr.Err, ErrName) {
			t.Errorf("the name %q: %v, %v", name, tr.State, tr.Err)
		}
	}
}

// TestConfig checks that New refuses a missing part and a negative limit.
func TestConfig(t *testing.T) {
	w := newTestbed(t)
	for name, change := range map[string]func(*Config){
		"no releaser": func(c *Config) { c.Releaser = nil }, "no hosts": func(c *Config) { c.S3Hosts = nil },
		"negative": func(c *Config) { c.Limit = -1 },
	} {
		c := w.config()
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestImpossibleKeyIsNotKept checks that an object whose key no request can contain
// fails with the reason, and is not unfinished in the next run.
func TestImpossibleKeyIsNotKept(t *testing.T) {
	w := newTestbed(t)
	w.put("b/a", random(1, 10), "")
	dir, queue := scratch(t), filepath.Join(scratch(t), "queue")
	with := func(c *Config) { c.QueueFile = queue }
	e := w.engine(with)
	ids := e.Add(Request{Bucket: "b", Key: "nul\x00byte.txt", Dir: dir}, w.request("b/gone", dir),
		Request{Bucket: "b", Key: "d\x00/", Dir: dir, Folder: true}, Request{Bucket: "b", Key: strings.Repeat("k", 1025), Dir: dir})
	wait(t, e)
	for _, i := range []int{0, 2, 3} {
		if tr := find(t, e, ids[i]); tr.State != Failed || !errors.Is(tr.Err, ErrName) || !strings.Contains(tr.Err.Error(), "no request can contain its key") {
			t.Errorf("%d: %v, %v", i, tr.State, tr.Err)
		}
	}
	must(t, e.Close())
	if _, err := os.Stat(queue); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the queue is not empty: %v", err)
	}
	must(t, os.WriteFile(queue, []byte(`[{"request":{"Bucket":"b","Key":"nul\u0000byte.txt","Dir":"/tmp/x"}},{"request":{"Bucket":"b","Key":"a","Dir":"/tmp/x"}}]`), 0o600))
	e = w.engine(with)
	saved, err := e.Unfinished()
	if err != nil || len(saved) != 1 || saved[0].Request.Key != "a" {
		t.Errorf("an older queue: %+v, %v", saved, err)
	}
}
