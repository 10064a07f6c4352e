package serve_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/sqlite"
	"usher/backend/event"
	"usher/backend/serve"
)

// A server deletes expired events without a command, and records it. Held events
// stay.
func TestExpiredEventsAreDeleted(t *testing.T) {
	path, key := filepath.Join(t.TempDir(), "audit.db"), filepath.Join(t.TempDir(), "audit.key")
	secret, public, err := checkpoint.Generate(rand.Reader, "usher.example.com/audit")
	if err == nil {
		err = os.WriteFile(key, []byte(secret+"\n"+public+"\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := checkpoint.NewSigner(secret, public)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(sqlite.Config{Path: path, Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	var old []event.Event
	newID := event.IDs(rand.Reader)
	for i := range 1000 {
		at := time.Now().UTC().Truncate(time.Millisecond).AddDate(0, 0, -100).Add(time.Duration(i) * time.Hour)
		old = append(old, event.Clean(event.Event{
			ID: newID(at), Time: at, User: event.User{Sub: fmt.Sprint("s-", i%10), Username: fmt.Sprint("person-", i%10)},
			Action: event.List, Outcome: event.Allowed, Bucket: "company-reports",
		}))
	}
	for batch := range slices.Chunk(old, 100) {
		if err := store.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	days := int(time.Since(old[600].Time).Hours() / 24)
	who := old[10].User.Username
	r := start(t, func(c *serve.Config) {
		c.Audit, c.AuditKey, c.RetentionDays, c.Holds = path, key, days, []string{"who:" + who}
	})
	var applied []event.Event
	eventually(t, "the deletion is recorded", func() bool {
		applied = nil
		for _, e := range recorded(t, path) {
			if e.Action == event.RetentionApplied {
				applied = append(applied, e)
			}
		}
		return len(applied) > 0
	})
	if len(applied) != 1 || applied[0].LastRecord < 256 || applied[0].LastRecord > 768 || applied[0].Count == 0 || applied[0].Root == "" {
		t.Fatalf("%+v", applied)
	}
	eventually(t, "the rest is deleted", func() bool {
		left := 0
		for _, e := range recorded(t, path) {
			if e.Time.Before(old[255].Time) && e.User.Username != who {
				left++
			}
		}
		return left == 0
	})
	held := 0
	for _, e := range recorded(t, path) {
		if e.User.Username == who && !e.Time.After(old[255].Time) {
			held++
		}
	}
	if held == 0 {
		t.Error("the held events are gone")
	}
	report := verified(t, r.config.Audit, func() sqlite.Check { return sqlite.Check{} })
	if report.FaultCount > 0 || report.Expired == 0 {
		t.Errorf("%+v", report)
	}
}
