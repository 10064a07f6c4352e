package download

import (
	"context"

	"usher/backend/api"
)

// Peek reads the first n bytes of an object or of a version of it, or all of a shorter one, for a
// look at it: a release with the purpose preview, recorded like any other, and
// nothing is written to the disk. n is 1 or more.
func (e *Engine) Peek(ctx context.Context, obj api.ReleaseObject, n int) ([]byte, error) {
	t, err := e.release(ctx, obj)
	if err != nil {
		return nil, err
	}
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
