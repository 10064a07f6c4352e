// Package replace replaces a file whole: a reader finds the old content or the new
// one, also after a crash.
//
// Locks and the form of the content are left to the caller. package session has its
// own function, because its files have owners and leftovers to check.
package replace

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// File replaces the file at path, with mode 0600, and returns after the content is
// durable. After an error the old content may be in place.
func File(path string, content []byte) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = temp.Write(content)
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename durable. Windows needs no sync of directories and
// supports none.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
