package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"usher/backend/audit/tree"
)

// isLog checks that path is an audit log without changing anything. It returns
// ErrNoLog for a missing file and ErrForeign for any other file. An empty file,
// which a crash can leave behind, is accepted.
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
	// The id is 0 while the first transaction is only in the write-ahead log.
	id := binary.BigEndian.Uint32(header[idAt:])
	if string(header[:len(magic)]) != magic || id != applicationID && id != 0 {
		return ErrForeign
	}
	return nil
}

// isEmpty reports whether there is no log at path, or a file without any bytes, which a
// start makes a log. It returns an error if the head file has records of it.
func isEmpty(path string) (bool, error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, err
	case info.Size() > 0 || len(absent(path+"-wal")) == 0:
		return false, nil
	}
	claimed, err := readHead(path + headSuffix)
	if err != nil {
		return false, err
	}
	return true, compareHeads(claimed, claim{}, tree.Head{})
}

// private creates the file if necessary and restricts it to its owner. SQLite
// creates the WAL and shared-memory files with the same mode.
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

// guard detects that the log's files were deleted or replaced. Without it,
// SQLite would keep writing to the unlinked files.
type guard struct{ files []guarded }

type guarded struct {
	path string
	file identity
}

// newGuard returns a guard of the log's files. It also syncs their directory
// entries.
func newGuard(path string) (*guard, error) {
	g := &guard{}
	for _, p := range []string{path, path + "-wal", path + headSuffix} {
		file, err := identify(p)
		if err != nil {
			return nil, err
		}
		g.files = append(g.files, guarded{p, file})
	}
	return g, syncFolder(filepath.Dir(path))
}

var errFileGone = errors.New("the audit log's file was moved, replaced or deleted while usher was running; put it back or restart usher")

// check returns errFileGone unless the same files are still at their paths.
func (g *guard) check() error {
	for _, f := range g.files {
		found, err := identify(f.path)
		if err != nil {
			return fmt.Errorf("%w: %w", errFileGone, err)
		}
		if !found.same(f.file) {
			return errFileGone
		}
	}
	return nil
}
