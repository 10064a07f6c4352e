package audittest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"usher/backend/audit"
	"usher/backend/event"
)

// start is the time of the first sample: a Sunday, ten minutes before a full
// hour.
var start = time.Date(2026, 11, 1, 9, 50, 0, 0, time.UTC)

// Now is an instant after all events of the suite, for the clock of a store.
func Now() time.Time { return start.Add(12 * time.Hour) }

// mint returns a deterministic source of ULIDs. Sources with different seeds make
// different ids.
func mint(seed byte) func(time.Time) string { return event.IDs(rand.NewChaCha8([32]byte{seed})) }

// Values with near misses: common prefixes and similar spellings.
var (
	subs    = []string{"s-1", "s-10", "s-2", "ada", ""}
	names   = []string{"ada", "Ada", "ada ", "grace", "s-2", ""}
	buckets = []string{"company-reports", "company-reports-old", "builds", ""}
	keys    = []string{"annual/", "annual/a.csv", "annual/a.csv.bak", "annual0", "annual", "annu", "annual/%_*?", "annual/\xc3\xa9", "annual/\u2028\x1b[2J", "a\x00b", ""}
	agents  = []string{"usher/1.0", "curl/8.5"}
	grants  = []string{"allow finance builds/", "deny eng company-reports/annual/", ""}
	ranges  = []string{"", "a", "a.csv", "b"}
	reasons = []string{"", event.Recursive, event.SearchText + "A.C", event.SearchGlob + "*.bak"}
	ips     = []string{"192.0.2.7", "192.0.2.77", "2001:db8::7", "c000:207::7", ""} // c000:207 are the bytes of 192.0.2.7
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// sample returns n pseudo-random events in order of time, several in most
// milliseconds. The sequence is the same for every call.
func sample(n int) []event.Event {
	r := rand.New(rand.NewPCG(7, 11))
	at, id := start, mint(1)
	all := make([]event.Event, n)
	for i := range all {
		if r.IntN(5) == 0 {
			at = at.Add(time.Duration(r.IntN(150_000)) * time.Millisecond)
		}
		size := r.Int64N(1 << 40)
		all[i] = event.Clean(event.Event{
			ID: id(at), Time: at,
			User:    event.User{Sub: pick(r, subs), Username: pick(r, names)},
			Session: fmt.Sprint(r.IntN(5)), Action: pick(r, slices.DeleteFunc(event.Actions(), func(a string) bool { return a == event.Completed })),
			Outcome: pick(r, event.Outcomes()), Bucket: pick(r, buckets), Key: pick(r, keys),
			Size: &size, Count: r.IntN(3), SourceIP: pick(r, ips), UserAgent: pick(r, agents), Grant: pick(r, grants),
			RequestID: fmt.Sprintf("req-%d", r.IntN(n+1)),
			Policy:    pick(r, names), Groups: pick(r, names), GroupNames: names[:r.IntN(len(names))], SignedIn: &at, Way: event.WaySSO,
			Entries: r.IntN(3), EntriesHash: pick(r, names), EntriesFirst: pick(r, ranges), EntriesLast: pick(r, ranges), Reason: pick(r, reasons), Implausible: r.IntN(2) == 0,
			From: &at, Until: &at, FirstRecord: r.Int64N(3), LastRecord: r.Int64N(1 << 40), Root: "AAAA",
		})
	}
	return all
}

// hostile returns events with SQL, patterns, control characters and long text
// in every text field.
func hostile() []event.Event {
	var all []event.Event
	id := mint(2)
	for i, text := range []string{
		`'; DROP TABLE events; --`, `%`, `_`, `*`, `\`, `"`, "\x00", "\r\n", "\x1b]0;x\a", "\u202e", "é", "e\u0301",
		strings.Repeat("k", 1024), strings.Repeat("\U0001F512", 256),
	} {
		at := start.Add(time.Duration(i) * time.Second)
		e := event.Event{
			ID: id(at), Time: at, User: event.User{Sub: text, Username: text, Email: text},
			Session: text, Action: event.List, Purpose: text, Bucket: text, Key: text, Version: text, ETag: text,
			Outcome: event.Denied, Reason: text, Grant: text, Continues: text, Verified: text,
			SourceIP: text, UserAgent: text, RequestID: text,
			Policy: text, Groups: text, GroupNames: []string{text, "x"}, GroupNamesBefore: []string{text}, Way: text, EntriesHash: text,
			GrantsDiff: []string{text}, Root: text,
		}
		all = append(all, event.Clean(e))
	}
	return all
}

