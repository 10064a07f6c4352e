package serve

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/backend/audit/witness"
)

// startWitness runs a witness of a log, and returns its address and key.
func startWitness(t *testing.T, dir, log string) (address, key string) {
	t.Helper()
	path := filepath.Join(dir, "witness.yaml")
	text := fmt.Sprintf("listen: 127.0.0.1:0\nname: witness.example.com/usher\nlogs: [%s]\n", log)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan [2]string, 1), make(chan error, 1)
	go func() {
		ended <- WitnessFile(ctx, path, Deps{Now: time.Now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)},
			func(address, key string) { ready <- [2]string{address, key} })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the witness ended with %v", err)
		}
	})
	select {
	case got := <-ready:
		return got[0], got[1]
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	return "", ""
}

// A server submits its checkpoints to a witness, stores the cosignatures, and has the
// last cosigned checkpoint after a restart too. Verify counts the events that the
// witness confirmed. A log that was rewritten with the key of the server is refused by
// the witness, and verification with the kept checkpoint finds it; without both the
// rewrite is not found: that is the control.
func TestAServerAndItsWitness(t *testing.T) {
	c := keyed(t, 300)
	address, key := startWitness(t, t.TempDir(), c.AuditKey+publicSuffix)
	signer, err := readSigner(c.AuditKey)
	if err != nil {
		t.Fatal(err)
	}
	c.Witnesses = filepath.Join(t.TempDir(), "policy")
	policy := fmt.Sprintf("log %s\nwitness w %s http://%s\nquorum w\n", signer.Key(), key, address)
	if err := os.WriteFile(c.Witnesses, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	submit := func(c Config) (note []byte, err error) {
		t.Helper()
		store, err := openLog(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = store.Close() }()
		w, err := newWitnesses(t.Context(), c, store.(proved), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		before := w.Cosigned()
		if err := w.Submit(t.Context()); err != nil {
			return before, err
		}
		return w.Cosigned(), nil
	}
	note, err := submit(c)
	if err != nil {
		t.Fatal(err)
	}
	r, err := VerifyFile(t.Context(), Verify{Path: c.Audit, Key: signer.Key(), Policy: c.Witnesses}, Deps{})
	if err != nil || r.FaultCount > 0 || r.Witnessed != 300 || !r.Policy {
		t.Fatalf("%+v (%v)", r, err)
	}
	store, err := openLog(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	again, err := newWitnesses(t.Context(), c, store.(proved), slog.New(slog.DiscardHandler))
	if err != nil || string(again.Cosigned()) != string(note) {
		t.Errorf("after a restart: %q (%v)", again.Cosigned(), err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	raw, err := os.ReadFile(c.AuditKey)
	if err != nil {
		t.Fatal(err)
	}
	forged := Config{PublicURL: c.PublicURL, Audit: filepath.Join(t.TempDir(), "audit.db"), AuditKey: filepath.Join(t.TempDir(), "audit.key")}
	if err := os.WriteFile(forged.AuditKey, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	fill(t, forged, 310) // other events, with the key of the server
	forged.Witnesses = c.Witnesses
	if _, err := submit(forged); !errors.Is(err, witness.ErrRefused) {
		t.Errorf("the witness of a rewritten log: %v", err)
	}
	if r, err := VerifyFile(t.Context(), Verify{Path: forged.Audit, Key: signer.Key()}, Deps{}); err != nil || r.FaultCount != 0 {
		t.Errorf("without memory and witness a rewritten log has faults, so this test proves nothing: %+v (%v)", r, err)
	}
	r, err = VerifyFile(t.Context(), Verify{Path: forged.Audit, Key: signer.Key(), Policy: c.Witnesses, Notes: []Note{{From: "the cosigned checkpoint", Text: note}}}, Deps{})
	if err != nil || r.FaultCount == 0 || r.Witnessed != 0 || !strings.Contains(r.Faults[0].String(), "the cosigned checkpoint proves other records") {
		t.Errorf("with the cosigned checkpoint: %+v (%v)", r, err)
	}
}
