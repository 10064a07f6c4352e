// Package access reports on grants for admins and auditors: the reasons of a
// decision (Explain), the objects of a person (Can), the people of an object
// (Readers), and the effect of a new grants file (Diff). The results come from the
// evaluator that also decides requests, with the current groups in the user pool.
//
// The package decides no request and records nothing. backend admits only
// admins, and records each query.
package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/grant"
	"usher/backend/identity"
)

// maxPeople is the greatest number of people in one result.
const maxPeople = 5000

// ErrTooMany reports more than maxPeople people in the groups concerned.
var ErrTooMany = errors.New("too many people are in the groups concerned")

// People is the user pool with its groups and their members.
type People interface {
	GroupsOf(ctx context.Context, username string) ([]string, error)
	Members(ctx context.Context, group string) ([]identity.Member, error)
}

// Reporter makes the reports. Safe for concurrent use.
type Reporter struct{ people People }

// New returns a Reporter on the people of a user pool.
func New(people People) (*Reporter, error) {
	if people == nil {
		return nil, errors.New("access reports: a user pool is needed")
	}
	return &Reporter{people}, nil
}

// Explain returns the decision about one object for a person, with its grants.
func (r *Reporter) Explain(ctx context.Context, set *grant.Set, in api.ExplainRequest, now time.Time) (api.ExplainResponse, error) {
	groups, err := r.people.GroupsOf(ctx, in.User)
	if err != nil {
		return api.ExplainResponse{}, fmt.Errorf("explaining access: %w", err)
	}
	e := set.Explain(groups, in.Bucket, in.Key, now)
	out := api.ExplainResponse{
		User: in.User, Groups: orEmpty(groups), Allowed: e.Decision.Allowed,
		Allows: wires(e.Allows), Denies: wires(e.Denies), Asleep: wires(e.Asleep), Nearest: wires(e.Nearest), Others: wires(e.Others), Missing: []api.Grant{},
	}
	if g := e.Decision.Grant; g != nil {
		by := wire(*g)
		out.By = &by
	}
	for _, g := range e.Missing {
		out.Missing = append(out.Missing, wire(g))
	}
	return out, nil
}

// Can lists the folders and objects that a person can see.
func (r *Reporter) Can(ctx context.Context, set *grant.Set, in api.CanRequest, now time.Time) (api.CanResponse, error) {
	groups, err := r.people.GroupsOf(ctx, in.User)
	if err != nil {
		return api.CanResponse{}, fmt.Errorf("listing a person's access: %w", err)
	}
	out := api.CanResponse{User: in.User, Groups: orEmpty(groups), Roots: []api.Root{}}
	for _, r := range set.Tree(groups, now) {
		out.Roots = append(out.Roots, api.Root{Grant: wire(*r.Grant), Except: wires(r.Except)})
	}
	return out, nil
}

// Readers lists the groups with access to a path, and the people with access when
// all their groups are counted.
func (r *Reporter) Readers(ctx context.Context, set *grant.Set, in api.WhoRequest, now time.Time) (api.WhoResponse, error) {
	out := api.WhoResponse{Groups: []api.GroupAccess{}, People: []api.PersonAccess{}}
	var names []string
	for _, g := range set.WhoGroups(in.Bucket, in.Key, now) {
		names = append(names, g.Group)
		out.Groups = append(out.Groups, api.GroupAccess{Group: g.Group, Whole: g.Reach == grant.All, Grants: wires(g.Grants)})
	}
	// All groups are needed: a denial of another group applies to a person too.
	people, err := r.members(ctx, set.Groups())
	if err != nil {
		return out, err
	}
	for _, p := range people {
		view := set.For(p.groups, now)
		reach := grant.None
		if in.Key == "" || strings.HasSuffix(in.Key, "/") {
			reach = view.Folder(in.Bucket, in.Key)
		}
		if reach == grant.None && view.Decide(in.Bucket, in.Key).Allowed {
			reach = grant.All
		}
		if reach == grant.None {
			continue
		}
		by := slices.DeleteFunc(slices.Clone(p.groups), func(g string) bool { return !slices.Contains(names, g) })
		out.People = append(out.People, api.PersonAccess{Username: p.Username, Enabled: p.Enabled, Whole: reach == grant.All, Groups: orEmpty(by)})
	}
	return out, nil
}

