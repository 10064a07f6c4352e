package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// The last events of a live log are in the write-ahead log, especially while a
// reader holds a snapshot open. The backup has all of them.
func TestABackupOfALiveLogIsComplete(t *testing.T) {
	dir := t.TempDir()
	path, dest := filepath.Join(dir, "audit.db"), filepath.Join(dir, "backup.db")
	s := openTest(t, path)
	if err := s.Append(t.Context(), samples(0, 50)); err != nil {
		t.Fatal(err)
	}
	held, err := sql.Open("sqlite", dsn(path, "mode=ro"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	tx, err := held.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var n int
	if err := tx.QueryRow("SELECT count(*) FROM records").Scan(&n); err != nil || n != 50 {
		t.Fatal(n, err)
	}
	if err := s.Append(t.Context(), samples(50, 300)); err != nil {
		t.Fatal(err)
	}
	head, err := Backup(t.Context(), path, dest)
	if err != nil || head.Size != 350 {
		t.Fatalf("%d events (%v)", head.Size, err)
	}
	if info, err := os.Stat(dest); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup's mode: %v (%v)", info.Mode(), err)
	}
	if got := names(t, dir); got != "audit.db audit.db-shm audit.db-wal audit.db.head audit.db.lock backup.db" {
		t.Errorf("the folder has %s", got)
	}
	if live := whole(t, s); live != head {
		t.Errorf("the log ends at %v, its backup at %v", live.Size, head.Size)
	}
	// A backup is a log and can replace a lost one.
	copied := openTest(t, dest)
	if whole(t, copied) != head {
		t.Error("the opened backup has another end")
	}
}

// Events that were acknowledged before the backup began are in it, also while
// other events are written.
func TestABackupWhileEventsAreWritten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.db")
	s := openTest(t, path)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		for i := 0; ctx.Err() == nil; i += 7 {
			if err := s.Append(t.Context(), samples(i, 7)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for i := range 3 {
		before, err := s.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		head, err := Backup(t.Context(), path, filepath.Join(dir, string(rune('a'+i))))
		if err != nil || head.Size < before.Size || head.Size%7 != 0 {
			t.Errorf("%d events were there, the backup has %d (%v)", before.Size, head.Size, err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// After kill -9 the last events are only in the write-ahead log, and no server
// merges it into the file.
func TestABackupAfterKill9(t *testing.T) {
	dir := t.TempDir()
	path, dest := filepath.Join(dir, "audit.db"), filepath.Join(dir, "backup.db")
	acknowledged := len(killAfter(t, path, 10))
	head, err := Backup(t.Context(), path, dest)
	if err != nil || int(head.Size) < acknowledged {
		t.Fatalf("%d events were acknowledged, the backup has %d (%v)", acknowledged, head.Size, err)
	}
	if whole(t, openTest(t, path)).Size != head.Size {
		t.Error("the log has other events than its backup")
	}
}

func TestABackupOfAStoppedLog(t *testing.T) {
	dir := t.TempDir()
	path, dest := filepath.Join(dir, "audit.db"), filepath.Join(dir, "backup.db")
	logWith(t, path, 12)
	if head, err := Backup(t.Context(), path, dest); err != nil || head.Size != 12 {
		t.Errorf("%d events (%v)", head.Size, err)
	}
}

func TestARefusedBackupCreatesNoFile(t *testing.T) {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		name    string
		ctx     context.Context
		prepare func(t *testing.T, path, dest string)
		want    error
	}{
		{"no log", t.Context(), func(*testing.T, string, string) {}, ErrNoLog},
		{"another file", t.Context(), func(t *testing.T, path, _ string) {
			if err := os.WriteFile(path, []byte("grants: []\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, ErrForeign},
		{"an existing file", t.Context(), func(t *testing.T, path, dest string) {
			logWith(t, path, 3)
			if err := os.WriteFile(dest, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, ErrExists},
		{"an existing link", t.Context(), func(t *testing.T, path, dest string) {
			logWith(t, path, 3)
			if err := os.Symlink("nowhere", dest); err != nil {
				t.Fatal(err)
			}
		}, ErrExists},
		{"interrupted", canceled, func(t *testing.T, path, _ string) { logWith(t, path, 3) }, context.Canceled},
		{"a damaged log", t.Context(), func(t *testing.T, path, _ string) {
			logWith(t, path, 300)
			write(t, path, `DELETE FROM records WHERE seq = 20`)
		}, ErrDamaged},
		{"a log that lost records", t.Context(), func(t *testing.T, path, _ string) {
			logWith(t, path, 300)
			write(t, path, `DELETE FROM records WHERE seq = 300`, `DELETE FROM events WHERE seq = 300`)
		}, ErrDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, out := t.TempDir(), t.TempDir()
			path, dest := filepath.Join(dir, "audit.db"), filepath.Join(out, "backup.db")
			c.prepare(t, path, dest)
			before := names(t, out)
			if _, err := Backup(c.ctx, path, dest); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if after := names(t, out); after != before {
				t.Errorf("the folder had %q and has %q", before, after)
			}
		})
	}
	if _, err := Backup(t.Context(), "audit.db", filepath.Join(t.TempDir(), "no", "folder")); err == nil || errors.Is(err, fs.ErrExist) {
		t.Errorf("into a missing folder: %v", err)
	}
}
