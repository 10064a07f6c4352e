package backend

import (
	"context"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/identity"
)

// Ender ends all sessions of a person at the pool (*identity.Ender).
type Ender interface {
	EndAll(ctx context.Context, c identity.Claims) error
}

// signoutEverywhere ends all sessions of the caller, and of no other person: the
// request has no name. The record comes first. A repetition is another record,
// and ends nothing more.
func (b *Backend) signoutEverywhere(r *request) (any, error) {
	if err := r.decode(&struct{}{}); err != nil {
		return nil, err
	}
	e := r.event(event.SignOutAll, "", "")
	e.Outcome = event.Allowed
	if err := r.record(e); err != nil {
		return nil, err
	}
	if err := b.c.Ender.EndAll(r.ctx, r.claims); err != nil {
		return nil, fail(api.IdentityUnavailable, err)
	}
	b.c.Directory.Drop(r.claims)
	return api.SignoutResponse{Event: e.ID}, nil
}
