package backend

import (
	"context"
	"errors"
	"slices"
	"time"

	"usher/backend/access"
	"usher/backend/accessrequest"
	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/identity"
)

// Access makes reports about grants.
type Access interface {
	Review(ctx context.Context, set *grant.Set, in api.ReviewRequest, now time.Time) ([]api.ReviewRow, error)
	Explain(ctx context.Context, set *grant.Set, in api.ExplainRequest, now time.Time) (api.ExplainResponse, error)
	Can(ctx context.Context, set *grant.Set, in api.CanRequest, now time.Time) (api.CanResponse, error)
	Readers(ctx context.Context, set *grant.Set, in api.WhoRequest, now time.Time) (api.WhoResponse, error)
	// Requested returns the facts of each request, with one look-up of each person.
	Requested(ctx context.Context, set *grant.Set, all []accessrequest.Request, now time.Time) ([]api.Asking, error)
	Others(ctx context.Context, group, without string) (names []string, more int, err error)
	Diff(ctx context.Context, old *grant.Set, in api.GrantsDiffRequest, now time.Time) (api.GrantsDiffResponse, error)
}

// admin admits members of the admins' group to a query about the grants. Others,
// auditors included, get "not found".
func (r *request) admin(query string) (*grant.Set, error) {
	return r.admitTo(query, "", "", "not in the admins' group", r.b.c.Public.AdminsGroup)
}

// reviewer admits members of the admins' and of the auditors' group to a query about
// access. Others get "not found".
func (r *request) reviewer(query, bucket, key string) (*grant.Set, error) {
	return r.admitTo(query, bucket, key, "in neither the admins' nor the auditors' group", r.b.c.Public.AdminsGroup, r.b.c.Public.AuditorsGroup)
}

// admitTo admits members of one of the groups, records the query, and returns the
// active grants.
func (r *request) admitTo(query, bucket, key, refusal string, groups ...string) (*grant.Set, error) {
	person, err := r.listing()
	if err != nil {
		return nil, err
	}
	e := r.event(event.Explain, bucket, key)
	e.Reason = query
	if !slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(person.Groups, g) }) {
		e.Reason = query + "; " + refusal
		return nil, r.deny(e)
	}
	set, err := r.b.c.Grants.Current(r.ctx)
	if err != nil {
		return nil, fail(api.StorageUnavailable, err)
	}
	e.Outcome = event.Allowed
	return set, r.record(e)
}

// accessFailure returns the code for a failed report. An unknown person is "not
// found".
func accessFailure(err error) error {
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

const maxUsername = 128 // bytes

func (b *Backend) explain(r *request) (any, error) {
	var in api.ExplainRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if in.User == "" || len(in.User) > maxUsername || !grant.ValidBucket(in.Bucket) || !grant.ValidKey(in.Key) {
		return nil, fail(api.BadRequest, errors.New("explain"))
	}
	set, err := r.reviewer("explain "+in.User, in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	out, err := b.c.Access.Explain(r.ctx, set, in, r.now)
	return out, accessFailure(err)
}

func (b *Backend) can(r *request) (any, error) {
	var in api.CanRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if in.User == "" || len(in.User) > maxUsername {
		return nil, fail(api.BadRequest, errors.New("can"))
	}
	set, err := r.reviewer("can "+in.User, "", "")
	if err != nil {
		return nil, err
	}
	out, err := b.c.Access.Can(r.ctx, set, in, r.now)
	return out, accessFailure(err)
}

func (b *Backend) who(r *request) (any, error) {
	var in api.WhoRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if !grant.ValidBucket(in.Bucket) || (in.Key != "" && !grant.ValidKey(in.Key)) {
		return nil, fail(api.BadRequest, errors.New("who"))
	}
	set, err := r.reviewer("who", in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	out, err := b.c.Access.Readers(r.ctx, set, in, r.now)
	return out, accessFailure(err)
}

func (b *Backend) grantsList(r *request) (any, error) {
	if err := r.decode(&struct{}{}); err != nil {
		return nil, err
	}
	set, err := r.admin("grants list")
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
	set, err := r.admin("grants diff")
	if err != nil {
		return nil, err
	}
	out, err := b.c.Access.Diff(r.ctx, set, in, r.now)
	return out, accessFailure(err)
}
