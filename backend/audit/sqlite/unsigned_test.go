package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/backend/audit/checkpoint"
	"usher/backend/event"
)

// unsignedLog is a log with ten signed events and further ones without a checkpoint.
func unsignedLog(t *testing.T, more ...event.Event) (path string, signer *checkpoint.Signer) {
	t.Helper()
	path, signer = filepath.Join(t.TempDir(), "audit.db"), newSigner(t)
	for _, part := range []struct {
		signer *checkpoint.Signer
		events []event.Event
	}{{signer, samples(0, 10)}, {nil, more}} {
		s := openSigned(t, path, part.signer)
		if err := errors.Join(s.Append(t.Context(), part.events), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return path, signer
}

// at returns samples with these seconds after the ten of unsignedLog, and with actions.
func at(actions string, seconds ...int) []event.Event {
	all := samples(100, len(seconds))
	for i, name := range strings.Fields(actions) {
		all[i].Action = name
	}
	for i, s := range seconds {
		all[i].Time = sample(10).Time.Add(time.Duration(s) * time.Second)
	}
	return all
}

// Only records of a minute are those that a crash leaves unsigned. A clock that was set
// back makes no difference: the writer signs between them.
func TestTheTimesOfUnsignedRecords(t *testing.T) {
	for _, c := range []struct {
		name string
		tail []event.Event
		want bool
	}{
		{"one", at("", 0), false},
		{"60 seconds", at("", 0, 30, 60), false},
		{"61 seconds", at("", 0, 30, 61), true},
		{"61 seconds, the latest first", at("", 61, 0), true},
		{"an hour after the count of earlier refusals", at(event.Suppressed, 0, 3600, 3601), false},
		{"the count of refusals an hour later", at("list "+event.Suppressed, 0, 3600), true},
		{"counts alone", at(event.TokenRefused+" "+event.AuditGap, 0, 3600), false},
	} {
		var times span
		for i := range c.tail {
			times = times.with(&c.tail[i])
		}
		if times.over() != c.want {
			t.Errorf("%s: %v", c.name, !c.want)
		}
	}
}

// The unsigned records that a crash leaves are accepted, and signed by the next start.
// More of them are a fault, at the start too.
func TestUnsignedRecords(t *testing.T) {
	t.Run("of a crash, a year after the last signed one", func(t *testing.T) {
		const year = 365 * 24 * 3600
		path, signer := unsignedLog(t, at("", year, year+1)...)
		r, err := VerifyFile(t.Context(), path, Check{Key: &signer.Verifier})
		if err != nil || r.Unsigned() != 2 || r.FaultCount > 0 {
			t.Fatalf("%+v (%v)", r, err)
		}
		s := openSigned(t, path, signer)
		if note, err := s.lastNote(t.Context()); err != nil || !strings.HasPrefix(note, signer.Name()+"\n12\n") {
			t.Errorf("the start has not signed the records: %q (%v)", note, err)
		}
	})
	t.Run("of two minutes", func(t *testing.T) {
		path, signer := unsignedLog(t, at("", 0, 30, 120)...)
		r, err := VerifyFile(t.Context(), path, Check{Key: &signer.Verifier})
		if err != nil || r.FaultCount != 1 || r.Faults[0].Kind != FaultUnsigned || r.Faults[0].Seq != 11 || r.Faults[0].Count != 3 || r.Whole != 10 {
			t.Fatalf("%+v (%v)", r, err)
		}
		_, err = Open(Config{Path: path, Signer: signer})
		if !errors.Is(err, ErrTampered) || !strings.Contains(err.Error(), r.Faults[0].String()) || !strings.Contains(err.Error(), "usher audit restart") {
			t.Errorf("the start: %v", err)
		}
	})
}

// A log without a signer has no checkpoint, and unsigned records are no fault of it.
func TestALogWithoutASigner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	logWith(t, path, 300)
	if r, err := VerifyFile(t.Context(), path, Check{Server: true}); err != nil || r.FaultCount > 0 {
		t.Errorf("%+v (%v)", r, err)
	}
	if r, err := VerifyFile(t.Context(), path, Check{Key: &newSigner(t).Verifier}); err != nil || r.FaultCount != 1 || r.Faults[0].Kind != FaultUnsigned || r.Faults[0].Seq != 1 {
		t.Errorf("with a key: %+v (%v)", r, err)
	}
}

// The writer signs before a commit that would leave more unsigned records than a crash
// explains. It takes no event if it cannot sign.
func TestTheWriterSignsInTime(t *testing.T) {
	path, signer := filepath.Join(t.TempDir(), "audit.db"), newSigner(t)
	synctest.Test(t, func(t *testing.T) { // no second passes between the appends
		s, err := Open(Config{Path: path, Signer: signer})
		if err != nil {
			t.Fatal(err)
		}
		step := func(text string, events []event.Event, want ...int64) {
			t.Helper()
			if err := s.Append(t.Context(), events); err != nil {
				t.Errorf("%s: %v", text, err)
			}
			notes, err := readNotes(t.Context(), s.db, 0)
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, n := range notes {
				got = append(got, n.size)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: the checkpoints have %v records, want %v", text, got, want)
			}
		}
		some := at("", 0, 10, 60, 61, 3000, 9000, 9001)
		step("within a minute", some[:2])
		step("at its end", some[2:3])
		step("after it", some[3:4], 3)
		step("two of different hours", some[4:6], 3, 4, 6)
		insert := s.writer.addCheckpoint
		s.writer.addCheckpoint = s.writer.addNode // fails: the column has no texts
		step("one that cannot be signed yet", some[6:7], 3, 4, 6)
		later := at("", 9000)
		later[0].ID, later[0].Time = sample(200).ID, later[0].Time.Add(time.Hour)
		if err := s.Append(t.Context(), later); err == nil {
			t.Error("an event was taken, and the records before it could not be signed")
		}
		s.writer.addCheckpoint = insert
		step("the same event again", later, 3, 4, 6, 7)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
	r, err := VerifyFile(t.Context(), path, Check{Key: &signer.Verifier, Server: true})
	if err != nil || r.FaultCount > 0 || r.Head.Size != 8 || r.Signed != 8 {
		t.Errorf("%+v (%v)", r, err)
	}
}

// Beside checkpoints the head file of a server is never missing: it is durable before
// the first one.
func TestAMissingHeadFile(t *testing.T) {
	path, signer := unsignedLog(t, at("", 0)...)
	copied := filepath.Join(t.TempDir(), "copy.db")
	if _, err := Backup(t.Context(), path, copied); err != nil {
		t.Fatal(err)
	}
	remove(t, path+headSuffix)
	for name, c := range map[string]struct {
		path  string
		check Check
		want  int
	}{
		"beside a lock file":            {path, Check{Key: &signer.Verifier}, 1},
		"of the configuration":          {copied, Check{Key: &signer.Verifier, Server: true}, 1},
		"of the configuration, no key":  {copied, Check{Server: true}, 1},
		"of a copy in any other folder": {copied, Check{Key: &signer.Verifier}, 0},
	} {
		if r, err := VerifyFile(t.Context(), c.path, c.check); err != nil || r.FaultCount != c.want {
			t.Errorf("%s: %+v (%v)", name, r, err)
		}
	}
	if err := Inspect(t.Context(), path, &signer.Verifier); !errors.Is(err, ErrNoHead) {
		t.Errorf("inspected: %v", err)
	}
	for range 2 { // a refusal writes no head file
		if _, err := Open(Config{Path: path, Signer: signer}); !errors.Is(err, ErrNoHead) || !strings.Contains(err.Error(), "usher audit restart") {
			t.Fatalf("%v", err)
		}
	}
	s, err := Open(Config{Path: path, Signer: signer, AcceptLost: true})
	if err != nil || !errors.Is(s.Lost(), ErrNoHead) {
		t.Fatalf("accepted: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openSigned(t, path, signer)
}

// A log whose only fault is its early end is an older copy. One with other faults, or
// with events that nothing proves, is not called so.
func TestAnOlderCopy(t *testing.T) {
	c := newTampered(t)
	s := sealedLog(t, &c)
	later, err := s.Head(t.Context())
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	const text = "this is an older copy of the log"
	for name, k := range map[string]struct {
		sql  []string
		want bool
	}{
		"an older copy":                   {nil, true},
		"with a changed event":            {[]string{`UPDATE records SET event = (SELECT event FROM records WHERE seq = 301) WHERE seq = 300`}, false},
		"with events that nothing proves": {[]string{`DELETE FROM checkpoints WHERE n = 2`}, false},
		"with another index":              {[]string{`UPDATE events SET outcome = 'denied' WHERE seq = 300`}, false},
	} {
		path := filepath.Join(t.TempDir(), "audit.db")
		copyFile(t, c.older, path)
		write(t, path, k.sql...)
		r, err := VerifyFile(t.Context(), path, Check{Key: &c.signer.Verifier, Known: []Known{{later, "the checkpoint in FILE"}}})
		if err != nil || r.FaultCount == 0 {
			t.Fatalf("%s: %+v (%v)", name, r, err)
		}
		if told := strings.Contains(fmt.Sprint(r.Faults), text); told != k.want {
			t.Errorf("%s: %v", name, r.Faults)
		}
	}
	// At a start with the head file of the later log.
	copyFile(t, c.older, c.path)
	if _, err := Open(Config{Path: c.path, Signer: c.signer}); !errors.Is(err, ErrBehind) || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "usher audit restart") {
		t.Errorf("%v", err)
	}
}
