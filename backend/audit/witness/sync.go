package witness

import (
	"os"
	"runtime"
)

// syncDir makes a rename durable.
func syncDir(dir *os.File) error {
	if runtime.GOOS == "windows" { // needs no sync of directories and supports none
		return nil
	}
	return dir.Sync()
}
