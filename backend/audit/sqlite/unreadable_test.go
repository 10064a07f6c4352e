package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file that can no longer be read as a log is a fault with a sentence, and no error of
// SQLite. A start refuses it as a damaged log.
func TestAnUnreadableLogIsAFault(t *testing.T) {
	c := newTampered(t)
	if err := sealedLog(t, &c).Close(); err != nil {
		t.Fatal(err)
	}
	with := func(content string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	run := func(sql ...string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) { write(t, path, sql...) }
	}
	for _, k := range []struct {
		name   string
		damage func(t *testing.T, path string)
		kind   FaultKind
		text   string
		start  error
	}{
		{"an index is dropped", run(`DROP INDEX events_request`), FaultSchema, "its index events_request is missing", ErrTampered},
		{"the unique index is dropped", run(`DROP INDEX events_id`), FaultSchema, "its index events_id is missing", ErrTampered},
		{"the index of the names is dropped", run(`DROP INDEX people_username`), FaultSchema, "its index people_username is missing", ErrTampered},
		{"a table is dropped", run(`DROP TABLE events`), FaultSchema, "is missing", ErrTampered},
		{"the records are dropped", run(`DROP TABLE records`), FaultSchema, "its table records is missing", ErrTampered},
		{"the head is dropped", run(`DROP TABLE head`), FaultSchema, "its table head is missing", ErrTampered},
		{"a column is renamed", run(`ALTER TABLE records RENAME COLUMN event TO text`), FaultSchema, "its table records has another definition", ErrTampered},
		{"a column is dropped", run(`ALTER TABLE checkpoints DROP COLUMN note`), FaultSchema, "its table checkpoints has another definition", ErrTampered},
		{"a table has other types", run(`DROP TABLE head`, `CREATE TABLE head (id, size, frontier)`, `INSERT INTO head VALUES (1, 'many', 'x')`), FaultSchema, "its table head has another definition", ErrTampered},
		{"the file is empty", with(""), FaultSchema, "it has no tables", ErrBehind},
		{"a short text", with("hello\n"), FaultSchema, "no database of an audit log", ErrDamaged},
		{"a long text", with(strings.Repeat("hello\n", 5000)), FaultSchema, "no database of an audit log", ErrDamaged},
		{"the start of a database", with("SQLite format 3\x00" + strings.Repeat("\xff", 52) + "ushA" + strings.Repeat("\xff", 4000)), FaultSchema, "no database of an audit log", ErrDamaged},
		{"the mark is edited", run(`PRAGMA application_id = 7`), FaultSchema, "no database of an audit log", ErrDamaged},
		{"the file is gone", func(t *testing.T, path string) { remove(t, path) }, FaultMissing, "the file is gone", ErrBehind},
	} {
		t.Run(k.name, func(t *testing.T) {
			d := c.copied(t)
			k.damage(t, d.path)
			r, err := VerifyFile(t.Context(), d.path, Check{Key: &c.signer.Verifier, Server: true})
			if err != nil || r.FaultCount != 1 || r.Faults[0].Kind != k.kind || !strings.Contains(r.Faults[0].String(), k.text) || r.Whole != 0 && r.Whole != logged {
				t.Errorf("%+v (%v)", r, err)
			}
			if err := Inspect(t.Context(), d.path, &c.signer.Verifier); !errors.Is(err, k.start) {
				t.Errorf("inspected: %v, want %v", err, k.start)
			}
			if s, err := Open(Config{Path: d.path, Signer: c.signer}); !errors.Is(err, k.start) {
				if err == nil {
					_ = s.Close()
				}
				t.Errorf("the start: %v, want %v", err, k.start)
			}
		})
	}
}

// What is no log and has no head file is a mistake of the caller.
func TestNoLog(t *testing.T) {
	dir := t.TempDir()
	if _, err := VerifyFile(t.Context(), filepath.Join(dir, "absent.db"), Check{}); !errors.Is(err, ErrNoLog) {
		t.Errorf("%v", err)
	}
	if _, err := VerifyFile(t.Context(), dir, Check{}); !errors.Is(err, ErrForeign) {
		t.Errorf("%v", err)
	}
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Inspect(t.Context(), empty, nil); err != nil { // a crash during the first start
		t.Errorf("%v", err)
	}
}
