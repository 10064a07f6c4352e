package download

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"usher/backend/api"
	localname "usher/client/download/name"
	"usher/client/download/verify"
)

// partName names the part file of one content of one object.
func partName(bucket, key, etag string) string {
	sum := sha256.Sum256([]byte(bucket + "/" + key + "/" + etag))
	return localname.PartMark + hex.EncodeToString(sum[:8])
}

// sidecar is what stands in "<part>.json": whose bytes the part holds and
// which of them are there. It is believed only if it names the same content,
// and its ranges only after the part was read and their CRCs agree.
type sidecar struct {
	Format   int           `json:"format"`
	Bucket   string        `json:"bucket"`
	Key      string        `json:"key"`
	ETag     string        `json:"etag"`
	Version  string        `json:"version,omitempty"`
	Size     int64         `json:"size"`
	Modified time.Time     `json:"modified,omitzero"`
	Checksum *api.Checksum `json:"checksum,omitempty"`
	Parts    *api.Parts    `json:"parts,omitempty"`
	Event    string        `json:"event,omitempty"` // the first audit event of the transfer
	EventAt  time.Time     `json:"event_at,omitzero"`
	CRC      string        `json:"crc"` // of the ranges
	Ranges   []rangeSum    `json:"ranges"`
}

const (
	sidecarFormat = 1
	maxSidecar    = 1 << 20 // bytes
)

// rangeSum is one range [From, To) and its CRC in hexadecimal.
type rangeSum struct {
	From int64  `json:"from"`
	To   int64  `json:"to"`
	Sum  string `json:"sum"`
}

// have counts the bytes that the ranges hold.
func (s sidecar) have() (n int64) {
	for _, r := range s.Ranges {
		n += r.To - r.From
	}
	return n
}

func (s sidecar) sane() bool {
	if s.Format != sidecarFormat || s.Size < 0 || verify.CRCFor(s.CRC) == nil {
		return false
	}
	var at int64
	for _, r := range s.Ranges {
		if r.From < at || r.To <= r.From || r.To > s.Size {
			return false
		}
		at = r.To
	}
	return true
}

// part is an open part file, locked against every other transfer.
type part struct {
	folder   *folder
	name     string // "": nameless
	file     *os.File
	unlock   func()
	hasNotes bool // the sidecar exists on disk
	begun    bool // by an earlier run, which may have left more than that
	size     int64
}

// errBusy says that another transfer, here or in another process, holds the part.
var errBusy = errors.New("another transfer is fetching this file")

// heldError is errBusy of a part that is named.
type heldError struct{ part string }

func (e *heldError) Error() string { return errBusy.Error() }
func (e *heldError) Unwrap() error { return errBusy }

// errArrived says that another usher finished the file between the look at its
// place and the lock on its part.
var errArrived = errors.New("the file is here by now")

// held reports whether a transfer, here or in another process, holds a part.
func (f *folder) held(name string) bool {
	p, err := f.openOnly(name, os.O_RDWR)
	if err == nil {
		p.close()
	}
	return errors.Is(err, errBusy)
}

// progress changes whenever the transfer that holds a part writes: its bytes, or
// the list of those that it has.
func (f *folder) progress(name string) string {
	at := ""
	for _, n := range []string{name, name + ".json"} {
		if info, err := f.root.Lstat(n); err == nil {
			at += info.ModTime().String() + " " + strconv.FormatInt(info.Size(), 10) + ";"
		}
	}
	return at
}

// errForeign says that a file with the name of a part is not this person's, or
// can be reached by others: it is neither opened nor removed.
var errForeign = errors.New("the part is not ours")

// maxForeign is how many names are tried beside parts that are not ours.
const maxForeign = 100

