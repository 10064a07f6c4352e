package backend

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"usher/backend/access"
	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/cursor"
	"usher/backend/event"
	"usher/backend/grant"
)

// Bounds of one answer from the log.
const (
	explained  = 20                     // objects of a request with the decision of now
	reviewRows = 200                    // rows of a page
	reviewTime = 700 * time.Millisecond // after which a page gets no other row
)

// isAuditor reports whether the caller may read the log, by the groups of the live
// check that admitted the request.
func (r *request) isAuditor() (bool, error) {
	person, err := r.listing()
	return slices.Contains(person.Groups, r.b.c.Public.AuditorsGroup), err
}

// explainRequest explains the recorded decisions of a request whose id a person passed
// on. An admin gets the refused and failed ones: other events are the log's, which
// admins do not read.
func (b *Backend) explainRequest(r *request) (any, error) {
	var in api.ExplainIDRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if !idShape.Matches(in.Request) {
		return nil, fail(api.BadRequest, errors.New("request id"))
	}
	set, err := r.reviewer("explain request "+in.Request, "", "")
	if err != nil {
		return nil, err
	}
	auditor, err := r.isAuditor()
	if err != nil {
		return nil, err
	}
	filter := event.Filter{Terms: []event.Term{{Field: event.ByRequest, Value: in.Request}}}
	for _, action := range []string{event.List, event.Search, event.Stat, event.Download} {
		filter.Terms = append(filter.Terms, event.Term{Field: event.ByAction, Value: action})
	}
	if !auditor {
		filter.Terms = append(filter.Terms, event.Term{Field: event.ByOutcome, Not: true, Value: event.Allowed})
	}
	var found audit.Result
	err = r.search(func() (err error) {
		found, err = b.c.Audit.Query(r.ctx, filter, audit.Page{Limit: audit.MaxPage, Ascending: true})
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(found.Events) == 0 {
		return nil, fail(api.NotFound, errors.New("no decision of this request"))
	}
	out := api.ExplainIDResponse{Request: in.Request}
	for i, e := range found.Events {
		past := api.ExplainedPast{
			Time: e.Time, Event: e.ID, User: e.User.Username, Action: e.Action, Bucket: e.Bucket, Key: e.Key,
			Outcome: e.Outcome, Reason: e.Reason, Grant: e.Grant, Policy: e.Policy, GrantsChanged: e.Policy != "" && e.Policy != set.Version(),
		}
		if i < explained && grant.ValidBucket(e.Bucket) && grant.ValidKey(e.Key) {
			now, err := b.c.Access.Explain(r.ctx, set, api.ExplainRequest{User: e.User.Username, Bucket: e.Bucket, Key: e.Key}, r.now)
			if err := accessFailure(err); err != nil {
				return nil, err
			}
			past.Now, past.GroupsChanged = &now, e.Groups != "" && e.Groups != event.HashGroups(now.Groups)
		}
		out.Decisions = append(out.Decisions, past)
	}
	return out, nil
}

// review lists the readers of a path. For auditors, each row has the change that gave the
// access and the last use, from the log.
func (b *Backend) review(r *request) (any, error) {
	var in api.ReviewRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if in.Bucket == "" && in.Key != "" || in.Bucket != "" && !grant.ValidBucket(in.Bucket) || in.Key != "" && !grant.ValidKey(in.Key) && !grant.ValidPrefix(in.Key) {
		return nil, fail(api.BadRequest, errors.New("review"))
	}
	at := cursor.Cursor{Verb: r.verb, Sub: r.claims.Sub, Bucket: in.Bucket, Prefix: in.Key, Hash: cursor.Hash("review")}
	if in.Cursor != "" {
		have, err := b.c.Cursors.Open(in.Cursor, at, r.now)
		if err != nil {
			return nil, fail(api.BadCursor, err)
		}
		at = have
	}
	set, err := r.reviewer("review", in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	auditor, err := r.isAuditor()
	if err != nil {
		return nil, err
	}
	rows, err := b.c.Access.Review(r.ctx, set, in, r.now)
	if err := accessFailure(err); err != nil {
		return nil, err
	}
	after, _ := slices.BinarySearchFunc(rows, at.Token, func(row api.ReviewRow, token string) int {
		if access.ReviewKey(row) <= token && token != "" {
			return -1
		}
		return 1
	})
	rows = rows[after:]
	out := api.ReviewResponse{Rows: rows[:min(len(rows), reviewRows)], Version: set.Version(), Log: auditor}
	if auditor {
		if err := r.search(func() error { return newHistory(b.c.Audit).fill(r.ctx, &out.Rows) }); err != nil {
			return nil, err
		}
	}
	if n := len(out.Rows); n < len(rows) {
		at.Token, at.Expires = access.ReviewKey(out.Rows[n-1]), r.now.Add(cursor.Life)
		if out.Cursor, err = b.c.Cursors.Seal(at); err != nil {
			return nil, fail(api.Internal, err)
		}
	}
	return out, nil
}

// history finds the facts of a review in the log.
type history struct {
	log     Log
	changes []event.Event            // grants-changed, the newest first
	read    bool                     // changes was read
	groups  map[string][]event.Event // sign-ins and changed memberships of a person, the newest first
}

func newHistory(log Log) *history { return &history{log: log, groups: map[string][]event.Event{}} }

// fill adds the facts to rows. It keeps the rows that it had the time for, and at
// least one.
func (h *history) fill(ctx context.Context, rows *[]api.ReviewRow) error {
	began := time.Now()
	for i := range *rows {
		if i > 0 && time.Since(began) > reviewTime {
			*rows = (*rows)[:i]
			return nil
		}
		row := &(*rows)[i]
		if row.Username == "" {
			continue
		}
		if err := h.since(ctx, row); err != nil {
			return err
		}
		if err := h.lastUse(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

// maxChanges bounds the events that are read for the time of a change.
const maxChanges = 1000

// newest returns the newest events that match.
func (h *history) newest(ctx context.Context, terms ...event.Term) ([]event.Event, error) {
	found, err := h.log.Query(ctx, event.Filter{Terms: terms}, audit.Page{Limit: maxChanges})
	return found.Events, err
}

// since stores the later one of two changes: the grant that was added, and the group
// that the person got.
func (h *history) since(ctx context.Context, row *api.ReviewRow) (err error) {
	if !h.read {
		if h.changes, err = h.newest(ctx, event.Term{Field: event.ByAction, Value: event.GrantsChanged}); err != nil {
			return err
		}
		h.read = true
	}
	latest := func(e event.Event) {
		if row.Since == nil || e.Time.After(*row.Since) {
			row.Since, row.SinceEvent = &e.Time, e.ID
		}
	}
	if i := slices.IndexFunc(h.changes, func(e event.Event) bool { return added(e, row.Grant.Text) }); i >= 0 {
		latest(h.changes[i])
	}
	events, ok := h.groups[row.Username]
	if !ok {
		events, err = h.newest(ctx, event.Term{Field: event.ByWho, Value: row.Username},
			event.Term{Field: event.ByAction, Value: event.SessionStart}, event.Term{Field: event.ByAction, Value: event.MembershipChanged})
		if err != nil {
			return err
		}
		h.groups[row.Username] = events
	}
	if e, ok := joined(events, row.Group); ok {
		latest(e)
	}
	return nil
}

// added reports whether a change of the grants added a grant.
func added(e event.Event, text string) bool {
	return slices.ContainsFunc(e.GrantsDiff, func(line string) bool {
		return line == "+ "+text || strings.HasPrefix(line, `+ "`) && strings.HasSuffix(line, `" `+text)
	})
}

// joined returns the oldest event with a group after one without it. The events are
// those of one person, the newest first.
func joined(events []event.Event, group string) (first event.Event, ok bool) {
	for _, e := range events {
		if slices.Contains(e.GroupNames, group) {
			first = e
			if e.Action == event.MembershipChanged && !slices.Contains(e.GroupNamesBefore, group) {
				return first, true
			}
			continue
		}
		return first, first.ID != ""
	}
	return event.Event{}, false
}

// lastUse stores the newest allowed access of a person below the path of a grant.
func (h *history) lastUse(ctx context.Context, row *api.ReviewRow) error {
	path := event.Term{Field: event.ByPath, Exact: true, Value: row.Grant.Bucket + "/" + row.Grant.Object}
	if row.Grant.Prefix != nil {
		path = event.Term{Field: event.ByPath, Value: row.Grant.Bucket + "/" + *row.Grant.Prefix}
	}
	terms := []event.Term{{Field: event.ByWho, Value: row.Username}, path, {Field: event.ByOutcome, Value: event.Allowed}}
	for _, action := range []string{event.List, event.Search, event.Stat, event.Download} {
		terms = append(terms, event.Term{Field: event.ByAction, Value: action})
	}
	found, err := h.log.Query(ctx, event.Filter{Terms: terms}, audit.Page{Limit: 1})
	switch {
	case err != nil:
		return err
	case len(found.Events) > 0:
		row.LastUsed, row.LastEvent = &found.Events[0].Time, found.Events[0].ID
	case found.Position != "":
		row.Searched = &found.Reached
	}
	return nil
}
