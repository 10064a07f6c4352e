package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/backend/event"
)

// Columns whose values are not determined completely by the tree, the events and the
// key. docs/audit.md names each one.
func looseColumns() []string {
	return []string{"checkpoints.note", "dictionaries.after", "dictionaries.text", "records.event"}
}

// columnEdits has an edit of each column of the schema. ? is the last record.
func columnEdits() map[string]string {
	row := func(table, column, value, where string) string {
		return fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s", table, column, value, where)
	}
	all := map[string]string{
		"records.seq":        row("records", "seq", "seq + 1000", "seq = ?"),
		"records.event":      row("records", "event", "(SELECT event FROM records WHERE seq = ? - 1)", "seq = ?"),
		"dictionaries.n":     row("dictionaries", "n", "n + 1", "n = 2"),
		"dictionaries.after": row("dictionaries", "after", "0", "n = 2"),
		"dictionaries.text":  row("dictionaries", "text", "CAST('x' || text AS BLOB)", "n = 2"),
		"head.id":            "", // a CHECK allows one value
		"head.size":          row("head", "size", "size - 1", "id = 1"),
		"head.frontier":      row("head", "frontier", "zeroblob(length(frontier))", "id = 1"),
		"nodes.level":        row("nodes", "level", "level + 1", "n = 3"),
		"nodes.n":            row("nodes", "n", "n + 100", "n = 3"),
		"nodes.hash":         row("nodes", "hash", "zeroblob(32)", "n = 3"),
		"checkpoints.n":      row("checkpoints", "n", "n + 100", "n = (SELECT max(n) FROM checkpoints)"),
		"checkpoints.size":   row("checkpoints", "size", "size - 1", "n = 2"),
		"checkpoints.note":   row("checkpoints", "note", "replace(note, 'usher', 'other')", "n = 2"),
		"policies.version":   row("policies", "version", "'v2'", "true"),
		"policies.grants":    row("policies", "grants", "x'00'", "true"),
		"leaves.n":           row("leaves", "n", "n + 100", "n = 1"),
		"leaves.hashes":      row("leaves", "hashes", "zeroblob(8192)", "n = 1"),
		"people.person":      row("people", "person", "person + 1000", "person = (SELECT max(person) FROM people)"),
		"people.sub":         row("people", "sub", "'other'", "person = (SELECT max(person) FROM people)"),
		"people.username":    row("people", "username", "'other'", "person = (SELECT max(person) FROM people)"),
		"hours.start":        row("hours", "start", "start + 1", "start = (SELECT max(start) FROM hours)"),
		"hour_people.start":  row("hour_people", "start", "start + 1", "start = (SELECT max(start) FROM hour_people)"),
		"hour_people.person": "INSERT INTO hour_people SELECT max(start), 1 + (SELECT max(person) FROM people) FROM hours",
	}
	for _, count := range []string{"events", "denied", "downloads"} {
		all["hours."+count] = row("hours", count, count+" + 1", "start = (SELECT max(start) FROM hours)")
	}
	for column, value := range map[string]string{
		"time": "time + 1", "seq": "seq - 700", "id": "x'00'", "person": "person - 1", "session": "x'00112233445566778899'", "action": "'stat'",
		"outcome": "'denied'", "bucket": "'other'", "object": "x'00'", "ip": "x'0a000001'", "request": "'other'", "continues": "'other'",
	} {
		all["events."+column] = row("events", column, value, "seq = ?")
	}
	return all
}

// Each column of the schema is compared with the tree, the events or the key: an edit of
// its value is a fault. A new column must be named here.
func TestEachColumnIsCompared(t *testing.T) {
	path, signer, all := filled(t, 1_500)
	s := openSigned(t, path, signer)
	err := s.KeepPolicy(t.Context(), "v1", []byte("grants"))
	if err == nil {
		_, _, err = s.Prune(t.Context(), retained(all[800].Time, none))
	}
	last, herr := s.Head(t.Context())
	if err = errors.Join(err, herr, s.Close()); err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, column := range looseColumns() {
		if !strings.Contains(string(docs), "`"+column+"`") {
			t.Errorf("docs/audit.md does not name %s", column)
		}
	}
	verify := func(name, edit string) int {
		copied := filepath.Join(t.TempDir(), "audit.db")
		copyFile(t, path, copied)
		if edit != "" {
			write(t, copied, strings.ReplaceAll(edit, "?", fmt.Sprint(last.Size)))
		}
		r, err := VerifyFile(t.Context(), copied, Check{Key: &signer.Verifier, Event: func(int64, *event.Event) {}, Grants: func(version string, text []byte) error {
			if version != "v1" || string(text) != "grants" {
				return errors.New("other grants")
			}
			return nil
		}})
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			return 1
		}
		return r.FaultCount
	}
	if n := verify("nothing", ""); n != 0 {
		t.Fatalf("the log has %d faults", n)
	}
	edits := columnEdits()
	for _, column := range schemaColumns(t, path) {
		edit, ok := edits[column]
		delete(edits, column)
		switch {
		case !ok:
			t.Errorf("no edit of the column %s", column)
		case edit != "" && verify(column, edit) == 0:
			t.Errorf("an edit of %s is not noticed: %s", column, edit)
		}
	}
	if len(edits) > 0 {
		t.Errorf("no columns: %v", slices.Sorted(maps.Keys(edits)))
	}
}

// schemaColumns returns TABLE.COLUMN of a log.
func schemaColumns(t *testing.T, path string) (all []string) {
	t.Helper()
	s, err := readOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.db.Close()
	if all = namesOf(t, s.db, "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'"); len(all) < 30 {
		t.Fatalf("%d columns", len(all))
	}
	return all
}

// namesOf returns the names that a query selects.
func namesOf(t *testing.T, db *sql.DB, query string) (all []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		all = append(all, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
