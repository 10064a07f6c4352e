//go:build !unix

package session

import (
	"io/fs"
	"os"
)

// Permission bits have no meaning here: the system closes a user's profile
// folder to others.
const permissionsCount = false

func openNoFollow(path string) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil, fs.ErrInvalid
	}
	return os.Open(path)
}

func ownedByUs(fs.FileInfo) bool { return true }