// filtered compares the pages of n random filters with event.Filter.Match: in a log of
// usual events, and in one with hostile events too.
func filtered(ctx context.Context, s audit.Store, n int) error {
	var all []event.Event
	r := rand.New(rand.NewPCG(3, 5))
	found := 0
	for i, more := range [][]event.Event{sample(250), hostile()} {
		for part := range slices.Chunk(more, 57) {
			if err := s.Append(ctx, part); err != nil {
				return err
			}
		}
		all = append(all, more...)
		slices.SortFunc(all, event.Compare)
		matches, err := compared(ctx, s, r, all, (n+i)/2)
		if err != nil {
			return err
		}
		found += matches
	}
	if found < 2*n { // too few matches for a meaningful comparison
		return errors.New("the suite's own filters are too narrow")
	}
	return nil
}

// compared compares the pages of n filters of a log with all these events. It returns
// the number of matches.
func compared(ctx context.Context, s audit.Store, r *rand.Rand, all []event.Event, n int) (found int, err error) {
	for i := range n {
		f := randomFilter(r, all)
		if i < len(buckets) { // a name with the characters of patterns
			f = event.Filter{Terms: []event.Term{{Field: event.ByPath, Value: buckets[i] + "/annual/%_"}}}
		}
		after, rest := "", all
		if r.IntN(2) == 0 {
			i := r.IntN(len(all))
			after, rest = all[i].ID, all[i+1:]
		}
		want := matching(all, f)
		found += len(want)
		slices.Reverse(want)
		if err := same(pages(ctx, s, f, audit.Page{Limit: audit.MaxPage, Ascending: true, After: after}), matching(rest, f)...); err != nil {
			return found, fmt.Errorf("%s, ascending: %w", f, err)
		}
		if err := same(pages(ctx, s, f, audit.Page{Limit: 20 + r.IntN(200)}), want...); err != nil {
			return found, fmt.Errorf("%s: %w", f, err)
		}
	}
	return found, nil
}

// matching returns the events that a filter selects, in a new slice.
func matching(events []event.Event, f event.Filter) []event.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e event.Event) bool { return !f.Match(e) })
}

func randomFilter(r *rand.Rand, all []event.Event) event.Filter {
	var f event.Filter
	for range r.IntN(4) {
		e := pick(r, all)
		t := event.Term{Field: pick(r, event.Fields()), Not: r.IntN(4) == 0}
		switch t.Field {
		case event.ByWho:
			t.Value = pick(r, []string{e.User.Sub, e.User.Username})
		case event.ByAction:
			t.Value = e.Action
		case event.ByOutcome:
			t.Value = e.Outcome
		case event.ByBucket:
			t.Value = e.Bucket
		case event.ByPath:
			t.Exact = r.IntN(3) == 0
			t.Value = e.Path()
			if cut := r.IntN(len(t.Value) + 1); !t.Exact {
				t.Value = strings.ToValidUTF8(t.Value[:cut], "")
				if r.IntN(3) == 0 {
					t.Value = "*" + t.Value[len(t.Value)/2:] + "*"
				}
			}
		case event.ByTouched:
			t.Value = e.Path() + pick(r, []string{"", "a.csv", "x/a.csv"})
		case event.BySession:
			t.Value = e.Session
		case event.ByIP:
			t.Value = e.SourceIP
			if strings.Contains(t.Value, ".") && r.IntN(2) == 0 {
				t.Value += "/26"
			}
		case event.ByID:
			t.Value = e.ID
		case event.ByRequest:
			t.Value = e.RequestID
		case event.ByGroup:
			t.Value = pick(r, []string{"finance", "eng", e.Session, ""})
			if len(e.GroupNames) > 0 {
				t.Value = e.GroupNames[0]
			}
		case event.ByGrant:
			t.Value = pick(r, []string{e.Grant, "*builds*", "allow*"})
		case event.ByPurpose:
			t.Value = pick(r, []string{"download", "preview", "link"})
		case event.ByAgent:
			t.Value = pick(r, []string{e.UserAgent, "usher/", "*/8*"})
			t.Exact = r.IntN(4) == 0
		case event.BySize:
			t.Value = ">1000"
			if e.Size != nil {
				t.Value = pick(r, []string{">", "<", ">=", ""}) + fmt.Sprint(*e.Size)
			}
		case event.ByHours:
			t.Value = pick(r, []string{"09-10", "10-11", "22-10"})
		case event.BySince, event.ByUntil:
			t.Time, t.Not = e.Time, false
		}
		f.Terms = append(f.Terms, t)
	}
	return f
}

