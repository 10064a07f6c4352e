package backend

import (
	"context"
	"errors"
	"time"

	"usher/backend/event"
	"usher/backend/identity"
)

// The time after which the refused tokens of an address become an event. An instance
// that shares its state with others can end at any time, so its period is short.
const (
	tokenPeriod       = time.Hour
	sharedTokenPeriod = time.Minute
)

func (c Config) tokenPeriod() time.Duration {
	if c.Sessions != nil {
		return sharedTokenPeriod
	}
	return tokenPeriod
}

// refusedToken counts a request with a refused token. Only counts are recorded:
// anyone can send bad tokens, and each must not cost a durable write.
func (r *request) refusedToken(err error) {
	reason := ""
	switch {
	case errors.Is(err, identity.ErrExpired):
		reason = "expired"
	case errors.Is(err, identity.ErrRevoked):
		reason = "revoked"
	case errors.Is(err, identity.ErrToken), errors.Is(err, identity.ErrTooLarge):
		reason = "invalid"
	default: // no finding about the token
		return
	}
	r.b.tokens.Refused(r.ip, reason)
	if r.b.recordTokens(r.ctx, false) != nil {
		r.b.c.Log.Error("recording refused tokens", "request", r.id)
	}
}

// recordTokens records the counts of refused tokens whose period is over, or all.
func (b *Backend) recordTokens(ctx context.Context, all bool) error {
	due := b.tokens.Drain(all)
	if len(due) == 0 {
		return nil
	}
	now := b.c.Now()
	events := make([]event.Event, len(due))
	for i, c := range due {
		events[i] = c.Event()
		events[i].ID, events[i].Time = b.c.NewID(now), now
	}
	if err := b.c.Audit.Record(ctx, events...); err != nil {
		b.tokens.Restore(due)
		return err
	}
	return nil
}
