//go:build unix

package part

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	openNoFollow      = unix.O_NOFOLLOW
	closeBeforeRename = false // the lock lasts until the file has its name
)

// lockFile takes the lock that lives as long as the open file. ErrBusy:
// another process has it.
func lockFile(f *os.File, path string) (unlock func(), err error) {
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case err == nil, errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS): // some network file systems know no locks
		return func() {}, nil // closing the file unlocks it
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, ErrBusy
	}
	return nil, diskError(path, err)
}

// Umask is the process's. Where /proc does not show it, reading it sets it for a
// moment to the strictest.
func Umask() fs.FileMode {
	if status, err := os.ReadFile("/proc/self/status"); err == nil { // since Linux 4.7
		if _, line, ok := strings.Cut(string(status), "\nUmask:"); ok {
			line, _, _ = strings.Cut(line, "\n")
			if mask, err := strconv.ParseUint(strings.TrimSpace(line), 8, 32); err == nil {
				return fs.FileMode(mask) & fs.ModePerm
			}
		}
	}
	mask := unix.Umask(0o077)
	unix.Umask(mask)
	return fs.FileMode(mask) & fs.ModePerm
}

// MaxDescriptors is the number of files and connections that this process may
// have open.
func MaxDescriptors() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), 1<<20))
}

// OutOfDescriptors reports whether a failure ends when another file is closed.
func OutOfDescriptors(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}

// writable returns the reason why no file can be made in a folder, as far as its
// rights and the file system's tell.
func writable(folder string) error {
	err := unix.Faccessat(unix.AT_FDCWD, folder, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS) || errors.Is(err, unix.EPERM) {
		return err
	}
	return nil
}

// own reports whether a file belongs to this person.
func own(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// writableByOthers reports whether another user than the owner can write. The group
// of that name that many systems give each person does not count.
func writableByOthers(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	perm := info.Mode().Perm()
	return !ok || int(st.Uid) != os.Geteuid() && st.Uid != 0 || perm&0o002 != 0 || perm&0o020 != 0 && st.Gid != st.Uid
}

func links(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}
