package backend

import (
	"context"
	"fmt"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/event"
)

// Held counts the refusals over the budget for all instances.
type Held interface {
	// Hold makes refusals durable; Count of e is their number. After an error it
	// keeps them for the next call.
	Hold(ctx context.Context, e event.Event) error
	// Drain records the counts of this instance that are a second old, or all.
	Drain(ctx context.Context, all bool) error
}

// hold makes the refusals of this request that are not recorded one by one durable
// for all instances. They are answered afterwards.
func (b *Backend) hold(r *request) error {
	if b.c.Held == nil {
		return nil
	}
	e, some := b.denials.Take(r.claims.Sub)
	if !some {
		return nil
	}
	if err := b.c.Held.Hold(context.WithoutCancel(r.ctx), e); err != nil {
		return fail(api.AuditUnavailable, err)
	}
	return nil
}

// suppressed records the count of refusals over the budget.
func (b *Backend) suppressed(ctx context.Context) error {
	if err := b.drain(ctx, false); err != nil {
		return fail(api.AuditUnavailable, err)
	}
	return nil
}

// drain records the counts of refused decisions and of refused tokens.
func (b *Backend) drain(ctx context.Context, all bool) error {
	if err := b.recordTokens(ctx, all); err != nil {
		return err
	}
	if b.c.Held != nil {
		return b.c.Held.Drain(ctx, all)
	}
	return b.recordHeld(ctx, b.denials.Drain(all))
}

// recordHeld records the counts of refusals, which have a time for each person.
// The counts that are not recorded are kept for the next attempt.
func (b *Backend) recordHeld(ctx context.Context, held []event.Event) error {
	for len(held) > 0 {
		some := held[:min(len(held), audit.MaxTimes)]
		if err := b.c.Audit.Record(ctx, some...); err != nil {
			b.denials.Restore(held)
			return err
		}
		held = held[len(some):]
	}
	return nil
}

// Flush records the count of refusals over the budget. Call it each second: the
// end of a flood is then recorded without a further request.
func (b *Backend) Flush(ctx context.Context) error { return b.suppressed(audit.Beside(ctx)) }

// Drain records the count of all refusals over the budget now.
func (b *Backend) Drain(ctx context.Context) error {
	if err := b.drain(audit.Beside(ctx), true); err != nil {
		return fmt.Errorf("recording suppressed denials: %w", err)
	}
	return nil
}
