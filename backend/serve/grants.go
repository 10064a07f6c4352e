package serve

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"usher/backend"
	"usher/backend/audit"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/grant/file"
	"usher/backend/grant/pack"
)

// grantStore is the source of the grants of a running server.
type grantStore interface {
	backend.Grants
	Reload(ctx context.Context) error
}

// grantsFile is the user name in grants-changed events. Cognito allows no space
// in user names, so no real user has it.
const grantsFile = "grants file"

// changes records each change of the grants before it takes effect, and keeps the
// text of each version.
type changes struct {
	log  *audit.Log
	kept audit.Policies
	now  func() time.Time

	mu   sync.Mutex
	last event.Event // unconfirmed; a retry uses the same id
}

// record implements file.Config.Changed.
func (c *changes) record(ctx context.Context, change file.Change) error {
	if err := c.keep(ctx, change.New); err != nil {
		return err
	}
	return c.write(ctx, event.Event{
		GrantsBefore: change.Before, GrantsVersion: change.After, GrantsAdded: change.Added, GrantsRemoved: change.Removed,
		GrantsDiff: grant.DiffLines(change.Old, change.New),
		Reason:     fmt.Sprintf("%s added, %d removed", grants(change.Added), change.Removed),
	})
}

func grants(n int) string {
	if n == 1 {
		return "1 grant"
	}
	return fmt.Sprintf("%d grants", n)
}

// keep makes the text of a version durable, before any decision with it.
func (c *changes) keep(ctx context.Context, set *grant.Set) error {
	text, err := pack.Pack(set.Grants())
	if err != nil {
		return err
	}
	if err := c.kept.KeepPolicy(ctx, set.Version(), text); err != nil {
		return fmt.Errorf("keeping a version of the grants: %w", err)
	}
	return nil
}

// unpacked returns the grants in the kept text of a version.
func unpacked(version string, text []byte) (*grant.Set, error) {
	all, err := pack.Unpack(text)
	if err != nil {
		return nil, err
	}
	set, err := grant.NewSet(all)
	if err != nil {
		return nil, err
	}
	if set.Version() != version {
		return nil, fmt.Errorf("the text of the version %.40q of the grants is that of %s: another program changed it", version, set.Version())
	}
	return set, nil
}

// offline records a change of the grants since usher last ran. In an empty log,
// the event of the start has the first version.
func (c *changes) offline(ctx context.Context, set *grant.Set) error {
	if err := c.keep(ctx, set); err != nil {
		return err
	}
	version := set.Version()
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
	e := event.Event{GrantsBefore: known.GrantsVersion, GrantsVersion: version, Reason: "changed while usher was not running"}
	switch before, err := (keptIn{c.kept}).Version(ctx, known.GrantsVersion); {
	case err == nil:
		e.GrantsAdded, e.GrantsRemoved = grant.Count(before, set)
		e.GrantsDiff = grant.DiffLines(before, set)
	case errors.Is(err, grant.ErrUnknown):
		e.Reason += "; the previous grants are not kept"
	default:
		return fmt.Errorf("reading the previous version of the grants: %w", err)
	}
	return c.write(ctx, e)
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
