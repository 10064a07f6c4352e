package serve

import (
	"context"
	"fmt"
	"strings"
	"time"

	"usher/backend/audit/sealer"
	"usher/backend/elapsed"
	"usher/backend/event"
	"usher/backend/safetext"
)

const (
	// holdAhead is the time before the expiry of an item at which its held events are
	// copied, or half of its life if that is shorter.
	holdAhead = 7 * 24 * time.Hour
	// holdEvery is the time between two looks for held events.
	holdEvery = time.Hour
	// heldPrefix begins the names of the copies.
	heldPrefix = "holds/"
)

// hold copies the items with held events to the vault before they expire. An item
// in a table expires as a whole, so the copy has all of its events.
func (s *sealing) hold(ctx context.Context) error {
	keep := time.Duration(s.c.AuditDays) * 24 * time.Hour
	now := s.d.Now().UTC()
	s.mu.Lock()
	due := s.heldAt.IsZero() || elapsed.Since(now, s.heldAt) >= holdEvery
	s.mu.Unlock()
	if len(s.c.Holds) == 0 || keep == 0 || !due {
		return nil
	}
	held, err := s.c.holds(now)
	if err != nil {
		return err
	}
	progress, err := s.state.LoadHolds(ctx)
	if err != nil {
		return err
	}
	if filters := strings.Join(s.c.Holds, "\n"); progress.Filters != filters || progress.Mark.IsZero() {
		oldest, err := s.log.Sealing().Oldest(ctx)
		if err != nil || oldest.IsZero() {
			return err
		}
		progress.Filters, progress.Mark = filters, oldest.Truncate(time.Hour)
	}
	until := now.Add(-keep + min(holdAhead, keep/2))
	for !progress.Mark.Add(time.Hour).After(until) && !late(ctx) {
		if err := s.holdHour(ctx, progress.Mark, held); err != nil {
			return err
		}
		progress.Mark = progress.Mark.Add(time.Hour)
		if err := s.state.SaveHolds(ctx, progress); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.heldAt = now
	s.mu.Unlock()
	return nil
}

// holdHour copies the items of one hour that have held events.
func (s *sealing) holdHour(ctx context.Context, hour time.Time, held func(event.Event) bool) error {
	var failed error
	err := s.log.Sealing().Batches(ctx, hour, hour.Add(time.Hour), func(b sealer.Batch) bool {
		if b.Damage != nil || !anyHeld(b, held) {
			return true
		}
		var lines []byte
		for _, e := range b.Events {
			lines = append(append(lines, e.Line...), '\n')
		}
		if failed = s.vault.Hold(ctx, heldPrefix+hour.Format("2006-01-02T15/")+b.ID, lines); failed != nil {
			failed = fmt.Errorf("copying held events: %w", failed)
		}
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

// anyHeld reports whether a batch has a held event. An event that cannot be read
// is held.
func anyHeld(b sealer.Batch, held func(event.Event) bool) bool {
	for _, line := range b.Events {
		if e, err := event.Parse(line.Line); err != nil || held(e) {
			return true
		}
	}
	return false
}

// holdLogged copies held events and logs a failure.
func (s *sealing) holdLogged(ctx context.Context) error {
	err := s.hold(ctx)
	if err != nil {
		s.d.Log.Error("held events are not copied yet", "error", safetext.New(err.Error()), alarmAttribute, alarmSeal)
	}
	return err
}
