//go:build linux || darwin

package part

import (
	"os"

	"golang.org/x/sys/unix"
)

// WriteRecord stores the text of RecordOf on a finished file. A file system
// without extended attributes keeps none, which is no failure.
func WriteRecord(f *os.File, text string) {
	_ = unix.Fsetxattr(int(f.Fd()), recordAttr, []byte(text), 0)
}

// readRecord returns the text that WriteRecord stored, or "".
func readRecord(f *Folder, name string) string {
	file, err := f.root.OpenFile(name, os.O_RDONLY|openNoFollow|unix.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer file.Close()
	buf := make([]byte, 4096)
	n, err := unix.Fgetxattr(int(file.Fd()), recordAttr, buf)
	if err != nil || n > len(buf) {
		return ""
	}
	return string(buf[:n])
}
