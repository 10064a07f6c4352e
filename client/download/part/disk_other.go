//go:build !linux && !darwin

package part

import (
	"os"
	"time"
)

func renameNew(f *Folder, from, to string) error { return linkNew(f, from, to) }

func openNameless(*Folder) *os.File { return nil }

func nameNew(*Folder, *os.File, string) error { return os.ErrInvalid }

func setNamelessModified(*os.File, time.Time) {}

func setModified(f *Folder, name string, t time.Time) { _ = f.root.Chtimes(name, t, t) }

func preallocate(*os.File, int64) error { return nil }

// SyncDisk syncs the folder's names; files of 1 MiB and more were synced one by one.
func SyncDisk(f *Folder) error { return f.dir.Sync() }

func freeSpace(*Folder) int64 { return -1 }

func fileSystem(*Folder) uint64 { return 0 }

func WriteRecord(*os.File, string) {}

func readRecord(*Folder, string) string { return "" }

func windowsFileSystem(string) bool { return false }
