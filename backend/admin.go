package backend

import (
	"context"
	"errors"
	"slices"
	"time"

	"usher/backend/access"
	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/identity"
)

// Access answers admins' questions about grants.
type Access interface {
	Explain(ctx context.Context, set *grant.Set, in api.ExplainRequest, now time.Time) (api.ExplainResponse, error)
	Can(ctx context.Context, set *grant.Set, in api.CanRequest, now time.Time) (api.CanResponse, error)
	Who(ctx context.Context, set *grant.Set, in api.WhoRequest, now time.Time) (api.WhoResponse, error)
	Diff(ctx context.Context, old *grant.Set, in api.GrantsDiffRequest, now time.Time) (api.GrantsDiffResponse, error)
}

// asked lets members of the admins' group on, records the question, and gives
// the set to answer it with. To others the question does not exist.
func (r *request) asked(what, bucket, key string) (*grant.Set, error) {
	who, err := r.listing()
	if err != nil {
		return nil, err
	}
	e := r.event(event.Explain, bucket, key)
	e.Reason = what
	if !slices.Contains(who.Groups, r.b.c.Public.AdminsGroup) {
		e.Reason = what + "; not in the admins' group"
		return nil, r.deny(e)
	}
	set, err := r.b.c.Grants.Current(r.ctx)
	if err != nil {
		return nil, fail(api.StorageUnavailable, err)
	}
	e.Outcome = event.Allowed
	return set, r.record(e)
}

// answered turns the pool's refusals into codes: a person it does not know is
// not found.
func answered(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, identity.ErrRevoked):
		return fail(api.NotFound, err)
	case errors.Is(err, access.ErrTooMany):
		return fail(api.TooLarge, err)
	default:
		return fail(api.IdentityUnavailable, err)
	}
}

const maxUsername = 128 // bytes of a username asked about

func (b *Backend) explain(r *request) (any, error) {
	var in api.ExplainRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if in.User == "" || len(in.User) > maxUsername || !grant.ValidBucket(in.Bucket) || !grant.ValidKey(in.Key) {
		return nil, fail(api.BadRequest, errors.New("explain"))
	}
	set, err := r.asked("explain "+in.User, in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	out, err := b.c.Access.Explain(r.ctx, set, in, r.now)
	return out, answered(err)
}

func (b *Backend) can(r *request) (any, error) {
	var in api.CanRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if in.User == "" || len(in.User) > maxUsername {
		return nil, fail(api.BadRequest, errors.New("can"))
	}
	set, err := r.asked("can "+in.User, "", "")
	if err != nil {
		return nil, err
	}
	out, err := b.c.Access.Can(r.ctx, set, in, r.now)
	return out, answered(err)
}

func (b *Backend) who(r *request) (any, error) {
	var in api.WhoRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if !grant.ValidBucket(in.Bucket) || (in.Key != "" && !grant.ValidKey(in.Key)) {
		return nil, fail(api.BadRequest, errors.New("who"))
	}
	set, err := r.asked("who", in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	out, err := b.c.Access.Who(r.ctx, set, in, r.now)
	return out, answered(err)
}

func (b *Backend) grantsList(r *request) (any, error) {
	if err := r.decode(&struct{}{}); err != nil {
		return nil, err
	}
	set, err := r.asked("grants list", "", "")
	if err != nil {
		return nil, err
	}
	return access.List(set, b.c.Grants.Problem()), nil
}

func (b *Backend) grantsDiff(r *request) (any, error) {
	var in api.GrantsDiffRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	set, err := r.asked("grants diff", "", "")
	if err != nil {
		return nil, err
	}
	out, err := b.c.Access.Diff(r.ctx, set, in, r.now)
	return out, answered(err)
}
