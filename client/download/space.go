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
			wanted += max(r.size-other.done.Load(), 0)
		}
	}
	need := size - t.done.Load()
	if look.free-wanted < need {
		d.looked[id] = look
		return &Error{Kind: ErrDisk, Path: filepath.Join(f.path, t.segs[len(t.segs)-1]), Needed: need, Free: max(look.free-wanted, 0), kept: t.done.Load() > 0}
	}
	look.free -= size
	d.looked[id] = look
	if size > smallObject {
		d.reserved[t] = reservation{id, size}
	}
	return nil
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
