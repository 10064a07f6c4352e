package redecide_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/redecide"
)

// world is a log of decisions under several versions of the grants.
type world struct {
	sets   map[string]*grant.Set
	events []event.Event
}

func newWorld(t testing.TB, n int) *world {
	t.Helper()
	w := &world{sets: map[string]*grant.Set{}}
	r := rand.New(rand.NewPCG(5, 6))
	groups := [][]string{{"finance", "everyone"}, {"everyone"}, nil, {"audit", "finance"}}
	at := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	var set *grant.Set
	announced := map[string]bool{}
	for i := range n {
		if i%500 == 0 {
			all := []grant.Grant{
				{Group: "finance", Bucket: "reports", Prefix: "annual/"}, {Group: "everyone", Bucket: "reports", Prefix: "public/"},
				{Group: "everyone", Bucket: "builds", Prefix: fmt.Sprintf("v%d/", i/500)}, {Group: "audit", Bucket: "reports", Prefix: "annual/secret/", Effect: grant.Deny},
				{Group: "audit", Bucket: "builds", Prefix: "", Expires: at.Add(time.Hour)},
			}
			var err error
			if set, err = grant.NewSet(all); err != nil {
				t.Fatal(err)
			}
			w.sets[set.Version()] = set
		}
		names := groups[r.IntN(len(groups))]
		hash := event.HashGroups(names)
		if !announced[hash] {
			announced[hash] = true
			w.events = append(w.events, event.Event{ID: fmt.Sprint("s", i), Time: at, Action: event.SessionStart, Outcome: event.Allowed, Groups: hash, GroupNames: event.SortedGroups(names)})
		}
		e := event.Event{ID: fmt.Sprint("e", i), Time: at.Add(time.Duration(i) * 3 * time.Second), Policy: set.Version(), Groups: hash, Outcome: event.Allowed,
			Bucket: []string{"reports", "builds", "other"}[r.IntN(3)], Key: []string{"annual/a.pdf", "annual/secret/b.pdf", "public/c", "v0/d", "v1/d", "x"}[r.IntN(6)]}
		var g *grant.Grant
		if e.Action = []string{event.Download, event.Stat, event.List}[r.IntN(3)]; e.Action == event.List {
			e.Key = []string{"", "annual/", "public/", "v0/"}[r.IntN(4)]
			if r.IntN(10) == 0 {
				e.Bucket, e.Key = "", ""
			} else {
				v := set.Visible(names, e.Bucket, e.Key, e.Time)
				if g = v.Grant; v.Nothing() {
					e.Outcome = event.Denied
				}
			}
		} else {
			made := set.Decide(names, e.Bucket, e.Key, e.Time)
			if g = made.Grant; !made.Allowed {
				e.Outcome = event.Denied
			} else if r.IntN(20) == 0 {
				e.Outcome = event.Failed
			}
		}
		if g != nil {
			e.Grant = g.String()
		}
		w.events = append(w.events, e)
	}
	return w
}

func (w *world) grants(_ context.Context, version string) (*grant.Set, error) {
	if s := w.sets[version]; s != nil {
		return s, nil
	}
	return nil, grant.ErrUnknown
}

func (w *world) run(t testing.TB, events []event.Event, pruned bool) redecide.Result {
	t.Helper()
	d, err := redecide.New(redecide.Config{Grants: w.grants, Pruned: pruned})
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		d.Event(t.Context(), int64(i+1), &e)
	}
	r, err := d.Result()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Decisions of the evaluator are decided equally.
func TestEqualDecisions(t *testing.T) {
	w := newWorld(t, 5000)
	r := w.run(t, w.events, false)
	if r.Decisions != 5000 || r.Differ != 0 || r.Undecidable != 0 {
		t.Errorf("%+v", r)
	}
}

