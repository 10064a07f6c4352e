package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"usher/backend/audit/tree"
)

// Old is a log that a new one replaces.
type Old struct {
	Head tree.Head // the last known head: of the head file, or of the log itself
	Kept int64     // number of records in the file
}

// Inspected returns the known facts about the log at path. The log may be missing or
// unreadable: its head file has the head then. It returns ErrLocked while a server
// writes the log.
func Inspected(ctx context.Context, path string) (Old, error) {
	unlock, err := lockLog(path)
	if err != nil {
		return Old{}, err
	}
	defer unlock()
	claimed, err := readHead(path + headSuffix)
	if err != nil {
		return Old{}, err
	}
	old := Old{Head: claimed.Head}
	if isLog(path) != nil {
		return old, nil
	}
	s, err := readOnly(path)
	if err != nil {
		return Old{}, err
	}
	defer func() { _ = s.db.Close() }()
	if end, err := s.Head(ctx); err == nil { // an unreadable log has no kept records
		old.Kept = end.Size
		if end.Size >= old.Head.Size {
			old.Head = end
		}
	}
	old.Kept = min(old.Kept, old.Head.Size)
	return old, nil
}

// SetAside renames the files of the log at path: audit.db becomes audit-N.db. It
// returns the new names. Files that are renamed already, or missing, are skipped.
func SetAside(path string, n int) (files []string, err error) {
	unlock, err := lockLog(path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	ext := filepath.Ext(path)
	aside := fmt.Sprintf("%s-%d%s", strings.TrimSuffix(path, ext), n, ext)
	// The database last: without it, the others are not opened.
	for _, suffix := range []string{headSuffix, "-wal", "-shm", ""} {
		to := aside + suffix
		if _, err := os.Lstat(path + suffix); errors.Is(err, fs.ErrNotExist) {
			if _, err := os.Lstat(to); err == nil {
				files = append(files, to)
			}
			continue
		}
		if _, err := os.Lstat(to); err == nil {
			return files, fmt.Errorf("%s: %w", to, ErrExists)
		}
		if err := os.Rename(path+suffix, to); err != nil {
			return files, fmt.Errorf("keeping the old audit log: %w", err)
		}
		files = append(files, to)
	}
	return files, syncFolder(filepath.Dir(path))
}

// lockLog locks a log against servers.
func lockLog(path string) (unlock func(), err error) {
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	got, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking the audit log: %w", err)
	}
	if !got {
		return nil, ErrLocked
	}
	return func() { _ = lock.Unlock() }, nil
}
