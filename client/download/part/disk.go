package part

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	localname "usher/client/download/name"
)

// Disk opens folders below destinations and shares them between transfers. Each
// step down uses os.Root and refuses a link, so that neither a key nor another
// person's file leads outside. All methods may be called from any goroutine.
type Disk struct {
	options  Options
	umask    fs.FileMode
	mostIdle int // folders kept open for later

	mu       sync.Mutex
	portable map[string]bool // by destination: its file system takes portable names alone
	open     map[string]*Folder
	idle     []*Folder // unused, oldest first; at most mostIdle
	cases    cases
	claims   map[Claim]uint64     // large files under way → their file system
	looked   map[uint64]look      // by file system
	checked  map[string]time.Time // by folder: the last Check without a failure
	usable   map[string]look      // by destination
}

// NewDisk returns a disk that keeps at most idle folders open for later.
func NewDisk(idle int, o Options) *Disk {
	return &Disk{options: o.withDefaults(), umask: Umask(), mostIdle: idle,
		portable: map[string]bool{}, open: map[string]*Folder{},
		cases:  cases{fold: map[string]bool{}, taken: map[string]string{}},
		claims: map[Claim]uint64{}, looked: map[uint64]look{},
		checked: map[string]time.Time{}, usable: map[string]look{}}
}

// PortableOnly reports, once for each destination, whether its file system
// takes no more than portable names: FAT, exFAT, NTFS and shares of Windows.
func (d *Disk) PortableOnly(dir string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	needs, known := d.portable[dir]
	if !known {
		needs = d.options.WindowsNames(dir)
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

// Folder is one directory that files go to. Release ends the use of it.
type Folder struct {
	disk   *Disk
	id     string
	path   string // see Path
	root   *os.Root
	dir    *os.File // the same directory, for calls that want a descriptor
	fold   bool     // names that differ only in case are one here; guarded by disk.mu
	system uint64   // the file system's number
	refs   int      // guarded by disk.mu

	perm    sync.Once
	newPerm fs.FileMode // see partPerm

	scan      sync.Once
	leftovers map[string]Sidecar // part name → its sidecar when the folder was first read
}

// Folder opens dir and the folders rel below it. With create it makes
// absent folders; without, the error is fs.ErrNotExist.
func (d *Disk) Folder(dir string, rel []string, create bool) (*Folder, error) {
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
		if f.refs > 0 || f.current() {
			f.refs++
			return f, nil
		}
		f.close() // the directory was removed meanwhile
		delete(d.open, id)
	}
	fold := d.foldsAt(abs, create)
	if fold {
		rel = d.cases.claimFolders(abs, rel)
	}
	root, names, err := d.options.OpenRoot(abs, rel, create)
	if errors.Is(err, fs.ErrNotExist) && len(names) > 0 {
		return nil, &AbsentError{filepath.Join(append([]string{abs}, names...)...)}
	}
	if err != nil {
		return nil, err
	}
	f := &Folder{disk: d, id: id, fold: fold, path: filepath.Join(append([]string{abs}, names...)...), root: root, refs: 1}
	if f.dir, err = root.Open("."); err != nil {
		root.Close()
		return nil, diskError(f.path, err)
	}
	f.system = fileSystem(f)
	d.open[id] = f
	return f, nil
}

// Path is the folder's absolute path, raw.
func (f *Folder) Path() string { return f.path }

// ID identifies an open folder.
func (f *Folder) ID() string { return f.id }

// Lstat describes a name in the folder, and follows no link.
func (f *Folder) Lstat(name string) (fs.FileInfo, error) { return f.root.Lstat(name) }

// Empty reports whether the folder has no entry.
func (f *Folder) Empty() bool {
	dir, err := f.root.Open(".")
	if err != nil {
		return false
	}
	defer dir.Close()
	_, err = dir.Readdirnames(1)
	return errors.Is(err, io.EOF)
}

// Folders returns the names of the folders in the folder, without links.
func (f *Folder) Folders() (names []string) {
	dir, err := f.root.Open(".")
	if err != nil {
		return nil
	}
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(1024)
		for _, e := range entries {
			if e.IsDir() {
				names = append(names, e.Name())
			}
		}
		if err != nil {
			return names
		}
	}
}

