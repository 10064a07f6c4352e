package event_test

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"usher/backend/event"
)

// Calls for two instants alternate, as those of two concurrent requests. The ids
// of each instant still ascend, with the same first random bits.
func TestIDsOfAlternatingInstants(t *testing.T) {
	next, now := event.IDs(rand.Reader), time.Date(2026, 3, 14, 9, 12, 0, 0, time.UTC)
	var first, second []string
	for range 500 {
		first, second = append(first, next(now)), append(second, next(now.Add(time.Millisecond)))
	}
	for _, ids := range [][]string{first, second} {
		if !slices.IsSorted(ids) || ids[0][:13] != ids[499][:13] {
			t.Errorf("from %s to %s", ids[0], ids[499])
		}
	}
}

// Ids of one instant ascend, and concurrent calls return different ids.
func TestIDsAscend(t *testing.T) {
	next, now := event.IDs(rand.Reader), time.Date(2026, 3, 14, 9, 12, 0, 0, time.UTC)
	got := make(chan []string)
	for range 4 {
		go func() {
			var mine []string
			for range 1000 {
				mine = append(mine, next(now))
			}
			got <- mine
		}()
	}
	var all []string
	for range 4 {
		mine := <-got
		if !slices.IsSorted(mine) {
			t.Error("not in order")
		}
		all = append(all, mine...)
	}
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 4000 || len(all[0]) != 26 {
		t.Errorf("%d different ids of 4000, such as %s", n, all[0])
	}
}
