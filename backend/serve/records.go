package serve

import (
	"context"
	"fmt"
	"iter"
	"math"

	"usher/backend/audit/sqlite"
	"usher/backend/event"
)

// records is a log in the order of recording: one in a file, or a sealed one. It is
// backend.Records and sink.Records.
type records struct {
	between func(ctx context.Context, from, to int64) iter.Seq2[event.Record, error]
}

// Between implements backend.Records.
func (r records) Between(ctx context.Context, from, to int64) iter.Seq2[event.Record, error] {
	return r.between(ctx, from, to)
}

// After implements sink.Records.
func (r records) After(ctx context.Context, n int64) iter.Seq2[event.Record, error] {
	return r.between(ctx, n, math.MaxInt64)
}

// recordsOf returns the records of a log. A log in a table has none before it is
// sealed.
func recordsOf(store logStore) (records, bool) {
	switch s := store.(type) {
	case interface {
		Records(ctx context.Context, after int64) iter.Seq2[sqlite.Record, error]
	}:
		return records{func(ctx context.Context, from, to int64) iter.Seq2[event.Record, error] {
			return numbered(from, to, s.Records(ctx, from))
		}}, true
	case sealedLog:
		return records{func(ctx context.Context, from, to int64) iter.Seq2[event.Record, error] {
			return func(yield func(event.Record, error) bool) {
				next := from
				for canonical, err := range s.Reader.Between(ctx, from, to) {
					r, err := recordOf(next, canonical, err)
					if next++; !yield(r, err) || err != nil {
						return
					}
				}
			}
		}}, true
	}
	return records{}, false
}

// numbered converts records of a file, whose numbers begin with 1.
func numbered(from, to int64, all iter.Seq2[sqlite.Record, error]) iter.Seq2[event.Record, error] {
	return func(yield func(event.Record, error) bool) {
		if from >= to {
			return
		}
		for rec, err := range all {
			if err == nil && rec.Seq > to {
				return
			}
			r, err := recordOf(rec.Seq-1, rec.Canonical, err)
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

func recordOf(index int64, canonical []byte, err error) (event.Record, error) {
	if err != nil {
		return event.Record{}, err
	}
	e, err := event.Parse(canonical)
	if err != nil {
		return event.Record{}, fmt.Errorf("record %d: %w", index+1, err)
	}
	return event.Record{Index: index, Canonical: canonical, Event: e}, nil
}