func hours(ctx context.Context, s audit.Store) error {
	all, id := sample(300), mint(3)
	at := func(i int, action, outcome string, d time.Duration) {
		all[i].Action, all[i].Outcome, all[i].Time = action, outcome, start.Add(d)
		all[i].ID = id(all[i].Time)
	}
	at(0, event.Download, event.Allowed, 0)
	at(1, event.Download, event.Allowed, time.Hour)
	all[1].Continues = all[0].ID
	at(2, event.Suppressed, event.Denied, time.Hour)
	all[2].Count = 40
	at(3, event.Download, event.Denied, -time.Hour)
	for part := range slices.Chunk(all, 90) {
		if err := s.Append(ctx, part); err != nil {
			return err
		}
		if err := s.Append(ctx, part); err != nil { // a repetition is not counted twice
			return err
		}
	}
	naive := NewMemory()
	if err := naive.Append(ctx, all); err != nil {
		return err
	}
	for _, span := range []struct{ from, n int }{{0, 1}, {0, 6}, {-3, 9}, {2, 1}, {50, 2}} {
		from := start.Truncate(time.Hour).Add(time.Duration(span.from) * time.Hour)
		got, err := s.Hours(ctx, from, span.n)
		if err != nil {
			return err
		}
		want, _ := naive.Hours(ctx, from, span.n)
		got.Events, want.Events = 0, 0 // filled in from Count by the log
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			return fmt.Errorf("from hour %d: %+v, want %+v", span.from, got, want)
		}
	}
	return nil
}

// call is a deferred read of events from a store.
type call func() ([]event.Event, error)

func get(ctx context.Context, s audit.Store, ids ...string) call {
	return func() ([]event.Event, error) { return s.Get(ctx, ids) }
}

// pages collects the events of all pages.
func pages(ctx context.Context, s audit.Store, f event.Filter, p audit.Page) call {
	return func() ([]event.Event, error) {
		var all []event.Event
		for range maxPages {
			r, err := s.Query(ctx, f, p)
			if len(r.Events) > p.Limit {
				return nil, fmt.Errorf("a page of %d has %d events", p.Limit, len(r.Events))
			}
			if (r.Position != "") == r.Reached.IsZero() {
				return nil, fmt.Errorf("a page before %q ends at %v", r.Position, r.Reached)
			}
			all = append(all, r.Events...)
			if err != nil || r.Position == "" {
				return all, err
			}
			p.Position = r.Position
		}
		return nil, errors.New("the pages do not end")
	}
}

// maxPages bounds the pages of one query in the suite, empty ones included.
const maxPages = 10_000

// ascending collects all events of the log, the oldest first.
func ascending(ctx context.Context, s audit.Store) call {
	return pages(ctx, s, event.Filter{}, audit.Page{Limit: audit.MaxPage, Ascending: true})
}

// same runs a call and compares its events with want.
func same(got call, want ...event.Event) error {
	events, err := got()
	if err != nil {
		return err
	}
	if len(events) != len(want) {
		return fmt.Errorf("%d events, want %d", len(events), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(events[i], want[i]) {
			return fmt.Errorf("event %d of %d differs", i, len(want))
		}
	}
	return nil
}

func ids(events []event.Event) []string {
	all := make([]string, len(events))
	for i, e := range events {
		all[i] = e.ID
	}
	return all
}
