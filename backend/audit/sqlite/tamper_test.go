package sqlite

import (
	"bytes"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/backend/audit/checkpoint"
	"usher/backend/event"
)

func newSigner(t testing.TB) *checkpoint.Signer {
	t.Helper()
	secret, public, err := checkpoint.Generate(rand.Reader, "usher.example.com/audit")
	if err != nil {
		t.Fatal(err)
	}
	s, err := checkpoint.NewSigner(secret, public)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openSigned(t testing.TB, path string, signer *checkpoint.Signer) *Store {
	t.Helper()
	s, err := Open(Config{Path: path, Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// rewrite makes a log of other events at path, with the tables of usher itself: it
// has all hashes, and signatures of another key.
func rewrite(t *testing.T, path string, events []event.Event, signer *checkpoint.Signer) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm", headSuffix} {
		remove(t, path+suffix)
	}
	s := openSigned(t, path, signer)
	if err := errors.Join(s.Append(t.Context(), events), s.Close()); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := ignoreMissing(os.Remove(path)); err != nil {
		t.Fatal(err)
	}
}

// unsign changes an event without the signing key. Only the first checkpoints are left,
// which do not prove the event, and tables and head file agree.
func unsign(t *testing.T, c tampered, left int) {
	t.Helper()
	copyFile(t, c.path, c.path+".true")
	events := samples(0, logged)
	events[499].User.Username = "nobody"
	rewrite(t, c.path, events, nil)
	write(t, c.path, fmt.Sprintf(`ATTACH '%s.true' AS true_log; INSERT INTO checkpoints SELECT * FROM true_log.checkpoints WHERE n <= %d`, c.path, left))
}

// tamper is one way to change a log. It runs on the files of a stopped log and, if
// it has SQL alone, on those of a running server.
type tamper struct {
	name  string
	sql   []string
	files func(t *testing.T, c tampered)
	// missed has the places that cannot notice it, of: start, running, verify, client,
	// witness.
	missed string
}

// unprovable are the places that see checkpoints alone: a kind without a changed
// event has the same checkpoints.
const unprovable = " client witness"

// tampered is the log of a test.
type tampered struct {
	path   string
	signer *checkpoint.Signer
	older  string // copy of an earlier state, without head file
}

const logged = 700 // records, in three blocks

func tampers() []tamper {
	const shift = 1_000_000 // moves rows out of the way of a renumbering
	return []tamper{
		{name: "field edited", sql: []string{`UPDATE records SET event = edited(event, (SELECT json_group_object(n, hex(text)) FROM dictionaries), 'person-', 'nobody-') WHERE seq = 300`}},
		{name: "field and index edited", sql: []string{
			`UPDATE records SET event = edited(event, (SELECT json_group_object(n, hex(text)) FROM dictionaries), 'session-', 'another-') WHERE seq = 300`,
			`UPDATE events SET session = replace(session, 'session-', 'another-') WHERE seq = 300`}},
		{name: "index edited", sql: []string{`UPDATE events SET outcome = 'denied' WHERE seq = 300`}, missed: unprovable},
		{name: "key of another type in the index", sql: []string{`UPDATE events SET id = '00000000000000000000000299' WHERE seq = 300`}, missed: unprovable},
		{name: "index row gone", sql: []string{`DELETE FROM events WHERE seq = 300`}, missed: unprovable},
		{name: "counts edited", sql: []string{`UPDATE hours SET downloads = 0`}, missed: unprovable},
		{name: "people of an hour gone", sql: []string{`DELETE FROM hour_people WHERE person = 3`}, missed: unprovable},
		{name: "person renamed", sql: []string{`UPDATE people SET username = 'alan' WHERE person = 5`}, missed: unprovable},
		{name: "one deleted", sql: []string{`DELETE FROM records WHERE seq = 300`, `DELETE FROM events WHERE seq = 300`}},
		{name: "one deleted, renumbered", sql: []string{
			`DELETE FROM records WHERE seq = 300`, `DELETE FROM events WHERE seq = 300`,
			fmt.Sprintf(`UPDATE records SET seq = seq + %d WHERE seq > 300`, shift), fmt.Sprintf(`UPDATE records SET seq = seq - %d WHERE seq > %d`, shift+1, shift),
			`UPDATE events SET seq = seq - 1 WHERE seq > 300`}},
		{name: "tail deleted", sql: []string{`DELETE FROM records WHERE seq > 650`, `DELETE FROM events WHERE seq > 650`}},
		{name: "all deleted", sql: []string{`DELETE FROM records`, `DELETE FROM events`, `DELETE FROM hours`, `DELETE FROM hour_people`}},
		{name: "two swapped", sql: []string{
			`UPDATE records SET seq = -1 WHERE seq = 300`, `UPDATE records SET seq = 300 WHERE seq = 301`, `UPDATE records SET seq = 301 WHERE seq = -1`}},
		{name: "one inserted", sql: []string{
			`INSERT INTO records SELECT 701, edited(event, (SELECT json_group_object(n, hex(text)) FROM dictionaries), 'person-', 'nobody-') FROM records WHERE seq = 5`}, missed: unprovable},
		{name: "record without a number", sql: []string{`INSERT INTO records SELECT 0, event FROM records WHERE seq = 1`}, missed: unprovable},
		{name: "index hides one event", sql: foreign("events_object", "INDEX events_object  ON events (object)", `ON events (CASE seq WHEN 300 THEN x'' ELSE object END)`), missed: unprovable},
		{name: "index without one event", sql: foreign("events_request", "INDEX events_request ON events (request)", `ON events (request) WHERE seq <> 300`), missed: unprovable},
		{name: "partial index of other events", sql: foreign("events_outcome", "INDEX events_outcome ON events (outcome) WHERE outcome <> 'allowed'", `ON events (outcome) WHERE outcome = 'allowed'`), missed: unprovable},
		{name: "index hides a name", sql: foreign("people_username", "INDEX people_username ON people (username)", `ON people (CASE person WHEN 3 THEN 'x' ELSE username END)`), missed: unprovable},
		{name: "person added", sql: []string{`INSERT INTO people VALUES (999, 'sub', 'alan')`}, missed: unprovable},
		{name: "hour added", sql: []string{`INSERT INTO hours VALUES (1, 0, 0, 0)`}, missed: unprovable},
		{name: "grants added", sql: []string{`INSERT INTO policies VALUES ('5d41402abc4b2a76b9719d911017c592', x'00')`}, missed: "start" + unprovable},
		{name: "compressed record edited", sql: []string{`UPDATE records SET event = CAST(substr(event, 1, 40) || x'2f' || substr(event, 42) AS BLOB) WHERE seq = 300`}},
		{name: "record of another dictionary", sql: []string{`UPDATE records SET event = CAST(x'7f' || substr(event, 2) AS BLOB) WHERE seq = 300`}},
		{name: "record that expands without end", sql: []string{`UPDATE records SET event = CAST(x'011f610100' || unhex(replace(hex(zeroblob(1000000)), '00', 'ff')) || x'0050' || 'abcde' AS BLOB) WHERE seq = 300`}},
		{name: "record of 32 MiB", sql: []string{`UPDATE records SET event = zeroblob(33554432) WHERE seq = 300`}},
		{name: "dictionary edited", sql: []string{`UPDATE dictionaries SET text = CAST(replace(CAST(text AS TEXT), 'download', 'uploaded') AS BLOB)`}},
		{name: "dictionary gone", sql: []string{`DELETE FROM dictionaries`}},
		{name: "dictionary added", sql: []string{`INSERT INTO dictionaries SELECT 99, 0, text FROM dictionaries WHERE n = 1`}, missed: unprovable},
		{name: "dictionary with a byte before it", sql: []string{`UPDATE dictionaries SET text = CAST('x' || text AS BLOB)`}, missed: unprovable},
		{name: "dictionary of 32 MiB", sql: []string{`UPDATE dictionaries SET text = zeroblob(33554432)`}},
		{name: "hash of a subtree edited", sql: []string{`UPDATE nodes SET hash = zeroblob(32) WHERE n = 1`}, missed: unprovable},
		{name: "hash of a subtree added", sql: []string{`INSERT INTO nodes VALUES (8, 99, zeroblob(32))`}, missed: unprovable},
		{name: "hash of a subtree with more bytes", sql: []string{`UPDATE nodes SET hash = CAST(hash || x'00' AS BLOB)`}, missed: unprovable},
		{name: "hashes of records that are not deleted", sql: []string{`INSERT INTO leaves VALUES (0, zeroblob(8192))`}, missed: unprovable},
		{name: "layout of a newer usher", sql: []string{`PRAGMA user_version = 99`}, missed: unprovable},
		{name: "mark of the file edited", sql: []string{`PRAGMA application_id = 7`}, missed: unprovable},
		{name: "head edited", sql: []string{`UPDATE head SET size = 512`}, missed: unprovable},
		{name: "trigger", sql: []string{`CREATE TRIGGER quiet AFTER INSERT ON records BEGIN DELETE FROM records WHERE seq = new.seq; END`}, missed: unprovable},
		{name: "last checkpoint dropped", sql: []string{`DELETE FROM checkpoints WHERE n = (SELECT max(n) FROM checkpoints)`}, missed: unprovable},
		{name: "two checkpoints dropped", sql: []string{`DELETE FROM checkpoints WHERE n < 3`}, missed: unprovable},
		{name: "checkpoint forged", sql: []string{`UPDATE checkpoints SET note = replace(note, '— ', '— x') WHERE n = (SELECT max(n) FROM checkpoints)`}, missed: unprovable},
		{name: "bytes edited on the disk", files: editBytes, missed: "running"},
		{name: "an old write-ahead log", files: func(t *testing.T, c tampered) { copyFile(t, c.older+"-wal", c.path+"-wal") }, missed: "running"},
		{name: "last week's copy", files: func(t *testing.T, c tampered) { copyFile(t, c.older, c.path) }, missed: "running"},
		{name: "last week's copy without a head file", files: func(t *testing.T, c tampered) {
			copyFile(t, c.older, c.path)
			remove(t, c.path+headSuffix)
		}},
		{name: "head file gone", files: func(t *testing.T, c tampered) { remove(t, c.path+headSuffix) }, missed: unprovable},
		{name: "head file emptied", files: func(t *testing.T, c tampered) {
			if err := os.Truncate(c.path+headSuffix, 0); err != nil {
				t.Fatal(err)
			}
		}, missed: unprovable},
		{name: "checkpoints dropped, events behind them changed", files: func(t *testing.T, c tampered) { unsign(t, c, 2) }},
		{name: "all checkpoints dropped, events changed", files: func(t *testing.T, c tampered) { unsign(t, c, 0) }},
		{name: "rewritten with new hashes, new key", files: func(t *testing.T, c tampered) {
			events := samples(0, logged)
			events[299].User.Username = "nobody"
			rewrite(t, c.path, events, newSigner(t))
		}, missed: "running"},
		{name: "rewritten with new hashes, old checkpoints", files: func(t *testing.T, c tampered) {
			copyFile(t, c.path, c.path+".true")
			events := samples(0, logged)
			events[299].User.Username = "nobody"
			rewrite(t, c.path, events, nil)
			write(t, c.path, fmt.Sprintf(`ATTACH '%s.true' AS true_log; INSERT INTO checkpoints SELECT * FROM true_log.checkpoints`, c.path))
		}, missed: "running"},
		// From here on, the administrator has the signing key: the server and its files
		// agree, and only other machines notice it.
		{name: "last week's copy with its head file", files: func(t *testing.T, c tampered) {
			copyFile(t, c.older, c.path)
			remove(t, c.path+headSuffix)
			s, err := Open(Config{Path: c.path, AcceptLost: true})
			if err != nil || s.Close() != nil {
				t.Fatal(err)
			}
		}, missed: "start running verify"},
		{name: "rewritten with the log's key", files: func(t *testing.T, c tampered) {
			events := samples(0, logged)
			events[299].User.Username = "nobody"
			rewrite(t, c.path, events, c.signer)
		}, missed: "start running verify"},
		{name: "one deleted, rewritten with the log's key", files: func(t *testing.T, c tampered) {
			events := samples(0, logged+40)
			rewrite(t, c.path, slices.Delete(events, 299, 300), c.signer)
		}, missed: "start running verify"},
		{name: "new log with the log's key", files: func(t *testing.T, c tampered) {
			rewrite(t, c.path, samples(5000, 30), c.signer)
		}, missed: "start running verify"},
	}
}

// foreign makes an index with other entries, and hides its definition.
func foreign(name, definition, other string) []string {
	return []string{`PRAGMA writable_schema = 1`, `DROP INDEX ` + name, `CREATE INDEX ` + name + ` ` + other,
		fmt.Sprintf(`UPDATE sqlite_schema SET sql = 'CREATE %s' WHERE name = '%s'`, strings.ReplaceAll(definition, "'", "''"), name)}
}

// editBytes edits a record without SQLite.
func editBytes(t *testing.T, c tampered) {
	raw, err := os.ReadFile(c.path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+c.path)
	if err != nil {
		t.Fatal(err)
	}
	var stored []byte
	if err := errors.Join(db.QueryRow("SELECT event FROM records WHERE seq = 300").Scan(&stored), db.Close()); err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(raw, stored)
	if at < 0 {
		t.Fatal("the file has no record 300")
	}
	raw[at+len(stored)-8] ^= 1
	if err := os.WriteFile(c.path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// sealedLog appends events in four parts with a checkpoint each.
func sealedLog(t *testing.T, c *tampered) *Store {
	t.Helper()
	s := openSigned(t, c.path, c.signer)
	for i := range 4 {
		if err := s.Append(t.Context(), samples(i*logged/4, logged/4)); err != nil {
			t.Fatal(err)
		}
		if note, err := s.Checkpoint(t.Context()); err != nil || note == "" {
			t.Fatalf("checkpoint %d: %q (%v)", i, note, err)
		}
		if i == 1 {
			if _, err := Backup(t.Context(), c.path, c.older); err != nil {
				t.Fatal(err)
			}
			copyFile(t, c.path+"-wal", c.older+"-wal")
		}
	}
	return s
}

// Each kind of tampering is noticed by each place that can notice it, and by one
// place at least. The table is in the test's log. A log without tampering is accepted
// by all of them.
func TestTampering(t *testing.T) {
	places := []string{"start", "running", "verify", "client", "witness"}
	whole := newTampered(t)
	if err := sealedLog(t, &whole).Close(); err != nil {
		t.Fatal(err)
	}
	kinds := append([]tamper{{name: "control: nothing", sql: []string{}, missed: strings.Join(places, " ")}}, tampers()...)
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			noticed := map[string]string{"start": kind.start(t, whole.copied(t)), "running": "", "verify": kind.verify(t, whole.copied(t))}
			if kind.files == nil {
				noticed["running"] = kind.running(t, whole.copied(t))
			}
			noticed["client"], noticed["witness"] = kind.elsewhere(t, whole.copied(t))
			line, any := fmt.Sprintf("TAMPER %-46s", kind.name), false
			for _, place := range places {
				text := noticed[place]
				if !kind.runs(place) {
					continue
				}
				any = any || text != ""
				line += fmt.Sprintf(" %s %-7s", place, yes(text))
				t.Run(place, func(t *testing.T) {
					if (text == "") == kind.noticedBy(place) {
						t.Errorf("%q", text)
					}
				})
			}
			if any == (kind.name == "control: nothing") {
				t.Errorf("noticed by somebody: %v", any)
			}
			t.Log(line + " " + noticed["verify"])
		})
	}
}

// runs reports whether a kind can happen at a place. Files are changed while no server
// runs.
func (k tamper) runs(place string) bool { return place != "running" || k.files == nil }

func (k tamper) noticedBy(place string) bool {
	return k.runs(place) && !strings.Contains(k.missed, place)
}

// Each cell of the table has a guard in mutants.txt without which it is not noticed.
// make mutants runs them.
func TestEachCellHasAControl(t *testing.T) {
	rows, err := os.ReadFile("testdata/mutants.txt")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]int{}
	for line := range strings.Lines(string(rows)) {
		if cell, ok := strings.CutPrefix(strings.TrimSpace(line), "each TestTampering/"); ok {
			listed[cell]++
		}
	}
	cells := 0
	for _, kind := range tampers() {
		for _, place := range []string{"start", "running", "verify", "client", "witness"} {
			cell := kind.name + "/" + place
			if kind.noticedBy(place) {
				cells++
				if listed[cell] == 0 {
					t.Errorf("no control of %s", cell)
				}
			}
			delete(listed, cell)
		}
	}
	for cell := range listed {
		t.Errorf("the control of %s is of no cell", cell)
	}
	t.Logf("%d cells", cells)
}

