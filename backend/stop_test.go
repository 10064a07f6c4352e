package backend_test

import (
	"context"
	"crypto/rand"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend"
	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// stallingStore answers the first writes of a service-stop too late, and stores them.
type stallingStore struct {
	audit.Store
	stalls atomic.Int64
}

func (s *stallingStore) Append(ctx context.Context, events []event.Event) error {
	stop := slices.ContainsFunc(events, func(e event.Event) bool { return e.Action == event.ServiceStop })
	if stop && s.stalls.Add(-1) >= 0 {
		<-ctx.Done()
		if err := s.Store.Append(context.WithoutCancel(ctx), events); err != nil {
			return err
		}
		return ctx.Err()
	}
	return s.Store.Append(ctx, events)
}

// The end of a service is in the log once, also if the log is slow at first. A log that
// stays slow is reported.
func TestStopOnASlowLog(t *testing.T) {
	t.Parallel()
	w := demotest.Start(t, demo.Options{})
	for stalls, fails := range map[int64]bool{0: false, 1: false, 2: false, 9: true} {
		store := &stallingStore{Store: audittest.NewMemory()}
		store.stalls.Store(stalls)
		log, err := audit.New(audit.Config{Store: store, Now: time.Now, NewID: event.IDs(rand.Reader), Deadline: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		_, b := rebuilt(t, w, time.Now, func(c *backend.Config) { c.Audit = log })
		if err := b.Stop(t.Context()); (err != nil) != fails {
			t.Errorf("%d late writes: %v", stalls, err)
		}
		if fails {
			continue
		}
		filter, err := event.ParseFilter("action:service-stop", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if found, err := store.Query(t.Context(), filter, auditPage); err != nil || len(found.Events) != 1 {
			t.Errorf("%d late writes: %d events, %v", stalls, len(found.Events), err)
		}
	}
}
