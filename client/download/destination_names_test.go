package download

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestNamesOfTheDestination checks that file system and request decide the form
// of local names.
func TestNamesOfTheDestination(t *testing.T) {
	for _, row := range []struct {
		windows bool
		names   Names
		want    string
	}{{false, LocalNames, "10:00.log"}, {false, PortableNames, "10%3A00.log"}, {true, LocalNames, "10%3A00.log"}} {
		if runtime.GOOS == "windows" {
			row.want = "10%3A00.log"
		}
		w := newTestbed(t)
		w.put("b/f/10:00.log", []byte("x"), "CRC64NVME")
		e, dir := w.engine(func(c *Config) { c.hooks.disk.WindowsNames = func(string) bool { return row.windows } }), scratch(t)
		e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: dir, Names: row.names})
		wait(t, e)
		if _, err := os.Stat(filepath.Join(dir, "f", row.want)); err != nil {
			t.Errorf("%+v: %v%s", row, err, failures(e))
		}
	}
}
