package download

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	localname "usher/client/download/name"
)

// disk opens folders below destinations and shares them between transfers.
// Every step down is taken with os.Root and checked not to be a link, so that
// nothing a bucket names, and nothing that somebody put there, leads outside.
type disk struct {
	openRoot func(dir string, rel []string, create bool) (*os.Root, []string, error)
	umask    fs.FileMode
	portable map[string]bool       // by destination; guarded by mu
	foreign  func(dir string) bool // windowsNames
	sync     func(*os.File) error  // of one file
	settle   func(*folder) error   // of all that was written to a file system
	mostIdle int                   // folders kept open for later
	folds    bool                  // test only: take every file system for case-insensitive

	mu    sync.Mutex
	open  map[string]*folder
	idle  []*folder // unused, oldest first; at most mostIdle
	cases cases

	reserved map[*transfer]reservation // large files under way
	looked   map[uint64]freeLook       // by file system
}

func newDisk(h hooks, mostIdle int) *disk {
	return &disk{sync: h.sync, settle: h.settle, portable: map[string]bool{}, foreign: h.windowsNames, mostIdle: mostIdle, openRoot: h.openRoot, umask: umask(), folds: h.fold, open: map[string]*folder{},
		cases:    cases{fold: map[string]bool{}, taken: map[string]string{}},
		reserved: map[*transfer]reservation{}, looked: map[uint64]freeLook{}}
}

// needsPortable reports, once for each destination, whether its file system
// takes no more than portable names: FAT, exFAT, NTFS and shares of Windows.
func (d *disk) needsPortable(dir string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	needs, known := d.portable[dir]
	if !known {
		needs = d.foreign(dir)
		d.portable[dir] = needs
	}
	return needs
}

// windowsNames reports whether the file system of dir, or of the nearest folder
// above it that is there, takes no more than portable names.
func windowsNames(dir string) bool {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	for up := abs; ; up = filepath.Dir(up) {
		if _, err := os.Stat(up); err == nil {
			return windowsFileSystem(up)
		}
		if up == filepath.Dir(up) {
			return false
		}
	}
}

// folder is one directory that files go to.
type folder struct {
	disk *disk
	id   string
	path string // for people and errors
	root *os.Root
	dir  *os.File // the same directory, for calls that want a descriptor
	fold bool     // names that differ only in case are one here; guarded by disk.mu
	fs   uint64   // which file system
	refs int      // guarded by disk.mu

	perm    sync.Once
	newPerm fs.FileMode // see partPerm

	scan      sync.Once
	leftovers map[string]sidecar // part name → what its sidecar said when first asked
}

// folderAt opens dir and the folders rel below it. With create it makes what
// is absent; without, the error is fs.ErrNotExist.
func (d *disk) folderAt(dir string, rel []string, create bool) (*folder, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, diskError(dir, err)
	}
	id := abs + "\x00" + strings.Join(rel, "\x00")
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.open[id]; f != nil {
		if f.refs == 0 {
			d.forget(f)
		}
		if f.refs > 0 || f.stands() {
			f.refs++
			return f, nil
		}
		f.close() // somebody took the directory away meanwhile
		delete(d.open, id)
	}
	fold := d.foldsAt(abs, create)
	if fold {
		rel = d.cases.claimFolders(abs, rel)
	}
	root, names, err := d.openRoot(abs, rel, create)
	if err != nil {
		return nil, err
	}
	f := &folder{disk: d, id: id, fold: fold, path: filepath.Join(append([]string{abs}, names...)...), root: root, refs: 1}
	if f.dir, err = root.Open("."); err != nil {
		root.Close()
		return nil, diskError(f.path, err)
	}
	f.fs = fileSystem(f)
	d.open[id] = f
	return f, nil
}

// stands tells whether the open directory still is the one at its path.
func (f *folder) stands() bool {
	mine, err1 := f.dir.Stat()
	there, err2 := os.Lstat(f.path)
	return err1 == nil && err2 == nil && os.SameFile(mine, there)
}

func (d *disk) forget(f *folder) {
	for i, g := range d.idle {
		if g == f {
			d.idle = append(d.idle[:i], d.idle[i+1:]...)
			return
		}
	}
}

