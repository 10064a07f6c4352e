package backend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"usher/backend/access"
	"usher/backend/accessrequest"
	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/grant"
)

// askPage is the number of requests in one answer to an admin. Each person in it needs
// a call of the user pool.
const askPage = 50

// ask keeps the request of a person for access to a path. It reads neither grants nor
// S3: the answer and its time are the same for every path.
func (b *Backend) ask(r *request) (any, error) {
	var in api.AskRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if !grant.ValidBucket(in.Bucket) || in.Key != "" && !grant.ValidKey(in.Key) || !askText(in.Reason) {
		return nil, fail(api.BadRequest, errors.New("ask"))
	}
	if _, err := r.listing(); err != nil {
		return nil, err
	}
	q := accessrequest.Request{Sub: r.claims.Sub, Username: r.claims.Username, Bucket: in.Bucket, Key: in.Key, Reason: in.Reason}
	edit := func(all []accessrequest.Request) (accessrequest.Change, error) {
		return accessrequest.Ask(all, q, r.now)
	}
	all, err := b.c.Requests.All(r.ctx)
	if err != nil {
		return nil, fail(api.StorageUnavailable, err)
	}
	e := r.event(event.AccessRequested, in.Bucket, in.Key)
	e.Outcome, e.Reason = event.Allowed, in.Reason
	change, refused := edit(all)
	if refused != nil {
		e.Outcome, e.Reason = event.Failed, refused.Error()
	}
	if err := r.record(e); err != nil {
		return nil, err
	}
	if refused == nil {
		// The request is recorded: its storage must not depend on the caller.
		refused = b.c.Requests.Update(context.WithoutCancel(r.ctx), edit)
	}
	if refused != nil {
		return nil, askFailure(refused)
	}
	return api.AskResponse{Request: change.Put.ID, Event: e.ID, Days: int(accessrequest.Life / (24 * time.Hour))}, nil
}

// askText reports whether a text of a person is short enough.
func askText(s string) bool { return len(s) <= api.MaxAskReason && utf8.ValidString(s) }

func askFailure(err error) error {
	switch {
	case errors.Is(err, accessrequest.ErrMany), errors.Is(err, accessrequest.ErrFull):
		return fail(api.RequestsFull, err)
	case errors.Is(err, accessrequest.ErrUnknown):
		return fail(api.NotFound, err)
	case errors.Is(err, accessrequest.ErrAnswered):
		return fail(api.RequestAnswered, err)
	}
	return fail(api.StorageUnavailable, err)
}

// asked lists the caller's own requests. They are the caller's own words and the
// answers to them, so only refusals are recorded.
func (b *Backend) asked(r *request) (any, error) {
	if err := r.decode(&struct{}{}); err != nil {
		return nil, err
	}
	if _, err := r.listing(); err != nil {
		return nil, err
	}
	all, err := b.c.Requests.All(r.ctx)
	if err != nil {
		return nil, fail(api.StorageUnavailable, err)
	}
	out := api.AskedResponse{Requests: []api.Asked{}}
	for _, q := range accessrequest.Live(all, r.now) {
		if q.Sub == r.claims.Sub && q.State != accessrequest.Withdrawn {
			out.Requests = append(out.Requests, access.Asked(q))
		}
	}
	return out, r.record()
}

