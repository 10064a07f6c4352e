package sqlite

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// identity identifies a file.
type identity struct {
	major, minor uint32
	inode        uint64
}

func (i identity) same(other identity) bool { return i == other }

// identify returns the identity of the file at path. It does not request the times of
// the file: after a request the next write gets a new time, and its sync must write
// the journal of the file system. That took a sixth of the time of an append.
// SPEC: https://docs.kernel.org/filesystems/multigrain-ts.html (Linux 6.13).
func identify(path string) (identity, error) {
	for {
		var s unix.Statx_t
		switch err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_INO, &s); {
		case err == nil:
			return identity{s.Dev_major, s.Dev_minor, s.Ino}, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM): // an old kernel, or a filter of system calls
			return byStat(path)
		default:
			return identity{}, &fs.PathError{Op: "statx", Path: path, Err: err}
		}
	}
}

func byStat(path string) (identity, error) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return identity{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return identity{unix.Major(s.Dev), unix.Minor(s.Dev), s.Ino}, nil
}
