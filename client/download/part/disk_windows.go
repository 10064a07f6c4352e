package part

import (
	"io/fs"
	"os"

	"github.com/gofrs/flock"
)

const (
	openNoFollow      = 0    // os.Root opens reparse points itself; openPart compares with Lstat
	closeBeforeRename = true // an open file cannot be renamed
)

// lockFile locks a file beside the part: a lock on the part itself would keep
// its own bytes from being written.
func lockFile(_ *os.File, path string) (unlock func(), err error) {
	l := flock.New(path + ".lock")
	ok, err := l.TryLock()
	if err != nil {
		return nil, diskError(path, err)
	}
	if !ok {
		return nil, ErrBusy
	}
	return func() {
		_ = l.Unlock()
		_ = os.Remove(path + ".lock")
	}, nil
}

func links(fs.FileInfo) uint64 { return 1 }

// Windows has no modes: the rights of a folder decide.
func Umask() fs.FileMode { return 0 }

func own(fs.FileInfo) bool { return true }

func writableByOthers(fs.FileInfo) bool { return false }

func MaxDescriptors() int { return 0 }

func OutOfDescriptors(error) bool { return false }

// writable is found out by the first file.
func writable(string) error { return nil }
