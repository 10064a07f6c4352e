package demo_test

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // registers "sqlite"

	"usher/backend/audit/sqlite"
	"usher/backend/demo"
	"usher/backend/event"
)

// A folder with the demo of another version is named, with the remedy.
func TestFolderOfAnotherVersion(t *testing.T) {
	dir := t.TempDir()
	o := demo.Options{Dir: dir, NewID: event.IDs(rand.Reader)}
	d, err := demo.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]error{"1": sqlite.ErrOlder, "99": sqlite.ErrNewer} {
		db, err := sql.Open("sqlite", filepath.Join(dir, "audit.db"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), "PRAGMA user_version = "+version); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = demo.Start(t.Context(), o)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), dir+" holds a demo of another version of usher. Remove this folder, or choose another one with --dir.") {
			t.Errorf("version %s: %v", version, err)
		}
	}
}
