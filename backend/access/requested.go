package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/backend/accessrequest"
	"usher/backend/api"
	"usher/backend/grant"
	"usher/backend/identity"
)

// Requested returns the facts for the answers to requests: each person's groups, and
// whether they reach the whole path already. It reads the groups of a person once.
func (r *Reporter) Requested(ctx context.Context, set *grant.Set, all []accessrequest.Request, now time.Time) ([]api.Asking, error) {
	once := &Reporter{&readOnce{r.people, map[string]membership{}}}
	out := make([]api.Asking, 0, len(all)) // [] and never null
	for _, q := range all {
		facts, err := once.requested(ctx, set, q, now)
		if err != nil {
			return nil, err
		}
		out = append(out, facts)
	}
	return out, nil
}

// readOnce is a user pool whose answers about the groups of a person are kept.
type readOnce struct {
	People
	known map[string]membership
}

type membership struct {
	groups []string
	err    error
}

// GroupsOf returns the kept answer, if there is one.
func (o *readOnce) GroupsOf(ctx context.Context, username string) ([]string, error) {
	m, ok := o.known[username]
	if !ok {
		m.groups, m.err = o.People.GroupsOf(ctx, username)
		o.known[username] = m
	}
	return m.groups, m.err
}

func (r *Reporter) requested(ctx context.Context, set *grant.Set, q accessrequest.Request, now time.Time) (api.Asking, error) {
	out := api.Asking{Asked: Asked(q), User: q.Username, Groups: []string{}}
	why, err := r.Explain(ctx, set, api.ExplainRequest{User: q.Username, Bucket: q.Bucket, Key: q.Key}, now)
	switch {
	case errors.Is(err, identity.ErrRevoked):
		out.Gone = true
		return out, nil
	case err != nil:
		return out, err
	}
	out.Groups, out.Allowed = why.Groups, covered(set.For(why.Groups, now), q)
	if len(why.Nearest) > 0 {
		out.Nearest, out.Group = &why.Nearest[0], why.Nearest[0].Group
	} else if len(why.Groups) > 0 {
		out.Group = why.Groups[0]
	}
	return out, nil
}

// covered reports whether a person can read the path of a request. A folder counts if
// no part of it is denied.
func covered(p *grant.Principal, q accessrequest.Request) bool {
	if q.Folder() && p.Folder(q.Bucket, q.Key) == grant.All {
		return true
	}
	return q.Key != "" && !strings.HasSuffix(q.Key, "/") && p.Decide(q.Bucket, q.Key).Allowed
}

// Opens reports whether a set lets the person of a request, in these groups, read
// something at its path.
func Opens(set *grant.Set, groups []string, q accessrequest.Request, now time.Time) bool {
	p := set.For(groups, now)
	return covered(p, q) || q.Folder() && p.Folder(q.Bucket, q.Key) != grant.None
}

// Asked returns a request in its form on the wire.
func Asked(q accessrequest.Request) api.Asked {
	out := api.Asked{Request: q.ID, Bucket: q.Bucket, Key: q.Key, Reason: q.Reason, Asked: q.Asked, Ends: q.Ends(), State: string(q.State), Answer: q.Answer}
	if !q.Answered.IsZero() {
		out.Answered = &q.Answered
	}
	return out
}

// maxNamed is the greatest number of members that Others returns.
const maxNamed = 50

// Others returns the members of a group without one of them, in order, and the number
// of those that are not listed.
func (r *Reporter) Others(ctx context.Context, group, without string) (names []string, more int, err error) {
	members, err := r.people.Members(ctx, group)
	if err != nil {
		return nil, 0, fmt.Errorf("listing the members of a group: %w", err)
	}
	for _, m := range members {
		if m.Username != without {
			names = append(names, m.Username)
		}
	}
	slices.Sort(names)
	most := min(len(names), maxNamed)
	return names[:most], len(names) - most, nil
}

// Wire returns a grant in its form on the wire.
func Wire(g grant.Grant) api.Grant { return wire(g) }
