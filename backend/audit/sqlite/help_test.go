package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"modernc.org/sqlite"

	"usher/backend/audit/compact"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

func openTest(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func sample(i int) event.Event {
	return event.Clean(event.Event{
		ID: fmt.Sprintf("%026d", i), Time: time.Unix(1793527200+int64(i), 0), User: event.User{Sub: fmt.Sprint("s-", i%40), Username: fmt.Sprint("person-", i%40)},
		Session: fmt.Sprint("session-", i%200), Action: event.Download, Outcome: event.Allowed, Bucket: "company-reports",
		Key: fmt.Sprintf("annual/%d/report-%d.pdf", i%50, i), ETag: `"0123456789abcdef0123456789abcdef"`, Grant: "finance-team",
		SourceIP: fmt.Sprint("10.4.18.", i%100), UserAgent: "usher/1.0.0 linux/amd64", RequestID: fmt.Sprint("request-", i),
	})
}

// recent returns samples of this time, as a server records them.
func recent(from, n int) []event.Event {
	all := samples(from, n)
	for i := range all {
		all[i].Time = time.Now().UTC().Truncate(time.Millisecond)
	}
	return all
}

func samples(from, n int) []event.Event {
	var all []event.Event
	for i := range n {
		all = append(all, sample(from+i))
	}
	return all
}

// whole verifies all records and returns their head.
func whole(t *testing.T, s *Store) tree.Head {
	t.Helper()
	report, err := s.Verify(t.Context(), nil)
	if err != nil || report.FaultCount > 0 || report.Whole != report.Head.Size {
		t.Fatalf("the log is not whole: %v %v", report.Faults, err)
	}
	if head, err := s.Head(t.Context()); err != nil || head != report.Head {
		t.Fatalf("the head is %v, the log ends at %v (%v)", head, report.Head, err)
	}
	return report.Head
}

// The SQL function edited replaces a text in a stored record. Its second argument has
// all dictionaries.
func init() {
	sqlite.MustRegisterDeterministicScalarFunction("edited", 4, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		var all map[string]string
		if err := json.Unmarshal([]byte(args[1].(string)), &all); err != nil {
			return nil, err
		}
		t := newTexts()
		for n, text := range all {
			number, err1 := strconv.ParseInt(n, 10, 64)
			raw, err2 := hex.DecodeString(text)
			d, err3 := compact.Open(raw)
			if err := errors.Join(err1, err2, err3); err != nil {
				return nil, err
			}
			t.open[number] = d
		}
		canonical, err := t.expand(context.Background(), nil, nil, args[0].([]byte))
		if err != nil {
			return nil, err
		}
		from, to := args[2].(string), args[3].(string)
		return append([]byte{0}, bytes.ReplaceAll(canonical, []byte(from), []byte(to))...), nil
	})
}

// write runs SQL on the log's file, bypassing Store.
func write(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range statements {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}
