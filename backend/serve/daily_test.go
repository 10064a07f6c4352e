package serve

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"usher/backend/audit"
	"usher/backend/audit/sqlite"
	"usher/backend/event"
)

// A server verifies its whole log at the start and each day, and each daily result is an
// event.
func TestTheDailyVerificationIsAnEvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlite.Open(sqlite.Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		log, err := audit.New(audit.Config{Store: store, Now: time.Now, NewID: event.IDs(rand.Reader)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			(&health{audit: log}).verifyDaily(ctx, store)
			close(done)
		}()
		time.Sleep(3*verifyEvery + time.Hour)
		stop()
		<-done
		var found []event.Event
		for r, err := range store.Records(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			e, err := event.Parse(r.Canonical)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, e)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if len(found) != 3 {
			t.Errorf("%d events, want one of each day", len(found))
		}
		for _, e := range found {
			if e.Action != event.LogVerified || e.Outcome != event.Allowed {
				t.Errorf("%+v", e)
			}
		}
	})
}
