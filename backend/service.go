package backend

import (
	"context"
	"fmt"
	"time"

	"usher/backend/audit"
	"usher/backend/event"
)

// Start records the start of the service. After an error the log cannot record
// any event, and the service must not listen.
func (b *Backend) Start(ctx context.Context) error {
	e, err := b.Started(ctx)
	if err != nil {
		return err
	}
	return b.Record(ctx, e)
}

// Started returns the event of the start of the service. It is not recorded.
func (b *Backend) Started(ctx context.Context) (event.Event, error) {
	set, err := b.c.Grants.Current(ctx)
	if err != nil {
		return event.Event{}, err
	}
	e := b.service(event.ServiceStart)
	e.GrantsVersion = set.Version()
	return e, nil
}

// Record records an event of the service.
func (b *Backend) Record(ctx context.Context, e event.Event) error {
	if err := b.c.Audit.Record(ctx, e); err != nil {
		return fmt.Errorf("recording %s: %w", e.Action, err)
	}
	return nil
}

// The end of a service without its event looks like a crash at the next start, so a
// slow log has some tries.
const (
	stopTries = 3
	stopPause = 200 * time.Millisecond
)

// Stop records the count of refusals over the budget and the end of the service.
func (b *Backend) Stop(ctx context.Context) error {
	if err := b.Drain(ctx); err != nil {
		return err
	}
	e := b.service(event.ServiceStop) // the log takes one event with its id once
	for try := 1; ; try++ {
		err := b.Record(audit.Beside(ctx), e)
		if err == nil || try == stopTries {
			return err
		}
		select {
		case <-time.After(stopPause):
		case <-ctx.Done():
			return err
		}
	}
}

// service returns an event of the service itself.
func (b *Backend) service(action string) event.Event {
	e := event.Event{Action: action, Outcome: event.Allowed, Time: b.c.Now()}
	e.ID = b.c.NewID(e.Time)
	return e
}
