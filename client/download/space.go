package download

import (
	"path/filepath"

	"usher/client/download/part"
)

// FreeSpace is the space below dir that an ordinary person can still write, in
// bytes. Where dir is absent, the nearest folder above it counts.
func FreeSpace(dir string) (int64, error) { return part.FreeSpace(dir) }

// claim is the space that a target still needs.
type claim struct {
	to   target
	size int64 // bytes of the whole file
}

// Remaining is the number of bytes that are not written yet.
func (c *claim) Remaining() int64 { return c.size - c.to.progress.Done.Load() }

// reserve refuses a file that has no space left in a folder.
func (c *claim) reserve(f *part.Folder) error {
	if usable, ok := f.Reserve(c, c.size); !ok {
		return noSpace(c.to, filepath.Join(f.Path(), c.to.name), c.Remaining(), usable)
	}
	return nil
}

// spacious reports whether every small file fits below dir, as far as is known.
func (e *Engine) spacious(dir string) bool {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return true
	}
	usable, err := e.disk.Usable(abs)
	return err != nil || usable >= smallObject
}

// noSpace is the failure of a file that does not fit. If not even a small file
// fits, it is the failure of all files of the destination.
func noSpace(to target, path string, needed, usable int64) error {
	err := &Error{Kind: ErrDisk, Path: path, Needed: needed, Free: max(usable, 0), kept: to.progress.Done.Load() > 0}
	if needed <= smallObject || usable <= 0 {
		if abs, aerr := filepath.Abs(to.dir); aerr == nil {
			err.Below = abs
		}
	}
	return err
}
