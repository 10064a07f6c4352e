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

	"usher/backend/event"
)

// Errors of Backup.
var (
	ErrNoLog  = errors.New("there is no audit log")
	ErrExists = errors.New("the file exists already; a backup replaces nothing")
)

// Backup copies the log at path to a new file, readable by its owner alone,
// while a server may be writing it: all events that were durable when Backup
// began are in the copy, those in the write-ahead log too. The copy's chain is
// verified before it gets its name, so that no other file ever has that name.
// It returns the last record of the copy, whose number is the count of events.
func Backup(ctx context.Context, path, dest string) (event.Head, error) {
	head, err := backup(ctx, path, dest)
	if err != nil {
		return head, fmt.Errorf("backing up the audit log: %w", err)
	}
	return head, nil
}

func backup(ctx context.Context, path, dest string) (head event.Head, err error) {
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
	// Read before the copy: all that they name was durable before it.
	known, err := knownHeads(ctx, source)
	if err != nil {
		return head, err
	}
	// SQLite takes an empty file for a new one; this one is private from its start.
	temp, err := os.CreateTemp(filepath.Dir(dest), ".usher-backup-*")
	if err != nil {
		return head, err
	}
	defer func() { err = errors.Join(err, gone(os.Remove(temp.Name()))) }()
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
	if err := durable(temp.Name()); err != nil {
		return head, err
	}
	// A link, unlike a rename, never replaces a file.
	if err := os.Link(temp.Name(), dest); errors.Is(err, fs.ErrExist) {
		return head, fmt.Errorf("%s: %w", dest, ErrExists)
	} else if err != nil { // a file system without links
		if err := os.Rename(temp.Name(), dest); err != nil {
			return head, err
		}
	}
	return head, syncFolder(filepath.Dir(dest))
}

// readOnly opens a log for reading alone.
func readOnly(path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(path, "mode=ro"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &Store{path: path, reader: reader{db}}, nil
}

// knownHeads are places that a copy of the log has to reach.
func knownHeads(ctx context.Context, source *Store) ([]event.Head, error) {
	claimed, _, err := readHead(source.path + headSuffix)
	if err != nil {
		return nil, err
	}
	end, err := source.Head(ctx)
	if err != nil {
		return nil, explain(err)
	}
	known := []event.Head{end}
	if claimed.Seq > 0 {
		known = append(known, claimed)
	}
	return known, nil
}

// verified reads a copy from its first record to its last.
func verified(ctx context.Context, path string, known []event.Head) (event.Head, error) {
	copied, err := readOnly(path)
	if err != nil {
		return event.Head{}, err
	}
	report, err := event.VerifyChain(event.Head{}, known, copied.Links(ctx, 0))
	err = errors.Join(err, copied.db.Close())
	switch {
	case err != nil:
		return event.Head{}, explain(err)
	case !report.Whole():
		return event.Head{}, fmt.Errorf("%w: %s", ErrDamaged, report.Faults[0])
	case report.Events != report.Head.Seq:
		return event.Head{}, fmt.Errorf("%w: %d records, and the last is number %d", ErrDamaged, report.Events, report.Head.Seq)
	}
	return report.Head, nil
}

func durable(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncFolder makes the entries of a folder durable.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" { // which cannot sync a directory, and need not
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// gone forgives the removal of a file that is not there.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
