package download

import (
	"path/filepath"

	"usher/client/download/part"
)

// FreeSpace is the space below dir that an ordinary person can still write, in
// bytes. Where dir is absent, the nearest folder above it counts.
func FreeSpace(dir string) (int64, error) { return part.FreeSpace(dir) }

// claim is the space that a transfer still needs.
type claim struct {
	t    *transfer
	size int64 // bytes of the whole file
}

// Remaining is the number of bytes that are not written yet.
func (c *claim) Remaining() int64 { return c.size - c.t.progress.Done.Load() }

// reserve refuses a file that has no space left in a folder.
func (c *claim) reserve(f *part.Folder) error {
	if usable, ok := f.Reserve(c, c.size); !ok {
		return noSpace(c.t, filepath.Join(f.Path(), c.t.segs[len(c.t.segs)-1]), c.Remaining(), usable)
	}
	return nil
}

// fits refuses a file that has no space before it is released, where the listing
// has its size.
func (e *Engine) fits(t *transfer) error {
	if t.req.ETag == "" || t.req.Size == 0 {
		return nil
	}
	abs, err := filepath.Abs(t.req.Dir)
	if err != nil {
		return nil
	}
	usable, err := e.disk.Usable(abs)
	if err != nil || usable >= t.req.Size || e.hasPart(t) {
		return nil // it fits, or the space is not known
	}
	return noSpace(t, filepath.Join(append([]string{abs}, t.segs...)...), t.req.Size, usable)
}

// hasPart reports whether an earlier run left a part of a transfer.
func (e *Engine) hasPart(t *transfer) bool {
	f, err := e.disk.Folder(t.req.Dir, t.segs[:len(t.segs)-1], false)
	if err != nil {
		return false
	}
	defer f.Release()
	_, ok := f.Leftover(t.req.Bucket, t.req.Key)
	return ok
}

// noSpace is the failure of a file that does not fit. If not even a small file
// fits, it is the failure of all files of the destination.
func noSpace(t *transfer, path string, needed, usable int64) error {
	err := &Error{Kind: ErrDisk, Path: path, Needed: needed, Free: max(usable, 0), kept: t.progress.Done.Load() > 0}
	if needed <= smallObject || usable <= 0 {
		if abs, aerr := filepath.Abs(t.req.Dir); aerr == nil {
			err.Below = abs
		}
	}
	return err
}
