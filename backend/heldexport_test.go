package backend_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"usher/backend/audit/bundle"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/sqlite"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/backend/sandbox"
	"usher/client/evidence"
)

// oldLog writes a log with an event an hour, from a hundred days ago on, by ten persons,
// and its key.
func oldLog(t *testing.T, path, key string, n int) (old []event.Event) {
	t.Helper()
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
	newID, begin := event.IDs(rand.Reader), time.Now().UTC().Truncate(time.Hour).AddDate(0, 0, -100)
	for i := range n {
		at := begin.Add(time.Duration(i) * time.Hour)
		old = append(old, event.Clean(event.Event{ID: newID(at), Time: at, User: event.User{Sub: fmt.Sprint("s-", i%10), Username: fmt.Sprint("person-", i%10)},
			Action: event.List, Outcome: event.Allowed, Bucket: "company-reports"}))
	}
	for batch := range slices.Chunk(old, 100) {
		if err := store.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return old
}

// A complete export of a time whose other events have expired has the event of the
// retention, which is much younger: without it the deletions have no proof.
func TestACompleteExportOfHeldEvents(t *testing.T) {
	var old []event.Event
	w := demotest.StartOn(t, func(box *sandbox.Sandbox) demotest.Storage {
		key := filepath.Join(t.TempDir(), "audit.key")
		old = oldLog(t, filepath.Join(box.Facts.Dir, "audit.db"), key, 1000)
		return demotest.Storage{Endpoint: box.Facts.S3Endpoint, AuditKey: key, RetentionDays: 75, Holds: []string{"who:person-3"}}
	})
	grace := w.SignIn(t, "grace")
	from, until := old[20].Time.Format(time.RFC3339), old[200].Time.Format(time.RFC3339)
	for end := time.Now().Add(time.Minute); len(query(t, grace, "-who:person-3 since:"+from+" until:"+until)) > 0; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no event expires")
		}
	}
	public, err := checkpoint.NewVerifier(w.Profile.Config.AuditLog.Key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "held.tar")
	done, err := evidence.Export(t.Context(), evidence.Config{
		Server: grace, Key: w.Profile.Config.AuditLog.Key, Query: "who:person-3 since:" + from + " until:" + until, Complete: true, Path: path,
	})
	if err != nil || done.Matches != 18 {
		t.Fatalf("the export: %+v %v", done, err)
	}
	last := event.Event{}
	report, err := evidence.Verify(t.Context(), path, bundle.Check{Key: public, Event: func(r event.Record) error {
		if r.Event.Action == event.RetentionApplied {
			last = r.Event
		}
		return nil
	}})
	if err != nil || report.FaultCount > 0 || report.Matches != 18 || report.Expired < 100 || last.ID == "" || last.Records < report.Expired {
		t.Errorf("%d matches, %d expired, the retention's event %+v: %v %v", report.Matches, report.Expired, last, report.Faults, err)
	}
}
