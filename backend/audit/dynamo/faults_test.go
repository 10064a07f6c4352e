package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/audit/dynamo"
	client "usher/backend/dynamo"
	"usher/backend/event"
)

// releases returns n releases of one request.
func releases(seed byte, at time.Time, n int, key func(i int) string) []event.Event {
	id := event.IDs(rand.NewChaCha8([32]byte{seed}))
	all := make([]event.Event, n)
	for i := range all {
		all[i] = event.Clean(event.Event{
			ID: id(at), Time: at, Action: event.Download, Outcome: event.Allowed, Purpose: "download",
			User:    event.User{Sub: "b0a1c2d3-0000-4000-8000-000000000001", Username: "ada", Email: "ada@example.com"},
			Session: "s-abcdefghijklmnop", Bucket: "company-reports", Key: key(i), ETag: `"0123456789abcdef0123456789abcdef"`,
			Grant: "finance-team company-reports/annual/", SourceIP: "192.0.2.7", UserAgent: "usher/1.0.0 linux/amd64", RequestID: "r-0123456789abcdef",
		})
	}
	return all
}

func plain(i int) string { return fmt.Sprintf("annual/2026/report-%04d.csv", i) }

// at is the time of the events, one hour before the stores' clock.
var at = audittest.Now().Add(-time.Hour)

// units returns the write units of an item. SPEC: DynamoDB developer guide, "Read
// and write operations": one for each started KB.
func units(item row) int {
	size := 0
	for name, value := range item {
		size += len(name)
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			size += len(v.Value)
		case *types.AttributeValueMemberB:
			size += len(v.Value)
		case *types.AttributeValueMemberN:
			size += len(v.Value)/2 + 2
		}
	}
	return (size + 1023) / 1024
}

// A release of 250 objects is one call of 9 write units.
func TestOneRequestIsOneItem(t *testing.T) {
	for _, c := range []struct{ events, calls, units int }{{1, 1, 1}, {50, 1, 2}, {250, 1, 9}} {
		db := newFake()
		now := func() time.Time { return at.Add(time.Second) }
		if err := openAt(t, db, now, 0).Append(t.Context(), releases(1, at, c.events, plain)); err != nil {
			t.Fatal(err)
		}
		all := db.all(logTable)
		if db.calls["PutItem"] != c.calls || len(db.calls) != 2 || len(all) != 1 { // PutItem, and Scan by the test
			t.Fatalf("%d events: %v, %d items", c.events, db.calls, len(all))
		}
		if n := units(all[0]); n > c.units {
			t.Errorf("%d events: %d write units, at most %d", c.events, n, c.units)
		} else {
			t.Logf("%d events: %d calls, %d write units", c.events, c.calls, n)
		}
	}
}

