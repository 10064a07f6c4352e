//go:build unix

package download

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	openNoFollow      = unix.O_NOFOLLOW
	closeBeforeRename = false // the lock lasts until the file has its name
)

// lockFile takes the lock that lives as long as the open file. errBusy:
// somebody else has it.
func lockFile(f *os.File, path string) (unlock func(), err error) {
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case err == nil, errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS): // some network file systems know no locks
		return func() {}, nil // closing the file unlocks it
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, errBusy
	}
	return nil, diskError(path, err)
}

func links(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}
