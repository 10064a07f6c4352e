package backend

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"usher/backend/access"
	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/grant/file"
)

// Editor changes the grants. The change and its events are durable together, or
// not at all.
type Editor interface {
	// Apply puts grants in force. It fails with grant.ErrChanged if another version
	// than before is in force.
	Apply(ctx context.Context, before string, next *grant.Set, events ...event.Event) error
}

// editTries is the number of attempts of an edit that other changes overtake.
const editTries = 5

// maxBreakGlass is the longest emergency access.
const maxBreakGlass = 24 * time.Hour

// editor admits members of the admins' group to a change of grants that are not a
// file, and returns the grants in force.
func (r *request) editor(query string) (*grant.Set, error) {
	set, err := r.adminNow(query)
	if err == nil && r.b.c.Editor == nil {
		err = fail(api.GrantsFixed, nil)
	}
	return set, err
}

// adminNow admits members of the admins' group with the live check of a release, and
// returns the grants in force. A refusal is recorded; the change itself has its own
// event.
func (r *request) adminNow(query string) (*grant.Set, error) {
	person, err := r.releasing()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(person.Groups, r.b.c.Public.AdminsGroup) {
		e := r.event(event.Explain, "", "")
		e.Reason = query + "; not in the admins' group"
		return nil, r.deny(e)
	}
	set, err := r.b.c.Grants.Current(r.ctx)
	if err != nil {
		return nil, fail(api.StorageUnavailable, err)
	}
	return set, r.record() // the session's start comes before the change
}

// grantsApply replaces the grants by those of a file.
func (b *Backend) grantsApply(r *request) (any, error) {
	var in api.GrantsApplyRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	set, err := r.editor("grants apply")
	if err != nil {
		return nil, err
	}
	text, err := unzip(in.Gzip)
	if err != nil {
		return nil, err
	}
	grants, problems, err := access.Parse(text)
	if err != nil {
		return nil, fail(api.BadRequest, err)
	}
	if len(problems) > 0 {
		return api.GrantsChangeResponse{Problems: problems}, nil
	}
	next, err := grant.NewSet(grants)
	if err != nil {
		return nil, fail(api.BadRequest, err)
	}
	// A repetition of a change that was applied finds its own version in force.
	if in.Before != set.Version() && next.Version() != set.Version() {
		return nil, fail(api.GrantsConflict, grant.ErrChanged)
	}
	return r.change(set, next, nil)
}

// unzip returns the text of a compressed grants file.
func unzip(packed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fail(api.BadRequest, fmt.Errorf("a grants file: %w", err))
	}
	text, err := io.ReadAll(io.LimitReader(z, file.MaxBytes+1))
	switch {
	case err != nil:
		return nil, fail(api.BadRequest, fmt.Errorf("a grants file: %w", err))
	case len(text) > file.MaxBytes:
		return nil, fail(api.TooLarge, errors.New("a grants file"))
	}
	return text, nil
}

// grantsEdit adds and removes single grants.
func (b *Backend) grantsEdit(r *request) (any, error) {
	var in api.GrantsEditRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	set, err := r.editor("grants edit")
	if err != nil {
		return nil, err
	}
	add, problems := access.Grants(in.Add)
	remove, more := access.Grants(in.Remove)
	problems = append(problems, more...)
	if in.BreakGlass {
		problems = append(problems, r.emergency(in, add)...)
	}
	if len(problems) > 0 {
		return api.GrantsChangeResponse{Problems: problems}, nil
	}
	if len(add)+len(remove) == 0 {
		return nil, fail(api.BadRequest, errors.New("no grants"))
	}
	return r.edit(set, add, remove, func() []event.Event {
		if in.BreakGlass {
			return r.alarms(add)
		}
		return nil
	})
}