// Each change of one decision is found, with the number of its event.
func TestChangedDecisions(t *testing.T) {
	w := newWorld(t, 3000)
	find := func(fits func(event.Event) bool) int {
		for i, e := range w.events {
			if i > 700 && fits(e) {
				return i
			}
		}
		t.Fatal("no such event")
		return 0
	}
	decision := func(action, outcome string) func(event.Event) bool {
		return func(e event.Event) bool { return e.Action == action && e.Outcome == outcome && e.Bucket != "" }
	}
	other := ""
	for v := range w.sets {
		other = max(other, v)
	}
	for name, c := range map[string]struct {
		fits   func(event.Event) bool
		change func(*event.Event)
		detail string
	}{
		"a denial that is an allowance":    {decision(event.Download, event.Denied), func(e *event.Event) { e.Outcome = event.Allowed }, "deny it"},
		"an allowance that is a denial":    {decision(event.Download, event.Allowed), func(e *event.Event) { e.Outcome = event.Denied }, "allow it"},
		"a failure that is a denial":       {decision(event.Stat, event.Failed), func(e *event.Event) { e.Outcome = event.Denied }, "allow it"},
		"a denied listing":                 {decision(event.List, event.Denied), func(e *event.Event) { e.Outcome = event.Allowed }, "deny it"},
		"another grant":                    {decision(event.Download, event.Allowed), func(e *event.Event) { e.Grant = "allow everyone other/" }, "decides"},
		"no grant":                         {decision(event.Stat, event.Allowed), func(e *event.Event) { e.Grant = "" }, "decides"},
		"another object":                   {decision(event.Download, event.Allowed), func(e *event.Event) { e.Bucket = "other" }, "deny it"},
		"other groups":                     {decision(event.Download, event.Allowed), func(e *event.Event) { e.Groups = event.HashGroups(nil) }, "deny it"},
		"unknown groups":                   {decision(event.Download, event.Allowed), func(e *event.Event) { e.Groups = event.HashGroups([]string{"new"}) }, "not in the log"},
		"groups without a hash":            {decision(event.Download, event.Denied), func(e *event.Event) { e.Groups = "" }, "not in the log"},
		"an unknown version of the grants": {decision(event.Download, event.Allowed), func(e *event.Event) { e.Policy = "unknown" }, "not kept"},
		"no version of the grants":         {decision(event.Download, event.Allowed), func(e *event.Event) { e.Policy, e.Groups = "", "" }, "without a version"},
		"a later time": {func(e event.Event) bool {
			return e.Action != event.List && e.Bucket == "builds" && strings.Contains(e.Grant, "until") && e.Outcome == event.Allowed
		},
			func(e *event.Event) { e.Time = e.Time.Add(24 * time.Hour) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			at := find(c.fits)
			events := append([]event.Event(nil), w.events...)
			c.change(&events[at])
			r := w.run(t, events, false)
			if r.Differ != 1 || r.Differences[0].Record != int64(at+1) || !strings.Contains(r.Differences[0].Detail, c.detail) {
				t.Errorf("record %d: %+v", at+1, r)
			}
		})
	}
}

// Names of groups that are changed do not have their hash. Names that come later
// count; names that never come are a difference, but in a log whose old events were
// deleted.
func TestNamesOfGroups(t *testing.T) {
	w := newWorld(t, 300)
	events := append([]event.Event(nil), w.events...)
	at := -1
	for i, e := range events {
		if e.Action == event.SessionStart && len(e.GroupNames) == 2 {
			at = i
			break
		}
	}
	start := events[at]
	changed := start
	changed.GroupNames = []string{"everyone", "finance", "root"}
	events[at] = changed
	if r := w.run(t, events, false); r.Differ == 0 || r.Differences[0].Record != int64(at+1) {
		t.Errorf("changed names: %+v", r.Differences)
	}
	late := append(append(append([]event.Event(nil), w.events[:at]...), w.events[at+1:]...), start)
	if r := w.run(t, late, false); r.Differ != 0 || r.Decisions != 300 {
		t.Errorf("names at the end: %+v", r)
	}
	gone := late[:len(late)-1]
	r := w.run(t, gone, false)
	if r.Differ == 0 || r.Undecidable != 0 {
		t.Errorf("no names: %+v", r)
	}
	if p := w.run(t, gone, true); p.Differ != 0 || p.Undecidable != r.Differ {
		t.Errorf("no names in a log with deleted events: %+v", p)
	}
}

// An error of reading the grants ends the verification, and is no difference.
func TestAnErrorOfReadingIsNoDifference(t *testing.T) {
	w, failed := newWorld(t, 300), errors.New("the table does not answer")
	run := func(answer error) (redecide.Result, error) {
		d, err := redecide.New(redecide.Config{Grants: func(context.Context, string) (*grant.Set, error) { return nil, answer }})
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range w.events {
			d.Event(t.Context(), int64(i+1), &e)
		}
		return d.Result()
	}
	if r, err := run(failed); !errors.Is(err, failed) || r.Differ != 0 {
		t.Errorf("%+v (%v)", r, err)
	}
	for name, finding := range map[string]error{"not kept": grant.ErrUnknown, "damaged": redecide.ErrBadPolicy} {
		if r, err := run(finding); err != nil || r.Differ == 0 || !strings.Contains(r.Differences[0].Detail, name) {
			t.Errorf("%s: %+v (%v)", name, r, err)
		}
	}
}

func BenchmarkEvent(b *testing.B) {
	w := newWorld(b, 10_000)
	for b.Loop() {
		if r := w.run(b, w.events, false); r.Differ != 0 {
			b.Fatal(r)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(w.events)), "ns/event")
}
