package backend

import (
	"errors"
	"time"

	"usher/backend/api"
	"usher/backend/api/shape"
	"usher/backend/audit"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/object"
)

// candidate is one object of a release request. It passes the steps decide, HEAD,
// record and sign, or stops with an error at one of them.
type candidate struct {
	in      api.ReleaseObject
	event   event.Event
	facts   *object.Facts // from HEAD; nil without one
	refused api.Code      // the code of the refusal; "" if there is none
	cause   error         // error of a failed HEAD
	receipt audit.Receipt
	url     object.SignedURL
}

// batch holds the objects of one request that are released together.
type batch struct {
	objects []api.ReleaseObject
	sizes   []int64 // of the objects, from the storage's listing; nil: not known
	purpose string
	others  []event.Event // recorded in the same durable write, once
	// beside returns the event of the listing with these objects, for the same
	// durable write. nil: there is none.
	beside func(all []candidate) event.Event
}

// release returns a URL or an error for each object of the request.
func (b *Backend) release(r *request) (any, error) {
	in, err := r.releaseRequest()
	if err != nil {
		return nil, err
	}
	if !r.spend(len(in.Objects) - 1) {
		return nil, fail(api.RateLimited, nil)
	}
	all, err := b.issue(r, &batch{objects: in.Objects, purpose: in.Purpose})
	if err != nil {
		return nil, err
	}
	out := api.ReleaseResponse{Items: make([]api.ReleaseItem, len(all))}
	for i := range all {
		out.Items[i] = all[i].item()
	}
	return out, nil
}

// issue is the only way to a presigned URL: live check → decide → (HEAD) →
// durable record → sign. The live check must still be fresh at the signing. If
// the record took too long, issue repeats all steps once.
func (b *Backend) issue(r *request, in *batch) ([]candidate, error) {
	all, err := b.issueOnce(r, in)
	if errors.Is(err, object.ErrStale) || errors.Is(err, errLapsed) {
		r.now = b.c.Now()
		all, err = b.issueOnce(r, in)
	}
	if errors.Is(err, object.ErrStale) || errors.Is(err, errLapsed) {
		return nil, fail(api.AuditUnavailable, err)
	}
	return all, err
}

// errLapsed reports that a grant ended between the decision and the signing.
var errLapsed = errors.New("a grant ended before the URL was signed")

// confirm repeats the decisions at the instant of signing.
func (b *Backend) confirm(r *request, groups []string, all []candidate) error {
	set, err := b.c.Grants.Current(r.ctx)
	if err != nil {
		return fail(api.StorageUnavailable, err)
	}
	now := b.c.Now()
	for i := range all {
		if all[i].refused == "" && !b.permit(set, groups, all[i].in.Bucket, all[i].in.Key, now).Allowed {
			return errLapsed
		}
	}
	return nil
}

func (r *request) releaseRequest() (api.ReleaseRequest, error) {
	var in api.ReleaseRequest
	if err := r.decode(&in); err != nil {
		return in, err
	}
	if in.Purpose == "" {
		in.Purpose = api.PurposeDownload
	}
	switch in.Purpose {
	case api.PurposeDownload, api.PurposePreview, api.PurposeLink:
	default:
		return in, fail(api.BadRequest, errors.New("purpose"))
	}
	if len(in.Objects) < 1 || len(in.Objects) > api.MaxRelease {
		return in, fail(api.BadRequest, errors.New("number of objects"))
	}
	for _, o := range in.Objects {
		if o.ETag != api.ETag(o.ETag) || (o.Continues != "" && !idShape.Matches(o.Continues)) || o.Version != "" && !api.ValidVersion(o.Version) {
			return in, fail(api.BadRequest, errors.New("object"))
		}
	}
	return in, nil
}

// idShape matches event ids (ULIDs).
var idShape = shape.NewForm(`^[0-9A-HJKMNP-TV-Z]{26}$`)