// edit adds and removes grants, and tries again after a change by others. The further
// events are durable together with the change; without a difference there is none.
func (r *request) edit(set *grant.Set, add, remove []grant.Grant, further func() []event.Event) (api.GrantsChangeResponse, error) {
	for range editTries {
		next, err := edited(set, add, remove)
		if err != nil {
			return api.GrantsChangeResponse{}, fail(api.BadRequest, err)
		}
		out, err := r.change(set, next, further())
		if !errors.Is(err, grant.ErrChanged) {
			return out, err
		}
		if set, err = r.b.c.Grants.Current(r.ctx); err != nil {
			return api.GrantsChangeResponse{}, fail(api.StorageUnavailable, err)
		}
	}
	return api.GrantsChangeResponse{}, fail(api.GrantsConflict, grant.ErrChanged)
}

// emergency returns the problems of an emergency access: it must end by itself
// and have a reason.
func (r *request) emergency(in api.GrantsEditRequest, add []grant.Grant) []api.GrantsProblem {
	var all []api.GrantsProblem
	problem := func(i int, text, fix string) {
		all = append(all, api.GrantsProblem{Line: i + 1, Column: 1, Problem: text, Fix: fix})
	}
	if len(in.Add) == 0 || len(in.Remove) > 0 {
		problem(0, "emergency access only adds grants", "add a grant")
	}
	for i, g := range add {
		switch {
		case g.Effect == grant.Deny:
			problem(i, "a denial is no emergency access", "leave out --break-glass")
		case g.Expires.IsZero() || g.Expires.After(r.now.Add(maxBreakGlass)):
			problem(i, "emergency access must expire within 24 hours", "give --expires, such as --expires 2h")
		case !g.Expires.After(r.now):
			problem(i, "the access has expired already", "give a later --expires")
		case g.Reason == "":
			problem(i, "emergency access needs a reason", "give --reason")
		}
	}
	return all
}

// alarms are the alert events of emergency access, one for each grant.
func (r *request) alarms(add []grant.Grant) []event.Event {
	all := make([]event.Event, len(add))
	for i, g := range add {
		all[i] = r.event(event.Alarm, g.Bucket, g.Prefix+g.Object)
		all[i].Outcome, all[i].Grant = event.Allowed, g.String()
		all[i].Reason = "break-glass: " + g.Reason
	}
	return all
}

// edited returns a set with further grants and without others. A grant that is
// there already is not added twice, and the removal of an absent one is no
// change: an edit can be repeated.
func edited(set *grant.Set, add, remove []grant.Grant) (*grant.Set, error) {
	var all []grant.Grant
	for _, g := range set.Grants() {
		if !slices.ContainsFunc(remove, func(o grant.Grant) bool { return grant.Same(g, o) }) {
			all = append(all, g)
		}
	}
	for _, g := range add {
		if !slices.ContainsFunc(all, func(o grant.Grant) bool { return grant.Same(g, o) }) {
			all = append(all, g)
		}
	}
	if len(all) > file.MaxGrants {
		return nil, fmt.Errorf("more than %d grants", file.MaxGrants)
	}
	return grant.NewSet(all)
}

// change puts the next set in force, with its event and further ones.
func (r *request) change(set, next *grant.Set, further []event.Event) (api.GrantsChangeResponse, error) {
	out := api.GrantsChangeResponse{Before: set.Version(), Version: next.Version()}
	if out.Before == out.Version {
		return out, nil
	}
	out.Added, out.Removed = grant.Count(set, next)
	e := r.event(event.GrantsChanged, "", "")
	e.Outcome, e.GrantsBefore, e.GrantsVersion = event.Allowed, out.Before, out.Version
	e.GrantsAdded, e.GrantsRemoved, e.GrantsDiff = out.Added, out.Removed, grant.DiffLines(set, next)
	e.Reason = fmt.Sprintf("%d added, %d removed", out.Added, out.Removed)
	switch err := r.b.c.Editor.Apply(r.ctx, out.Before, next, append([]event.Event{e}, further...)...); {
	case errors.Is(err, grant.ErrChanged):
		return api.GrantsChangeResponse{}, fail(api.GrantsConflict, err)
	case err != nil:
		return api.GrantsChangeResponse{}, fail(api.AuditUnavailable, err)
	}
	out.Event = e.ID
	return out, nil
}
