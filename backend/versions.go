package backend

import (
	"errors"
	"fmt"

	"usher/backend/api"
	"usher/backend/cursor"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/object"
	"usher/backend/reader"
)

// versions returns the versions of one object. The current grants decide on its
// name, as for stat: a person without a grant gets "not found", and S3 is not
// called.
func (b *Backend) versions(r *request) (any, error) {
	var in api.VersionsRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if !grant.ValidBucket(in.Bucket) || !grant.ValidKey(in.Key) {
		return nil, fail(api.BadRequest, errors.New("object"))
	}
	at := cursor.Cursor{Verb: r.verb, Sub: r.claims.Sub, Bucket: in.Bucket, Prefix: in.Key}
	if in.Cursor != "" {
		var err error
		if at, err = b.c.Cursors.Open(in.Cursor, at, r.now); err != nil {
			return nil, fail(api.BadCursor, err)
		}
	}
	person, err := r.listing()
	if err != nil {
		return nil, err
	}
	set, err := b.c.Grants.Current(r.ctx)
	if err != nil {
		return nil, fail(api.StorageUnavailable, err)
	}
	e := r.event(event.Versions, in.Bucket, in.Key)
	e.Continues = at.Event
	decided := b.permit(set, person.Groups, in.Bucket, in.Key, r.now)
	decided.note(&e)
	if !decided.Allowed {
		return nil, r.deny(e)
	}
	if err := r.readAs(set, person); err != nil {
		return nil, err
	}
	page, err := b.versionPage(r, in, at.Token, e.ID)
	if err != nil {
		code, reason := storageFailure(err)
		e.Outcome, e.Reason = event.Failed, reason
		if err := r.record(e); err != nil {
			return nil, err
		}
		return nil, fail(code, err)
	}
	e.Outcome, e.Count = event.Allowed, len(page.Versions)
	if err := r.record(e); err != nil {
		return nil, err
	}
	out := api.VersionsResponse{Versions: make([]api.ObjectVersion, 0, len(page.Versions)), Event: e.ID, Grant: e.Grant}
	for _, v := range page.Versions {
		row := api.ObjectVersion{Version: v.ID, Latest: v.Latest, Deleted: v.Deleted, Size: v.Size, ETag: v.ETag,
			Archived: v.Archived, StorageClass: v.Class}
		if !v.Modified.IsZero() {
			row.Modified = &v.Modified
		}
		out.Versions = append(out.Versions, row)
	}
	if page.Next != "" {
		at.Token, at.Event, at.Expires = page.Next, first(e), r.now.Add(cursor.Life)
		if out.Cursor, err = b.c.Cursors.Seal(at); err != nil {
			return nil, fail(api.Internal, err)
		}
	}
	return out, nil
}

func (b *Backend) versionPage(r *request, in api.VersionsRequest, after, event string) (object.VersionPage, error) {
	left, err := r.reading.Prepare(r.ctx, []reader.Object{{Bucket: in.Bucket, Key: in.Key}})
	switch {
	case err != nil:
		return object.VersionPage{}, err
	case len(left) > 0:
		return object.VersionPage{}, fmt.Errorf("%w: %w", reader.ErrNoSession, object.ErrRefused)
	}
	return b.c.Objects.Versions(r.as(in.Bucket, in.Key), object.VersionsQuery{
		Bucket: in.Bucket, Key: in.Key, After: after, Limit: api.MaxList, Event: event,
	})
}