// openPart opens or makes the part file of that name and locks it. Where the
// name is taken by a file that is not ours, the next name is used.
func (f *folder) openPart(name string) (*part, error) {
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
// file that is made is ours whatever the file system says of its owner.
func (f *folder) openOnly(name string, flags int) (*part, error) {
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
	return nil, &heldError{name}
}

// createPart makes the part; fs.ErrExist: there is one.
func (f *folder) createPart(name string) (*part, error) {
	file, err := f.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|openNoFollow, partMode)
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
func (f *folder) lockPart(name string, file *os.File, ours func(fs.FileInfo) bool) (*part, error) {
	unlock, err := lockFile(file, filepath.Join(f.path, name))
	if err != nil {
		file.Close()
		if errors.Is(err, errBusy) {
			err = &heldError{name}
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
	return &part{folder: f, name: name, file: file, unlock: unlock, size: opened.Size()}, nil
}

// newPart is a part for an object that comes in one piece: without a name
// where there are such files.
func (f *folder) newPart(name string) (*part, error) {
	if file := openNameless(f); file != nil {
		return &part{folder: f, file: file, unlock: func() {}}, nil
	}
	return f.openPart(name)
}

// close lets go of the part and keeps it.
func (p *part) close() {
	if p.file == nil {
		return
	}
	p.unlock()
	p.file.Close()
	p.file = nil
}

// remove takes part and sidecar away, and lets go.
func (p *part) remove() {
	if p.name != "" {
		p.folder.root.Remove(p.name)
		p.hasNotes, p.begun = true, true
		p.tidy()
	}
	p.close()
}

// tidy removes what described the part.
func (p *part) tidy() {
	if p.hasNotes {
		p.folder.root.Remove(p.name + ".json")
	}
	if p.begun {
		p.folder.root.Remove(p.name + ".json.new")
	}
}

// dropPart removes a part of ours that no transfer works on.
func (f *folder) dropPart(name string) {
	if p, err := f.openOnly(name, os.O_RDWR); err == nil {
		p.remove()
	} else if errors.Is(err, fs.ErrNotExist) {
		(&part{folder: f, name: name}).remove() // what describes it
	}
}

// notes reads the sidecar. Anything odd about it reads as none.
func (f *folder) notes(name string) (sidecar, bool) {
	seen, err := f.root.Lstat(name + ".json")
	if err != nil || !f.ownPart(seen) {
		return sidecar{}, false
	}
	file, err := f.root.OpenFile(name+".json", os.O_RDONLY|openNoFollow, 0)
	if err != nil {
		return sidecar{}, false
	}
	defer file.Close()
	if opened, err := file.Stat(); err != nil || !os.SameFile(opened, seen) || !f.ownPart(opened) {
		return sidecar{}, false
	}
	data, err := io.ReadAll(io.LimitReader(file, maxSidecar))
	var s sidecar
	if err != nil || json.Unmarshal(data, &s) != nil || !s.sane() {
		return sidecar{}, false
	}
	return s, true
}

// note writes the sidecar, whole or not at all.
func (p *part) note(s sidecar) error {
	if p.name == "" {
		return nil
	}
	s.Format = sidecarFormat
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	root, name := p.folder.root, p.name+".json"
	root.Remove(name + ".new")
	file, err := root.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_EXCL, partMode)
	if err != nil {
		return diskError(filepath.Join(p.folder.path, name), err)
	}
	_, err = file.Write(data)
	if e := file.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = root.Rename(name+".new", name)
	}
	if err != nil {
		root.Remove(name + ".new")
		return diskError(filepath.Join(p.folder.path, name), err)
	}
	p.hasNotes = true
	return nil
}

// oldParts finds parts of the same object with another content than etag, left
// by an earlier run: the object changed since. It also returns the parts of that
// content, and whether there is anything under the name current.
func (f *folder) oldParts(bucket, key, etag, current string) (old, same []string, some bool) {
	f.scanned()
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	for name, s := range f.leftovers {
		switch {
		case name == current:
			some = true
		case s.Bucket != bucket || s.Key != key:
		case s.ETag == etag:
			same, some = append(same, name), true
		default:
			old = append(old, name)
			delete(f.leftovers, name)
		}
	}
	return old, same, some
}

// leftover finds what an earlier run noted on an object.
func (f *folder) leftover(bucket, key string) (sidecar, bool) {
	f.scanned()
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	for _, s := range f.leftovers {
		if s.Bucket == bucket && s.Key == key {
			return s, true
		}
	}
	return sidecar{}, false
}

// dropParts removes everything that lies here of an object that is complete:
// an earlier run may have ended between the file's name and its sidecar's end.
func (f *folder) dropParts(bucket, key, etag string) {
	current := partName(bucket, key, etag)
	old, same, some := f.oldParts(bucket, key, etag, current)
	if some {
		old = append(append(old, same...), current)
	}
	for _, name := range old {
		f.dropPart(name)
	}
}

// scanned reads once which parts lie in the folder.
func (f *folder) scanned() {
	f.scan.Do(func() {
		found := f.scanParts()
		f.disk.mu.Lock()
		f.leftovers = found
		f.disk.mu.Unlock()
	})
}

// scanParts looks for parts in the folder and reads their sidecars; a part
// whose sidecar says nothing has an empty one.
func (f *folder) scanParts() map[string]sidecar {
	found := map[string]sidecar{}
	dir, err := f.root.Open(".")
	if err != nil {
		return found
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(1024)
		for _, n := range names {
			name := strings.TrimSuffix(strings.TrimSuffix(n, ".new"), ".json")
			_, seen := found[name]
			if seen || !strings.HasPrefix(name, localname.PartMark) || len(name) != len(localname.PartMark)+16 || len(found) > 10_000 {
				continue
			}
			s, _ := f.notes(name)
			s.Ranges = []rangeSum{{To: s.have()}} // the sum is all that is asked of it
			found[name] = s
		}
		if err != nil || len(names) == 0 {
			return found
		}
	}
}

// finish gives the verified part its final name and returns that name. The
// bytes are on the disk first, where syncing this file by itself is right.
func (p *part) finish(name string, mtime time.Time, mode Conflict, record string) (string, error) {
	size := p.size
	if size >= syncSize {
		if err := p.folder.disk.sync(p.file); err != nil {
			// The next sync may succeed although these bytes were lost: they are
			// fetched again (fsync(2), "errors").
			p.remove()
			return "", diskError(filepath.Join(p.folder.path, name), err)
		}
	}
	if p.name == "" {
		setNamelessModified(p.file, mtime)
	} else {
		setModified(p.folder, p.name, mtime)
	}
	writeRecord(p.file, record)
	_ = p.file.Chmod(0o666 &^ p.folder.disk.umask) // not every file system keeps modes
	if closeBeforeRename {
		p.close()
	}
	used, err := p.rename(name, mode)
	if err != nil {
		return "", err
	}
	p.tidy()
	p.close()
	if size >= syncSize {
		p.folder.dir.Sync() // the name; the bytes are safe already
	}
	return used, nil
}

func (p *part) rename(name string, mode Conflict) (string, error) {
	root := p.folder.root
	if mode == Overwrite {
		if err := p.folder.replaceable(name); err != nil {
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
		if mode != KeepBoth || n > 999 {
			return "", &Error{Kind: ErrExists, Path: filepath.Join(p.folder.path, try)}
		}
		try = numbered(name, n)
	}
}

func (p *part) renameNew(name string) error {
	if p.name == "" {
		return nameNew(p.folder, p.file, name)
	}
	return renameNew(p.folder, p.name, name)
}

// sameAs compares the part with a file, byte for byte.
func (p *part) sameAs(name string) bool {
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

// numbered makes "name (1).ext".
func numbered(name string, n int) string {
	ext := filepath.Ext(name)
	if ext == name || len(ext) > 16 {
		ext = ""
	}
	return strings.TrimSuffix(name, ext) + " (" + strconv.Itoa(n) + ")" + ext
}
