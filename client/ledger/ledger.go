// Package ledger remembers the files that syncs of one pair, a remote folder and a
// local one, have put on the disk. Only such a file, unchanged since, is replaced or
// removed by a later sync.
//
// The ledger is a file of JSON lines that grows during a sync, so that a killed sync
// loses at most the last lines; the files of lost lines count as foreign. It holds
// names and versions, and no token and no URL. One process at a time has it open.
//
// The package lists nothing and fetches nothing.
package ledger

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/gofrs/flock"
)

// Pair is a remote folder and a local one.
type Pair struct {
	Server string `json:"server"`
	Path   string `json:"path"` // bucket/folder/
	Dir    string `json:"dir"`  // absolute
}

// Entry is a file that a sync has put on the disk.
type Entry struct {
	Key  string `json:"key"`
	ETag string `json:"etag"`
	Mark Mark   `json:"mark"`
}

// Mark identifies a file and its state. Another file under the same name, or a
// change of the file, has another mark.
type Mark struct {
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"`          // ns since 1970
	Changed  int64  `json:"changed,omitempty"` // ctime, where the system has one
	Inode    uint64 `json:"inode,omitempty"`
}

// The refusals of Remove and Open. Compare with errors.Is.
var (
	ErrForeign = errors.New("the file is not one that a sync put here, or has changed since")
	ErrBusy    = errors.New("another sync of the same folders is running")
	ErrDamaged = errors.New("the ledger of earlier syncs is damaged")
)

// Ledger is an open ledger. It is safe for concurrent use.
type Ledger struct {
	path string
	pair Pair
	lock *flock.Flock

	mu      sync.Mutex
	files   map[string]Entry // by the local path below the folder
	dirs    map[string]bool  // folders that a sync has created
	journal *os.File
	err     error // first failure of a write
}

// line is one line of the file. The first has only Pair.
type line struct {
	Pair   *Pair  `json:"pair,omitempty"`
	File   string `json:"file,omitempty"`
	Dir    string `json:"dir,omitempty"`
	Gone   string `json:"gone,omitempty"` // a file or folder that is no longer in the ledger
	*Entry `json:"entry,omitempty"`
}

// Open opens the ledger of a pair below a state directory. It returns ErrBusy while
// another process has it.
func Open(state string, pair Pair) (*Ledger, error) {
	dir := filepath.Join(state, "sync")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	hash := sha256.Sum256([]byte(pair.Server + "\x00" + pair.Path + "\x00" + pair.Dir))
	l := &Ledger{path: filepath.Join(dir, hex.EncodeToString(hash[:16])+".jsonl"), pair: pair, files: map[string]Entry{}, dirs: map[string]bool{}}
	l.lock = flock.New(l.path+".lock", flock.SetPermissions(0o600))
	if ok, err := l.lock.TryLock(); err != nil {
		return nil, err
	} else if !ok {
		return nil, ErrBusy
	}
	err := l.read()
	if err == nil {
		err = l.compact()
	}
	if err != nil {
		return nil, errors.Join(err, l.lock.Unlock())
	}
	return l, nil
}

// read reads the file up to the first line that is not whole.
func (l *Ledger) read() error {
	f, err := os.Open(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 1<<20)
	for first := true; scan.Scan(); first = false {
		var in line
		if json.Unmarshal(scan.Bytes(), &in) != nil {
			return nil
		}
		if first && (in.Pair == nil || *in.Pair != l.pair) {
			return fmt.Errorf("%w: %s is that of other folders", ErrDamaged, l.path)
		}
		switch {
		case in.File != "" && in.Entry != nil:
			l.files[in.File] = *in.Entry
		case in.Dir != "":
			l.dirs[in.Dir] = true
		case in.Gone != "":
			delete(l.files, in.Gone)
			delete(l.dirs, in.Gone)
		}
	}
	if errors.Is(scan.Err(), bufio.ErrTooLong) { // no sync writes such a line
		return nil
	}
	return scan.Err()
}

