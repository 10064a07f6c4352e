package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"usher/backend/audit/tree"
)

// Errors of Backup.
var (
	ErrNoLog  = errors.New("there is no audit log")
	ErrExists = errors.New("the file already exists; a backup never replaces a file")
)

// Backup copies the log at path to the new file dest with mode 0600. A server
// may write the log meanwhile: the copy has all events that were durable when
// Backup began, including those in the write-ahead log. Backup verifies all
// records of the copy before it creates dest, so dest is never incomplete. It
// returns the head of the copy.
func Backup(ctx context.Context, path, dest string) (tree.Head, error) {
	head, err := backup(ctx, path, dest)
	if err != nil {
		return head, fmt.Errorf("backing up the audit log: %w", err)
	}
	return head, nil
}

func backup(ctx context.Context, path, dest string) (head tree.Head, err error) {
	if _, err := os.Lstat(dest); err == nil {
		return head, fmt.Errorf("%s: %w", dest, ErrExists)
	}
	if err := isLog(path); err != nil {
		return head, err
	}
	source, err := readOnly(path)
	if err != nil {
		return head, err
	}
	defer func() { err = errors.Join(err, source.db.Close()) }()
	// Read before the copy, so the copy must have these records.
	known, err := knownHeads(ctx, source)
	if err != nil {
		return head, err
	}
	// SQLite accepts an empty file as a new database. CreateTemp sets mode 0600.
	temp, err := os.CreateTemp(filepath.Dir(dest), ".usher-backup-*")
	if err != nil {
		return head, err
	}
	defer func() { err = errors.Join(err, ignoreMissing(os.Remove(temp.Name()))) }()
	if err := temp.Close(); err != nil {
		return head, err
	}
	// SPEC: https://www.sqlite.org/lang_vacuum.html: INTO is a transactional
	// snapshot of a live database.
	if _, err := source.db.ExecContext(ctx, "VACUUM INTO ?", temp.Name()); err != nil {
		return head, explain(err)
	}
	if head, err = verified(ctx, temp.Name(), known); err != nil {
		return head, err
	}
	if err := syncFile(temp.Name()); err != nil {
		return head, err
	}
	// Unlike a rename, a link never replaces a file.
	if err := os.Link(temp.Name(), dest); errors.Is(err, fs.ErrExist) {
		return head, fmt.Errorf("%s: %w", dest, ErrExists)
	} else if err != nil { // a file system without links
		if err := os.Rename(temp.Name(), dest); err != nil {
			return head, err
		}
	}
	return head, syncFolder(filepath.Dir(dest))
}

// readOnly opens a log without write access.
func readOnly(path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(path, "mode=ro", "_pragma=cache_size(-512)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &Store{path: path, reader: reader{db, 1, pageWork(), newTexts()}}, nil
}

// knownHeads returns the heads that a copy of the log must contain.
func knownHeads(ctx context.Context, source *Store) ([]Known, error) {
	claimed, err := readHead(source.path + headSuffix)
	if err != nil {
		return nil, err
	}
	end, err := source.Head(ctx)
	if err != nil {
		return nil, explain(err)
	}
	return []Known{{end, ownHead}, {claimed.Head, ownHead}}, nil
}

// verified checks all records of a copy and returns its head.
func verified(ctx context.Context, path string, known []Known) (tree.Head, error) {
	copied, err := readOnly(path)
	if err != nil {
		return tree.Head{}, err
	}
	copied.widen(scanConns)
	v := verification{reader: copied.reader, known: known}
	report, err := v.run(ctx)
	if err = errors.Join(err, copied.db.Close()); err != nil {
		return tree.Head{}, explain(err)
	}
	return report.Head, report.Err()
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncFolder makes the entries of a folder durable.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" { // needs no sync of directories and supports none
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// ignoreMissing returns nil for the error of a file that does not exist.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// OpenCopy opens the log at path for queries only, until CloseCopy.
func OpenCopy(path string) (*Store, error) {
	if err := isLog(path); err != nil {
		return nil, err
	}
	s, err := readOnly(path)
	return s, explain(err)
}

// CloseCopy closes a log of OpenCopy.
func (s *Store) CloseCopy() error { return s.db.Close() }