func yes(text string) string {
	if text == "" {
		return "-"
	}
	return "noticed"
}

func (k tamper) apply(t *testing.T, c tampered) {
	t.Helper()
	write(t, c.path, k.sql...)
	if k.files != nil {
		k.files(t, c)
	}
}

func newTampered(t *testing.T) tampered {
	dir := t.TempDir()
	return tampered{filepath.Join(dir, "audit.db"), newSigner(t), filepath.Join(dir, "older.db")}
}

// copied returns a copy of a stopped log.
func (c tampered) copied(t *testing.T) tampered {
	t.Helper()
	dir := t.TempDir()
	to := tampered{filepath.Join(dir, "audit.db"), c.signer, c.older}
	copyFile(t, c.path, to.path)
	copyFile(t, c.path+headSuffix, to.path+headSuffix)
	return to
}

// start changes a stopped log and opens it.
func (k tamper) start(t *testing.T, c tampered) string {
	k.apply(t, c)
	s, err := Open(Config{Path: c.path, Signer: c.signer})
	if err == nil {
		_ = s.Close()
		return ""
	}
	return err.Error()
}

// verify changes a stopped log and verifies the file.
func (k tamper) verify(t *testing.T, c tampered) string {
	k.apply(t, c)
	r, err := VerifyFile(t.Context(), c.path, Check{Key: &c.signer.Verifier, Server: true, Grants: func(string, []byte) error { return errors.New("unknown") }})
	if err != nil {
		return err.Error()
	}
	if err := r.Err(); err != nil {
		return r.Faults[0].String()
	}
	if k.files == nil && (r.Head.Size != logged || r.Signed != logged || r.Checkpoints != 4 || r.Whole != logged) {
		t.Errorf("the report of a whole log: %+v", r)
	}
	return ""
}

