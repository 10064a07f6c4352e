package backend

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"usher/backend/api"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

// auditReview makes one step of a review: it counts the matching events, and records
// the finding with its query, its range and the checkpoint.
func (b *Backend) auditReview(r *request) (any, error) {
	var in api.AuditReviewRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if !oneLine(in.Finding, api.MaxFinding) {
		return nil, fail(api.BadRequest, errors.New("finding"))
	}
	e := r.event(event.AuditRead, "", "")
	e.Reason = "review: " + in.Filter
	if err := r.auditor(&e); err != nil {
		return nil, err
	}
	if err := b.provable(); err != nil {
		return nil, err
	}
	s, at, err := r.scanOf(in.Filter, in.Cursor, in.Finding)
	if err != nil {
		return nil, err
	}
	done := false
	if err := r.search(func() (err error) {
		done, err = s.count(r.ctx, b.c.Records)
		return err
	}); err != nil {
		return nil, err
	}
	out := api.AuditReviewResponse{Stage: api.StageCounting, Done: s.At - s.First, Total: s.Last - s.First, Query: s.Query, Count: int64(s.Count)}
	if !done {
		out.Cursor, err = r.seal(s, at)
		return out, err
	}
	e.Action, e.Query, e.Reason, e.Count, e.Records, e.Root = event.AuditReview, s.Query, in.Finding, s.Count, s.Size, s.Root
	e.FirstRecord, e.LastRecord = s.records()
	if err := r.record(e); err != nil {
		return nil, err
	}
	out.Stage, out.Event, out.FirstRecord, out.LastRecord, out.Records, out.Root = api.StageDone, e.ID, e.FirstRecord, e.LastRecord, s.Size, s.Root
	return out, nil
}

// oneLine reports whether a text is one printable line that is not blank.
func oneLine(s string, limit int) bool {
	return strings.TrimSpace(s) != "" && len(s) <= limit && utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// auditReviews returns the configured reviews.
func (b *Backend) auditReviews(r *request) (any, error) {
	var in api.AuditReviewsRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	e := r.event(event.AuditRead, "", "")
	e.Reason = "reviews"
	if err := r.auditor(&e); err != nil {
		return nil, err
	}
	if err := r.record(e); err != nil {
		return nil, err
	}
	all, err := b.reviews(r)
	return api.AuditReviewsResponse{Reviews: all}, err
}

func (b *Backend) reviews(r *request) ([]api.Review, error) {
	all := []api.Review{}
	if b.c.Reviews == nil {
		return all, nil
	}
	err := r.search(func() error {
		found, err := b.c.Reviews.Reviews(r.ctx)
		all = append(all, found...)
		return err
	})
	return all, err
}

// auditVerified records the result of a verification on an auditor's machine.
func (b *Backend) auditVerified(r *request) (any, error) {
	var in api.AuditVerifiedRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	root, err := base64.StdEncoding.DecodeString(in.Root)
	if err != nil || len(root) != len(tree.Hash{}) || in.Records < 0 || in.Faults < 0 || in.Of != "log" && in.Of != "export" {
		return nil, fail(api.BadRequest, errors.New("result"))
	}
	e := r.event(event.AuditRead, "", "")
	e.Reason = "verification"
	if err := r.auditor(&e); err != nil {
		return nil, err
	}
	e.Action, e.Records, e.Root, e.Count = event.AuditVerify, in.Records, in.Root, in.Faults
	e.Reason = "no fault in the " + in.Of
	if in.Faults > 0 {
		e.Outcome, e.Reason = event.Failed, fmt.Sprintf("%d faults in the %s", in.Faults, in.Of)
	}
	if err := r.record(e); err != nil {
		return nil, err
	}
	return api.AuditVerifiedResponse{Event: e.ID}, nil
}
