package backend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/backend/access"
	"usher/backend/accessrequest"
	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/grant"
)

// answer closes a request. An approval adds a grant, and the change of the grants has
// its event and that of the answer. Without a change the answer is recorded alone.
func (b *Backend) answer(r *request) (any, error) {
	var in api.AnswerRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if !api.ValidAskID(in.Request) || !askText(in.Reason) || len(in.Group) > maxUsername {
		return nil, fail(api.BadRequest, errors.New("answer"))
	}
	set, err := r.adminNow("access answer " + in.Request)
	if err != nil {
		return nil, err
	}
	all, err := b.c.Requests.All(r.ctx)
	if err != nil {
		return nil, fail(api.StorageUnavailable, err)
	}
	q, ok := accessrequest.Find(all, in.Request, r.now)
	if !ok || q.State == accessrequest.Withdrawn {
		return nil, fail(api.NotFound, accessrequest.ErrUnknown)
	}
	a := answering{r: r, in: in, set: set, request: q}
	a.out.User, a.out.State, a.out.Version = q.Username, string(a.state()), set.Version()
	if in.Approve {
		if err := a.plan(); err != nil || len(a.out.Problems) > 0 {
			return a.out, err
		}
	}
	if _, err := accessrequest.Close(all, q.ID, q.Asked, a.closing(), r.now); err != nil {
		return nil, a.refused(err)
	}
	switch {
	case in.Preview:
		e := r.event(event.Explain, q.Bucket, q.Key)
		e.Outcome, e.Reason = event.Allowed, "preview of the answer "+q.ID
		return a.out, r.record(e)
	case q.State != accessrequest.Open: // a repetition, whose first response was lost
		return a.out, nil
	}
	if err := a.update(accessrequest.Claim); err != nil {
		return nil, a.refused(err)
	}
	return a.out, a.close()
}

// answering is one answer of an admin.
type answering struct {
	r       *request
	in      api.AnswerRequest
	set     *grant.Set
	request accessrequest.Request
	add     *grant.Grant // nil: none
	out     api.AnswerResponse
}

func (a *answering) state() accessrequest.State {
	if a.in.Approve {
		return accessrequest.Approved
	}
	return accessrequest.Declined
}

// closing is the answer as the requests keep it.
func (a *answering) closing() accessrequest.Answer {
	c := accessrequest.Answer{State: a.state(), By: a.r.claims.Username, Text: a.in.Reason}
	if a.add != nil {
		c.Grant = a.add.String()
	}
	return c
}

// plan finds the grant of an approval, or the problems that prevent it.
func (a *answering) plan() error {
	r, q := a.r, a.request
	all, err := r.b.c.Access.Requested(r.ctx, a.set, []accessrequest.Request{q}, r.now)
	if err := accessFailure(err); err != nil {
		return err
	}
	facts := all[0]
	if r.b.c.Editor == nil && facts.Allowed {
		return nil // the file gives the access already
	}
	if a.problems(facts); len(a.out.Problems) > 0 {
		return nil
	}
	g := grant.Grant{Group: a.in.Group, Bucket: q.Bucket, Effect: grant.Allow, Expires: a.in.Expires.UTC(), Reason: a.in.Reason}
	if q.Folder() {
		g.Prefix = q.Key
	} else {
		g.Object = q.Key
	}
	if g.Reason == "" {
		g.Reason = strings.TrimSuffix("requested by "+q.Username+": "+q.Reason, ": ")
	}
	g = g.Canonical()
	for _, p := range g.Problems() {
		a.problem(p.Field+" "+p.Text, p.Fix)
	}
	if len(a.out.Problems) > 0 {
		return nil
	}
	next, err := edited(a.set, []grant.Grant{g}, nil)
	if err != nil {
		return fail(api.BadRequest, err)
	}
	if !access.Opens(next, facts.Groups, q, r.now) {
		a.problem("a deny grant of this person's groups covers the path", "see usher access explain, and remove the denial first")
		return nil
	}
	if r.b.c.Editor == nil { // the grant is for the file, unless the request has its answer
		if q.State != accessrequest.Open {
			return askFailure(accessrequest.ErrAnswered)
		}
		return fail(api.GrantsFixed, nil)
	}
	wire := access.Wire(g)
	a.add, a.out.Grant = &g, &wire
	a.out.Members, a.out.Others, err = r.b.c.Access.Others(r.ctx, g.Group, q.Username)
	return accessFailure(err)
}

