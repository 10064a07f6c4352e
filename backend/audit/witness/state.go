package witness

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"sync"

	"github.com/gofrs/flock"

	"usher/backend/audit/tree"
	"usher/backend/replace"
)

// File is a State in one file, which is replaced atomically and synced. One process
// uses it at a time.
type File struct {
	path string
	lock *flock.Flock

	mu    sync.Mutex
	heads map[string]tree.Head
}

// saved is a head in the file.
type saved struct {
	Size int64     `json:"size"`
	Root tree.Hash `json:"root"`
}

// ErrLocked: another process uses the file.
var ErrLocked = errors.New("another witness uses this state file")

// OpenFile opens a state file, or begins one. A file that cannot be read is an
// error: a witness without its state would cosign a log that was rewritten.
func OpenFile(path string) (*File, error) {
	f := &File{path: path, lock: flock.New(path+".lock", flock.SetPermissions(0o600)), heads: map[string]tree.Head{}}
	got, err := f.lock.TryLock()
	if err == nil && !got {
		err = ErrLocked
	}
	if err != nil {
		return nil, fmt.Errorf("locking the state of the witness: %w", err)
	}
	if err := f.read(); err != nil {
		return nil, errors.Join(fmt.Errorf("reading the state of the witness: %w", err), f.lock.Unlock())
	}
	return f, nil
}

func (f *File) read() error {
	raw, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var heads map[string]saved
	if err := json.Unmarshal(raw, &heads); err != nil {
		return err
	}
	for origin, h := range heads {
		f.heads[origin] = tree.Head(h)
	}
	return nil
}

// Close ends the use of the file.
func (f *File) Close() error { return f.lock.Unlock() }

// Head implements State.
func (f *File) Head(origin string) (tree.Head, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.heads[origin], nil
}

// Advance implements State.
func (f *File) Advance(origin string, from, to tree.Head) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.heads[origin] != from {
		return ErrConflict
	}
	next := maps.Clone(f.heads)
	next[origin] = to
	if err := f.write(next); err != nil {
		return err
	}
	f.heads = next
	return nil
}

func (f *File) write(heads map[string]tree.Head) error {
	all := make(map[string]saved, len(heads))
	for origin, h := range heads {
		all[origin] = saved(h)
	}
	raw, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return replace.File(f.path, append(raw, '\n'))
}
