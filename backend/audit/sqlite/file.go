package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// isLog refuses a path that holds no audit log, before anything is made beside
// it: ErrNoLog where nothing is, ErrForeign for another file. An empty file,
// which a crash can leave, passes.
// SPEC: https://www.sqlite.org/fileformat.html, "The Database Header".
func isLog(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", path, ErrNoLog)
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return ErrForeign
	}
	const magic, idAt = "SQLite format 3\x00", 68
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	header := make([]byte, idAt+4)
	switch _, err := io.ReadFull(f, header); {
	case errors.Is(err, io.EOF):
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return ErrForeign
	case err != nil:
		return err
	}
	// The id is not in the file yet when the first transaction is in the
	// write-ahead log alone.
	id := binary.BigEndian.Uint32(header[idAt:])
	if string(header[:len(magic)]) != magic || id != applicationID && id != 0 {
		return ErrForeign
	}
	return nil
}

// private makes sure that the file exists and that only its owner can read
// it. SQLite gives the files it puts beside it (WAL, shared memory) the same
// mode.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return ErrForeign
	}
	if info.Mode().Perm()&0o077 != 0 {
		return os.Chmod(path, 0o600)
	}
	return nil
}

// guard remembers which files the log was opened with. SQLite would go on
// writing to files that were deleted or replaced, and so into nothing.
type guard struct{ files []guarded }

type guarded struct {
	path string
	info fs.FileInfo
}

// watch also makes the directory's entries for the files durable.
func watch(path string) (*guard, error) {
	g := &guard{}
	for _, p := range []string{path, path + "-wal", path + headSuffix} {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		g.files = append(g.files, guarded{p, info})
	}
	return g, syncFolder(filepath.Dir(path))
}

var errGone = errors.New("the audit log's file was moved, replaced or deleted while usher runs; put it back or restart usher")

// check says whether the files are still where they were.
func (g *guard) check() error {
	for _, f := range g.files {
		info, err := os.Stat(f.path)
		if err != nil {
			return fmt.Errorf("%w: %w", errGone, err)
		}
		if !os.SameFile(info, f.info) {
			return errGone
		}
	}
	return nil
}
