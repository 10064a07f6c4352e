package part

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	reserve  = 64 << 20               // bytes that stay free on the disk
	lookGood = 250 * time.Millisecond // how long a look at the free space is used
	tracked  = 8 << 20                // bytes; larger files are counted until they are complete
)

// Claim is the space that a file still needs. Remaining is called from any
// goroutine, and returns bytes.
type Claim interface{ Remaining() int64 }

// look is the free space of a file system at one moment.
type look struct {
	free int64
	at   time.Time
}

// Reserve claims size bytes on the folder's file system until Release. The size
// must be free beside the rest of the other claims, and a little must stay free.
// The blocks that a part has already count. If the file does not fit, ok is false
// and free is the number of bytes that it may use.
func (f *Folder) Reserve(c Claim, size int64) (free int64, ok bool) {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	// Thousands of small files share one look: the free space of a moment ago,
	// less the sizes that were reserved since, is near enough.
	seen, now := d.looked[f.system], time.Now()
	if now.Sub(seen.at) > lookGood || size > tracked {
		seen = look{d.options.Free(f), now}
	}
	if seen.free < 0 {
		return 0, true
	}
	kept := min(reserve, seen.free/8)
	for other, system := range d.claims {
		if other != c && system == f.system {
			kept += max(other.Remaining(), 0)
		}
	}
	free = seen.free - kept
	if ok = free >= c.Remaining(); ok {
		seen.free -= size
		if size > tracked {
			d.claims[c] = f.system
		}
	}
	d.looked[f.system] = seen
	return free, ok
}

// Free is the space of the folder's file system in bytes; -1: not known.
func (f *Folder) Free() int64 { return f.disk.options.Free(f) }

// Unreserve ends a claim.
func (d *Disk) Unreserve(c Claim) {
	d.mu.Lock()
	delete(d.claims, c)
	d.mu.Unlock()
}

// Usable is the number of bytes that a download below dir may take. Where dir is
// absent, the nearest folder above it counts. An error means that the number is
// not known. The files of one destination share a result for a moment.
func (d *Disk) Usable(dir string) (int64, error) {
	now := time.Now()
	d.mu.Lock()
	seen := d.usable[dir]
	d.mu.Unlock()
	free := seen.free
	if now.Sub(seen.at) > lookGood {
		var err error
		if free, err = freeBelow(dir, d.options.Free); err != nil {
			return 0, err
		}
		d.mu.Lock()
		d.usable[dir] = look{free, now}
		d.mu.Unlock()
	}
	return free - min(reserve, free/8), nil
}

// FreeSpace is the space below dir that an ordinary person can still write, in
// bytes. Where dir is absent, the nearest folder above it counts.
func FreeSpace(dir string) (int64, error) { return freeBelow(dir, freeSpace) }

func freeBelow(dir string, free func(*Folder) int64) (int64, error) {
	for {
		f, err := os.Open(folderOnly(dir))
		if err == nil {
			defer f.Close()
			if n := free(&Folder{dir: f}); n >= 0 {
				return n, nil
			}
			return 0, errors.New("the free space is not known on this system")
		}
		up := filepath.Dir(dir)
		if !errors.Is(err, os.ErrNotExist) || up == dir {
			return 0, fmt.Errorf("looking for free space: %w", err)
		}
		dir = up
	}
}
