package session

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"usher/backend/safetext"
)

const maxFile = 64 << 10 // bytes of any file this package reads

// readOwn reads a file of usher's own, at most maxFile bytes. It refuses a
// symbolic link, a file that is not regular, a foreign owner, and permission
// bits in forbidden. A missing file is fs.ErrNotExist.
func readOwn(path string, forbidden fs.FileMode) ([]byte, error) {
	return readAtMost(path, forbidden, maxFile)
}

// readAtMost is readOwn with another limit.
func readAtMost(path string, forbidden fs.FileMode, limit int64) ([]byte, error) {
	file, err := openNoFollow(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fs.ErrNotExist
	case err != nil:
		if info, lerr := os.Lstat(path); lerr == nil && info.Mode()&fs.ModeSymlink != 0 {
			return nil, linkError(path)
		}
		return nil, diskError(path, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, diskError(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, &FileError{safetext.New(path), "it is not a plain file", "Remove it."}
	}
	if err := checkOwn(path, info, forbidden); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, diskError(path, err)
	}
	if int64(len(data)) > limit {
		return nil, &FileError{safetext.New(path), "it is too large to be usher's", "Remove it."}
	}
	return data, nil
}

// checkOwn refuses a foreign owner and forbidden permission bits.
func checkOwn(path string, info fs.FileInfo, forbidden fs.FileMode) error {
	if !ownedByUs(info) {
		return &FileError{safetext.New(path), "it belongs to another user", "Remove it, or ask its owner to."}
	}
	if bits := info.Mode().Perm() & forbidden; permissionsCount && bits != 0 {
		problem := "others can change it"
		if bits&0o044 != 0 {
			problem = "others can read it"
		}
		mode := 0o600
		if info.IsDir() {
			mode = 0o700
		}
		return &FileError{safetext.New(path), problem, fmt.Sprintf("Run: chmod %o %s", mode, quote(path))}
	}
	return nil
}

// ownDir creates a private folder (0700). It refuses one that is a symbolic
// link, belongs to another user, or is open to others.
func ownDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return diskError(path, err)
	}
	return checkDir(path)
}

func checkDir(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fs.ErrNotExist
	case err != nil:
		return diskError(path, err)
	case info.Mode()&fs.ModeSymlink != 0:
		return linkError(path)
	case !info.IsDir():
		return &FileError{safetext.New(path), "it is not a folder", "Remove it."}
	}
	return checkOwn(path, info, 0o077)
}

// writeOwn replaces a file atomically: a reader finds the old content or the
// new, even after a crash. The file is 0600; its folder must exist. writeOwn
// removes the leftovers of interrupted writes.
func writeOwn(path string, data []byte) error {
	removeLeftovers(path)
	file, err := os.CreateTemp(filepath.Dir(path), leftoverPrefix(path)+"*") // 0600
	if err != nil {
		return diskError(path, err)
	}
	temp := file.Name()
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
		return diskError(path, err)
	}
	syncDir(filepath.Dir(path))
	return nil
}

// removeOwn removes a file and the leftovers of interrupted writes.
func removeOwn(path string) error {
	removeLeftovers(path)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return diskError(path, err)
	}
	syncDir(filepath.Dir(path))
	return nil
}

func leftoverPrefix(path string) string { return "." + filepath.Base(path) + ".new-" }

func removeLeftovers(path string) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), leftoverPrefix(path)) {
			os.Remove(filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
}

// syncDir makes a rename durable. Where a folder cannot be synced, the rename
// is still atomic, so syncDir returns no error.
func syncDir(path string) {
	if dir, err := os.Open(path); err == nil {
		dir.Sync()
		dir.Close()
	}
}

func linkError(path string) error {
	return &FileError{safetext.New(path), "it is a symbolic link", "Remove the link."}
}

// diskError keeps the system's reason and names the path once, escaped.
func diskError(path string, err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &le):
		err = le.Err
	}
	return &FileError{safetext.New(path), safetext.New(err.Error()).String(), "Make room or change its permissions, then try again."}
}

// quote returns a path in the syntax of a shell. A path with unprintable
// characters is returned escaped and without quotes.
func quote(path string) string {
	if safe := safetext.New(path).String(); safe != path {
		return safe
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// age returns the time since an instant: the larger of the wall clock's and the
// monotonic clock's difference. The monotonic clock stops while a machine
// sleeps; the wall clock can be set. ok is false where the wall clock puts the
// instant in the future, because the age is unknown then.
func age(since, now time.Time) (d time.Duration, ok bool) {
	wall := now.Round(0).Sub(since.Round(0))
	mono := now.Sub(since) // the wall difference if one of the two has no monotonic reading
	if wall < -5*time.Second {
		return mono, false
	}
	return max(wall, mono, 0), true
}
