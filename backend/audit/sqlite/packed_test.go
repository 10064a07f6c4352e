package sqlite

import (
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"usher/backend/audit"
	"usher/backend/event"
)

// dictionaries returns the number of dictionaries in a log.
func dictionaries(t *testing.T, s *Store) (n int) {
	t.Helper()
	if err := s.db.QueryRowContext(t.Context(), "SELECT count(*) FROM dictionaries").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// trainedLog appends events, from sample number next on, until the log has its second
// dictionary. It returns the number of the next sample.
func trainedLog(t *testing.T, s *Store, next int) int {
	t.Helper()
	for until := time.Now().Add(30 * time.Second); dictionaries(t, s) < 2; next += 100 {
		if time.Now().After(until) {
			t.Fatal("the log has no second dictionary")
		}
		if err := s.Append(t.Context(), samples(next, 100)); err != nil {
			t.Fatal(err)
		}
	}
	return next
}

// A log trains a dictionary from its own events. All events come back, before and after
// a restart, and a dictionary has no names of people and objects.
func TestDictionaries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openTest(t, path)
	next := trainedLog(t, s, 0)
	if err := s.Append(t.Context(), samples(next, 10)); err != nil {
		t.Fatal(err)
	}
	var text string
	var first, second int64
	const query = `SELECT CAST(text AS TEXT), (SELECT length(event) FROM records WHERE seq = 5), (SELECT length(event) FROM records WHERE seq = ?) FROM dictionaries WHERE n = 2`
	if err := s.db.QueryRowContext(t.Context(), query, next+5).Scan(&text, &first, &second); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, `"grant":"finance-team"`) || second >= first {
		t.Errorf("a record has %d bytes, and %d with the dictionary %q", first, second, text)
	}
	for _, private := range []string{"person-", "s-1", "10.4.18", "report-", "session-"} {
		if strings.Contains(text, private) {
			t.Errorf("the dictionary has %s: %s", private, text)
		}
	}
	head := whole(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{`'x' || text`, `',"key":"report-1' || text`} { // no record uses these bytes
		copied := filepath.Join(t.TempDir(), "copy.db")
		copyFile(t, path, copied)
		write(t, copied, `UPDATE dictionaries SET text = CAST(`+other+` AS BLOB) WHERE n = 2`)
		r, err := VerifyFile(t.Context(), copied, Check{})
		if err != nil || r.FaultCount != 1 || r.Faults[0].Kind != FaultSchema {
			t.Errorf("%s: %+v (%v)", other, r, err)
		}
	}
	s = openTest(t, path)
	if got := whole(t, s); got != head {
		t.Errorf("after a restart: %v, want %v", got, head)
	}
	want := samples(next, 20)
	if err := s.Append(t.Context(), want[10:]); err != nil {
		t.Fatal(err)
	}
	r, err := s.Query(t.Context(), event.Filter{}, audit.Page{Limit: 20})
	if err != nil || len(r.Events) != 20 {
		t.Fatalf("%d events (%v)", len(r.Events), err)
	}
	for i, e := range r.Events {
		if !reflect.DeepEqual(e, want[19-i]) {
			t.Errorf("event %d is %+v, want %+v", i, e, want[19-i])
		}
	}
	whole(t, s)
}

// The first dictionary is that of all logs: no other text of the same form replaces it.
func TestTheFirstDictionary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	logWith(t, path, 20)
	write(t, path, `UPDATE dictionaries SET text = CAST('{"action":"list"' || text AS BLOB)`)
	if r, err := VerifyFile(t.Context(), path, Check{}); err != nil || r.FaultCount != 1 || r.Faults[0].Kind != FaultSchema {
		t.Errorf("%+v (%v)", r, err)
	}
}

// An event that does not become shorter is stored as it is. One above the bound is
// refused.
func TestLongEvents(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
	long, longer := sample(1), sample(2)
	long.Reason, longer.Reason = strings.Repeat("long ", 20_000), strings.Repeat("x", maxRecord)
	if err := s.Append(t.Context(), []event.Event{long}); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), []event.Event{longer}); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("an event above the bound: %v", err)
	}
	if got, err := s.Get(t.Context(), []string{long.ID}); err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], long) {
		t.Errorf("%d events (%v)", len(got), err)
	}
	whole(t, s)
}

// A server that has the old dictionary in memory finds a changed one in the file.
func TestVerifyReadsTheDictionariesAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openTest(t, path)
	if err := s.Append(t.Context(), samples(0, 300)); err != nil {
		t.Fatal(err)
	}
	whole(t, s)
	if _, err := s.Query(t.Context(), event.Filter{}, audit.Page{Limit: 10}); err != nil {
		t.Fatal(err)
	}
	write(t, path, `UPDATE dictionaries SET text = CAST(replace(CAST(text AS TEXT), 'download', 'uploaded') AS BLOB)`)
	if r, err := s.Verify(t.Context(), nil); err != nil || r.FaultCount == 0 {
		t.Errorf("a changed dictionary: %d faults (%v)", r.FaultCount, err)
	}
}

// A dictionary of a transaction that failed is not used: the log has no record that
// needs it.
func TestADictionaryOfAFailedTransaction(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
	next := 0
	for ; next < 2*sampled; next += 128 {
		if err := s.Append(t.Context(), samples(next, 128)); err != nil {
			t.Fatal(err)
		}
		tries := 1
		if next+128 >= sampled { // the training ends during these, so one of them receives the dictionary
			tries = 60
		}
		for range tries {
			bad := &pending{ctx: t.Context(), events: samples(900_000+next, 1), canonical: [][]byte{nil}, done: make(chan error, 1)}
			s.queue <- bad
			if err := <-bad.done; err == nil {
				t.Fatal("the bad append succeeded")
			}
		}
	}
	trainedLog(t, s, next)
	whole(t, s)
}

// Bytes that have no event are an error of their record, and the next ones follow.
func TestRecordsBehindABadOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openTest(t, path)
	if err := s.Append(t.Context(), samples(0, 5)); err != nil {
		t.Fatal(err)
	}
	write(t, path, `UPDATE records SET event = x'01ff' WHERE seq = 3`)
	var seqs []int64
	bad := 0
	for r, err := range s.Records(t.Context(), 0) {
		switch {
		case errors.Is(err, ErrDamaged):
			bad++
		case err != nil:
			t.Fatal(err)
		}
		seqs = append(seqs, r.Seq)
	}
	if bad != 1 || !reflect.DeepEqual(seqs, []int64{1, 2, 3, 4, 5}) {
		t.Errorf("%d bad, %v", bad, seqs)
	}
}
