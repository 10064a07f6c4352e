package audit

import (
	"context"
	"errors"
	"time"

	"usher/backend/event"
)

// Bounds of the work for one page of a count, beside those of its pages of events.
const (
	tallyEvents = 100_000
	tallyTime   = 500 * time.Millisecond // after which no other page of events is read
	tallySize   = 3 << 20                // of the groups in JSON, in bytes; AWS Lambda returns at most 6 MB
)

// Tally has the groups of one page of a count. Position is "" after the last page.
type Tally struct {
	Groups   []event.Group
	Events   int // counted
	Position string
	Reached  time.Time // with a Position: all events up to it are in this page or an earlier one
	Lag      time.Duration
}

// Tally counts matching events in groups, the newest events first, from a position of
// an earlier page on. The caller sums up the groups of all pages. A slow read after the
// first one ends the page: the next one begins with it.
func (l *Log) Tally(ctx context.Context, by []event.By, filter event.Filter, position string) (Tally, error) {
	t := Tally{Position: position}
	sums := event.NewSums(by)
	for began := time.Now(); ; {
		page, err := l.Query(ctx, filter, Page{Limit: MaxPage, Position: t.Position})
		if errors.Is(err, ErrTooSlow) && t.Position != position {
			break
		}
		if err != nil {
			return Tally{}, err
		}
		for _, e := range page.Events {
			sums.Add(e)
		}
		t.Events += len(page.Events)
		t.Position, t.Reached, t.Lag = page.Position, page.Reached, max(t.Lag, page.Lag)
		if t.Position == "" || t.Events >= tallyEvents || sums.Size() >= tallySize || time.Since(began) >= tallyTime {
			break
		}
	}
	t.Groups = sums.Groups(event.SortKey)
	return t, nil
}
