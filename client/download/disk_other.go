//go:build !linux && !darwin

package download

import (
	"os"
	"time"
)

func renameNew(f *folder, from, to string) error { return linkNew(f, from, to) }

func openNameless(*folder) *os.File { return nil }

func nameNew(*folder, *os.File, string) error { return os.ErrInvalid }

func setNamelessModified(*os.File, time.Time) {}

func setModified(f *folder, name string, t time.Time) { _ = f.root.Chtimes(name, t, t) }

func preallocate(*os.File, int64) error { return nil }

// settleDisk syncs the folder's names; files of 1 MiB and more were synced one by one.
func settleDisk(f *folder) error { return f.dir.Sync() }

func freeSpace(*folder) int64 { return -1 }

func fileSystem(*folder) uint64 { return 0 }

func writeRecord(*os.File, string) {}

func readRecord(*folder, string) string { return "" }

func windowsFileSystem(string) bool { return false }
