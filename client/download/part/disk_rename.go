package part

import (
	"errors"
	"io/fs"
)

// linkNew gives the file a second name and takes the first away: link fails
// where the name is taken, on every file system that has links.
func linkNew(f *Folder, from, to string) error {
	err := f.root.Link(from, to)
	if err == nil {
		return f.root.Remove(from)
	}
	if errors.Is(err, fs.ErrExist) {
		return fs.ErrExist
	}
	// No hard links here (FAT, some shares): look, then rename. Only on such a
	// file system another process could put a file there between the two.
	if _, e := f.root.Lstat(to); e == nil {
		return fs.ErrExist
	}
	return f.root.Rename(from, to)
}
