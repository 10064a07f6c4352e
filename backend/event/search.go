package event

import (
	"context"
	"iter"
	"time"
)

// FirstAt returns the index of the first record with a time of at least t, or size. The
// times of records are in order but for the delay of a record: no record before the
// result was recorded at t or later. between yields records with an index from from to
// to (exclusive), as far as there are any.
func FirstAt(ctx context.Context, between func(ctx context.Context, from, to int64) iter.Seq2[Record, error], t time.Time, size int64) (int64, error) {
	lo, hi := int64(0), size
	for lo < hi {
		mid := lo + (hi-lo)/2
		at, found := mid, Record{Index: -1}
		for r, err := range between(ctx, mid, hi) {
			if err != nil {
				return 0, err
			}
			at, found = r.Index, r
			break
		}
		if found.Index < 0 || !found.Event.Time.Before(t) {
			hi = mid
		} else {
			lo = at + 1
		}
	}
	return lo, nil
}