// Remove deletes a name in the folder.
func (f *Folder) Remove(name string) error { return f.root.Remove(name) }

// OpenFile opens a name in the folder for reading, and follows no link.
func (f *Folder) OpenFile(name string) (*os.File, error) {
	return f.root.OpenFile(name, os.O_RDONLY|openNoFollow, 0)
}

// current reports whether the open directory still is the one at its path.
func (f *Folder) current() bool {
	mine, err1 := f.dir.Stat()
	there, err2 := os.Lstat(f.path)
	return err1 == nil && err2 == nil && os.SameFile(mine, there)
}

func (d *Disk) forget(f *Folder) {
	for i, g := range d.idle {
		if g == f {
			d.idle = append(d.idle[:i], d.idle[i+1:]...)
			return
		}
	}
}

// Release ends the use of the folder.
func (f *Folder) Release() {
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

func (f *Folder) close() {
	f.dir.Close()
	f.root.Close()
}

func (d *Disk) Close() {
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

// OpenBelow opens dir, which the person chose and which may be a link, and
// walks down rel, which comes from keys and may not. A folder whose name a
// file has taken gets clashMark. It returns the names that were used, and without
// create also those of folders that are absent.
func OpenBelow(dir string, rel []string, create bool) (*os.Root, []string, error) {
	return openBelow(dir, rel, create, []string{"", localname.ClashMark})
}

// openExactly is OpenBelow without other names: a file that has the name of a folder
// is an ErrNoFolder.
func openExactly(dir string, rel []string, create bool) (*os.Root, []string, error) {
	return openBelow(dir, rel, create, []string{""})
}

// openBelow tries the ends of names in order.
func openBelow(dir string, rel []string, create bool, ends []string) (*os.Root, []string, error) {
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
		next, used, err := stepDown(root, at, name, create, ends)
		root.Close()
		if errors.Is(err, fs.ErrNotExist) && !create { // the folders that a creation would make
			return nil, append(append(names, used), rel[len(names)+1:]...), err
		}
		if err != nil {
			return nil, nil, err
		}
		root, at = next, filepath.Join(at, used)
		names = append(names, used)
	}
	return root, names, nil
}

// stepDown opens, and if need be makes, one folder.
func stepDown(root *os.Root, at, name string, create bool, ends []string) (*os.Root, string, error) {
	for _, end := range ends {
		try := name + end
		seen, err := root.Lstat(try)
		if errors.Is(err, fs.ErrNotExist) && create {
			if err = root.Mkdir(try, 0o777); err == nil || errors.Is(err, fs.ErrExist) {
				seen, err = root.Lstat(try)
			}
		}
		if err != nil {
			return nil, try, absentOr(filepath.Join(at, try), err, create)
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
		// A link may have come here since Lstat: the opened folder must be the
		// one that Lstat described.
		opened, err := next.Stat(".")
		if err != nil || !os.SameFile(seen, opened) {
			next.Close()
			return nil, "", &Error{Kind: ErrLink, Path: filepath.Join(at, try), Err: err}
		}
		return next, try, nil
	}
	return nil, "", &Error{Kind: ErrNoFolder, Path: filepath.Join(at, name)}
}

// absentOr leaves "not there" alone where looking was all that was asked.
func absentOr(path string, err error, create bool) error {
	if !create && errors.Is(err, fs.ErrNotExist) {
		return fs.ErrNotExist
	}
	return diskError(path, err)
}

// GuardHome refuses names that begin with a dot directly in the home
// directory: there they are programs' configuration.
func GuardHome(dir string, rel []string, name string) error {
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
