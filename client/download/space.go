package download

import (
	"path/filepath"
	"time"
)

// reserve refuses what does not fit: the size must be free beside what other
// transfers still want, and a little must stay. A part's blocks that are there
// count.
func (e *Engine) reserve(f *folder, t *transfer, size int64) error {
	id := f.fs
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	// Thousands of small files need not ask each: what was free a moment ago,
	// less what was promised since, is near enough.
	look, now := d.looked[id], time.Now()
	if now.Sub(look.at) > freeFor || size > smallObject {
		look = freeLook{e.cfg.hooks.free(f), now}
	}
	if look.free < 0 {
		return nil
	}
	wanted := min(diskReserve, look.free/8)
	for other, r := range d.reserved {
		if other != t && r.system == id {
			wanted += max(r.size-other.progress.done.Load(), 0)
		}
	}
	need := size - t.progress.done.Load()
	if look.free-wanted < need {
		d.looked[id] = look
		return e.noSpace(t, filepath.Join(f.path, t.segs[len(t.segs)-1]), need, look.free-wanted)
	}
	look.free -= size
	d.looked[id] = look
	if size > smallObject {
		d.reserved[t] = reservation{id, size}
	}
	return nil
}

// fits refuses what does not fit before it is released, where the listing tells
// its size.
func (e *Engine) fits(t *transfer) error {
	if t.req.ETag == "" || t.req.Size == 0 {
		return nil
	}
	abs, err := filepath.Abs(t.req.Dir)
	if err != nil {
		return nil
	}
	free, err := freeBelow(abs, e.cfg.hooks.free)
	if err != nil {
		return nil // it is not known here
	}
	have := free - min(diskReserve, free/8)
	if have >= t.req.Size || e.hasPart(t) {
		return nil
	}
	return e.noSpace(t, filepath.Join(append([]string{abs}, t.segs...)...), t.req.Size, have)
}

// hasPart reports whether an earlier run left something of a transfer.
func (e *Engine) hasPart(t *transfer) bool {
	f, err := e.disk.folderAt(t.req.Dir, t.segs[:len(t.segs)-1], false)
	if err != nil {
		return false
	}
	defer f.release()
	_, ok := f.leftover(t.req.Bucket, t.req.Key)
	return ok
}

// noSpace is the failure of a file that does not fit. Where not even a small one
// does, it is that of all files of the destination.
func (e *Engine) noSpace(t *transfer, path string, need, have int64) error {
	err := &Error{Kind: ErrDisk, Path: path, Needed: need, Free: max(have, 0), kept: t.progress.done.Load() > 0}
	if need <= smallObject || have <= 0 {
		if abs, aerr := filepath.Abs(t.req.Dir); aerr == nil {
			err.Below = abs
		}
	}
	return err
}

// freeFor is how long a look at the free space is good for.
const freeFor = 250 * time.Millisecond

type freeLook struct {
	free int64
	at   time.Time
}

type reservation struct {
	system uint64
	size   int64
}

func (e *Engine) unreserve(t *transfer) {
	e.disk.mu.Lock()
	delete(e.disk.reserved, t)
	e.disk.mu.Unlock()
}
