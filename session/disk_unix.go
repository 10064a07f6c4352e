//go:build unix

package session

import (
	"io/fs"
	"os"
	"syscall"
)

const permissionsCount = true // permission bits say who can read

// openNoFollow opens for reading; a symbolic link as the last part fails, and
// a named pipe does not block.
func openNoFollow(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
}

func ownedByUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