// List returns the active grants, and the problem of the last reload (if any).
func List(set *grant.Set, problem error) api.GrantsListResponse {
	out := api.GrantsListResponse{Version: set.Version(), Grants: []api.Grant{}}
	for _, g := range set.Grants() {
		out.Grants = append(out.Grants, wire(g))
	}
	if problem != nil {
		out.Problem = problem.Error()
	}
	return out
}

// Diff returns the changes that a new grants file would make for each person.
// For a file that would be refused it returns the problems and their fixes.
func (r *Reporter) Diff(ctx context.Context, old *grant.Set, in api.GrantsDiffRequest, now time.Time) (api.GrantsDiffResponse, error) {
	out := api.GrantsDiffResponse{Added: []api.Grant{}, Removed: []api.Grant{}, People: []api.PersonChange{}}
	grants, problems, err := Parse([]byte(in.Text))
	if err != nil || len(problems) > 0 {
		out.Problems = problems
		return out, err
	}
	next, err := grant.NewSet(grants)
	if err != nil {
		return out, fmt.Errorf("comparing grants: %w", err)
	}
	out.Added, out.Removed = without(next.Grants(), old.Grants()), without(old.Grants(), next.Grants())
	groups := append(old.Groups(), next.Groups()...)
	slices.Sort(groups)
	people, err := r.members(ctx, slices.Compact(groups))
	if err != nil {
		return out, err
	}
	for _, p := range people {
		c := api.PersonChange{Username: p.Username, Appears: []string{}, Disappears: []string{}}
		for _, change := range grant.Diff(old, next, p.groups, now) {
			path := change.Bucket + "/" + change.Path
			if change.Appears {
				c.Appears = append(c.Appears, path)
			} else {
				c.Disappears = append(c.Disappears, path)
			}
		}
		if len(c.Appears)+len(c.Disappears) > 0 {
			out.People = append(out.People, c)
		}
	}
	return out, nil
}

// without returns the grants of one list that are not in the other. It ignores
// their reasons.
func without(all, other []grant.Grant) []api.Grant {
	out := []api.Grant{}
	for _, g := range all {
		if !slices.ContainsFunc(other, func(o grant.Grant) bool { return grant.Same(g, o) }) {
			out = append(out, wire(g))
		}
	}
	return out
}

type member struct {
	identity.Member
	groups []string
}

// members returns the people in any of the given groups. The groups of each person
// are limited to the given ones.
func (r *Reporter) members(ctx context.Context, groups []string) ([]member, error) {
	byName := map[string]*member{}
	var order []string
	for _, g := range groups {
		people, err := r.people.Members(ctx, g)
		if err != nil {
			return nil, fmt.Errorf("listing the members of a group: %w", err)
		}
		for _, p := range people {
			m := byName[p.Username]
			if m == nil {
				if len(order) == maxPeople {
					return nil, ErrTooMany
				}
				m = &member{Member: p}
				byName[p.Username], order = m, append(order, p.Username)
			}
			m.groups = append(m.groups, g)
		}
	}
	slices.Sort(order)
	out := make([]member, len(order))
	for i, name := range order {
		out[i] = *byName[name]
	}
	return out, nil
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func wires(grants []*grant.Grant) []api.Grant {
	out := make([]api.Grant, 0, len(grants))
	for _, g := range grants {
		out = append(out, wire(*g))
	}
	return out
}

func wire(g grant.Grant) api.Grant {
	g = g.Canonical()
	out := api.Grant{Group: g.Group, Bucket: g.Bucket, Object: g.Object, Effect: string(g.Effect), Reason: g.Reason, Text: g.String()}
	if g.Object == "" {
		out.Prefix = &g.Prefix
	}
	if !g.NotBefore.IsZero() {
		out.NotBefore = &g.NotBefore
	}
	if !g.Expires.IsZero() {
		out.Expires = &g.Expires
	}
	return out
}
