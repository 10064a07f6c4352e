// Package access answers what admins and auditors ask of the grants: why can
// this person (not) read that, who can read it, what can this person see, what
// would a new grants file change. The answers come from the evaluator that also
// decides requests, with the groups that the user pool has now.
//
// It decides nothing and records nothing; backend lets only admins ask, and
// records each question.
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
	"usher/backend/grant/file"
	"usher/backend/identity"
)

// maxPeople bounds how many people one question is answered for.
const maxPeople = 5000

// ErrTooMany says that more than maxPeople are in the groups concerned.
var ErrTooMany = errors.New("too many people are in the groups concerned")

// People is what the user pool says of people.
type People interface {
	Groups(ctx context.Context, username string) ([]string, error)
	Members(ctx context.Context, group string) ([]identity.Member, error)
}

// Questions answers them. Safe for concurrent use.
type Questions struct{ people People }

// New asks people of the pool.
func New(people People) (*Questions, error) {
	if people == nil {
		return nil, errors.New("access questions: a user pool is needed")
	}
	return &Questions{people}, nil
}

// Explain says why a person may or may not read one object.
func (q *Questions) Explain(ctx context.Context, set *grant.Set, in api.ExplainRequest, now time.Time) (api.ExplainResponse, error) {
	groups, err := q.people.Groups(ctx, in.User)
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

// Can lists all that a person can see.
func (q *Questions) Can(ctx context.Context, set *grant.Set, in api.CanRequest, now time.Time) (api.CanResponse, error) {
	groups, err := q.people.Groups(ctx, in.User)
	if err != nil {
		return api.CanResponse{}, fmt.Errorf("listing what a person can see: %w", err)
	}
	out := api.CanResponse{User: in.User, Groups: orEmpty(groups), Roots: []api.Root{}}
	for _, r := range set.Tree(groups, now) {
		out.Roots = append(out.Roots, api.Root{Grant: wire(*r.Grant), Except: wires(r.Except)})
	}
	return out, nil
}

// Who lists the groups that reach a path, and the people who do with all their
// groups counted.
func (q *Questions) Who(ctx context.Context, set *grant.Set, in api.WhoRequest, now time.Time) (api.WhoResponse, error) {
	out := api.WhoResponse{Groups: []api.GroupAccess{}, People: []api.PersonAccess{}}
	var names []string
	for _, g := range set.WhoGroups(in.Bucket, in.Key, now) {
		names = append(names, g.Group)
		out.Groups = append(out.Groups, api.GroupAccess{Group: g.Group, Whole: g.Reach == grant.All, Grants: wires(g.Grants)})
	}
	// Denials of other groups count for people too.
	people, err := q.members(ctx, set.Groups())
	if err != nil {
		return out, err
	}
	for _, p := range people {
		eyes := set.For(p.groups, now)
		reach := grant.None
		if in.Key == "" || strings.HasSuffix(in.Key, "/") {
			reach = eyes.Folder(in.Bucket, in.Key)
		}
		if reach == grant.None && eyes.Decide(in.Bucket, in.Key).Allowed {
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

// List is the set in force.
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

// Diff says what a new grants file would change, for each person. A file that
// would be refused is answered with what is wrong and the fixes.
func (q *Questions) Diff(ctx context.Context, old *grant.Set, in api.GrantsDiffRequest, now time.Time) (api.GrantsDiffResponse, error) {
	out := api.GrantsDiffResponse{Added: []api.Grant{}, Removed: []api.Grant{}, People: []api.PersonChange{}}
	grants, err := file.Parse("grants", []byte(in.Text))
	if err != nil {
		var all file.ParseErrors
		if !errors.As(err, &all) {
			return out, fmt.Errorf("comparing grants: %w", err)
		}
		for _, e := range all {
			out.Problems = append(out.Problems, api.GrantsProblem{Line: e.Line, Column: e.Column, Problem: e.Problem, Fix: e.Fix})
		}
		return out, nil
	}
	next, err := grant.NewSet(grants)
	if err != nil {
		return out, fmt.Errorf("comparing grants: %w", err)
	}
	out.Added, out.Removed = without(next.Grants(), old.Grants()), without(old.Grants(), next.Grants())
	groups := append(old.Groups(), next.Groups()...)
	slices.Sort(groups)
	people, err := q.members(ctx, slices.Compact(groups))
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

// without are the grants of one list that are not in the other, reasons aside.
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

// members are the people in any of the groups, with those of their groups.
func (q *Questions) members(ctx context.Context, groups []string) ([]member, error) {
	byName := map[string]*member{}
	var order []string
	for _, g := range groups {
		people, err := q.people.Members(ctx, g)
		if err != nil {
			return nil, fmt.Errorf("asking who is in a group: %w", err)
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
