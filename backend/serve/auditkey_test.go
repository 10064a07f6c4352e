package serve

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/sqlite"
	"usher/backend/event"
)

// keyed returns a configuration with a log of n events.
func keyed(t *testing.T, n int) Config {
	t.Helper()
	c := Config{PublicURL: "https://usher.example.com", Audit: filepath.Join(t.TempDir(), "audit.db"), AuditKey: filepath.Join(t.TempDir(), "audit.key")}
	fill(t, c, n)
	return c
}

// fill adds n events to the log of a configuration.
func fill(t *testing.T, c Config, n int) {
	t.Helper()
	store, err := openLog(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := event.IDs(rand.Reader)
	for range n {
		e := event.Clean(event.Event{ID: id(time.Now()), Time: time.Now(), Action: event.List, Outcome: event.Allowed, Bucket: "b", Key: "é\n"})
		if err := store.Append(context.Background(), []event.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

// The key is created once, for its owner only. Another key cannot continue a log.
func TestTheKeyOfTheLog(t *testing.T) {
	c := keyed(t, 3)
	if info, err := os.Stat(c.AuditKey); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v (%v)", info, err)
	}
	before, err := os.ReadFile(c.AuditKey)
	if err != nil {
		t.Fatal(err)
	}
	store, err := openLog(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(c.AuditKey); err != nil || string(after) != string(before) {
		t.Errorf("the second start changed the key (%v)", err)
	}
	if err := os.Chmod(c.AuditKey, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := openLog(c, rand.Reader); err == nil || !strings.Contains(err.Error(), "chmod 600") || strings.Contains(err.Error(), "PRIVATE") {
		t.Errorf("a key that others can read: %v", err)
	}
	if err := os.Remove(c.AuditKey); err != nil {
		t.Fatal(err)
	}
	if _, err := openLog(c, rand.Reader); !errors.Is(err, sqlite.ErrTampered) || !strings.Contains(err.Error(), "signature of this key") {
		t.Errorf("a new key for an old log: %v", err)
	}
}

// The script of docs/audit.md agrees with usher, and refuses a changed log.
func TestTheScriptOfTheDocs(t *testing.T) {
	for _, tool := range []string{"python3", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("no " + tool)
		}
	}
	docs, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(docs), "```python\n")
	script, _, found := strings.Cut(script, "```")
	if !found {
		t.Fatal("docs/audit.md has no script")
	}
	c := keyed(t, 300)
	runOn := func(path string, more ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "python3", append([]string{"-u", "-c", script, path, c.AuditKey + publicSuffix}, more...)...).CombinedOutput()
		return string(out), err
	}
	run := func(more ...string) (string, error) { return runOn(c.Audit, more...) }
	report, err := VerifyFile(t.Context(), Verify{Path: c.Audit, Key: c.AuditKey + publicSuffix}, Deps{})
	if err != nil || report.FaultCount > 0 || report.Key == "" {
		t.Fatalf("%+v (%v)", report, err)
	}
	root := report.Head.Root
	want := "300 " + hex.EncodeToString(root[:]) + "\ncheckpoint 300 is signed by usher.example.com/audit\n"
	if out, err := run(); err != nil || out != want {
		t.Fatalf("%q, want %q (%v)", out, want, err)
	}
	kept, witness := cosignedFile(t, c)
	want += "checkpoint 300 is signed by usher.example.com/audit\n"
	if out, err := run(kept); err != nil || out != want {
		t.Errorf("with a kept checkpoint: %q, want %q (%v)", out, want, err)
	}
	want += "checkpoint 300 is signed by witness.example.com/w\n"
	if out, err := run(kept, witness); err != nil || out != want {
		t.Errorf("with a witness: %q, want %q (%v)", out, want, err)
	}
	_, other := cosignedFile(t, c)
	if out, err := run(kept, other); err == nil || !strings.Contains(out, "no valid signature of witness.example.com/w") {
		t.Errorf("another witness: %q (%v)", out, err)
	}
	unsigned(t, c, runOn)
	change(t, c.Audit, "UPDATE records SET event = (SELECT event FROM records WHERE seq = 201) WHERE seq = 200")
	if out, err := run(); err == nil || !strings.Contains(out, "proves other events") {
		t.Errorf("a changed log: %q (%v)", out, err)
	}
	if r, err := VerifyFile(t.Context(), Verify{Path: c.Audit, Key: report.Key}, Deps{}); err != nil || r.FaultCount == 0 {
		t.Errorf("usher does not find it: %v", err)
	}
	// With all heads written again, only the kept checkpoint shows it.
	raw, err := os.ReadFile(c.AuditKey)
	if err != nil {
		t.Fatal(err)
	}
	rewritten := Config{PublicURL: c.PublicURL, Audit: filepath.Join(t.TempDir(), "audit.db"), AuditKey: filepath.Join(t.TempDir(), "audit.key")}
	if err := os.WriteFile(rewritten.AuditKey, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	fill(t, rewritten, 310)
	c = rewritten
	if out, err := run(); err != nil {
		t.Errorf("a log that was written again has faults without the kept checkpoint, so this test proves nothing: %q (%v)", out, err)
	}
	if out, err := run(kept); err == nil || !strings.Contains(out, "proves other events") {
		t.Errorf("a log that was written again: %q (%v)", out, err)
	}
}

// unsigned appends events of more than a minute to a copy of a log, without its key. The
// script and usher have the same words for them; for events of a minute they have none.
func unsigned(t *testing.T, c Config, run func(path string, more ...string) (string, error)) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy.db")
	if _, err := sqlite.Backup(t.Context(), c.Audit, copied); err != nil {
		t.Fatal(err)
	}
	id, now := event.IDs(rand.Reader), time.Now()
	for _, more := range []struct {
		after  time.Duration
		action string
		whole  bool
	}{{0, event.List, true}, {time.Minute, event.List, true}, {-time.Hour, event.Suppressed, true}, {time.Minute + time.Millisecond, event.List, false}} {
		s, err := sqlite.Open(sqlite.Config{Path: copied, AcceptLost: true})
		if err != nil {
			t.Fatal(err)
		}
		e := event.Clean(event.Event{ID: id(now), Time: now.Add(more.after), Action: more.action, Outcome: event.Allowed, Bucket: "b"})
		if err := errors.Join(s.Append(t.Context(), []event.Event{e}), s.Close()); err != nil {
			t.Fatal(err)
		}
		r, err := VerifyFile(t.Context(), Verify{Path: copied, Key: c.AuditKey + publicSuffix}, Deps{})
		if err != nil || (r.FaultCount == 0) != more.whole {
			t.Fatalf("%v: %+v (%v)", more.after, r, err)
		}
		out, err := run(copied)
		if (err == nil) != more.whole || !more.whole && !strings.HasSuffix(out, "\n"+r.Faults[0].String()+"\n") {
			t.Errorf("%v: %q (%v), and usher has %v", more.after, out, err, r.Faults)
		}
	}
}

// cosignedFile returns a file with the last checkpoint of a log and a cosignature,
// and the public key of the witness.
func cosignedFile(t *testing.T, c Config) (file, key string) {
	t.Helper()
	store, err := openLog(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	note, err := store.(proved).Latest(t.Context())
	if err = errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
	secret, err := checkpoint.GenerateWitness(rand.Reader, "witness.example.com/w")
	if err != nil {
		t.Fatal(err)
	}
	cosigner, err := checkpoint.NewCosigner(secret, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	line, err := cosigner.Cosign(note)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "checkpoint.txt")
	if err := os.WriteFile(file, append(note, line...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, cosigner.Key()
}

// Each daily verification is an event; a fault is one at any time.
func TestAVerificationIsAnEvent(t *testing.T) {
	e := verification(sqlite.Report{Signed: 5})
	if e.Outcome != event.Allowed || e.Action != event.LogVerified {
		t.Errorf("%+v", e)
	}
	bad := verification(sqlite.Report{Faults: []sqlite.Fault{{Kind: sqlite.FaultMissing, Seq: 7, Count: 2}}, FaultCount: 1})
	if bad.Outcome != event.Failed || !strings.Contains(bad.Reason, "missing: records 7 to 8") {
		t.Errorf("%+v", bad)
	}
}

// change runs SQL on a log, bypassing its store.
func change(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}