// running changes the log of a running server, which then appends.
func (k tamper) running(t *testing.T, c tampered) string {
	s := openSigned(t, c.path, c.signer)
	k.apply(t, c)
	var text string
	for i := range 2 { // the refusal is permanent
		err := s.Append(t.Context(), samples(logged+i, 1))
		if err != nil && !errors.Is(err, ErrTampered) {
			t.Log(err)
			return "" // not as tampering
		}
		if i == 1 && (err == nil) != (text == "") {
			t.Errorf("the second append: %v", err)
		}
		if err != nil {
			text = err.Error()
		}
	}
	return text
}

// A log continues after its own failures: they change SQLite's data_version too.
func TestOwnFailuresAreNoTampering(t *testing.T) {
	c := newTampered(t)
	s := sealedLog(t, &c)
	for i := range 3 {
		bad := &pending{ctx: t.Context(), events: samples(900+i, 1), canonical: [][]byte{nil}, done: make(chan error, 1)}
		s.queue <- bad
		if err := <-bad.done; err == nil {
			t.Fatal("the bad append succeeded")
		}
		if err := s.Append(t.Context(), samples(logged+i, 1)); err != nil {
			t.Fatal(err)
		}
	}
	whole(t, s)
}

// A change by another program during a failure is found too.
func TestTamperingDuringAFailure(t *testing.T) {
	for name, statement := range map[string]string{
		"trigger": `CREATE TRIGGER quiet AFTER INSERT ON records BEGIN DELETE FROM records WHERE seq = new.seq; END`,
		"tail":    `DELETE FROM records WHERE seq > 600`,
		"head":    `UPDATE head SET size = 0`,
	} {
		t.Run(name, func(t *testing.T) {
			c := newTampered(t)
			s := sealedLog(t, &c)
			bad := &pending{ctx: t.Context(), events: samples(900, 1), canonical: [][]byte{nil}, done: make(chan error, 1)}
			s.queue <- bad
			<-bad.done
			write(t, c.path, statement)
			if err := s.Append(t.Context(), samples(logged, 1)); err == nil {
				t.Error("the append succeeded")
			}
		})
	}
}

// Without a key the stored hashes show a changed record.
func TestAChangedBlockIsFoundWithoutAKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	logWith(t, path, logged)
	write(t, path, `UPDATE records SET event = edited(event, (SELECT json_group_object(n, hex(text)) FROM dictionaries), 'session-', 'another-') WHERE seq = 300`,
		`UPDATE events SET session = replace(session, 'session-', 'another-') WHERE seq = 300`)
	r, err := VerifyFile(t.Context(), path, Check{})
	if err != nil || len(r.Faults) == 0 || r.Faults[0] != (Fault{Kind: FaultChanged, Seq: 257, Count: 256}) || r.Whole != 256 {
		t.Errorf("%+v (%v)", r, err)
	}
}
