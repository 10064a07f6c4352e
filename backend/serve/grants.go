package serve

import (
	"context"
	"fmt"
	"sync"
	"time"

	"usher/backend/audit"
	"usher/backend/event"
	"usher/backend/grant/file"
)

// grantsFile is the user of grants-changed events. Cognito takes no user name
// with a space, so no person has this one.
const grantsFile = "grants file"

// changes records each change of the grants before it is in force.
type changes struct {
	log *audit.Log
	now func() time.Time

	mu   sync.Mutex
	last event.Event // not known to be durable; recorded again with the same id
}

// record is the Changed function of the grants file.
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

// whileOff records that the file at the start is not the one that was in force
// when usher last ran. The grants of then are gone, so nothing is counted. In
// an empty log the start itself has the first version.
func (c *changes) whileOff(ctx context.Context, version string) error {
	filter := event.Filter{Terms: []event.Term{
		{Field: event.ByAction, Value: event.GrantsChanged}, {Field: event.ByAction, Value: event.ServiceStart},
	}}
	known, err := c.log.Query(ctx, filter, audit.Page{Limit: 1, Lookup: true})
	if err != nil {
		return fmt.Errorf("looking up the grants before: %w", err)
	}
	if len(known.Events) == 0 || known.Events[0].GrantsVersion == "" || known.Events[0].GrantsVersion == version {
		return nil
	}
	return c.write(ctx, event.Event{
		GrantsBefore: known.Events[0].GrantsVersion, GrantsVersion: version, Reason: "changed while usher was not running",
	})
}

func (c *changes) write(ctx context.Context, e event.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last.ID == "" || c.last.GrantsBefore != e.GrantsBefore || c.last.GrantsVersion != e.GrantsVersion {
		e.ID, e.Time = c.log.NewID(), c.now()
		e.User.Username, e.Action, e.Outcome = grantsFile, event.GrantsChanged, event.Allowed
		c.last = e
	}
	if err := c.log.Record(ctx, c.last); err != nil {
		return err
	}
	c.last = event.Event{}
	return nil
}
