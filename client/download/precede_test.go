package download

import (
	"context"
	"fmt"
	"testing"

	"usher/backend/api"
)

// slowly is an engine with n large files that run at a low rate.
func slowly(t *testing.T, n int) (*Engine, []ID, int64) {
	w := newTestbed(t)
	const size = 9 << 20
	dir := scratch(t)
	e := w.engine(func(c *Config) { c.Limit = 400_000 })
	var ids []ID
	for i := range n {
		name := fmt.Sprintf("b/large-%d", i)
		w.put(name, random(uint64(i), size), "CRC64NVME")
		ids = append(ids, e.Add(w.request(name, dir))...)
	}
	eventually(t, "bytes of all files", func() bool {
		for _, x := range e.Snapshot().Transfers {
			if x.State != Running || x.Done == 0 {
				return false
			}
		}
		return true
	})
	return e, ids, size
}

// finishAll takes the limits away and checks that all files arrive, almost without a
// byte that is fetched twice.
func finishAll(t *testing.T, e *Engine, size int64) {
	t.Helper()
	e.SetLimit(0)
	e.SetParallel(0)
	wait(t, e)
	for _, x := range e.Snapshot().Transfers {
		if x.State != Done || x.Verified != "crc64nvme" || x.Fetched > size+size/2 {
			t.Errorf("%s: %v by %q, %d bytes were fetched for %d, %v", x.Key, x.State, x.Verified, x.Fetched, size, x.Err)
		}
	}
}

// TestFirst checks that the first transfer runs alone, that the others keep their
// bytes, and that they go on when it has ended.
func TestFirst(t *testing.T) {
	e, ids, size := slowly(t, 4)
	kept := find(t, e, ids[0]).Done
	e.First(ids[3])
	eventually(t, "one file alone", func() bool {
		s := e.Snapshot()
		return s.Running == 1 && s.Transfers[0].ID == ids[3] && s.Transfers[0].State == Running && s.First == ids[3]
	})
	for _, id := range ids[:3] {
		if x := find(t, e, id); x.State != Waiting {
			t.Errorf("%s is %v", x.Key, x.State)
		}
	}
	if x := find(t, e, ids[0]); x.Done < kept {
		t.Errorf("%d bytes were kept of %d", x.Done, kept)
	}
	e.First(0)
	eventually(t, "all files at once", func() bool { return e.Snapshot().Running == 4 })
	e.First(ids[1])
	e.Pause(ids[1])
	eventually(t, "the others", func() bool { s := e.Snapshot(); return s.Running == 3 && s.First == 0 })
	e.First(ids[1])
	eventually(t, "the paused file alone", func() bool { return e.Snapshot().Running == 1 && find(t, e, ids[1]).State == Running })
	finishAll(t, e, size)
	if s := e.Snapshot(); s.First != 0 {
		t.Errorf("transfer %d still precedes", s.First)
	}
}

// TestFirstFolder checks that all files of a folder precede, until it leaves the list.
func TestFirstFolder(t *testing.T) {
	w := newTestbed(t)
	dir := scratch(t)
	for i, name := range []string{"b/f/one", "b/f/two", "b/other"} {
		w.put(name, random(uint64(i), 9<<20), "CRC64NVME")
	}
	e := w.engine(func(c *Config) { c.Limit = 400_000 })
	other := e.Add(w.request("b/other", dir))[0]
	eventually(t, "the file", func() bool { return find(t, e, other).State == Running })
	folder := e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: dir})[0]
	e.First(folder)
	eventually(t, "the two files of the folder", func() bool {
		s := e.Snapshot()
		return s.Running == 2 && find(t, e, other).State == Waiting && s.Transfers[0].ID == folder
	})
	e.Cancel(folder)
	eventually(t, "the file alone", func() bool { s := e.Snapshot(); return s.Running == 1 && s.First == 0 })
	e.SetLimit(0)
	wait(t, e)
	if x := find(t, e, other); x.State != Done {
		t.Errorf("%v, %v", x.State, x.Err)
	}
}

// TestSetParallel checks that the number of files at once changes while they run.
func TestSetParallel(t *testing.T) {
	e, ids, size := slowly(t, 5)
	for _, n := range []int{2, 4, 1, 0} {
		e.SetParallel(n)
		want := n
		if n == 0 {
			want = len(ids)
		}
		eventually(t, fmt.Sprintf("%d running files", want), func() bool {
			s := e.Snapshot()
			moving := 0
			for _, x := range s.Transfers {
				if x.State == Running {
					moving++
				}
			}
			return moving == want && s.AtOnce == n
		})
	}
	e.SetParallel(2)
	finishAll(t, e, size)
}

