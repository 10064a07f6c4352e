package backend

import (
	"context"
	"errors"
	"slices"
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
	e.Reason = in.Reason
	change, refused := edit(all)
	if err := r.keep(e, refused, edit); err != nil {
		return nil, err
	}
	return api.AskResponse{Request: change.Put.ID, Event: e.ID, Days: int(accessrequest.Life / (24 * time.Hour))}, nil
}

// keep records a change of the requests, and then stores it, also without the caller. A
// change that is refused after its record, because another one preceded it, has a record
// of that too.
func (r *request) keep(e event.Event, refused error, edit func([]accessrequest.Request) (accessrequest.Change, error)) error {
	e.Outcome = event.Allowed
	if refused != nil {
		e.Outcome, e.Reason = event.Failed, refused.Error()
	}
	if err := r.record(e); err != nil {
		return err
	}
	if refused != nil {
		return askFailure(refused)
	}
	err := r.b.c.Requests.Update(context.WithoutCancel(r.ctx), edit)
	if err == nil {
		return nil
	}
	late, f := r.event(e.Action, e.Bucket, e.Key), askFailure(err)
	late.Outcome, late.Reason = event.Failed, "the event "+e.ID+" had no effect: "+string(f.code)
	if err := r.record(late); err != nil {
		return err
	}
	return f
}

// askText reports whether a text of a person is short enough.
func askText(s string) bool { return len(s) <= api.MaxAskReason && utf8.ValidString(s) }

func askFailure(err error) *failure {
	switch {
	case errors.Is(err, accessrequest.ErrMany), errors.Is(err, accessrequest.ErrFull):
		return &failure{api.RequestsFull, err}
	case errors.Is(err, accessrequest.ErrUnknown):
		return &failure{api.NotFound, err}
	case errors.Is(err, accessrequest.ErrAnswered):
		return &failure{api.RequestAnswered, err}
	}
	return &failure{api.StorageUnavailable, err}
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
	if err := r.keep(e, refused, edit); err != nil {
		return nil, err
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
