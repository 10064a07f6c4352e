package event

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

// randomEvents returns events with few different values.
func randomEvents(n int) []Event {
	r := rand.New(rand.NewPCG(5, 6))
	var all []Event
	for i := range n {
		size := r.Int64N(1000)
		e := Event{
			ID: fmt.Sprint(i), Time: now.Add(time.Duration(r.IntN(72*3600)) * time.Second), User: User{Sub: fmt.Sprint("s", r.IntN(3)), Username: fmt.Sprint("n", r.IntN(3))},
			Session: fmt.Sprint("x", r.IntN(3)), SourceIP: []string{"", "192.0.2.1", "2001:db8::1"}[r.IntN(3)], UserAgent: []string{"", "curl/8", "curl/8.5", "a b"}[r.IntN(4)],
			Action: []string{Download, Download, Completed, List, Suppressed, TokenRefused}[r.IntN(6)], Outcome: []string{Allowed, Allowed, Denied}[r.IntN(3)],
			Bucket: []string{"", "b", "bb"}[r.IntN(3)], Key: []string{"", "a", "d/", "d/a", "d/e/a", `q "x" y`}[r.IntN(6)], Grant: []string{"", "allow g b/", "allow g b/d/"}[r.IntN(3)],
			Count: r.IntN(4),
		}
		if r.IntN(4) > 0 {
			e.Size, e.Bytes = &size, &size
		}
		if r.IntN(5) == 0 {
			e.Continues = "first"
		}
		all = append(all, e)
	}
	return all
}

// The terms of a group select exactly its events, and the groups of parts sum up to
// those of all events.
func TestGroups(t *testing.T) {
	all := randomEvents(600)
	for _, text := range []string{"who", "file", "folder", "ip", "session", "grant", "agent", "day", "hour", "who,ip", "session,hour", "file,who"} {
		by, err := ParseBy(text)
		if err != nil {
			t.Fatal(err)
		}
		whole, parts := NewSums(by), NewSums(by)
		for part := range slices.Chunk(all, 83) {
			some := NewSums(by)
			for _, e := range part {
				whole.Add(e)
				some.Add(e)
			}
			if err := parts.Merge(some.Groups(SortKey)); err != nil {
				t.Fatal(err)
			}
		}
		groups := whole.Groups(SortKey)
		merged := parts.Groups(SortKey)
		events := int64(0)
		for i, g := range groups {
			h := merged[i]
			g.Objects, h.Objects, g.Name, h.Name = "", "", "", "" // hashes in any order; of two newest events one
			if !reflect.DeepEqual(g, h) {
				t.Errorf("%s: %+v, in parts %+v", text, g, h)
			}
			events += g.Events
			f, err := ParseFilter(GroupTerms(by, g.Keys), now)
			if err != nil {
				t.Fatalf("%s: %v", GroupTerms(by, g.Keys), err)
			}
			again := NewSums(by)
			for _, e := range all {
				if f.Match(e) {
					again.Add(e)
				}
			}
			if slices.Contains(g.Keys, "") { // some terms are missing
				continue
			}
			if found := again.Groups(SortKey); len(found) != 1 || found[0].Events != g.Events || found[0].Files != g.Files || found[0].Denied != g.Denied {
				t.Errorf("%s: %s selects %+v, not %+v", text, f, found, g)
			}
		}
		if events != int64(len(all)) {
			t.Errorf("%s: %d events in groups, of %d", text, events, len(all))
		}
	}
	for _, bad := range []string{"", "person", "who,who", "who,ip,day", "who,", "Who"} {
		if by, err := ParseBy(bad); err == nil {
			t.Errorf("%q is %v", bad, by)
		}
	}
	if err := NewSums([]By{PerWho}).Merge([]Group{{Keys: []string{"a", "b"}}}); err == nil {
		t.Error("groups with other keys were merged")
	}
}

// The counts of a group are those of its events.
func TestGroupCounts(t *testing.T) {
	at := func(d int) time.Time { return now.Add(time.Duration(d) * time.Minute) }
	size := func(n int64) *int64 { return &n }
	ada := User{Sub: "1", Username: "ada"}
	s := NewSums([]By{PerWho})
	for _, e := range []Event{
		{Time: at(2), User: ada, Action: Download, Outcome: Allowed, Bucket: "b", Key: "x", Size: size(100)},
		{Time: at(3), User: ada, Action: Download, Outcome: Allowed, Bucket: "b", Key: "x", Size: size(100), Continues: "1"}, // a renewed URL
		{Time: at(4), User: ada, Action: Download, Outcome: Allowed, Bucket: "b", Key: "y"},
		{Time: at(1), User: ada, Action: Completed, Outcome: Allowed, Bucket: "b", Key: "x", Bytes: size(70), Continues: "1"},
		{Time: at(5), User: ada, Action: Download, Outcome: Denied, Bucket: "b", Key: "z", Size: size(5)},
		{Time: at(6), User: ada, Action: Suppressed, Outcome: Denied, Count: 4},
	} {
		s.Add(e)
	}
	got := s.Groups(SortEvents)
	want := Group{Keys: []string{"1"}, Name: "ada", Events: 6, Files: 2, Releases: 2, ReleasedBytes: 100, Unsized: 1, Reported: 1, ReportedBytes: 70, Denied: 5, First: at(1), Last: at(6)}
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	got[0].Objects = ""
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("%+v, want %+v", got[0], want)
	}
}
