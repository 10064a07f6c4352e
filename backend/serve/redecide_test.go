package serve

import (
	"crypto/rand"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/backend/audit"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/grant/pack"
)

// A log whose server allowed a download that the grants deny is whole, and still its decision is
// found: the holder of the signing key cannot hide it without other grants, and these
// have another version.
func TestVerifyDecidesAgain(t *testing.T) {
	c := Config{PublicURL: "https://usher.example.com", Audit: filepath.Join(t.TempDir(), "audit.db"), AuditKey: filepath.Join(t.TempDir(), "audit.key")}
	store, err := openLog(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := grant.NewSet([]grant.Grant{{Group: "finance", Bucket: "reports", Prefix: "annual/"}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := pack.Pack(set.Grants())
	if err != nil {
		t.Fatal(err)
	}
	if err := store.(audit.Policies).KeepPolicy(t.Context(), set.Version(), text); err != nil {
		t.Fatal(err)
	}
	id, hash := event.IDs(rand.Reader), event.HashGroups([]string{"finance"})
	add := func(e event.Event) {
		t.Helper()
		e.Time = time.Now()
		e.ID, e.Groups = id(e.Time), hash
		if err := store.Append(t.Context(), []event.Event{event.Clean(e)}); err != nil {
			t.Fatal(err)
		}
	}
	by := set.Grants()[0].String()
	add(event.Event{Action: event.SessionStart, Outcome: event.Allowed, GroupNames: []string{"finance"}})
	add(event.Event{Action: event.Download, Outcome: event.Allowed, Bucket: "reports", Key: "annual/a", Policy: set.Version(), Grant: by})
	add(event.Event{Action: event.Download, Outcome: event.Denied, Bucket: "reports", Key: "secret/a", Policy: set.Version()})
	faults := 0
	verify := func() Verified {
		t.Helper()
		r, err := VerifyFile(t.Context(), Verify{Path: c.Audit, Key: c.AuditKey + publicSuffix}, Deps{})
		if err != nil || r.FaultCount != faults {
			t.Fatalf("%+v (%v)", r, err)
		}
		return r
	}
	if r := verify(); r.Decisions.Decisions != 2 || r.Decisions.Differ != 0 {
		t.Errorf("%+v", r.Decisions)
	}
	add(event.Event{Action: event.Download, Outcome: event.Allowed, Bucket: "reports", Key: "secret/a", Policy: set.Version(), Grant: by})
	if r := verify(); r.Decisions.Decisions != 3 || r.Decisions.Differ != 1 || r.Decisions.Differences[0].Record != 4 {
		t.Errorf("%+v", r.Decisions)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	// Other grants under the version do not help.
	wider, err := pack.Pack([]grant.Grant{{Group: "finance", Bucket: "reports"}})
	if err != nil {
		t.Fatal(err)
	}
	setPolicy(t, c.Audit, set.Version(), wider)
	faults = 1 // the text is not that of its version
	if r := verify(); r.Decisions.Differ != 3 || !strings.Contains(r.Decisions.Differences[0].Detail, "another program changed it") {
		t.Errorf("%+v", r.Decisions)
	}
	change(t, c.Audit, "DELETE FROM policies")
	faults = 0
	if r := verify(); r.Decisions.Differ != 3 || !strings.Contains(r.Decisions.Differences[0].Detail, "is not kept") {
		t.Errorf("%+v", r.Decisions)
	}
}

// setPolicy replaces the text of a kept version.
func setPolicy(t *testing.T, path, version string, text []byte) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), "UPDATE policies SET grants = ? WHERE version = ?", text, version); err != nil {
		t.Fatal(err)
	}
}