// TestMoveRunning checks that a running file and the waiting one after it change
// places.
func TestMoveRunning(t *testing.T) {
	e, ids, size := slowly(t, 3)
	state := func(want ...State) func() bool {
		return func() bool {
			for i, st := range want {
				if find(t, e, ids[i]).State != st {
					return false
				}
			}
			return true
		}
	}
	e.SetParallel(2)
	eventually(t, "two running files", state(Running, Running, Waiting))
	e.Move(ids[2], -1)
	eventually(t, "the third instead of the second", state(Running, Waiting, Running))
	e.Move(ids[0], 1)
	e.Move(ids[0], 1)
	eventually(t, "the second instead of the first", state(Waiting, Running, Running))
	finishAll(t, e, size)
}

// TestAddAgain checks that an object has one transfer, however often it is added.
func TestAddAgain(t *testing.T) {
	w := newTestbed(t)
	w.put("b/k", random(1, 1000), "CRC64NVME")
	w.put("b/f/a", random(2, 1000), "CRC64NVME")
	w.put("b/f/b", random(3, 1000), "CRC64NVME")
	dir := scratch(t)
	w.denied["b/k"] = true
	e := w.engine()
	add := func() Snapshot {
		e.Add(w.request("b/k", dir), Request{Bucket: "b", Key: "f/", Folder: true, Dir: dir})
		wait(t, e)
		return e.Snapshot()
	}
	if s := add(); len(s.Transfers) != 4 || s.FilesFailed != 1 || s.FilesDone != 2 {
		t.Fatalf("%+v%s", s, states(e))
	}
	w.mu.Lock()
	w.denied = map[string]bool{}
	w.mu.Unlock()
	for range 2 {
		if s := add(); len(s.Transfers) != 4 || s.Files != 3 || s.FilesFailed != 0 || s.FilesDone != 3 {
			t.Fatalf("%d transfers, %d files, %d failed, %d done%s", len(s.Transfers), s.Files, s.FilesFailed, s.FilesDone, states(e))
		}
	}
}

// TestRemoveAfterPause checks that a transfer whose worker has been stopped for a
// pause, or for another one's precedence, can still be removed, and leaves no part.
func TestRemoveAfterPause(t *testing.T) {
	for name, stop := range map[string]func(*Engine, *transfer){
		"yield": func(e *Engine, x *transfer) { e.yield(x) },
		"pause": (*Engine).pause,
		"yield after the removal": func(e *Engine, x *transfer) {
			e.drop(x)
			e.yield(x)
		},
		"resume": func(e *Engine, x *transfer) {
			e.pause(x)
			e.resume(x)
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, ids, _ := slowly(t, 1)
			dir := find(t, e, ids[0]).Request.Dir
			e.mu.Lock() // the worker cannot end in between
			x := e.list.byID[ids[0]]
			stop(e, x)
			e.drop(x)
			e.mu.Unlock()
			eventually(t, "the removal", func() bool { return find(t, e, ids[0]).State == Cancelled })
			eventually(t, "no part", func() bool { return len(leftovers(t, dir)) == 0 })
		})
	}
}

// TestPauseStays checks that neither a precedence nor a smaller number of files
// resumes a transfer that was paused just before.
func TestPauseStays(t *testing.T) {
	e, ids, _ := slowly(t, 3)
	e.mu.Lock()
	paused := e.list.byID[ids[2]]
	e.pause(paused)
	resumes := e.yield(paused)
	e.mu.Unlock()
	e.SetParallel(1)
	e.First(ids[1])
	eventually(t, "one file alone", func() bool { return e.Snapshot().Running == 1 && find(t, e, ids[1]).State == Running })
	if x := find(t, e, ids[2]); x.State != Paused || resumes {
		t.Errorf("%v", x.State)
	}
}

// heldLister is a lister whose answers do not come.
type heldLister struct{}

func (heldLister) List(ctx context.Context, _ api.ListRequest) (api.ListResponse, error) {
	<-ctx.Done()
	return api.ListResponse{}, context.Cause(ctx)
}

// TestRemoveFolderAfterPause checks the same for the walk of a folder.
func TestRemoveFolderAfterPause(t *testing.T) {
	w := newTestbed(t)
	e := w.engine(func(c *Config) { c.Lister = heldLister{} })
	id := e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: scratch(t)})[0]
	e.mu.Lock()
	x := e.list.byID[id]
	e.pause(x)
	e.drop(x)
	e.mu.Unlock()
	eventually(t, "the removal", func() bool { return find(t, e, id).State == Cancelled })
}
