package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"usher/backend/audit/sqlite"
	"usher/backend/event"
	"usher/backend/safetext"
)

// retainEvery is the time between two runs of the retention.
const retainEvery = time.Hour

// pruner is a log whose expired events are deleted by the server.
type pruner interface {
	Prune(ctx context.Context, r sqlite.Retention) (event.Event, bool, error)
}

// checkRetention checks the settings of the retention. retention_days is also the
// expiry of events in a table.
func (c *Config) checkRetention(now time.Time) error {
	if c.RetentionDays < 0 || c.RetentionDays > 36_500 {
		return errors.New("retention_days must be 0 to 36500")
	}
	if c.shared() && c.RetentionDays > 0 {
		if c.AuditDays != 0 && c.AuditDays != c.RetentionDays {
			return errors.New("audit_days and retention_days differ: leave out audit_days")
		}
		c.AuditDays = c.RetentionDays
	}
	if c.shared() && len(c.Holds) > 0 && c.Seal.Bucket == "" {
		return errors.New("holds with tables need seal: the sealer copies held events to its bucket before DynamoDB deletes them")
	}
	_, err := c.holds(now)
	return err
}

// holds returns a function that reports whether an event is held.
func (c *Config) holds(now time.Time) (func(event.Event) bool, error) {
	var filters []event.Filter
	for _, text := range c.Holds {
		f, err := event.ParseFilter(text, now)
		if err == nil && len(f.Terms) == 0 {
			err = errors.New("a hold needs a filter")
		}
		if err != nil {
			return nil, fmt.Errorf("holds: %s: %w", safetext.Line(text), err)
		}
		filters = append(filters, f)
	}
	return func(e event.Event) bool {
		for _, f := range filters {
			if f.Match(e) {
				return true
			}
		}
		return false
	}, nil
}

// retain deletes expired events now and each hour.
func (s *Server) retain(ctx context.Context, store pruner) {
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	for {
		s.reloading.Lock()
		c := s.config
		s.reloading.Unlock()
		if c.RetentionDays > 0 {
			e, some, err := pruneOnce(ctx, c, s.parts.deps, store)
			switch {
			case ctx.Err() != nil:
			case err != nil:
				s.log.Error("expired events were not deleted", "error", safetext.New(err.Error()))
			case some:
				s.log.LogAttrs(ctx, slog.LevelInfo, "expired events were deleted", slog.Int("events", e.Count), slog.Int64("last_record", e.LastRecord))
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func pruneOnce(ctx context.Context, c Config, d Deps, store pruner) (event.Event, bool, error) {
	now := d.Now()
	held, err := c.holds(now)
	if err != nil {
		return event.Event{}, false, err
	}
	return store.Prune(ctx, sqlite.Retention{
		Before: now.AddDate(0, 0, -c.RetentionDays), Held: held,
		Applied: func(e event.Event) event.Event {
			e.Time = now
			e.ID = d.NewID(now)
			return e
		},
	})
}
