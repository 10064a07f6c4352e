package sqlite

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

// retained returns the retention of events before an instant.
func retained(before time.Time, held func(event.Event) bool) Retention {
	newID := event.IDs(rand.Reader)
	return Retention{Before: before, Held: held, Applied: func(e event.Event) event.Event {
		e.Time = time.Now()
		e.ID = newID(e.Time)
		return e
	}}
}

func none(event.Event) bool { return false }

// filled returns the path of a signed log of many events, its signer, and the
// events.
func filled(t *testing.T, n int) (string, *checkpoint.Signer, []event.Event) {
	t.Helper()
	path, signer := filepath.Join(t.TempDir(), "audit.db"), newSigner(t)
	s := openSigned(t, path, signer)
	all := slices.Collect(audittest.Many("5d41402abc4b2a76b9719d911017c592", n))
	for batch := range slices.Chunk(all, 100) {
		if err := s.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, signer, all
}

func wholeBut(t *testing.T, s *Store, expired int64) {
	t.Helper()
	r, err := s.Verify(t.Context(), nil)
	if err != nil || r.FaultCount > 0 || r.Expired != expired {
		t.Fatalf("%d expired, want %d; %v, %v", r.Expired, expired, r.Faults, err)
	}
}

// Expired events go in blocks; their hashes stay, so everything left is provable and
// so is a deleted event that was exported. Held events stay.
func TestPrune(t *testing.T) {
	const n = 6_000
	path, signer, all := filled(t, n)
	s := openSigned(t, path, signer)
	before := all[3_000].Time
	who := all[100].User.Username
	held := func(e event.Event) bool { return e.User.Username == who }
	e, some, err := s.Prune(t.Context(), retained(before, held))
	if err != nil || !some {
		t.Fatal(some, err)
	}
	const last = 3_000 / block * block
	kept := 0
	for _, e := range all[:last] {
		if held(e) {
			kept++
		}
	}
	if e.FirstRecord != 1 || e.LastRecord != last || e.Count != last-kept || kept == 0 || e.Root == "" {
		t.Fatalf("%+v, %d kept", e, kept)
	}
	wholeBut(t, s, int64(last-kept))
	if got, err := s.Count(t.Context()); err != nil || got != int64(n-last+kept+1) {
		t.Errorf("%d events, %v", got, err)
	}
	gone, err := s.Get(t.Context(), []string{all[0].ID, all[1].ID, all[n-1].ID})
	if err != nil || len(gone) != 1 {
		t.Errorf("%d of the events are left, %v", len(gone), err)
	}
	// A deleted event, a held one and a later one are in the tree.
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hashes := s.Hashes(t.Context())
	heldAt := int64(slices.IndexFunc(all, held))
	for _, at := range []int64{0, heldAt, 2_999, 5_000} {
		proof, err := tlog.ProveRecord(head.Size, at, hashes)
		if err != nil {
			t.Fatal(at, err)
		}
		leaf := tree.Leaf(event.Canonical(all[at]))
		if err := tlog.CheckRecord(proof, head.Size, tlog.Hash(head.Root), at, tlog.Hash(leaf)); err != nil {
			t.Errorf("record %d: %v", at, err)
		}
	}
	// The rest keeps working: pages, counts, appends, a second run without a change.
	if _, some, err := s.Prune(t.Context(), retained(before, held)); err != nil || some {
		t.Errorf("a second run: %v, %v", some, err)
	}
	page, err := s.Query(t.Context(), event.Filter{Terms: []event.Term{{Field: event.ByWho, Value: who}}}, audit.Page{Limit: audit.MaxPage, Ascending: true})
	if err != nil || len(page.Events) == 0 || page.Events[0].ID != all[heldAt].ID {
		t.Errorf("the held events: %d, %v", len(page.Events), err)
	}
	// Without the hold its events go too, and the next block.
	e, some, err = s.Prune(t.Context(), retained(all[3_600].Time, none))
	if err != nil || !some || e.LastRecord != 3_600/block*block {
		t.Fatal(e, some, err)
	}
	wholeBut(t, s, e.LastRecord)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := openSigned(t, path, signer)
	wholeBut(t, again, e.LastRecord)
}

// Deleted records need their event: hashes alone make no deletion legal, and a
// changed record is not deleted.
func TestADeletionNeedsItsEvent(t *testing.T) {
	path, signer, all := filled(t, 2_000)
	s := openSigned(t, path, signer)
	if _, _, err := s.Prune(t.Context(), retained(all[600].Time, none)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify := func(path string) Report {
		t.Helper()
		r, err := VerifyFile(t.Context(), path, Check{Key: &signer.Verifier})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := verify(path); r.FaultCount != 0 || r.Expired != 512 {
		t.Fatalf("%+v", r)
	}
	for name, c := range map[string]struct {
		sql  []string
		want FaultKind
	}{
		"more records deleted": {[]string{"DELETE FROM records WHERE seq = 700", "DELETE FROM events WHERE seq = 700"}, FaultMissing},
		"a block with its hashes": {[]string{
			"INSERT INTO leaves SELECT 2, (SELECT hashes FROM leaves WHERE n = 1)",
			"DELETE FROM records WHERE seq > 512 AND seq <= 768", "DELETE FROM events WHERE seq > 512 AND seq <= 768"}, FaultMissing},
		"the hashes of another block": {[]string{"UPDATE leaves SET hashes = (SELECT hashes FROM leaves WHERE n = 0) WHERE n = 1"}, FaultChanged},
		"no hashes":                   {[]string{"DELETE FROM leaves WHERE n = 1"}, FaultMissing},
	} {
		t.Run(name, func(t *testing.T) {
			broken := filepath.Join(t.TempDir(), "audit.db")
			if _, err := Backup(t.Context(), path, broken); err != nil {
				t.Fatal(err)
			}
			write(t, broken, c.sql...)
			r := verify(broken)
			if !slices.ContainsFunc(r.Faults, func(f Fault) bool { return f.Kind == c.want }) {
				t.Errorf("%v", r.Faults)
			}
		})
	}
	changed := filepath.Join(t.TempDir(), "audit.db")
	if _, err := Backup(t.Context(), path, changed); err != nil {
		t.Fatal(err)
	}
	write(t, changed, `UPDATE records SET event = edited(event, (SELECT json_group_object(n, hex(text)) FROM dictionaries), '192.0.2.', '198.51.') WHERE seq = 600`)
	b, err := Open(Config{Path: changed})
	if err == nil {
		_, _, err = b.Prune(t.Context(), retained(all[1_500].Time, none))
		_ = b.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "damaged") && !strings.Contains(err.Error(), "differ") {
		t.Errorf("a changed record: %v", err)
	}
}

// The people of an hour whose events were deleted count again with the next event of
// that hour.
func TestAnEventInAPrunedHour(t *testing.T) {
	s := openSigned(t, filepath.Join(t.TempDir(), "audit.db"), newSigner(t))
	all := samples(0, block+2)
	for i := range all {
		all[i].Time, all[i].User = all[0].Time.Add(time.Duration(i)*time.Millisecond), all[0].User
	}
	all[block].Time = all[0].Time.Add(2 * time.Hour)                   // it stays, and so does the number of its person
	for _, batch := range [][]event.Event{all[:1], all[1 : block+1]} { // the second one finds its person counted
		if err := s.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if e, some, err := s.Prune(t.Context(), retained(all[0].Time.Add(time.Hour), none)); err != nil || !some || e.Count != block {
		t.Fatal(e, some, err)
	}
	if err := s.Append(t.Context(), all[block+1:]); err != nil {
		t.Fatal(err)
	}
	wholeBut(t, s, block)
}

// A held event that is deleted like an expired one is missing, and so are hashes
// of blocks that no event names.
func TestADeletedHeldEvent(t *testing.T) {
	path, signer, all := filled(t, 1200)
	s := openSigned(t, path, signer)
	held := all[300].ID
	e, some, err := s.Prune(t.Context(), retained(all[600].Time, func(e event.Event) bool { return e.ID == held }))
	if err != nil || !some || e.Records != int64(e.Count) {
		t.Fatal(e, some, err)
	}
	wholeBut(t, s, e.Records)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	e = all[300]
	write(t, path, fmt.Sprintf(`UPDATE hours SET events = events - 1, downloads = downloads - %d, denied = denied - %d`, audit.Releases(e), audit.Denials(e))+`
			WHERE start = (SELECT time / 3600000 FROM events WHERE seq = 301)`,
		`DELETE FROM hours WHERE events = 0`, `DELETE FROM events WHERE seq = 301`, `DELETE FROM records WHERE seq = 301`,
		`DELETE FROM hour_people WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.person = hour_people.person AND e.time / 3600000 = start)`,
		`DELETE FROM people WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.person = people.person)`)
	r, err := VerifyFile(t.Context(), path, Check{Key: &signer.Verifier})
	if err != nil || r.FaultCount != 1 || r.Faults[0].Kind != FaultMissing {
		t.Errorf("%v (%v)", r.Faults, err)
	}
	t.Logf("TAMPER %-46s verify %-7s %v", "held event deleted like an expired one", yes(fmt.Sprint(r.Faults)), r.Faults)
}

// An event that is known already leaves no person behind.
func TestNoPersonWithoutAnEvent(t *testing.T) {
	s := openSigned(t, filepath.Join(t.TempDir(), "audit.db"), newSigner(t))
	all := samples(0, 3)
	all[1].Action, all[1].Continues = event.Completed, all[0].ID
	all[2].Action, all[2].Continues, all[2].User.Username = event.Completed, all[0].ID, "another"
	if err := s.Append(t.Context(), all[:2]); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), all[2:]); err != nil {
		t.Fatal(err)
	}
	whole(t, s)
}

// A deletion waits for a verification of the server. One of another process, which
// cannot wait, reports that it has to be repeated.
func TestADeletionDuringAVerification(t *testing.T) {
	path, signer, all := filled(t, 1200)
	s := openSigned(t, path, signer)
	deleted := make(chan error, 1)
	var once sync.Once
	r, err := s.Verify(t.Context(), func(context.Context) {
		once.Do(func() {
			go func() {
				_, _, err := s.Prune(t.Context(), retained(all[300].Time, none))
				deleted <- err
			}()
			select {
			case err := <-deleted:
				t.Errorf("it did not wait (%v)", err)
			case <-time.After(50 * time.Millisecond):
			}
		})
	})
	if err != nil || r.FaultCount > 0 {
		t.Errorf("%v (%v)", r.Faults, err)
	}
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	check := Check{Key: &signer.Verifier, Progress: func(int64, int64) {
		if _, _, err := s.Prune(t.Context(), retained(all[700].Time, none)); err != nil {
			t.Error(err)
		}
	}}
	if r, err := VerifyFile(t.Context(), path, check); !errors.Is(err, ErrDeleted) {
		t.Errorf("%v (%v)", r.Faults, err)
	}
	if r, err := VerifyFile(t.Context(), path, check); err != nil || r.FaultCount > 0 {
		t.Errorf("%v (%v)", r.Faults, err)
	}
}
