package sqlite

import (
	"database/sql"
	"errors"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/audit"
	"usher/backend/event"
)

// plan returns SQLite's query plan in one line.
func plan(t *testing.T, db *sql.DB, query string, args ...any) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(steps, "; ")
}

// Each kind of query is a search of an index or a scan in the order of time, and
// each index has a kind of query or a constraint that needs it. An index without
// one would cost each event an insertion.
func TestEveryIndexHasAQuery(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
	all := samples(0, 300)
	for i := range all {
		switch {
		case i%10 == 0:
			all[i].Action = event.List
		case i%7 == 0:
			all[i].Outcome = event.Denied
		}
	}
	if err := s.Append(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	s.work.most = time.Hour // a slow machine counts all rows
	const scan = "SEARCH e USING INDEX sqlite_autoindex_events_1|SCAN e USING INDEX sqlite_autoindex_events_1|SEARCH e USING PRIMARY KEY|SCAN e"
	plans := map[string]string{}
	for text, want := range map[string]string{
		"":                                      scan,
		"since:1h":                              scan,
		"action:download":                       scan,
		"action:completed":                      scan,
		"outcome:allowed":                       scan,
		"-action:list":                          scan,
		"-outcome:denied":                       scan,
		"bucket:company-reports bucket:builds":  scan,
		"action:download action:list":           scan,
		"who:person-7":                          "events_person",
		"who:person-7 who:s-8":                  "events_person",
		"action:list":                           "events_action",
		"action:list action:sign-out":           "events_action",
		"-action:download -action:completed":    "events_action",
		"outcome:denied":                        "events_outcome",
		"outcome:denied outcome:failed":         "events_outcome",
		"-outcome:allowed":                      "events_outcome",
		"session:session-7":                     "events_session",
		"ip:10.4.18.7":                          "events_ip",
		"request:request-7":                     "events_request",
		"id:" + sample(77).ID:                   "events_id",
		"bucket:old-reports":                    "events_object",
		"path:company-reports/annual/7/":        "events_object",
		"path:=company-reports/annual/7/r.pdf":  "events_object",
		"who:person-7 outcome:denied since:20d": "events_outcome|events_person",
	} {
		filter, err := event.ParseFilter(text, sample(300).Time)
		if err != nil {
			t.Fatal(err)
		}
		w, err := s.where(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.chooseIndex(t.Context(), w, nil, false); err != nil {
			t.Fatal(err)
		}
		query, args := w.sql(false)
		got := plan(t, s.db, query, append(args, 5)...)
		if !slices.ContainsFunc(strings.Split(want, "|"), func(step string) bool { return strings.Contains(got, step) }) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
		plans[text] = got
		// The result is that of the filter itself.
		n := 0
		for _, e := range all {
			if filter.Match(e) {
				n++
			}
		}
		if r, err := s.Query(t.Context(), filter, audit.Page{Limit: 1000}); err != nil || len(r.Events) != n {
			t.Errorf("%q: %d events, want %d (%v)", text, len(r.Events), n, err)
		}
	}
	plans["a name"] = plan(t, s.db, "SELECT person FROM people WHERE sub IN (?) OR username IN (?)", "a", "b")
	plans["events by id"] = plan(t, s.db, "SELECT e.seq, r.event FROM events e JOIN records r USING (seq) WHERE e.id IN (?, ?)", "a", "b")
	needed := map[string]string{"events_completed": "one report for each release", "sqlite_autoindex_people_1": "one row for each person"}
	for _, name := range namesOf(t, s.db, "SELECT name FROM sqlite_schema WHERE type = 'index'") {
		used := slices.ContainsFunc(slices.Collect(maps.Values(plans)), func(p string) bool { return strings.Contains(p, name) })
		if !used && needed[name] == "" && !strings.Contains(name, "autoindex") {
			t.Errorf("no query uses the index %s", name)
		}
	}
}

// A log of an earlier version is refused, and not changed.
func TestAnOlderLogIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	logWith(t, path, 10)
	write(t, path, "PRAGMA user_version = 2")
	if _, err := Open(Config{Path: path}); !errors.Is(err, ErrOlder) {
		t.Errorf("%v, want %v", err, ErrOlder)
	}
	if _, err := VerifyFile(t.Context(), path, Check{}); !errors.Is(err, ErrOlder) {
		t.Errorf("verified: %v, want %v", err, ErrOlder)
	}
}

// Verify finds a row of the index without a record.
func TestVerifyFindsAnExtraIndexRow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	logWith(t, path, 5)
	write(t, path, `INSERT INTO events SELECT time + 1000000, seq, 'forged', person, session, action, outcome, bucket, object, ip, request, continues FROM events WHERE seq = 2`)
	if r, err := VerifyFile(t.Context(), path, Check{}); err != nil || !errors.Is(r.Err(), ErrIndex) {
		t.Errorf("%v (%v), want %v", r.Faults, err, ErrIndex)
	}
}

// An append of any size is recorded once, without gaps, even if the log has some
// of its events already, and the hourly totals count each event once.
func TestAppendsOfAllSizes(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
	total := 0
	for _, n := range []int{1, 7, 8, 9, 63, 64, 65, 129, 200} {
		fresh := samples(total, n)
		batch := slices.Clone(fresh)
		for _, known := range []int{0, total / 2, total - 1} { // known events between the new ones
			if known >= 0 && known < total {
				batch = slices.Insert(batch, len(batch)/2, sample(known))
			}
		}
		batch = append(batch, fresh[len(fresh)-1]) // and twice in one append
		if err := s.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if total += n; whole(t, s).Size != int64(total) {
			t.Fatalf("%d records after %d events", whole(t, s).Size, total)
		}
	}
	for i := range total {
		found, err := s.Get(t.Context(), []string{sample(i).ID})
		if err != nil || len(found) != 1 || !reflect.DeepEqual(found[0], sample(i)) {
			t.Fatalf("event %d: %v (%v)", i, found, err)
		}
	}
	sum, err := s.Hours(t.Context(), sample(0).Time.Truncate(3600e9), 2)
	if err != nil || sum.Downloads != total {
		t.Errorf("%d downloads in the totals, want %d (%v)", sum.Downloads, total, err)
	}
	// A different event with a known id refuses the whole append.
	other := samples(total, 70)
	other[50].ID = sample(3).ID
	if err := s.Append(t.Context(), other); !errors.Is(err, audit.ErrConflict) {
		t.Errorf("an id of another event: %v", err)
	}
	if got := whole(t, s).Size; got != int64(total) {
		t.Errorf("%d records after a refused append, want %d", got, total)
	}
}
