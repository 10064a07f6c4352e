package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"usher/backend/audit/sealer"
	"usher/backend/audit/tiles"
	"usher/backend/audit/witness"
	"usher/backend/event"
)

// sealedCloud is a log in DynamoDB that is sealed in a bucket with Object Lock.
type sealedCloud struct {
	*cloud
	config Config
	deps   Deps
	sealed *sealing
}

func newSealedCloud(t *testing.T) *sealedCloud {
	t.Helper()
	s := &sealedCloud{cloud: newCloud(t)}
	const bucket = "usher-checkpoints"
	if err := s.Objects.CreateBucket(bucket, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := s.Objects.LockBucket(bucket, "COMPLIANCE", 365); err != nil {
		t.Fatal(err)
	}
	s.config = s.cloud.config
	s.config.Unattended, s.config.AuditKey = false, filepath.Join(t.TempDir(), "audit.key")
	s.config.S3.Region = s.S3Region
	s.config.Seal = Seal{Bucket: bucket, Prefix: "seal/", Settle: time.Millisecond}
	s.loop.Credentials = credentials.NewStaticCredentialsProvider(s.S3AccessKey, s.S3SecretKey, "") // of a server that seals
	s.deps = s.cloud.deps(io.Discard)
	client, err := newTables(t.Context(), s.config, s.deps, s.loop)
	if err != nil {
		t.Fatal(err)
	}
	log, err := openTable(s.config, client, s.deps, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.sealed, err = newSealing(t.Context(), s.config, s.deps, s.loop, client, log); err != nil {
		t.Fatal(err)
	}
	return s
}

// grow records and seals n events.
func (s *sealedCloud) grow(t *testing.T, n int) {
	t.Helper()
	before, err := s.sealed.state.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		at := time.Now().UTC().Truncate(time.Millisecond)
		e := event.Clean(event.Event{ID: s.deps.NewID(at), Time: at, Action: event.List, Outcome: event.Denied, Key: fmt.Sprint(i), User: event.User{Sub: "ada"}})
		if err := s.sealed.log.Append(t.Context(), []event.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) { // until they are old enough
		if err := s.sealed.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if now, err := s.sealed.state.Load(t.Context()); err != nil || now.Size == before.Size+int64(n) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the events are not sealed")
		}
	}
}

// store returns the log as a new server opens it.
func (s *sealedCloud) store(t *testing.T) sealedLog {
	t.Helper()
	store, err := s.sealed.sealed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	log, ok := store.(sealedLog)
	if !ok {
		t.Fatalf("the store is a %T", store)
	}
	return log
}

// witnesses returns the witnesses of a new server.
func (s *sealedCloud) witnesses(t *testing.T) *witnesses {
	t.Helper()
	w, err := newWitnesses(t.Context(), s.config, s.store(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (s *sealedCloud) verify(t *testing.T, policy string) sealer.Report {
	t.Helper()
	c := s.config
	c.Witnesses = policy
	r, _, err := VerifySealed(t.Context(), c, Verify{}, s.deps, s.loop, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// startWitness starts a witness, and requires its cosignatures from now on.
func (s *sealedCloud) startWitness(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	address, key := startWitness(t, dir, s.config.AuditKey+publicSuffix)
	s.config.Witnesses = filepath.Join(dir, "policy")
	policy := fmt.Sprintf("log %s\nwitness w %s http://%s\nquorum w\n", s.store(t).Key(), key, address)
	if err := os.WriteFile(s.config.Witnesses, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The cosignatures of a sealed log are stored in its bucket: a new server shows them
// before it has submitted anything, and a verification counts the confirmed events.
func TestASealedLogAndItsWitness(t *testing.T) {
	s := newSealedCloud(t)
	s.grow(t, 3)
	s.startWitness(t)
	w := s.witnesses(t)
	if note := w.Cosigned(); note != nil {
		t.Fatalf("a note before the first submission: %q", note)
	}
	if err := w.Submit(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := string(w.Cosigned())
	if again := s.witnesses(t).Cosigned(); first == "" || string(again) != first {
		t.Errorf("a new server shows %q, the other one %q", again, first)
	}
	s.grow(t, 4)
	if r := s.verify(t, s.config.Witnesses); r.FaultCount != 0 || r.Witnessed != 3 || r.Head.Size != 7 || !r.Policy {
		t.Errorf("before the second submission: %+v", r)
	}
	other := s.witnesses(t)
	for range 2 {
		if err := errors.Join(w.Submit(t.Context()), other.Submit(t.Context())); err != nil { // two servers
			t.Fatal(err)
		}
	}
	if r := s.verify(t, s.config.Witnesses); r.FaultCount != 0 || r.Witnessed != 7 {
		t.Errorf("after the second submission: %+v", r)
	}
	if r := s.verify(t, ""); r.FaultCount != 0 || r.Witnessed != 0 || r.Policy {
		t.Errorf("without a policy: %+v", r)
	}

	// A cosigned checkpoint of another log with the same key.
	signer, err := readSigner(s.config.AuditKey)
	if err != nil {
		t.Fatal(err)
	}
	head, err := signer.Open(w.Cosigned())
	if err != nil {
		t.Fatal(err)
	}
	head.Size, head.Root[0] = 5, head.Root[0]+1
	note, err := signer.Sign(head)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.sealed.vault.Create(t.Context(), tiles.CosignedOf(5, "other"), note); err != nil {
		t.Fatal(err)
	}
	if r := s.verify(t, s.config.Witnesses); r.FaultCount != 1 || r.Faults[0].Kind != sealer.FaultCheckpoint {
		t.Errorf("with a checkpoint of another tree: %+v", r)
	}
}

// unkept refuses to store.
type unkept struct{ err error }

func (u unkept) KeepCosigned(context.Context, int64, []byte) error { return u.err }

// A cosigned checkpoint is stored before it is shown.
func TestCosignaturesAreStoredBeforeTheyAreShown(t *testing.T) {
	s := newSealedCloud(t)
	s.grow(t, 1)
	s.startWitness(t)
	parsed, err := policyOf(s.config.Witnesses, nil)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the bucket refuses")
	w, err := witness.NewSubmitter(witness.SubmitConfig{Source: s.store(t), Key: s.store(t).verifier, Policy: parsed, HTTP: http.DefaultClient, Keeper: unkept{broken}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Submit(t.Context()); !errors.Is(err, broken) || w.Cosigned() != nil {
		t.Errorf("%v, and the note %q is shown", err, w.Cosigned())
	}
}
