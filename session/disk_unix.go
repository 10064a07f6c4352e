//go:build unix

package session

import (
	"io/fs"
	"os"
	"syscall"
)

const permissionsCount = true // permission bits restrict readers

// openNoFollow opens a file for reading. It fails if the last element of the
// path is a symbolic link, and does not block on a named pipe.
func openNoFollow(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
}

func ownedByUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
