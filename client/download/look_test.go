package download

import (
	"context"
	"errors"
	"testing"
	"time"

	"usher/backend/api"
)

// A Look requests a release when it has no URL, or one that ends. All its ranges are
// of the content of the first release.
func TestLook(t *testing.T) {
	w := newTestbed(t)
	data := random(1, 100_000)
	w.put("b/k", data, "")
	clock := time.Now()
	e := w.engine(func(c *Config) { c.Now = func() time.Time { return clock } })
	l := e.Look(api.ReleaseObject{Bucket: "b", Key: "k"})
	if l.Releases() != 0 {
		t.Errorf("%d releases before the first call", l.Releases())
	}
	if n, err := l.Size(t.Context()); n != 100_000 || err != nil {
		t.Fatal(n, err)
	}
	for _, r := range [][2]int64{{0, 10}, {99_990, 100}, {5_000, 50_000}} {
		got, err := l.ReadRange(t.Context(), r[0], r[1])
		if want := data[r[0]:min(r[0]+r[1], 100_000)]; err != nil || string(got) != string(want) {
			t.Errorf("range %d: %d bytes, %v", r, len(got), err)
		}
	}
	if got, err := l.ReadRange(t.Context(), 100_000, 5); len(got) != 0 || err != nil {
		t.Errorf("a range after the end: %d bytes, %v", len(got), err)
	}
	if l.Releases() != 1 {
		t.Errorf("%d releases for one URL", l.Releases())
	}
	clock = clock.Add(2 * time.Minute) // the URL has ended
	if got, err := l.ReadRange(t.Context(), 0, 5); string(got) != string(data[:5]) || err != nil || l.Releases() != 2 {
		t.Errorf("%q, %v, %d releases", got, err, l.Releases())
	}
	clock = clock.Add(2 * time.Minute)
	w.put("b/k", random(2, 200_000), "")
	got, err := l.ReadRange(t.Context(), 0, 5)
	var e412 *api.Error
	if !errors.Is(err, ErrChanged) && (!errors.As(err, &e412) || e412.Code != api.ObjectChanged) {
		t.Errorf("of a changed object: %q, %v", got, err)
	}
	if _, err := e.Look(api.ReleaseObject{Bucket: "b", Key: "absent"}).Size(t.Context()); !isNotFound(err) {
		t.Errorf("an object without a grant: %v", err)
	}
}

// A call that its caller ends has the caller's reason, and no failure of the network.
func TestStoppedLook(t *testing.T) {
	w := newTestbed(t)
	w.put("b/k", random(1, 1000), "")
	e := w.engine()
	reason := errors.New("stopped by a signal")
	ctx, stop := context.WithCancelCause(t.Context())
	read := e.Look(api.ReleaseObject{Bucket: "b", Key: "k"})
	if _, err := read.Size(ctx); err != nil {
		t.Fatal(err)
	}
	stop(reason)
	if _, err := read.ReadRange(ctx, 0, 10); !errors.Is(err, reason) || errors.Is(err, ErrNetwork) {
		t.Errorf("%v", err)
	}
	if got, err := read.ReadRange(t.Context(), 0, 10); len(got) != 10 || err != nil { // the next call reads
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func isNotFound(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && e.Code == api.NotFound
}
