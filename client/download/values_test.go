package download

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/api"
)

// valued counts calls whose context has a value.
type valued struct {
	*testbed
	releases, lists atomic.Int64
}

type valueKey struct{}

func (v *valued) Release(ctx context.Context, req api.ReleaseRequest) (api.ReleaseResponse, error) {
	if ctx.Value(valueKey{}) != nil && ctx.Err() == nil {
		v.releases.Add(1)
	}
	return v.testbed.Release(ctx, req)
}

func (v *valued) List(ctx context.Context, req api.ListRequest) (api.ListResponse, error) {
	if ctx.Value(valueKey{}) != nil && ctx.Err() == nil {
		v.lists.Add(1)
	}
	return v.testbed.List(ctx, req)
}

// TestValues checks that calls to the backend have the values of Config.Values,
// such as the receiver of a client's pauses, and do not end with it.
func TestValues(t *testing.T) {
	w := newTestbed(t)
	w.put("b/f/a", []byte("one"), "CRC64NVME")
	v := &valued{testbed: w}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), valueKey{}, true))
	cancel()
	e := w.engine(func(c *Config) { c.Releaser, c.Lister, c.Values = v, v, ctx })
	w.put("b/k", []byte("two"), "CRC64NVME")
	dir := scratch(t)
	id := e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: dir}, Request{Bucket: "b", Key: "k", Dir: dir})[1]
	wait(t, e)
	if got := find(t, e, id); got.State != Done || v.releases.Load() == 0 || v.lists.Load() != 1 {
		t.Errorf("%v, %v: %d releases and %d listings with the values", got.State, got.Err, v.releases.Load(), v.lists.Load())
	}
}

// The whole queue is not complete before one of its files.
func TestLeftOfAll(t *testing.T) {
	files := []Transfer{{Left: 10 * time.Second}, {Left: 3 * time.Second}}
	for left, want := range map[time.Duration]time.Duration{5 * time.Second: 10 * time.Second, time.Minute: time.Minute, 0: 0} {
		if got := leftOfAll(left, files); got != want {
			t.Errorf("%v left of the bytes: %v, want %v", left, got, want)
		}
	}
}
