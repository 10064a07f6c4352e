package audittest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"usher/backend/audit"
	"usher/backend/event"
)

// Events returns the suite's events in the order of the log: n pseudo-random ones
// and those with hostile text.
func Events(n int) []event.Event {
	all := append(sample(n), hostile()...)
	slices.SortFunc(all, event.Compare)
	return all
}

// Agree compares the answers of stores that have the same events. It tries n
// random filters, each in both orders, with a random page size and a random start,
// and returns the first answer that differs from event.Filter.Match.
func Agree(ctx context.Context, seed uint64, n int, events []event.Event, stores map[string]audit.Store) error {
	r := rand.New(rand.NewPCG(seed, 17))
	found := 0
	for range n {
		f := randomFilter(r, events)
		after, rest := "", events
		if r.IntN(3) == 0 {
			i := r.IntN(len(events))
			after, rest = events[i].ID, events[i+1:]
		}
		limit := 40 + r.IntN(len(events))
		if r.IntN(4) == 0 {
			limit = 7 + r.IntN(20)
		}
		before, older := "", events
		if r.IntN(3) == 0 {
			i := r.IntN(len(events))
			before, older = events[i].ID, events[:i]
		}
		ascending, newest := matching(rest, f), matching(older, f)
		slices.Reverse(newest)
		found += len(newest)
		for name, s := range stores {
			if err := same(pages(ctx, s, f, audit.Page{Limit: limit, Ascending: true, After: after}), ascending...); err != nil {
				return fmt.Errorf("%s: %s, ascending after %q in pages of %d: %w", name, f, after, limit, err)
			}
			if err := same(pages(ctx, s, f, audit.Page{Limit: limit, After: before}), newest...); err != nil {
				return fmt.Errorf("%s: %s, newest first after %q in pages of %d: %w", name, f, before, limit, err)
			}
		}
	}
	if found < 2*n { // too few matches for a meaningful comparison
		return fmt.Errorf("%d filters match %d events: too few", n, found)
	}
	return nil
}
