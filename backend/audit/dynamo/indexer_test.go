package dynamo_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"usher/backend/audit"
	"usher/backend/audit/dynamo"
	"usher/backend/event"
)

// rows returns the rows of the index as text, without the mark and the slices.
func rows(db *fake) []string {
	var all []string
	for _, r := range db.all(indexTable) {
		if pk := text(r, "pk"); pk != "mark" && pk != "slices" {
			all = append(all, fmt.Sprint(pk, " ", text(r, "sk"), " ", len(r)))
		}
	}
	slices.Sort(all)
	return all
}

// history fills a log with n requests over some hours.
func history(t *testing.T, db *fake, n int) []event.Event {
	t.Helper()
	clock := at
	s := openAt(t, db, func() time.Time { return clock }, 0)
	var all []event.Event
	for i := range n {
		clock = at.Add(time.Duration(i) * 7 * time.Minute)
		events := releases(byte(i), clock, 1+i%5, func(j int) string { return fmt.Sprintf("annual/%d/%d.csv", i%7, j) })
		if err := s.Append(t.Context(), events); err != nil {
			t.Fatal(err)
		}
		all = append(all, events...)
	}
	return all
}

// Items of a stream, twice, in any order and hours late, make the same rows as the
// passes of an Indexer.
func TestItemsOfAStream(t *testing.T) {
	later := func() time.Time { return at.Add(23 * time.Hour) }
	passed, streamed := newFake(), newFake()
	history(t, passed, 40)
	history(t, streamed, 40)
	extend(t, openAt(t, passed, later, 0))
	images := streamed.all(logTable)
	images = append(images, images[:len(images)/2]...)
	rand.New(rand.NewPCG(4, 4)).Shuffle(len(images), func(i, j int) { images[i], images[j] = images[j], images[i] })
	s := openAt(t, streamed, later, 0)
	x := dynamo.NewIndexer(s)
	for some := range slices.Chunk(images, 9) {
		for range 2 {
			if err := x.Items(t.Context(), some...); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := rows(streamed); len(got) == 0 || slices.ContainsFunc(got, func(r string) bool { return !slices.Contains(rows(passed), r) }) {
		t.Fatalf("%d rows of the stream", len(got))
	}
	extend(t, s)
	if !slices.Equal(rows(streamed), rows(passed)) {
		t.Errorf("%d rows after the stream, %d without", len(rows(streamed)), len(rows(passed)))
	}
}

// A throttled index is late, hides nothing, and catches up.
func TestAThrottledIndex(t *testing.T) {
	db := newFake()
	events := history(t, db, 30)
	end := events[len(events)-1].Time.Add(10 * time.Minute)
	s := openAt(t, db, func() time.Time { return end }, 0)
	x := dynamo.NewIndexer(s)
	db.fault = func(op string, n int) fault {
		if op == "BatchWriteItem" && n <= 40 {
			return refuse
		}
		return pass
	}
	filter := event.Filter{Terms: []event.Term{{Field: event.ByPath, Value: "company-reports/annual/3/"}}}
	want := 0
	for _, e := range events {
		if filter.Match(e) {
			want++
		}
	}
	failed, done := 0, false
	for range 2000 {
		more, err := x.Step(t.Context())
		if err != nil {
			failed++
		}
		found, qerr := s.Query(t.Context(), filter, audit.Page{Limit: 500})
		if qerr != nil || len(found.Events) != want {
			t.Fatalf("%d events, want %d: %v", len(found.Events), want, qerr)
		}
		if done = !more && err == nil; done {
			break
		}
	}
	if failed == 0 || !done {
		t.Errorf("%d failed passes, caught up: %v", failed, done)
	}
}

// A late event is found by its fields and counted, although the index had passed
// its time.
func TestALateEvent(t *testing.T) {
	db := newFake()
	history(t, db, 30)
	clock := at.Add(12 * time.Hour)
	now := func() time.Time { return clock }
	s, other := openAt(t, db, now, 0), openAt(t, db, now, 0)
	extend(t, s)
	who := event.Filter{Terms: []event.Term{{Field: event.ByWho, Value: "late"}}}
	if found, err := other.Query(t.Context(), who, audit.Page{Limit: 5}); err != nil || len(found.Events) != 0 {
		t.Fatalf("%d events: %v", len(found.Events), err)
	}
	before, err := s.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	late := releases(99, at.Add(2*time.Hour), 1, plain)
	late[0].User.Username = "late"
	if err := s.Append(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	check := func(name string, s *dynamo.Store) {
		t.Helper()
		found, err := s.Query(t.Context(), who, audit.Page{Limit: 5})
		n, cerr := s.Count(t.Context())
		if err != nil || cerr != nil || len(found.Events) != 1 || n != before+1 {
			t.Errorf("%s: %d events, %d in all, want %d: %v %v", name, len(found.Events), n, before+1, err, cerr)
		}
	}
	check("its writer", s)
	clock = clock.Add(dynamo.Lag)
	check("another process after the lag", other)
	extend(t, s)
	check("after the next pass", s)
}

// An event that is recorded some seconds after its time, as after slow HEADs, is
// found although the Indexer ran in between.
func TestAnEventInFlight(t *testing.T) {
	db := newFake()
	clock := at
	now := func() time.Time { return clock }
	s, other := openAt(t, db, now, 0), openAt(t, db, now, 0)
	event1, event2 := releases(1, at.Add(-25*time.Second), 1, plain), releases(2, at, 1, plain)
	if err := s.Append(t.Context(), event2); err != nil {
		t.Fatal(err)
	}
	extend(t, s)
	if err := s.Append(t.Context(), event1); err != nil {
		t.Fatal(err)
	}
	who := event.Filter{Terms: []event.Term{{Field: event.ByWho, Value: "ada"}}}
	for after := time.Duration(0); after < 4*time.Minute; after += 20 * time.Second {
		clock = at.Add(after)
		extend(t, other)
		found, err := other.Query(t.Context(), who, audit.Page{Limit: 5})
		n, cerr := other.Count(t.Context())
		if err != nil || cerr != nil || len(found.Events) != 2 || n != 2 {
			t.Fatalf("after %v: %d events, %d counted: %v %v", after, len(found.Events), n, err, cerr)
		}
	}
}

// A rebuilt index has the rows of the lost one. Without the mark, too, queries
// find everything.
func TestRebuild(t *testing.T) {
	for _, lose := range []string{"all rows", "all rows and the mark"} {
		db := newFake()
		events := history(t, db, 40)
		now := func() time.Time { return at.Add(20 * time.Hour) }
		extend(t, openAt(t, db, now, 0))
		want := rows(db)
		for pk := range db.tables[indexTable] {
			if pk != "mark" || lose == "all rows and the mark" {
				delete(db.tables[indexTable], pk)
			}
		}
		s := openAt(t, db, now, 0)
		hours := 0
		if err := dynamo.NewIndexer(s).Rebuild(t.Context(), func(time.Time) { hours++ }); err != nil {
			t.Fatal(err)
		}
		if got := rows(db); !slices.Equal(got, want) {
			t.Errorf("%s: %d rows, want %d", lose, len(got), len(want))
		}
		if n, err := s.Count(t.Context()); err != nil || n != int64(len(events)) {
			t.Errorf("%s: %d events, want %d: %v", lose, n, len(events), err)
		}
	}
}

// Rows bounds the rows of one item: a release of 250 objects has few more than
// 250, and a deep path has no row for each of its folders.
func TestRowsOfARelease(t *testing.T) {
	if n := len(dynamo.Rows(releases(1, at, 250, plain))); n > 250+15 {
		t.Errorf("%d rows", n)
	}
	deep := releases(1, at, 1, func(int) string { return fmt.Sprintf("%01000d", 0) })
	deep[0].Key = ""
	for range 500 {
		deep[0].Key += "a/"
	}
	if n := len(dynamo.Rows(deep)); n > 40 {
		t.Errorf("%d rows of a deep path", n)
	}
}
