package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"usher/backend/audit/checkpoint"
)

// Inspect reports whether Open would succeed. It creates no log and takes no
// lock, so a server may be running. It verifies the last records, compares the
// log's end with its head file, and tries a write in the log's folder.
// A key is optional; with it, Inspect verifies the last checkpoint.
func Inspect(ctx context.Context, path string, key *checkpoint.Verifier) error {
	if err := inspect(ctx, path, key); err != nil {
		return fmt.Errorf("inspecting the audit log: %w", replaced(path, err))
	}
	return nil
}

func inspect(ctx context.Context, path string, key *checkpoint.Verifier) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := checkPath(path, false); err != nil {
		return err
	}
	if err := writable(path); err != nil {
		return err
	}
	if empty, err := isEmpty(path); empty || err != nil {
		return err // the next start fills it
	}
	s, err := readOnly(path)
	if err != nil {
		return err
	}
	// Before the log: a running server adds to both.
	claimed, err := readHead(path + headSuffix)
	if err == nil {
		err = s.checkEnd(ctx, claimed, key)
	}
	return explain(errors.Join(err, s.db.Close()))
}

func (s reader) checkEnd(ctx context.Context, claimed storedClaim, key *checkpoint.Verifier) error {
	if err := s.checkTail(ctx, key); err != nil {
		return err
	}
	_, lost, err := s.compareHead(ctx, claimed)
	return errors.Join(err, lost)
}

// writable checks that the log can be opened for writing, and that a file can
// be created and written in its folder.
func writable(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".usher-check-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 4096))
	err = errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
	if err != nil {
		return err
	}
	if f, err = os.OpenFile(path, os.O_WRONLY, 0); err != nil {
		return ignoreMissing(err)
	}
	return f.Close()
}
