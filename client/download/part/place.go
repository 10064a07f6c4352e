package part

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	localname "usher/client/download/name"
)

// Taken is the treatment of a final name that another file has.
type Taken int

const (
	Refuse  Taken = iota // fail with ErrExists
	Replace              // the new file takes the name
	Number               // the new file gets a number: see Numbered
)

// finalMode is the mode of a complete file, less the umask.
const finalMode = 0o666

// Finish gives the complete part its final name and returns that name, which is
// another than name where a folder or, with Number, a file has that one. Files of
// SyncSize and more are durable before they get the name; smaller ones are not:
// see Syncer. record is the text of RecordOf.
func (p *File) Finish(name string, mtime time.Time, mode Taken, record string) (string, error) {
	size := p.size
	if size >= SyncSize {
		if err := p.folder.disk.options.Sync(p.file); err != nil {
			// The next sync may succeed although these bytes were lost: they are
			// fetched again (fsync(2), "errors").
			p.Remove()
			return "", diskError(filepath.Join(p.folder.path, name), err)
		}
	}
	if p.name == "" {
		setNamelessModified(p.file, mtime)
	} else {
		setModified(p.folder, p.name, mtime)
	}
	WriteRecord(p.file, record)
	if closeBeforeRename {
		p.Close()
	}
	used, err := p.rename(name, mode)
	if err != nil {
		return "", err
	}
	// A part that others can read is not resumed, so the mode changes only after
	// the name: a kill in between must not leave such a part.
	if p.name != "" && p.file != nil {
		_ = p.file.Chmod(finalMode &^ p.folder.disk.umask) // not every file system keeps modes
	}
	p.tidy()
	p.Close()
	if size >= SyncSize {
		p.folder.dir.Sync() // the name; the bytes are safe already
	}
	return used, nil
}

func (p *File) rename(name string, mode Taken) (string, error) {
	root := p.folder.root
	if mode == Replace {
		if err := p.folder.Replaceable(name); err != nil {
			return "", err
		}
		if err := root.Rename(p.name, name); err != nil {
			return "", diskError(filepath.Join(p.folder.path, name), err)
		}
		return name, nil
	}
	try := name
	for n := 1; ; n++ {
		err := p.renameNew(try)
		if err == nil {
			return try, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", diskError(filepath.Join(p.folder.path, try), err)
		}
		if seen, e := root.Lstat(try); e == nil && seen.IsDir() && try == name {
			try = name + localname.ClashMark
			continue
		}
		if mode != Number || n > MaxNumber {
			return "", &Error{Kind: ErrExists, Path: filepath.Join(p.folder.path, try)}
		}
		try = Numbered(name, n)
	}
}

func (p *File) renameNew(name string) error {
	if p.name == "" {
		return nameNew(p.folder, p.file, name)
	}
	return renameNew(p.folder, p.name, name)
}

// SameAs compares the part with a file, byte for byte.
func (p *File) SameAs(name string) bool {
	file, err := p.folder.root.OpenFile(name, os.O_RDONLY|openNoFollow, 0)
	if err != nil {
		return false
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() != p.size {
		return false
	}
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for at := int64(0); at < p.size; at += int64(len(a)) {
		n := min(int64(len(a)), p.size-at)
		if m, _ := p.file.ReadAt(a[:n], at); int64(m) != n {
			return false
		}
		if m, _ := file.ReadAt(b[:n], at); int64(m) != n || !bytes.Equal(a[:n], b[:n]) {
			return false
		}
	}
	return true
}

// Numbered returns "name (n).ext".
func Numbered(name string, n int) string {
	ext := filepath.Ext(name)
	if ext == name || len(ext) > 16 {
		ext = ""
	}
	return strings.TrimSuffix(name, ext) + " (" + strconv.Itoa(n) + ")" + ext
}

// Replaceable returns the reason why the owner of a name must stay: it is neither
// absent, a regular file nor a folder.
func (f *Folder) Replaceable(name string) error {
	info, err := f.root.Lstat(name)
	if err != nil {
		return nil
	}
	path, kind := filepath.Join(f.path, name), ""
	switch info.Mode().Type() {
	case 0, fs.ModeDir:
		return nil
	case fs.ModeSymlink:
		return &Error{Kind: ErrLink, Path: path}
	case fs.ModeNamedPipe:
		kind = "a named pipe"
	case fs.ModeSocket:
		kind = "a socket"
	default:
		kind = "a device"
	}
	return &Error{Kind: ErrSpecial, Path: path, Detail: kind}
}

// SyncSize is the size in bytes from which each file is synced by itself.
const SyncSize = 1 << 20

// MaxNumber is the last number that Numbered gets from Finish.
const MaxNumber = 999