func (a *answering) problem(text, fix string) {
	a.out.Problems = append(a.out.Problems, api.GrantsProblem{Line: 1, Column: 1, Problem: text, Fix: fix})
}

func (a *answering) problems(facts api.Asking) {
	end := a.in.Expires
	switch {
	case facts.Gone:
		a.problem("the person is no longer in the user pool", "decline the request")
	case len(facts.Groups) == 0:
		a.problem("the person is in no group", "add the person to a group first")
	case !slices.Contains(facts.Groups, a.in.Group):
		a.problem("the person is not in this group", "choose one of "+strings.Join(facts.Groups, ", "))
	}
	switch {
	case end == nil:
		a.problem("the access has no end", "give a time at which it ends")
	case !end.After(a.r.now):
		a.problem("the access has ended already", "give a later end")
	case end.After(a.r.now.AddDate(0, 0, api.MaxGrantDays)):
		a.problem(fmt.Sprintf("the access is longer than %d days", api.MaxGrantDays), "give an earlier end, or use usher grants add")
	}
}

// update changes the request by an edit for this answer. The change must not depend on
// the caller.
func (a *answering) update(edit func([]accessrequest.Request, string, time.Time, accessrequest.Answer, time.Time) (accessrequest.Change, error)) error {
	return a.r.b.c.Requests.Update(context.WithoutCancel(a.r.ctx), func(all []accessrequest.Request) (accessrequest.Change, error) {
		return edit(all, a.request.ID, a.request.Asked, a.closing(), a.r.now)
	})
}

// event is the record of the answer.
func (a *answering) event() event.Event {
	e := a.r.event(event.AccessAnswered, a.request.Bucket, a.request.Key)
	e.Outcome, e.Reason = event.Allowed, strings.TrimSuffix(string(a.state())+" for "+a.request.Username+": "+a.in.Reason, ": ")
	return e
}

// refused records an answer that another one precedes, and returns its error. A preview
// is no answer.
func (a *answering) refused(err error) error {
	if errors.Is(err, accessrequest.ErrAnswered) && !a.in.Preview {
		e := a.event()
		e.Outcome, e.Reason = event.Failed, e.Reason+"; "+err.Error()
		if err := a.r.record(e); err != nil {
			return err
		}
	}
	return askFailure(err)
}

// close makes a claimed answer durable. Without a durable answer, another one is possible
// at once.
func (a *answering) close() error {
	err := a.finish()
	if err != nil {
		_ = a.update(accessrequest.Release) // else the claim ends by itself
	}
	return err
}

// finish makes the answer durable: first the grant and the record, then the end of the
// request. A crash in between leaves the request open, and the answer can be repeated.
func (a *answering) finish() error {
	r := a.r
	record := func() []event.Event {
		e := a.event()
		if a.add != nil {
			e.Grant = a.add.String()
		}
		a.out.Event = e.ID
		return []event.Event{e}
	}
	changed := false
	if a.add != nil {
		change, err := r.edit(a.set, []grant.Grant{*a.add}, nil, record)
		if err != nil {
			return err
		}
		changed, a.out.Version = change.Event != "", change.Version
	}
	if !changed {
		if err := r.record(record()...); err != nil {
			return err
		}
	}
	err := a.update(accessrequest.Close)
	if changed && (errors.Is(err, accessrequest.ErrAnswered) || errors.Is(err, accessrequest.ErrUnknown)) {
		return nil // the person sent the request again meanwhile; the grant is in force
	}
	if err != nil {
		return askFailure(err)
	}
	return nil
}
