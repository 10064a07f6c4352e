package sqlite

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
)

// Checkpoints appear without a request, and at the end.
func TestCheckpointsFollowCommits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	signer := newSigner(t)
	s := openSigned(t, path, signer)
	if err := s.Append(t.Context(), samples(0, 10)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := VerifyFile(t.Context(), path, Check{Key: &signer.Verifier})
	if err != nil || r.Signed != 10 || r.Unsigned() != 0 || r.Err() != nil {
		t.Errorf("after the end: %+v (%v)", r, err)
	}
	s = openSigned(t, path, signer)
	if err := s.Append(t.Context(), samples(10, 5)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		text, err := s.lastNote(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		head, err := signer.Open([]byte(text))
		return err == nil && head.Size == 15
	})
}

// Every checkpoint that a killed server showed belongs to the log.
func TestCheckpointsSurviveKill9(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 4
	}
	path := filepath.Join(t.TempDir(), "audit.db")
	key := filepath.Join(t.TempDir(), "key")
	secret, public, err := checkpoint.Generate(rand.Reader, "log")
	if err == nil {
		err = os.WriteFile(key, []byte(secret+"\n"+public), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(crashKey, key)
	v, err := checkpoint.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[int64]tree.Head{}
	for round := range rounds {
		_, notes := killShowing(t, path, 3+round*5)
		for _, text := range notes {
			head, err := v.Open([]byte(text))
			if err != nil {
				t.Fatalf("%v: %q", err, text)
			}
			shown[head.Size] = head
		}
		r, err := VerifyFile(t.Context(), path, Check{Key: v})
		if err != nil || r.FaultCount > 0 {
			t.Fatalf("round %d: %v (%v)", round, r.Faults, err)
		}
		s, err := readOnly(path)
		if err != nil {
			t.Fatal(err)
		}
		for size, head := range shown {
			if at, err := proofs(t.Context(), s.on(s.db)).At(size); err != nil || at != head {
				t.Errorf("round %d: the checkpoint of %d records does not belong to the log (%v)", round, size, err)
			}
		}
		if err := s.db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(shown) == 0 {
		t.Error("no checkpoint was shown: this test proves nothing")
	}
}

// waitFor polls a condition.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the condition was not met")
		}
	}
}
