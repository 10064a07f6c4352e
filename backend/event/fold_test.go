package event

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func act(id string, second int, sub, action, key, continues string) Event {
	return Event{ID: id, Time: time.Unix(int64(second), 0).UTC(), User: User{Sub: sub}, Action: action,
		Outcome: Allowed, Bucket: "b", Key: key, Continues: continues}
}

func rows(events []Event) []string {
	var all []string
	for _, r := range Fold(events) {
		done := "-"
		if r.Completed != nil {
			done = r.Completed.ID
		}
		all = append(all, fmt.Sprintf("%s last %d events %d urls %d done %s", r.Event.ID, r.Last.Unix(), r.Events, r.URLs, done))
	}
	return all
}

func TestFold(t *testing.T) {
	denied := act("n", 9, "ada", Download, "secret", "")
	denied.Outcome = Denied
	for name, test := range map[string]struct {
		events []Event
		want   []string
	}{
		"nothing": {nil, nil},
		"a download, renewed twice, completed": {[]Event{
			act("a", 1, "ada", Download, "k", ""), act("b", 2, "ada", Download, "k", "a"),
			act("c", 3, "ada", Download, "k", "a"), act("d", 4, "ada", Completed, "k", "c"),
		}, []string{"a last 4 events 4 urls 3 done d"}},
		"pages of a listing": {[]Event{
			act("a", 1, "ada", List, "k/", ""), act("b", 2, "ada", List, "k/", "a"), act("x", 3, "ada", List, "l/", ""),
		}, []string{"x last 3 events 1 urls 0 done -", "a last 2 events 2 urls 0 done -"}},
		"two chains interleaved, the chain with the newest event first": {[]Event{
			act("a", 1, "ada", Download, "k", ""), act("x", 2, "grace", Download, "k", ""), act("b", 3, "ada", Download, "k", "a"),
		}, []string{"a last 3 events 2 urls 2 done -", "x last 2 events 1 urls 1 done -"}},
		"the first event is on another page": {[]Event{
			act("b", 2, "ada", Download, "k", "a"), act("c", 3, "ada", Download, "k", "a"),
		}, []string{"b last 3 events 2 urls 2 done -"}},
		"another file cannot hide in a row": {[]Event{
			act("a", 1, "ada", Download, "readme", ""), act("b", 2, "ada", Download, "secret", "a"),
		}, []string{"b last 2 events 1 urls 1 done -", "a last 1 events 1 urls 1 done -"}},
		"another person cannot hide in a row": {[]Event{
			act("a", 1, "ada", Download, "k", ""), act("b", 2, "grace", Download, "k", "a"),
		}, []string{"b last 2 events 1 urls 1 done -", "a last 1 events 1 urls 1 done -"}},
		"a download cannot hide in a listing": {[]Event{
			act("a", 1, "ada", List, "k", ""), act("b", 2, "ada", Download, "k", "a"),
		}, []string{"b last 2 events 1 urls 1 done -", "a last 1 events 1 urls 0 done -"}},
		"a denied URL does not count": {[]Event{denied}, []string{"n last 9 events 1 urls 0 done -"}},
		"a circle": {[]Event{
			act("a", 1, "ada", List, "k", "b"), act("b", 2, "ada", List, "k", "a"), act("c", 3, "ada", List, "k", "c"),
		}, []string{"c last 3 events 1 urls 0 done -", "a last 2 events 2 urls 0 done -"}},
	} {
		if got := rows(test.events); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		backwards := slices.Clone(test.events)
		slices.Reverse(backwards)
		if got := rows(backwards); !slices.Equal(got, test.want) {
			t.Errorf("%s, in reverse order: %q", name, got)
		}
	}
}

// Each event is in one row, and the rows are in order, newest first.
func TestFoldKeepsAllEventsInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		var events []Event
		for i := range 30 {
			e := act(fmt.Sprint(i), i, fmt.Sprint(r.IntN(2)), Download, fmt.Sprint(r.IntN(2)), "")
			if r.IntN(2) == 0 {
				e.Continues = fmt.Sprint(r.IntN(30))
			}
			events = append(events, e)
		}
		slices.Reverse(events) // newest first, as in pages of the log
		total := 0
		all := Fold(events)
		for _, row := range all {
			total += row.Events
		}
		if total != len(events) {
			t.Fatalf("%d of %d events are in the rows", total, len(events))
		}
		if !slices.IsSortedFunc(all, func(a, b Row) int { return b.Last.Compare(a.Last) }) {
			t.Fatal("the rows are not newest first")
		}
	}
}

// Ten minutes of typical use fit on a screen: 20 folders, some with several pages,
// and three files, one of them with renewed URLs over more than five minutes.
func TestFoldTenMinutesFitAScreen(t *testing.T) {
	const most = 30
	var events []Event
	id := 0
	add := func(second int, action, key, continues string) string {
		id++
		events = append(events, act(fmt.Sprint(id), second, "ada", action, key, continues))
		return fmt.Sprint(id)
	}
	add(0, SessionStart, "", "")
	for folder := range 20 {
		key := fmt.Sprintf("folder-%d/", folder)
		first := add(folder*25, List, key, "")
		for p := range folder % 4 {
			add(folder*25+p, List, key, first)
		}
	}
	for file := range 3 {
		key := fmt.Sprintf("folder-1/%d", file)
		first := add(100+file, Download, key, "")
		last := first
		for renewed := range file * 4 {
			last = add(150+renewed*50, Download, key, first)
		}
		add(550, Completed, key, last)
	}
	if len(events) <= most {
		t.Fatalf("only %d events: too few for this test", len(events))
	}
	if n := len(Fold(events)); n > most {
		t.Errorf("%d rows, want at most %d", n, most)
	}
}

// Of several reports on one release the first counts. Of several releases the
// newest reported one counts.
func TestFoldKeepsTheFirstReport(t *testing.T) {
	at := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	e := func(id string, second int, action, continues, reason string) Event {
		return Event{ID: id, Time: at.Add(time.Duration(second) * time.Second), Action: action, Continues: continues, Reason: reason,
			Outcome: Allowed, User: User{Sub: "ada"}, Bucket: "b", Key: "k"}
	}
	a, b := e("a", 0, Download, "", ""), e("b", 5, Download, "a", "")
	for name, c := range map[string]struct {
		events []Event
		want   string
	}{
		"repeated":           {[]Event{a, e("c1", 1, Completed, "a", "failed"), e("c2", 2, Completed, "a", "done")}, "c1"},
		"in one millisecond": {[]Event{a, e("c2", 1, Completed, "a", "done"), e("c1", 1, Completed, "a", "failed")}, "c1"},
		"resumed":            {[]Event{a, e("c1", 1, Completed, "a", "failed"), b, e("c2", 6, Completed, "b", "done"), e("c3", 7, Completed, "b", "failed")}, "c2"},
	} {
		slices.Reverse(c.events)
		if rows := Fold(c.events); len(rows) != 1 || rows[0].Completed == nil || rows[0].Completed.ID != c.want {
			t.Errorf("%s: %+v, want %s", name, rows, c.want)
		}
	}
}