// compact writes the current state to a new file and opens it as the journal.
func (l *Ledger) compact() error {
	f, err := os.OpenFile(l.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	enc := json.NewEncoder(w)
	err = enc.Encode(line{Pair: &l.pair})
	for name, e := range l.files {
		err = errors.Join(err, enc.Encode(line{File: name, Entry: &e}))
	}
	for name := range l.dirs {
		err = errors.Join(err, enc.Encode(line{Dir: name}))
	}
	if err = errors.Join(err, w.Flush(), f.Sync()); err == nil {
		err = os.Rename(l.path+".new", l.path)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.journal = f
	return nil
}

// append writes a line to the journal.
func (l *Ledger) append(in line) {
	text, err := json.Marshal(in)
	if err == nil {
		_, err = l.journal.Write(append(text, '\n'))
	}
	if l.err == nil {
		l.err = err
	}
}

// Get returns the entry of a file.
func (l *Ledger) Get(name string) (Entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.files[name]
	return e, ok
}

// Put records a file that this sync has put on the disk.
func (l *Ledger) Put(name string, e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files[name] = e
	l.append(line{File: name, Entry: &e})
}

// Made records a folder that this sync is about to create.
func (l *Ledger) Made(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.dirs[name] {
		l.dirs[name] = true
		l.append(line{Dir: name})
	}
}

// Files returns the names of all files, sorted.
func (l *Ledger) Files() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	names := make([]string, 0, len(l.files))
	for name := range l.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Unchanged reports whether a file below root is the one of the ledger: no link in
// its path, and the same mark.
func (l *Ledger) Unchanged(root *os.Root, name string) bool {
	e, ok := l.Get(name)
	if !ok {
		return false
	}
	info, err := plain(root, name)
	return err == nil && MarkOf(info) == e.Mark
}

// plain returns the state of a file. It refuses links in the path and as the file.
func plain(root *os.Root, name string) (fs.FileInfo, error) {
	segs := strings.Split(name, string(filepath.Separator))
	for i := 1; i < len(segs); i++ {
		info, err := root.Lstat(filepath.Join(segs[:i]...))
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			return nil, ErrForeign
		}
	}
	info, err := root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		return nil, ErrForeign
	}
	return info, err
}

// Remove removes a file below root that a sync has put there and that is unchanged
// since, and the folders above it that a sync created and that are empty now. Any
// other file is ErrForeign, and stays. An absent file is forgotten.
func (l *Ledger) Remove(root *os.Root, name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.files[name]
	if !ok {
		return ErrForeign
	}
	info, err := plain(root, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case MarkOf(info) != e.Mark:
		return ErrForeign
	default:
		if err := root.Remove(name); err != nil {
			return err
		}
	}
	l.forget(name)
	for dir := filepath.Dir(name); dir != "." && l.dirs[dir]; dir = filepath.Dir(dir) {
		if info, err := root.Lstat(dir); err != nil || !info.IsDir() || root.Remove(dir) != nil {
			break
		}
		l.forget(dir)
	}
	return nil
}

// Clears reports whether a folder below root is one that Remove removes together with
// its last file: a sync has created it and each folder in it, and each file in it is
// unchanged since a sync has put it there.
func (l *Ledger) Clears(root *os.Root, dir string) bool {
	if info, err := root.Lstat(dir); err != nil || !info.IsDir() {
		return false
	}
	clears := true
	err := fs.WalkDir(root.FS(), filepath.ToSlash(dir), func(path string, d fs.DirEntry, err error) error {
		name := filepath.FromSlash(path)
		switch {
		case err != nil:
			return err
		case d.IsDir():
			l.mu.Lock()
			clears = l.dirs[name]
			l.mu.Unlock()
		default:
			clears = l.Unchanged(root, name)
		}
		if !clears {
			return fs.SkipAll
		}
		return nil
	})
	return err == nil && clears
}

// RemoveEmpty removes a folder below root and the folders in it, if syncs have created
// them and no file is in them. Others stay.
func (l *Ledger) RemoveEmpty(root *os.Root, dir string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var dirs []string
	for name := range l.dirs {
		if name == dir || strings.HasPrefix(name, dir+string(filepath.Separator)) {
			dirs = append(dirs, name)
		}
	}
	slices.Sort(dirs)
	for _, name := range slices.Backward(dirs) { // the deepest first
		if info, err := root.Lstat(name); err == nil && info.IsDir() && root.Remove(name) == nil {
			l.forget(name)
		}
	}
}

func (l *Ledger) forget(name string) {
	delete(l.files, name)
	delete(l.dirs, name)
	l.append(line{Gone: name})
}

// Close ends the use of the ledger. It returns the first failure of a write.
func (l *Ledger) Close() error {
	return errors.Join(l.err, l.journal.Close(), l.lock.Unlock())
}
