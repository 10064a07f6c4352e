package backend

import (
	"slices"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/event"
	"usher/backend/identity"
	"usher/backend/reader"
)

// complete records the outcomes of downloads that a client reports. The response
// is the same for known and unknown events.
func (b *Backend) complete(r *request) (any, error) {
	var in api.CompleteRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if len(in.Items) < 1 || len(in.Items) > api.MaxReport {
		return nil, fail(api.BadRequest, nil)
	}
	person, err := r.listing()
	if err != nil {
		return nil, err
	}
	if !r.spend(len(in.Items) - 1) {
		return nil, fail(api.RateLimited, nil)
	}
	done := make([]audit.Completion, len(in.Items))
	for i, it := range in.Items {
		done[i] = audit.Completion{Event: it.Event, Outcome: it.Outcome, Bytes: it.Bytes, Seconds: it.Seconds, Verified: it.Verified}
	}
	if err := r.settled(); err != nil {
		return nil, err
	}
	base := r.event(event.Completed, "", "")
	if err := b.c.Audit.RecordCompletions(r.ctx, base.User, base, done); err != nil {
		return nil, fail(api.AuditUnavailable, err)
	}
	r.explain(person, in.Items)
	return api.CompleteResponse{}, nil
}

// explain repeats the first download that a client reports as failed before its
// first byte. Only the client got the storage's refusal: the repetition brings
// the cause into the server's log.
func (r *request) explain(person identity.Standing, items []api.CompleteItem) {
	i := slices.IndexFunc(items, func(it api.CompleteItem) bool {
		return it.Outcome == api.CompletedFailed && it.Bytes == 0
	})
	if i < 0 {
		return
	}
	known, err := r.b.c.Audit.Get(r.ctx, items[i].Event)
	if err != nil || len(known) != 1 {
		return
	}
	e := known[0]
	if e.Action != event.Download || e.Outcome != event.Allowed || e.User.Sub != r.claims.Sub {
		return
	}
	set, err := r.b.c.Grants.Current(r.ctx)
	if err != nil || !r.b.permit(set, person.Groups, e.Bucket, e.Key, r.now).Allowed || r.readAs(set, person) != nil {
		return
	}
	if left, err := r.reading.Prepare(r.ctx, []reader.Object{{Bucket: e.Bucket, Key: e.Key}}); err == nil && len(left) == 0 {
		r.b.c.Objects.Explain(r.as(e.Bucket, e.Key), e.Bucket, e.Key, e.Version, e.ID)
	}
}
