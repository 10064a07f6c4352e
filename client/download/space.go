package download

// reserve refuses what does not fit: the size and 64 MiB must be free beside
// what other transfers still want. A part's blocks that are there count.
func (e *Engine) reserve(f *folder, t *transfer, size int64) error {
	free := e.cfg.hooks.free(f)
	if free < 0 {
		return nil
	}
	id := fileSystem(f)
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	var wanted int64
	for other, r := range d.reserved {
		if other != t && r.system == id {
			wanted += max(r.size-other.done.Load(), 0)
		}
	}
	need := size - t.done.Load()
	if free-wanted < need+diskReserve {
		return &Error{Kind: ErrDisk, Path: f.path, Needed: need + diskReserve, Free: max(free-wanted, 0)}
	}
	if size > smallObject {
		d.reserved[t] = reservation{id, size}
	}
	return nil
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
