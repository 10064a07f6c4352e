package part

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// recordAttr holds RecordOf's text on a finished file.
const recordAttr = "usher.object"

// renameNew renames within the folder and never replaces a file.
func renameNew(f *Folder, from, to string) error {
	fd := int(f.dir.Fd())
	err := unix.RenameatxNp(fd, from, fd, to, unix.RENAME_EXCL)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EINVAL) {
		return linkNew(f, from, to)
	}
	return err
}

func openNameless(*Folder) *os.File { return nil }

func nameNew(*Folder, *os.File, string) error { return os.ErrInvalid }

func setNamelessModified(*os.File, time.Time) {}

func setModified(f *Folder, name string, t time.Time) { _ = f.root.Chtimes(name, t, t) }

func preallocate(*os.File, int64) error { return nil }

// SyncDisk syncs the folder's names; files of 1 MiB and more were synced one by one.
func SyncDisk(f *Folder) error { return f.dir.Sync() }

// freeSpace is the space that an ordinary user can still write, in bytes; -1: unknown.
func freeSpace(f *Folder) int64 {
	var st unix.Statfs_t
	if unix.Fstatfs(int(f.dir.Fd()), &st) != nil || st.Blocks == 0 { // a file system without blocks does not count them
		return -1
	}
	return int64(st.Bavail) * int64(st.Bsize)
}

func fileSystem(f *Folder) uint64 {
	var st unix.Stat_t
	if unix.Fstat(int(f.dir.Fd()), &st) != nil {
		return 0
	}
	return uint64(st.Dev)
}

// windowsFileSystem reports whether the file system takes the names of Windows
// alone.
func windowsFileSystem(dir string) bool {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return false
	}
	switch unix.ByteSliceToString(st.Fstypename[:]) {
	case "msdos", "exfat", "ntfs", "smbfs":
		return true
	}
	return false
}