// withdraw closes an open request of the caller. The request of another person is "not
// found", like one that does not exist, with the same record.
func (b *Backend) withdraw(r *request) (any, error) {
	var in api.WithdrawRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if !api.ValidAskID(in.Request) {
		return nil, fail(api.BadRequest, errors.New("withdraw"))
	}
	if _, err := r.listing(); err != nil {
		return nil, err
	}
	edit := func(all []accessrequest.Request) (accessrequest.Change, error) {
		return accessrequest.Withdraw(all, in.Request, r.claims.Sub, r.now)
	}
	all, err := b.c.Requests.All(r.ctx)
	if err != nil {
		return nil, fail(api.StorageUnavailable, err)
	}
	_, refused := edit(all)
	if errors.Is(refused, accessrequest.ErrUnknown) {
		e := r.event(event.AccessWithdrawn, "", "")
		e.Reason = "no request of this person: " + in.Request
		return nil, r.deny(e)
	}
	q, _ := accessrequest.Find(all, in.Request, r.now) // it is there: edit found it
	out := api.WithdrawResponse{Request: q.ID, Bucket: q.Bucket, Key: q.Key}
	if q.State == accessrequest.Withdrawn { // a repetition, whose first response was lost
		return out, r.record()
	}
	e := r.event(event.AccessWithdrawn, q.Bucket, q.Key)
	e.Outcome = event.Allowed
	if refused != nil {
		e.Outcome, e.Reason = event.Failed, refused.Error()
	}
	if err := r.record(e); err != nil {
		return nil, err
	}
	if refused != nil {
		return nil, askFailure(refused)
	}
	// The withdrawal is recorded: its end must not depend on the caller.
	if err := b.c.Requests.Update(context.WithoutCancel(r.ctx), edit); err != nil {
		return nil, askFailure(err)
	}
	out.Event = e.ID
	return out, nil
}

// countLimit is the time limit of openRequests.
const countLimit = time.Second

// openRequests returns the number of open requests for a member of the admins' group,
// and 0 for others. The number is a note on a screen: without the store it is 0.
func (b *Backend) openRequests(r *request, groups []string) int {
	if !slices.Contains(groups, b.c.Public.AdminsGroup) {
		return 0
	}
	ctx, cancel := context.WithTimeout(r.ctx, countLimit)
	defer cancel()
	all, err := b.c.Requests.All(ctx)
	if err != nil {
		return 0
	}
	return len(accessrequest.Pending(all, r.now))
}

// asking lists the open requests of all people for admins.
func (b *Backend) asking(r *request) (any, error) {
	var in api.AskingRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if in.After != "" && !api.ValidAskID(in.After) {
		return nil, fail(api.BadRequest, errors.New("asking"))
	}
	set, err := r.admin("access requests")
	if err != nil {
		return nil, err
	}
	all, err := b.c.Requests.All(r.ctx)
	if err != nil {
		return nil, fail(api.StorageUnavailable, err)
	}
	open := accessrequest.Pending(all, r.now)
	if in.After != "" { // a request that was answered meanwhile keeps its place
		last, ok := accessrequest.Find(all, in.After, r.now)
		if !ok {
			return nil, fail(api.BadCursor, accessrequest.ErrUnknown)
		}
		open = slices.DeleteFunc(open, func(q accessrequest.Request) bool { return accessrequest.Compare(q, last) <= 0 })
	}
	facts, err := b.c.Access.Requested(r.ctx, set, open[:min(len(open), askPage)], r.now)
	if err := accessFailure(err); err != nil {
		return nil, err
	}
	return api.AskingResponse{Requests: facts, More: len(open) > askPage, Fixed: b.c.Editor == nil}, nil
}

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
		return nil, askFailure(err)
	}
	switch {
	case in.Preview:
		e := r.event(event.Explain, q.Bucket, q.Key)
		e.Outcome, e.Reason = event.Allowed, "preview of the answer "+q.ID
		return a.out, r.record(e)
	case q.State != accessrequest.Open: // a repetition, whose first response was lost
		return a.out, nil
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

// close makes the answer durable: first the grant and the record, then the end of the
// request. A crash in between leaves the request open, and the answer can be repeated.
func (a *answering) close() error {
	r, q := a.r, a.request
	record := func() []event.Event {
		e := r.event(event.AccessAnswered, q.Bucket, q.Key)
		e.Outcome, e.Reason = event.Allowed, strings.TrimSuffix(string(a.state())+" for "+q.Username+": "+a.in.Reason, ": ")
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
	// The answer is in force and recorded: its end must not depend on the caller.
	err := r.b.c.Requests.Update(context.WithoutCancel(r.ctx), func(all []accessrequest.Request) (accessrequest.Change, error) {
		return accessrequest.Close(all, q.ID, q.Asked, a.closing(), r.now)
	})
	if changed && (errors.Is(err, accessrequest.ErrAnswered) || errors.Is(err, accessrequest.ErrUnknown)) {
		return nil // the person sent the request again meanwhile; the grant is in force
	}
	if err != nil {
		return askFailure(err)
	}
	return nil
}