// Events that do not fit into an item become several items of one transaction.
// Each is found by its id.
func TestALargeAppendIsSplit(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	control := func(int) string {
		b := make([]byte, 1024)
		for i := range b {
			b[i] = byte(r.IntN(32))
		}
		return string(b)
	}
	db := newFake()
	s := open(t, db)
	events := releases(2, at, 250, control)
	for i := range events {
		events[i].Version = control(0)[:512]
	}
	for range 2 { // the repetition changes nothing
		if err := s.Append(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	items := db.all(logTable)
	if len(items) < 2 || db.calls["TransactWriteItems"] != 2 {
		t.Fatalf("%d items, %v", len(items), db.calls)
	}
	found, err := s.Get(t.Context(), idsOf(events))
	if err != nil || len(found) != 250 {
		t.Fatalf("%d events: %v", len(found), err)
	}
	// Negative control: half of a transaction is found incomplete.
	delete(db.partition(new(string(logTable)), text(items[0], "pk")), text(items[0], "sk"))
	if found, err := s.Get(t.Context(), idsOf(events)); err != nil || len(found) == 250 {
		t.Errorf("without an item: %d events, %v", len(found), err)
	}
}

func idsOf(events []event.Event) []string {
	var ids []string
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

// An Append whose response is lost succeeds at its retry, and its events are
// there once, with the number of the first try.
func TestALostResponse(t *testing.T) {
	for name, key := range map[string]func(int) string{"one item": plain, "a transaction": func(i int) string { return plain(i) + strings.Repeat("x", 900) }} {
		db := newFake()
		s := open(t, db)
		events := releases(3, at, 40, key)
		if name == "a transaction" {
			for i := range events[:20] {
				events[i].Time = at.Add(time.Millisecond)
				events[i].ID = event.IDs(rand.NewChaCha8([32]byte{9, byte(i)}))(events[i].Time)
			}
		}
		op := "PutItem"
		if name == "a transaction" {
			op = "TransactWriteItems"
		}
		db.fault = func(called string, n int) fault {
			if called == op && n == 1 {
				return landed
			}
			return pass
		}
		if err := s.Append(t.Context(), events); !errors.Is(err, client.ErrUnavailable) {
			t.Fatalf("%s: the lost response: %v", name, err)
		}
		before := len(db.all(logTable))
		if err := s.Append(t.Context(), events); err != nil {
			t.Fatalf("%s: the retry: %v", name, err)
		}
		found, err := s.Get(t.Context(), idsOf(events))
		if err != nil || len(found) != 40 || len(db.all(logTable)) != before {
			t.Errorf("%s: %d events, %d items after %d: %v", name, len(found), len(db.all(logTable)), before, err)
		}
	}
}

// The numbers of a writer's items have a gap only for a write that failed.
func TestWritersNumberTheirItems(t *testing.T) {
	db := newFake()
	s := open(t, db)
	fail := true
	db.fault = func(op string, _ int) fault {
		if op == "PutItem" && fail {
			return refuse
		}
		return pass
	}
	first := releases(4, at, 1, plain)
	if err := s.Append(t.Context(), first); err == nil {
		t.Fatal("a refused write succeeded")
	}
	fail = false
	for _, events := range [][]event.Event{first, releases(5, at, 2, plain), releases(6, at, 3, plain)} {
		if err := s.Append(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	var numbers []int64
	writers := map[string]bool{}
	for _, item := range db.all(logTable) {
		numbers = append(numbers, client.NumberOf(item, "b"))
		writers[text(item, "w")] = true
	}
	slices.Sort(numbers)
	if !slices.Equal(numbers, []int64{1, 2, 3}) || len(writers) != 1 {
		t.Errorf("numbers %v of %d writers", numbers, len(writers))
	}
}

// Two instances with the same random numbers make one id for two events. The
// second Append is refused. If the id is not the first one of its item, readers
// show both events, and a release that depends on the id is refused.
func TestTwoInstancesWithOneID(t *testing.T) {
	db := newFake()
	a, b := open(t, db), open(t, db)
	mine := releases(7, at, 2, plain)
	other := releases(7, at, 2, func(i int) string { return "secret/" + plain(i) })
	if err := a.Append(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	if err := b.Append(t.Context(), other); !errors.Is(err, audit.ErrConflict) {
		t.Errorf("the same ids: %v", err)
	}
	if err := b.Append(t.Context(), other[1:]); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Get(t.Context(), []string{other[1].ID}); !errors.Is(err, audit.ErrConflict) {
		t.Errorf("two events with one id: %v", err)
	}
	for _, filter := range []event.Filter{{}, {Terms: []event.Term{{Field: event.ByID, Value: other[1].ID}}}} {
		found, err := a.Query(t.Context(), filter, audit.Page{Limit: 10})
		shown := map[string]bool{}
		for _, e := range found.Events {
			shown[e.Key] = true
		}
		if err != nil || !shown[mine[1].Key] || !shown[other[1].Key] {
			t.Errorf("%s: %v: %v", filter, shown, err)
		}
	}
}

// A changed item is an error, in every read that meets it.
func TestADamagedItem(t *testing.T) {
	for name, change := range map[string]func(row){
		"other bytes":   func(r row) { r["e"].(*types.AttributeValueMemberB).Value[9] ^= 1 },
		"another hash":  func(r row) { r["h"] = client.Bytes(make([]byte, 32)) },
		"without bytes": func(r row) { delete(r, "e") },
	} {
		db := newFake()
		s := open(t, db)
		events := releases(8, at, 3, plain)
		if err := s.Append(t.Context(), events); err != nil {
			t.Fatal(err)
		}
		for _, r := range db.partition(new(string(logTable)), text(db.all(logTable)[0], "pk")) {
			change(r)
		}
		_, get := s.Get(t.Context(), idsOf(events))
		_, query := s.Query(t.Context(), event.Filter{}, audit.Page{Limit: 10})
		_, hours := s.Hours(t.Context(), at.Truncate(time.Hour), 1)
		for call, err := range map[string]error{"Get": get, "Query": query, "Hours": hours} {
			if !errors.Is(err, dynamo.ErrDamaged) {
				t.Errorf("%s, %s: %v", name, call, err)
			}
		}
	}
}

// Events expire for every reader at once, although their items are still there.
func TestEventsExpire(t *testing.T) {
	db := newFake()
	clock := at
	s := openAt(t, db, func() time.Time { return clock }, 24*time.Hour)
	old, young := releases(10, at, 3, plain), releases(11, at.Add(20*time.Hour), 2, plain)
	for _, events := range [][]event.Event{old, young} {
		clock = events[0].Time.Add(time.Second)
		if err := s.Append(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	clock = at.Add(21 * time.Hour)
	extend(t, s)
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{21 * time.Hour, 5}, {25 * time.Hour, 2}, {45 * time.Hour, 0}} {
		clock = at.Add(c.after)
		found, err := s.Query(t.Context(), event.Filter{Terms: []event.Term{{Field: event.ByWho, Value: "ada"}}}, audit.Page{Limit: 10})
		all, aerr := s.Query(t.Context(), event.Filter{}, audit.Page{Limit: 10})
		byID, gerr := s.Get(t.Context(), idsOf(append(slices.Clone(old), young...)))
		if len(found.Events) != c.want || len(all.Events) != c.want || len(byID) != c.want || errors.Join(err, aerr, gerr) != nil {
			t.Errorf("after %v: %d by person, %d by time, %d by id, want %d: %v", c.after, len(found.Events), len(all.Events), len(byID), c.want, errors.Join(err, aerr, gerr))
		}
	}
	if len(db.all(logTable)) != 2 {
		t.Error("the store deleted items")
	}
}

// An event far ahead of the clock, or whose id has another time, is not recorded.
func TestEventsOfWrongTimesAreRefused(t *testing.T) {
	db := newFake()
	s := openAt(t, db, func() time.Time { return at }, 0)
	future := releases(12, at.Add(time.Hour), 1, plain)
	shifted := releases(13, at, 1, plain)
	shifted[0].Time = at.Add(time.Millisecond)
	named := releases(14, at, 1, plain)
	named[0].ID = "event-1"
	for name, events := range map[string][]event.Event{"of the future": future, "with the id of another time": shifted, "without a ULID": named} {
		if err := s.Append(t.Context(), events); err == nil {
			t.Errorf("an event %s was recorded", name)
		}
	}
	if n := len(db.all(logTable)); n != 0 {
		t.Errorf("%d items", n)
	}
}

// Ascending pages end Lag before now.
func TestFollowersSeeOldEvents(t *testing.T) {
	clock := at
	s := openAt(t, newFake(), func() time.Time { return clock }, 0)
	events := releases(15, at, 2, plain)
	if err := s.Append(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 0}, {dynamo.Lag, 0}, {dynamo.Lag + time.Millisecond, 2}} {
		clock = at.Add(c.after)
		found, err := s.Query(t.Context(), event.Filter{}, audit.Page{Limit: 10, Ascending: true})
		newest, nerr := s.Query(t.Context(), event.Filter{}, audit.Page{Limit: 10})
		if err != nil || nerr != nil || len(found.Events) != c.want || len(newest.Events) != 2 || found.Lag != dynamo.Lag {
			t.Errorf("after %v: %d ascending, %d newest: %v %v", c.after, len(found.Events), len(newest.Events), err, nerr)
		}
	}
}

// counted is a database that counts the calls of a page.
type counted struct {
	*fake
	queries int
}

func (c *counted) Query(ctx context.Context, in *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
	c.fake.mu.Lock()
	c.queries++
	c.fake.mu.Unlock()
	return c.fake.Query(ctx, in)
}

// slow is a database whose reads take a time.
type slow struct {
	dynamo.DB
	each time.Duration
}

func (s slow) wait(ctx context.Context) error {
	select {
	case <-time.After(s.each):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", client.ErrUnavailable, ctx.Err())
	}
}

func (s slow) Query(ctx context.Context, in *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	return s.DB.Query(ctx, in)
}

func (s slow) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput) (*dynamodb.BatchGetItemOutput, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	return s.DB.BatchGetItem(ctx, in)
}

// A page ends in time, however long each call takes: at a third of the deadline, or in
// the middle of one that the deadline ends. All pages together have all events.
func TestPagesEndInTime(t *testing.T) {
	const days, deadline = 4, 10 * time.Second
	for _, each := range []time.Duration{50 * time.Millisecond, time.Second, 2700 * time.Millisecond, 4 * time.Second} {
		for _, ascending := range []bool{false, true} {
			for _, listed := range []bool{false, true} {
				name := fmt.Sprintf("%v ascending %v index %v", each, ascending, listed)
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { pagesEndInTime(t, days, deadline, each, ascending, listed) })
				})
			}
		}
	}
}

func pagesEndInTime(t *testing.T, days int, deadline, each time.Duration, ascending, listed bool) {
	db := newFake()
	clock := at
	fast := openAt(t, db, func() time.Time { return clock }, 0)
	want := 0
	for day := range days {
		clock = at.Add(time.Duration(day) * 24 * time.Hour)
		events := releases(byte(40+day), clock, 3, plain)
		if err := fast.Append(t.Context(), events); err != nil {
			t.Fatal(err)
		}
		want += len(events)
	}
	clock = clock.Add(time.Hour)
	if listed {
		extend(t, fast)
	}
	s := openAt(t, slow{db, each}, func() time.Time { return clock }, 0)
	log, err := audit.New(audit.Config{Store: s, Now: func() time.Time { return clock }, NewID: audittest.NewID(), Deadline: deadline})
	if err != nil {
		t.Fatal(err)
	}
	got, pages := 0, 0
	for p := (audit.Page{Limit: 2, Ascending: ascending}); ; pages++ {
		began := time.Now()
		found, err := log.Query(t.Context(), event.Filter{Terms: []event.Term{{Field: event.ByWho, Value: "ada"}, {Field: event.ByOutcome, Value: event.Allowed}}}, p)
		if took := time.Since(began); err != nil || took > deadline || pages > 400 {
			t.Fatalf("page %d after %v: %v", pages, took, err)
		}
		got += len(found.Events)
		if p.Position = found.Position; p.Position == "" {
			break
		}
	}
	if got != want {
		t.Errorf("%d of %d events in %d pages", got, want, pages)
	}
}

// The work of one page is bounded: a filter without a match ends short, with a
// position, and the pages reach the end of the log.
func TestPagesAreBounded(t *testing.T) {
	db := &counted{fake: newFake()}
	clock := at
	s := openAt(t, db, func() time.Time { return clock }, 0)
	const days = 10
	for day := range days { // without an index: 240 hours of 16 partitions
		clock = at.Add(time.Duration(day) * 24 * time.Hour)
		if err := s.Append(t.Context(), releases(byte(20+day), clock, 3, plain)); err != nil {
			t.Fatal(err)
		}
	}
	none := event.Filter{Terms: []event.Term{{Field: event.ByAction, Value: event.List}}}
	for _, ascending := range []bool{false, true} {
		clock = at.Add(days * 24 * time.Hour)
		pages := 0
		for p := (audit.Page{Limit: 10, Ascending: ascending}); ; pages++ {
			db.queries = 0
			found, err := s.Query(t.Context(), none, p)
			if err != nil || len(found.Events) != 0 || db.queries > 600 || pages > 100 {
				t.Fatalf("page %d: %d events, %d queries: %v", pages, len(found.Events), db.queries, err)
			}
			if p.Position = found.Position; p.Position == "" {
				break
			}
		}
		if pages < 5 {
			t.Errorf("%d pages: the work is not bounded", pages)
		}
	}
}
