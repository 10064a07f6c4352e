package backend_test

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/checkpoint/checkpointtest"
	"usher/backend/audit/tree"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/session"
)

func hashes(t *testing.T, raw [][]byte) (all []tlog.Hash) {
	t.Helper()
	for _, h := range raw {
		if len(h) != tlog.HashSize {
			t.Fatalf("a hash of %d bytes", len(h))
		}
		all = append(all, tlog.Hash(h))
	}
	return all
}

// Every signed-in person gets the latest checkpoint with a proof that its log
// contains the one before. A size beyond the log gets no proof and the true size.
func TestCheckpointsOfTheLog(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	public, err := session.Discover(t.Context(), w.Server)
	if err != nil {
		t.Fatal(err)
	}
	v, err := checkpoint.NewVerifier(public.AuditLog.Key)
	if err != nil {
		t.Fatalf("the key in the configuration %q: %v", public.AuditLog.Key, err)
	}
	ada := w.SignIn(t, "ada")
	var known tree.Head
	for grown := 0; grown < 3; {
		if _, err := ada.List(t.Context(), api.ListRequest{Bucket: "company-reports"}); err != nil {
			t.Fatal(err)
		}
		before := len(w.Events(t, "who:ada"))
		got, err := ada.Checkpoint(t.Context(), api.CheckpointRequest{From: known.Size})
		if err != nil {
			t.Fatal(err)
		}
		if after := len(w.Events(t, "who:ada")); after != before {
			t.Errorf("a checkpoint is %d events", after-before)
		}
		head, err := v.Extend(known, checkpoint.Proof{Note: []byte(got.Checkpoint), Hashes: hashes(t, got.Proof)})
		if err != nil {
			t.Fatalf("from %d to %d: %v", known.Size, head.Size, err)
		}
		if head.Size > known.Size {
			grown++
		}
		known = head
	}
	ahead, err := ada.Checkpoint(t.Context(), api.CheckpointRequest{From: known.Size + 1000})
	if err != nil || len(ahead.Proof) > 0 {
		t.Errorf("a size beyond the log: %d hashes, %v", len(ahead.Proof), err)
	}
	if _, err := ada.Checkpoint(t.Context(), api.CheckpointRequest{From: -1}); err == nil {
		t.Error("a negative size is accepted")
	}
}

// racing is a log whose witnesses confirm further events while a request reads its
// latest checkpoint.
type racing struct{ *checkpointtest.Log }

func (r racing) grow() { r.Add(fmt.Appendf(nil, "event %d", r.Size)) }

func (r racing) Latest(ctx context.Context) ([]byte, error) {
	note, err := r.Log.Latest(ctx)
	r.grow()
	return note, err
}

func (r racing) Policy() string { return "quorum none\n" }

func (r racing) Cosigned() []byte {
	note, err := r.Log.Latest(context.Background())
	if err != nil {
		panic(err)
	}
	return note
}

// The latest checkpoint of an answer has all events of its cosigned one: a client
// would take the opposite for a log that was rolled back.
func TestACosignedCheckpointIsNeverAhead(t *testing.T) {
	l := racing{checkpointtest.New(t, "log")}
	l.grow()
	out, err := backend.ProofOf(t.Context(), l, l, 0)
	if err != nil {
		t.Fatal(err)
	}
	latest, err := l.Signer.Open([]byte(out.Checkpoint))
	if err != nil {
		t.Fatal(err)
	}
	confirmed, err := l.Signer.Open([]byte(out.Cosigned))
	if err != nil || confirmed.Size > latest.Size {
		t.Errorf("%d events are confirmed, and the latest checkpoint has %d (%v)", confirmed.Size, latest.Size, err)
	}
}
