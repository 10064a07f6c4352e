package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"usher/backend/safetext"
)

// ErrWritable: any account of the machine can write the file.
var ErrWritable = errors.New("every account of this machine can write it")

const otherWrite = 0o002

// Guarded returns ErrWritable for a file that any account of the machine can
// change, either by its mode or because a folder on its path lets anyone replace
// its files. Guarded follows links and checks their folders too. It accepts
// folders with the sticky bit, where only the owner can replace a file. It
// accepts files that their group can write, which is an administrator's decision
// and often the default mode. The error has the path and the command that
// corrects it. On Windows modes have no meaning, and Guarded returns nil.
func Guarded(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return plainly("checking who can write a file", err)
	}
	for range maxLinks {
		if err := folders(filepath.Dir(path)); err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return plainly("checking who can write a file", err)
		}
		if info.Mode().Type() != fs.ModeSymlink {
			return unwritable(path, info)
		}
		next, err := os.Readlink(path)
		if err != nil {
			return plainly("checking who can write a file", err)
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(path), next)
		}
		path = filepath.Clean(next)
	}
	return fmt.Errorf("%s is behind too many links", safetext.Line(path))
}

// maxLinks is Linux's limit of links in a path (path_resolution(7)).
const maxLinks = 40

// folders checks a folder and its parents. Links are resolved first.
func folders(dir string) error {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return plainly("checking who can write a file", err)
	}
	for at := real; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return plainly("checking who can write a file", err)
		}
		if info.Mode()&fs.ModeSticky == 0 {
			if err := unwritable(at, info); err != nil {
				return err
			}
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

func unwritable(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&otherWrite == 0 || readOnly(path) {
		return nil
	}
	name := safetext.Line(path)
	return fmt.Errorf("%s (mode %04o): %w; run: chmod o-w %s", name, info.Mode().Perm(), ErrWritable, name)
}
