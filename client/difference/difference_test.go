package difference_test

import (
	"os"
	"path/filepath"
	"testing"

	"usher/client/difference"
	"usher/client/download"
)

// Each combination of facts has one kind.
func TestKind(t *testing.T) {
	errs := []error{nil, download.ErrExists, download.ErrName}
	for _, presence := range []download.Presence{download.Absent, download.Here, download.HereMaybe, download.HereOther, download.HerePartial} {
		for bits := range 16 * len(errs) {
			f := difference.Facts{Presence: presence, Ours: bits&1 != 0, Current: bits&2 != 0, Content: bits&4 != 0, Freed: bits&8 != 0, Err: errs[bits/16]}
			free := f.Freed && f.Err != download.ErrName
			there := presence != download.Absent && presence != download.HerePartial
			ok := map[difference.Kind]bool{
				difference.Same:      f.Err == nil && presence == download.Here && !f.Content && !f.Ours,
				difference.New:       f.Err == nil && !there && !f.Ours,
				difference.Changed:   f.Err == nil && f.Ours && !f.Current,
				difference.Differs:   f.Err == nil && !f.Ours && presence == download.HereOther || f.Err == download.ErrExists,
				difference.Failed:    f.Err == download.ErrName,
				difference.Unchecked: f.Err == nil && (f.Ours && f.Current || !f.Ours && (presence == download.HereMaybe || presence == download.Here && f.Content)),
			}
			if got := f.Kind(); free && got != difference.New || !free && !ok[got] {
				t.Errorf("%+v is %s", f, got)
			}
			if f.Kept() != (f.Ours && f.Current && !f.Content) {
				t.Errorf("%+v: kept %v", f, f.Kept())
			}
		}
	}
}

// A local folder that is absent has no files, and names below it are known. Another
// failure is an error.
func TestAbsentFolder(t *testing.T) {
	dir := t.TempDir()
	c, err := difference.Open(filepath.Join(dir, "a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range c.Files(t.Context()) {
		t.Errorf("%s is there", name)
	}
	if name, ok := c.Name(filepath.Join(dir, "a", "b", "c", "d")); !ok || name != filepath.Join("c", "d") {
		t.Errorf("%q, %v", name, ok)
	}
	for _, path := range []string{filepath.Join(dir, "a"), filepath.Join(dir, "a", "b"), filepath.Join(dir, "b", "c")} {
		if name, ok := c.Name(path); ok {
			t.Errorf("%s is %q", path, name)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := difference.Open(filepath.Join(dir, "file")); err == nil {
		t.Error("a file is opened as a folder")
	}
}