func (b *Backend) issueOnce(r *request, in *batch) ([]candidate, error) {
	person, err := r.releasing()
	if err != nil {
		return nil, err
	}
	set, err := b.c.Grants.Current(r.ctx)
	if err != nil {
		return nil, fail(api.StorageUnavailable, err)
	}
	all := make([]candidate, len(in.objects))
	var denied []event.Event
	flood := false
	for i, o := range in.objects {
		all[i] = b.decide(r, set, person, o, in.purpose)
		if in.sizes != nil && all[i].refused == "" {
			all[i].event.Size = &in.sizes[i]
		}
		switch {
		case all[i].event.Outcome != event.Denied:
		case r.refusal(all[i].event):
			denied = append(denied, all[i].event)
		default:
			flood = true
		}
	}
	if flood { // refusals within the budget are still recorded one by one
		if err := r.record(denied...); err != nil {
			return nil, err
		}
		return nil, fail(api.RateLimited, nil)
	}
	if err := r.chains(all); err != nil {
		return nil, err
	}
	if err := r.listedSizes(all); err != nil {
		return nil, err
	}
	if err := r.readAs(set, person); err != nil {
		return nil, err
	}
	if err := b.examined(r, in, all); err != nil {
		return nil, err
	}
	if err := b.recordReleases(r, in, all, person.CheckedAt); err != nil {
		return nil, err
	}
	if err := b.confirm(r, person.Groups, all); err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].refused != "" {
			continue
		}
		if all[i].url, err = b.c.Signer.Sign(r.as(all[i].in.Bucket, all[i].in.Key), all[i].receipt); err != nil {
			if errors.Is(err, object.ErrStale) {
				return nil, err
			}
			return nil, fail(api.StorageUnavailable, err)
		}
	}
	return all, nil
}

func (c *candidate) stop(code api.Code, reason string) {
	c.refused, c.event.Outcome, c.event.Reason = code, event.Failed, reason
}

// recordReleases makes one durable write for the whole request: all its events or
// none. Only candidates to be released get a receipt.
func (b *Backend) recordReleases(r *request, in *batch, all []candidate, checkedAt time.Time) error {
	others := in.others
	if in.beside != nil {
		others = append(others, in.beside(all))
	}
	var releases []audit.Release
	for i := range all {
		if all[i].refused != "" {
			others = append(others, all[i].event)
			continue
		}
		releases = append(releases, audit.Release{Event: all[i].event, CheckedAt: checkedAt, Link: in.purpose == api.PurposeLink})
	}
	var receipts []audit.Receipt
	err := r.announce(func(before []event.Event) (err error) {
		receipts, err = b.c.Audit.RecordReleases(r.ctx, releases, append(before, others...)...)
		if err != nil {
			return fail(api.AuditUnavailable, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	in.others, in.beside = nil, nil
	next := 0
	for i := range all {
		if all[i].refused == "" {
			all[i].receipt, next = receipts[next], next+1
		}
	}
	return nil
}

// item returns the response for one object. A denied item and an absent item are
// byte-identical.
func (c *candidate) item() api.ReleaseItem {
	if c.refused != "" {
		return api.ReleaseItem{Error: &api.ItemError{Code: c.refused, Message: api.Lookup(c.refused).Sentence}}
	}
	item := api.ReleaseItem{
		Event: c.event.ID, URL: c.url.Reveal(), Life: int(c.url.Life / time.Second),
		Headers: c.url.Headers, ETag: c.event.ETag,
	}
	if f := c.facts; f != nil {
		item.Version, item.Size, item.Checksum, item.Parts = c.event.Version, &f.Size, f.Checksum, f.Parts
		if !f.Modified.IsZero() {
			item.Modified = &f.Modified
		}
	}
	return item
}

// stat returns the facts of a HEAD. It follows the rules of a release, and returns
// no URL.
func (b *Backend) stat(r *request) (any, error) {
	var in api.StatRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if !grant.ValidBucket(in.Bucket) || !grant.ValidKey(in.Key) || in.Version != "" && !api.ValidVersion(in.Version) {
		return nil, fail(api.BadRequest, errors.New("object"))
	}
	e := r.event(event.Stat, in.Bucket, in.Key)
	e.Version = in.Version
	if err := r.readObject(&e); err != nil {
		return nil, err
	}
	facts, err := b.c.Objects.Head(r.as(in.Bucket, in.Key), in.Bucket, in.Key, in.Version, e.ID)
	if err != nil {
		return nil, r.failedRead(e, err)
	}
	if in.Version == "" {
		e.Version = facts.Version
	}
	e.Outcome, e.ETag, e.Size = event.Allowed, facts.ETag, &facts.Size
	if err := r.record(e); err != nil {
		return nil, err
	}
	return api.StatResponse{
		Event: e.ID, Size: facts.Size, Modified: facts.Modified, ETag: facts.ETag, Version: e.Version,
		ContentType: facts.ContentType, Checksum: facts.Checksum, Parts: facts.Parts, Archived: facts.Archived, Grant: e.Grant, StorageClass: facts.Class,
	}, nil
}
