package serve

import (
	"context"
	"fmt"
	"sync"
	"time"

	"usher/backend"
	"usher/backend/audit"
	"usher/backend/event"
	"usher/backend/grant/file"
)

// grantStore is the source of the grants of a running server.
type grantStore interface {
	backend.Grants
	Reload(ctx context.Context) error
}

// grantsFile is the user name in grants-changed events. Cognito allows no space
// in user names, so no real user has it.
const grantsFile = "grants file"

// changes records each change of the grants before it takes effect.
type changes struct {
	log *audit.Log
	now func() time.Time

	mu   sync.Mutex
	last event.Event // unconfirmed; a retry uses the same id
}

// record implements file.Config.Changed.
func (c *changes) record(ctx context.Context, change file.Change) error {
	return c.write(ctx, event.Event{
		GrantsBefore: change.Before, GrantsVersion: change.After, GrantsAdded: change.Added, GrantsRemoved: change.Removed,
		Reason: fmt.Sprintf("%s added, %d removed", grants(change.Added), change.Removed),
	})
}

func grants(n int) string {
	if n == 1 {
		return "1 grant"
	}
	return fmt.Sprintf("%d grants", n)
}

// offline records a change of the grants since usher last ran. It has no counts,
// because the previous grants are unknown. In an empty log, the event of the
// start has the first version.
func (c *changes) offline(ctx context.Context, version string) error {
	filter := event.Filter{Terms: []event.Term{
		{Field: event.ByAction, Value: event.GrantsChanged}, {Field: event.ByAction, Value: event.ServiceStart},
	}}
	known, ok, err := c.log.Newest(ctx, filter)
	if err != nil {
		return fmt.Errorf("looking up the previous version of the grants: %w", err)
	}
	if !ok || known.GrantsVersion == "" || known.GrantsVersion == version {
		return nil
	}
	return c.write(ctx, event.Event{
		GrantsBefore: known.GrantsVersion, GrantsVersion: version, Reason: "changed while usher was not running",
	})
}

func (c *changes) write(ctx context.Context, e event.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last.ID == "" || c.last.GrantsBefore != e.GrantsBefore || c.last.GrantsVersion != e.GrantsVersion {
		e.Time = c.now()
		e.ID = c.log.NewID(e.Time)
		e.User.Username, e.Action, e.Outcome = grantsFile, event.GrantsChanged, event.Allowed
		c.last = e
	}
	if err := c.log.Record(ctx, c.last); err != nil {
		return err
	}
	c.last = event.Event{}
	return nil
}
