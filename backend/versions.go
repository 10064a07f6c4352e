package backend

import (
	"errors"

	"usher/backend/api"
	"usher/backend/cursor"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/object"
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
	e := r.event(event.Versions, in.Bucket, in.Key)
	e.Continues = at.Event
	if err := r.readObject(&e); err != nil {
		return nil, err
	}
	page, err := b.c.Objects.Versions(r.as(in.Bucket, in.Key), object.VersionsQuery{
		Bucket: in.Bucket, Key: in.Key, After: at.Token, Limit: api.MaxList, Event: e.ID,
	})
	if err != nil {
		return nil, r.failedRead(e, err)
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
