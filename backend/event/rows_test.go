package event

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Each event is in exactly one row, and the members of a row are in order.
func TestRowsListTheirEvents(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	folded := 0
	for range 500 {
		var events []Event
		ids := []string{"", "", "gone-1", "gone-2"}
		for i := range r.IntN(40) {
			id := fmt.Sprint("e", i)
			events = append(events, Event{
				ID: id, Time: time.Unix(int64(r.IntN(20)), 0), User: User{Sub: fmt.Sprint(r.IntN(2))}, Key: fmt.Sprint(r.IntN(2)), Bucket: "b",
				Action:    []string{Download, Completed, List}[r.IntN(3)],
				Continues: ids[r.IntN(len(ids))],
			})
			ids = append(ids, id)
		}
		r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		rows := Fold(events)
		all := 0
		for _, row := range rows {
			folded += row.Events - 1
			all += len(row.Members)
			if len(row.Members) != row.Events {
				t.Fatalf("a row has %d events, Fold counted %d", len(row.Members), row.Events)
			}
			if first := events[row.Members[0]]; first.ID != row.Event.ID {
				t.Fatalf("the first member is %s, the row's event %s", first.ID, row.Event.ID)
			}
			if !slices.IsSortedFunc(row.Members, func(a, b int) int { return events[a].Time.Compare(events[b].Time) }) {
				t.Fatal("a row is not in order")
			}
		}
		if all != len(events) {
			t.Fatalf("%d of %d events", all, len(events))
		}
	}
	if folded < 500 {
		t.Errorf("only %d events were folded: too few for this test", folded)
	}
}

// A refusal during a download decides the outcome of the row. The client's report
// does not.
func TestRowShowsItsWorstOutcome(t *testing.T) {
	at := func(i int, action, outcome, continues string) Event {
		return Event{ID: fmt.Sprint("e", i), Time: time.Unix(int64(i), 0), Bucket: "b", Key: "k", Action: action, Outcome: outcome, Continues: continues}
	}
	rows := Fold([]Event{
		at(1, Download, Allowed, ""), at(2, Download, Denied, "e1"), at(3, Completed, Failed, "e1"),
	})
	if len(rows) != 1 || rows[0].Outcome != Denied {
		t.Errorf("%+v", rows)
	}
	rows = Fold([]Event{at(1, Download, Allowed, ""), at(3, Completed, Failed, "e1")})
	if len(rows) != 1 || rows[0].Outcome != Allowed {
		t.Errorf("%+v", rows)
	}
}
