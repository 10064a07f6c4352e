package download

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"usher/client/download/part"
)

// A process that saw the part of another one, which then finished the file, looks at
// the disk again and does not fetch the file. Bytes of an earlier run are kept.
func TestArrivedBehindTheLook(t *testing.T) {
	for name, row := range map[string]struct {
		begun, bytes, arrived bool
		want                  error
	}{
		"a new file":                {},
		"finished by another":       {arrived: true, want: part.ErrArrived},
		"its part was seen":         {begun: true, arrived: true, want: part.ErrArrived},
		"a sidecar without a part":  {begun: true},
		"bytes of an earlier run":   {begun: true, bytes: true},
		"bytes and a file meantime": {begun: true, bytes: true, arrived: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			final, held := filepath.Join(dir, "file.bin"), part.Name("b", "file.bin", `"e"`)
			if row.bytes {
				must(t, os.WriteFile(filepath.Join(dir, held), []byte("bytes"), 0o600))
			}
			if row.arrived {
				must(t, os.WriteFile(final, []byte("content"), 0o600))
			}
			f, err := part.NewDisk(maxIdleFolders, part.Options{}).Folder(dir, nil, false)
			must(t, err)
			defer f.Release()
			file, err := openPart(target{}, f, held, plan{path: final}, row.begun, false)
			if !errors.Is(err, row.want) {
				t.Fatalf("%v, want %v", err, row.want)
			}
			if err == nil {
				file.Close()
			} else if _, err := os.Stat(filepath.Join(dir, held)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the part: %v", err)
			}
		})
	}
}
