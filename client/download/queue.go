package download

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// Saved is an unfinished transfer of an earlier run. Adding its Request goes
// on where that run ended.
type Saved struct {
	Request Request   `json:"request"`
	Added   time.Time `json:"added"`
	Done    int64     `json:"done"` // bytes, when last noted
	Size    int64     `json:"size"` // -1: unknown
	Failed  bool      `json:"failed,omitempty"`
}

// queueFile keeps the unfinished requests (no URL, no token) in one file, 0600,
// replaced as a whole. One process at a time owns it.
type queueFile struct {
	path  string
	lock  *flock.Flock
	mu    sync.Mutex
	saved []Saved // of an earlier run, not yet added again or forgotten
	timer *time.Timer
	wrote time.Time // last
	shut  bool
}

const (
	queueDelay = time.Second // changes within it are written once; the first at once
	maxQueue   = 64 << 20    // bytes
)

// openQueue reads the file. If another process owns it, this one remembers nothing.
func openQueue(path string) (*queueFile, error) {
	q := &queueFile{}
	if path == "" {
		return q, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, diskError(path, err)
	}
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	if ok, err := lock.TryLock(); err != nil || !ok {
		return q, nil
	}
	q.path, q.lock = path, lock
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return q, nil
	}
	var data []byte
	if err == nil && info.Mode().IsRegular() && info.Size() <= maxQueue {
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, diskError(path, err)
	}
	if json.Unmarshal(data, &q.saved) != nil {
		q.saved = nil // damaged: the parts still have their sidecars
	}
	q.saved = slices.DeleteFunc(q.saved, func(s Saved) bool { return s.Request.impossible() != nil })
	return q, nil
}

// Unfinished lists the requests that an earlier run left and this one has not added.
func (e *Engine) Unfinished() ([]Saved, error) {
	e.queue.mu.Lock()
	defer e.queue.mu.Unlock()
	return append([]Saved(nil), e.queue.saved...), nil
}

// Keeps reports whether unfinished requests are kept: not without a
// queue file, nor where another process has it.
func (e *Engine) Keeps() bool { return e.queue.path != "" }

// touch writes the file soon.
func (q *queueFile) touch(e *Engine) {
	if q.path == "" {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.timer == nil && !q.shut {
		q.timer = time.AfterFunc(queueDelay-time.Since(q.wrote), func() { _ = q.write(e) })
	}
}

func (q *queueFile) write(e *Engine) error {
	if q.path == "" {
		return nil
	}
	now, added := e.unfinished()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.timer != nil {
		q.timer.Stop()
		q.timer = nil
	}
	q.wrote = time.Now()
	all := now
	rest := q.saved[:0:0]
	for _, s := range q.saved {
		if !added[s.Request.place()] {
			rest = append(rest, s)
		}
	}
	q.saved = rest
	all = append(all, rest...)
	if len(all) == 0 {
		if err := os.Remove(q.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("emptying the queue: %w", err)
		}
		return nil
	}
	data, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("writing the queue: %w", err)
	}
	tmp := q.path + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return diskError(q.path, err)
	}
	return diskError(q.path, os.Rename(tmp, q.path))
}

func (q *queueFile) close(e *Engine) error {
	err := q.write(e)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shut = true
	if q.lock != nil {
		_ = q.lock.Unlock()
	}
	return err
}

func (r Request) place() string {
	return fmt.Sprintf("%q %q %q %q %v %v", r.Bucket, r.Key, r.Dir, r.Name, r.Folder, r.Whole)
}

// unfinished lists the requests to keep, and everything that was added.
func (e *Engine) unfinished() ([]Saved, map[string]bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []Saved
	added := map[string]bool{}
	for _, t := range e.list.order {
		if t.parent != nil {
			continue
		}
		added[t.req.place()] = true
		c := e.copyOf(t)
		switch {
		case t.state == Done, t.state == Skipped, t.state == Cancelled, t.state == Denied:
		case t.req.impossible() != nil: // it fails in each run
		default:
			list = append(list, Saved{Request: t.req, Added: t.added, Done: c.Done, Size: c.Size, Failed: t.state == Failed})
		}
	}
	return list, added
}