func (f *folder) release() {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if f.refs--; f.refs > 0 {
		return
	}
	d.idle = append(d.idle, f)
	if len(d.idle) > d.mostIdle {
		f, d.idle = d.idle[0], d.idle[1:]
		f.close()
		delete(d.open, f.id)
	}
}

func (f *folder) close() {
	f.dir.Close()
	f.root.Close()
}

func (d *disk) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.open {
		f.close()
	}
	clear(d.open)
	d.idle = nil
}

// openRoot opens a folder. The "." at the end makes the system refuse anything
// else: without it, opening a named pipe waits for the pipe's other end.
func openRoot(dir string) (*os.Root, error) { return os.OpenRoot(folderOnly(dir)) }

func folderOnly(dir string) string {
	return cmp.Or(dir, ".") + string(filepath.Separator) + "."
}

// openBelow opens dir, which the person chose and which may be a link, and
// walks down rel, which comes from keys and may not. A folder whose name a
// file has taken gets clashMark. It returns the names that were used.
func openBelow(dir string, rel []string, create bool) (*os.Root, []string, error) {
	if create {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, nil, destinationError(dir, err)
		}
	}
	root, err := openRoot(dir)
	if err != nil && (create || !errors.Is(err, fs.ErrNotExist)) {
		return nil, nil, destinationError(dir, err)
	}
	if err != nil {
		return nil, nil, fs.ErrNotExist
	}
	names := make([]string, 0, len(rel))
	at := dir
	for _, name := range rel {
		next, used, err := stepDown(root, at, name, create)
		root.Close()
		if err != nil {
			return nil, nil, err
		}
		root, at = next, filepath.Join(at, used)
		names = append(names, used)
	}
	return root, names, nil
}

// stepDown opens, and if need be makes, one folder.
func stepDown(root *os.Root, at, name string, create bool) (*os.Root, string, error) {
	for _, try := range []string{name, name + localname.ClashMark} {
		seen, err := root.Lstat(try)
		if errors.Is(err, fs.ErrNotExist) && create {
			if err = root.Mkdir(try, 0o777); err == nil || errors.Is(err, fs.ErrExist) {
				seen, err = root.Lstat(try)
			}
		}
		if err != nil {
			return nil, "", absentOr(filepath.Join(at, try), err, create)
		}
		if seen.Mode()&fs.ModeSymlink != 0 {
			return nil, "", &Error{Kind: ErrLink, Path: filepath.Join(at, try)}
		}
		if !seen.IsDir() {
			continue
		}
		next, err := root.OpenRoot(try)
		if err != nil {
			return nil, "", diskError(filepath.Join(at, try), err)
		}
		// A link may have been put here since Lstat: what was opened must be
		// what was seen.
		opened, err := next.Stat(".")
		if err != nil || !os.SameFile(seen, opened) {
			next.Close()
			return nil, "", &Error{Kind: ErrLink, Path: filepath.Join(at, try), cause: err}
		}
		return next, try, nil
	}
	return nil, "", &Error{Kind: ErrExists, Path: filepath.Join(at, name)}
}

// absentOr leaves "not there" alone where looking was all that was asked.
func absentOr(path string, err error, create bool) error {
	if !create && errors.Is(err, fs.ErrNotExist) {
		return fs.ErrNotExist
	}
	return diskError(path, err)
}

// guardHome refuses names that begin with a dot directly in the home
// directory: there they are programs' configuration.
func guardHome(dir string, rel []string, name string) error {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil // no home directory, nothing to guard
	}
	first := name
	if len(rel) > 0 {
		first = rel[0]
	}
	abs, err := filepath.Abs(dir)
	if err != nil || !strings.HasPrefix(first, ".") {
		return err
	}
	inHome, err := os.Stat(home)
	if err != nil {
		return nil
	}
	there, err := os.Stat(abs)
	if err != nil || !os.SameFile(inHome, there) {
		return nil
	}
	return &Error{Kind: ErrName, Path: filepath.Join(dir, first), Detail: "names that begin with a dot are settings in a home directory; choose another folder"}
}
