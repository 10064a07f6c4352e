package part

import (
	"os"
)

// Options replace calls of the system. A nil function is the system's own: only
// tests set others.
type Options struct {
	// OpenRoot opens dir and the folders rel below it, and returns the names that
	// it used. nil: OpenBelow, which follows no link below dir.
	OpenRoot func(dir string, rel []string, create bool) (*os.Root, []string, error)

	WriteAt  func(f *os.File, p []byte, off int64) (int, error)
	Free     func(*Folder) int64       // free bytes; -1: not known
	Writable func(folder string) error // the reason why no file can be made there
	Sync     func(*os.File) error      // makes one file durable
	SyncAll  func(*Folder) error       // makes everything on the folder's file system durable

	// ExactFolders makes a local file with the name of a folder an ErrNoFolder. Without
	// it the folder gets another name, as in OpenBelow.
	ExactFolders bool

	WindowsNames func(dir string) bool // dir's file system takes portable names alone
	Fold         bool                  // every file system ignores case
}

func (o Options) withDefaults() Options {
	if o.OpenRoot == nil {
		o.OpenRoot = OpenBelow
		if o.ExactFolders {
			o.OpenRoot = openExactly
		}
	}
	if o.WriteAt == nil {
		o.WriteAt = (*os.File).WriteAt
	}
	if o.Free == nil {
		o.Free = freeSpace
	}
	if o.Writable == nil {
		o.Writable = writable
	}
	if o.Sync == nil {
		o.Sync = (*os.File).Sync
	}
	if o.SyncAll == nil {
		o.SyncAll = SyncDisk
	}
	if o.WindowsNames == nil {
		o.WindowsNames = windowsNames
	}
	return o
}
