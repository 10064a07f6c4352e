package part

import (
	"errors"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// recordAttr holds RecordOf's text on a finished file.
const recordAttr = "user.usher.object"

// renameNew renames within the folder and never replaces a file.
func renameNew(f *Folder, from, to string) error {
	fd := int(f.dir.Fd())
	err := unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		return linkNew(f, from, to)
	}
	return err
}

// canNameless: a nameless file gets its name through its entry in /proc.
var canNameless = sync.OnceValue(func() bool {
	_, err := os.Stat("/proc/self/fd")
	return err == nil
})

// openNameless makes a file without a name (open(2), O_TMPFILE): a file that
// comes in one piece needs no entry in the directory before it is verified,
// and nothing of it is left after kill -9. It has its final mode from the start,
// because nobody else can open it. nil: this file system has none.
func openNameless(f *Folder) *os.File {
	if !canNameless() {
		return nil
	}
	fd, err := unix.Openat(int(f.dir.Fd()), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, finalMode)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "nameless")
}

// nameNew gives a nameless file its name, and never replaces a file.
func nameNew(f *Folder, file *os.File, to string) error {
	// By descriptor since Linux 6.10, before that by the entry in /proc.
	err := unix.Linkat(int(file.Fd()), "", int(f.dir.Fd()), to, unix.AT_EMPTY_PATH)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		err = unix.Linkat(unix.AT_FDCWD, fdPath(file), int(f.dir.Fd()), to, unix.AT_SYMLINK_FOLLOW)
	}
	return err
}

func setNamelessModified(file *os.File, t time.Time) {
	ts := unix.NsecToTimespec(t.UnixNano())
	times := []unix.Timespec{ts, ts}
	if unix.UtimesNanoAt(int(file.Fd()), "", times, unix.AT_EMPTY_PATH) != nil { // since Linux 5.8
		_ = unix.UtimesNanoAt(unix.AT_FDCWD, fdPath(file), times, 0)
	}
}

func fdPath(file *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(file.Fd())) }

func setModified(f *Folder, name string, t time.Time) {
	ts := unix.NsecToTimespec(t.UnixNano())
	// A file system that keeps no times is no reason to fail.
	_ = unix.UtimesNanoAt(int(f.dir.Fd()), name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}

// preallocate allocates the blocks now: ENOSPC comes before the first byte, and
// writing is cheaper. Only lack of space counts as an error. A file system in
// memory would clear every page first, which takes as long as filling it.
func preallocate(f *os.File, size int64) error {
	var st unix.Statfs_t
	if unix.Fstatfs(int(f.Fd()), &st) == nil && st.Type == unix.TMPFS_MAGIC {
		return nil
	}
	if err := unix.Fallocate(int(f.Fd()), 0, 0, size); errors.Is(err, unix.ENOSPC) {
		return err
	}
	return nil
}

// SyncDisk makes everything that was written to the folder's file system durable.
func SyncDisk(f *Folder) error { return unix.Syncfs(int(f.dir.Fd())) }

// freeSpace is the space that an ordinary user can still write, in bytes; -1: unknown.
func freeSpace(f *Folder) int64 {
	var st unix.Statfs_t
	if unix.Fstatfs(int(f.dir.Fd()), &st) != nil || st.Blocks == 0 { // a file system without blocks does not count them
		return -1
	}
	return int64(st.Bavail) * st.Bsize
}

// fileSystem is the number of the file system.
func fileSystem(f *Folder) uint64 {
	var st unix.Stat_t
	if unix.Fstat(int(f.dir.Fd()), &st) != nil {
		return 0
	}
	return st.Dev
}

// windowsFileSystem reports whether the file system takes the names of Windows
// alone (statfs(2), f_type). ntfs-3g takes others too.
func windowsFileSystem(dir string) bool {
	const exfat, ntfs, ntfs3, smb2 = 0x2011bab0, 0x5346544e, 0x7366746e, 0xfe534d42
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.MSDOS_SUPER_MAGIC, exfat, ntfs, ntfs3, unix.CIFS_SUPER_MAGIC, smb2, unix.SMB_SUPER_MAGIC:
		return true
	}
	return false
}
