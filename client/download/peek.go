package download

import (
	"context"

	"usher/backend/api"
	"usher/client/download/ticket"
)

// Peek reads the first n bytes of an object or of a version of it, or all of a shorter one, for a
// look at it: a release with the purpose preview, recorded like any other, and
// nothing is written to the disk. n is 1 or more.
func (e *Engine) Peek(ctx context.Context, obj api.ReleaseObject, n int) ([]byte, error) {
	resp, err := e.cfg.Releaser.Release(ctx, api.ReleaseRequest{Objects: []api.ReleaseObject{obj}, Purpose: api.PurposePreview})
	if err != nil {
		return nil, err
	}
	got := e.cfg.Now()
	if len(resp.Items) != 1 {
		return nil, &ticket.Error{Path: obj.Key, Reason: "not one answer to one question"}
	}
	if failed := resp.Items[0].Error; failed != nil {
		return nil, &api.Error{Code: failed.Code}
	}
	t, err := e.check.Check(obj, resp.Items[0], got)
	if err != nil {
		return nil, err
	}
	t.Request = resp.RequestID
	if t.Size == 0 {
		return nil, nil
	}
	end := int64(n)
	if t.Size > 0 {
		end = min(end, t.Size)
	}
	raw, err := e.fetcher.First(ctx, t, end)
	return raw, mapped(err, obj.Key, false)
}
