package part

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	localname "usher/client/download/name"
)

// Name names the part file of one content of one object.
func Name(bucket, key, etag string) string {
	sum := sha256.Sum256([]byte(bucket + "/" + key + "/" + etag))
	return localname.PartMark + hex.EncodeToString(sum[:8])
}

// File is an open part, locked against every other transfer.
type File struct {
	folder   *Folder
	name     string // "": nameless
	file     *os.File
	unlock   func()
	hasNotes bool // the sidecar exists on disk
	begun    bool // by an earlier run, which may have left more than that
	size     int64
}

// Folder is the directory of the part.
func (p *File) Folder() *Folder { return p.folder }

// Path is the path of the part, raw.
func (p *File) Path() string { return filepath.Join(p.folder.path, p.name) }

// Named reports whether the part has a name. A part without one is gone when it
// is closed.
func (p *File) Named() bool { return p.name != "" }

// Size is the number of bytes that the file had when it was opened, or that
// Resize gave it.
func (p *File) Size() int64 { return p.size }

// Opened reports whether neither Close nor Remove nor Finish has ended the part.
func (p *File) Opened() bool { return p.file != nil }

// Begun reports whether an earlier run has begun the part.
func (p *File) Begun() bool { return p.begun }

// Begin notes whether an earlier run left a sidecar or another trace of the part.
func (p *File) Begin(traces bool) {
	p.begun = traces || p.size > 0
	p.hasNotes = p.begun
}

// WriteAt is an io.WriterAt. Its errors are the system's.
func (p *File) WriteAt(b []byte, off int64) (int, error) {
	return p.folder.disk.options.WriteAt(p.file, b, off)
}

// ReadAt is an io.ReaderAt.
func (p *File) ReadAt(b []byte, off int64) (int, error) { return p.file.ReadAt(b, off) }

// Reader reads the part from its first byte.
func (p *File) Reader() io.ReaderAt { return p.file }

// Empty drops all bytes.
func (p *File) Empty() { _ = p.file.Truncate(0) }

// Allocate reserves size bytes on the disk, so that a lack of space shows before
// the first byte.
func (p *File) Allocate(size int64) error { return preallocate(p.file, size) }

// Resize cuts a part that an earlier run left longer, and sets its size.
func (p *File) Resize(size int64) error {
	if p.size > size {
		if err := p.file.Truncate(size); err != nil {
			return diskError(p.folder.path, err)
		}
	}
	p.size = size
	return nil
}

// Held reports whether a transfer, here or in another process, holds a part.
func (f *Folder) Held(name string) bool {
	p, err := f.openOnly(name, os.O_RDWR)
	if err == nil {
		p.Close()
	}
	return errors.Is(err, ErrBusy)
}

// Progress returns a text that changes whenever the transfer that holds a part
// writes to it or to its sidecar.
func (f *Folder) Progress(name string) string {
	at := ""
	for _, n := range []string{name, name + ".json"} {
		if info, err := f.root.Lstat(n); err == nil {
			at += info.ModTime().String() + " " + strconv.FormatInt(info.Size(), 10) + ";"
		}
	}
	return at
}

// errForeign means that a file with the name of a part is another user's, or
// can be reached by others: it is neither opened nor removed.
var errForeign = errors.New("the part is not ours")

// maxForeign is how many names are tried beside parts that are not ours.
const maxForeign = 100

// Open opens or makes the part file of that name and locks it. Where the
// name is taken by a file that is not ours, the next name is used.
func (f *Folder) Open(name string) (*File, error) {
	try := name
	for n := 1; ; n++ {
		p, err := f.openOnly(try, os.O_RDWR|os.O_CREATE)
		if !errors.Is(err, errForeign) {
			return p, err
		}
		if n > maxForeign {
			return nil, &Error{Kind: ErrDisk, Path: filepath.Join(f.path, name), Detail: "files of other people have the names of its unfinished part"}
		}
		try = nextPart(name, n)
	}
}

