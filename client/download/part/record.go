package part

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	localname "usher/client/download/name"
)

// Recorded is used instead of a checksum's name for a file that was not
// compared: its record names this content, and the file has not changed since.
const Recorded = "recorded"

// RecordOf is the note that goes with a finished file, in an extended attribute
// where there are such: its content, and its size and time as proof that it is
// unchanged.
func RecordOf(etag, verified string, size int64, mtime time.Time) string {
	return strings.Join([]string{"1", etag, verified, strconv.FormatInt(size, 10), strconv.FormatInt(mtime.UnixNano(), 10)}, "\n")
}

// matchRecord reports whether the file still is the one of the note, and is etag.
func matchRecord(record, etag string, info fs.FileInfo) bool {
	f := strings.Split(record, "\n")
	return len(f) == 5 && f[0] == "1" && etag != "" && f[1] == etag &&
		f[3] == strconv.FormatInt(info.Size(), 10) && f[4] == strconv.FormatInt(info.ModTime().UnixNano(), 10)
}

// Recorded reports whether a file has the content that its note names. The note counts only
// where no other person can have written it: on a file of this person that
// others cannot write, in a folder that they cannot write either.
func (f *Folder) Recorded(name, etag string, info fs.FileInfo) bool {
	return own(info) && !writableByOthers(info) && f.private() && matchRecord(readRecord(f, name), etag, info)
}

// private reports whether nobody else can write in the folder.
func (f *Folder) private() bool {
	info, err := f.dir.Stat()
	return err == nil && !writableByOthers(info)
}

// ownPart reports whether an existing part or sidecar may be used: a regular
// file of this person that others can neither write nor have under another
// name. Any other is left alone.
func (f *Folder) ownPart(info fs.FileInfo) bool {
	return info.Mode().IsRegular() && own(info) && links(info) == 1 &&
		(info.Mode().Perm() == Mode || info.Mode().Perm() == f.partPerm())
}

// Mode is the mode of parts and sidecars; the finished file gets another.
const Mode fs.FileMode = 0o600

// partPerm is the mode that a new part has in this folder: another than
// Mode where the file system keeps no modes, as FAT.
func (f *Folder) partPerm() fs.FileMode {
	f.perm.Do(func() {
		f.newPerm = Mode
		const name = localname.PartMark + "mode"
		file, err := f.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, Mode)
		if err != nil {
			return
		}
		defer f.root.Remove(name)
		defer file.Close()
		if info, err := file.Stat(); err == nil && own(info) {
			f.newPerm = info.Mode().Perm()
		}
	})
	return f.newPerm
}

// Record is the note that WriteRecord left on a file; "": none.
func (f *Folder) Record(name string) string { return readRecord(f, name) }