// nextPart is the n-th name beside a part's own.
func nextPart(name string, n int) string {
	sum := sha256.Sum256([]byte(name + " " + strconv.Itoa(n)))
	return localname.PartMark + hex.EncodeToString(sum[:8])
}

// openOnly opens the part of exactly that name, which is ours, and locks it. A
// new file is ours, whatever owner the file system reports.
func (f *Folder) openOnly(name string, flags int) (*File, error) {
	path := filepath.Join(f.path, name)
	for range 10 {
		if flags&os.O_CREATE != 0 {
			if p, err := f.createPart(name); !errors.Is(err, fs.ErrExist) {
				return p, err
			}
		}
		seen, err := f.root.Lstat(name)
		switch {
		case err == nil && !f.ownPart(seen):
			return nil, errForeign
		case errors.Is(err, fs.ErrNotExist) && flags&os.O_CREATE != 0:
			continue // it was finished meanwhile
		case err != nil:
			return nil, diskError(path, err)
		}
		file, err := f.root.OpenFile(name, os.O_RDWR|openNoFollow, 0)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return nil, diskError(path, err)
		}
		p, err := f.lockPart(name, file, f.ownPart)
		if err == nil || !errors.Is(err, errForeign) {
			return p, err
		}
	}
	return nil, &HeldError{name}
}

// createPart makes the part; fs.ErrExist: there is one.
func (f *Folder) createPart(name string) (*File, error) {
	file, err := f.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|openNoFollow, Mode)
	if errors.Is(err, fs.ErrExist) {
		return nil, fs.ErrExist
	}
	if err != nil {
		return nil, diskError(filepath.Join(f.path, name), err)
	}
	p, err := f.lockPart(name, file, func(fs.FileInfo) bool { return true })
	if errors.Is(err, errForeign) {
		return nil, fs.ErrExist // another took it away between open and lock
	}
	return p, err
}

// lockPart locks an open part and checks that it is ours and still has its name.
// It closes the file if it fails; errForeign: the caller looks again.
func (f *Folder) lockPart(name string, file *os.File, ours func(fs.FileInfo) bool) (*File, error) {
	unlock, err := lockFile(file, filepath.Join(f.path, name))
	if err != nil {
		file.Close()
		if errors.Is(err, ErrBusy) {
			err = &HeldError{name}
		}
		return nil, err
	}
	opened, err1 := file.Stat()
	seen, err2 := f.root.Lstat(name)
	if err1 != nil || err2 != nil || !os.SameFile(opened, seen) || !ours(opened) {
		unlock()
		file.Close()
		return nil, errForeign
	}
	return &File{folder: f, name: name, file: file, unlock: unlock, size: opened.Size()}, nil
}

// OpenNew returns a part for an object that comes in one piece: without a name
// where there are such files.
func (f *Folder) OpenNew(name string) (*File, error) {
	if file := openNameless(f); file != nil {
		return &File{folder: f, file: file, unlock: func() {}}, nil
	}
	return f.Open(name)
}

// Close ends the use of the part and keeps it.
func (p *File) Close() {
	if p.file == nil {
		return
	}
	p.unlock()
	p.file.Close()
	p.file = nil
}

// Remove deletes the part and its sidecar, and closes it.
func (p *File) Remove() {
	if p.name != "" {
		p.folder.root.Remove(p.name)
		p.hasNotes, p.begun = true, true
		p.tidy()
	}
	p.Close()
}

// tidy removes the part's sidecar.
func (p *File) tidy() {
	if p.hasNotes {
		p.folder.root.Remove(p.name + ".json")
	}
	if p.begun {
		p.folder.root.Remove(p.name + ".json.new")
	}
}

// DropPart removes a part of ours that no transfer works on.
func (f *Folder) DropPart(name string) {
	if p, err := f.openOnly(name, os.O_RDWR); err == nil {
		p.Remove()
	} else if errors.Is(err, fs.ErrNotExist) {
		(&File{folder: f, name: name}).Remove() // its sidecar
	}
}
