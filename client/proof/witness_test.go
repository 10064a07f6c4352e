package proof_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/api"
	"usher/backend/audit/checkpoint"
	"usher/client/proof"
)

// witnessed is a log whose answers have a cosigned checkpoint.
type witnessed struct {
	*log
	policy   string
	cosigned string
	proof    []tlog.Hash
}

func (w *witnessed) Checkpoint(ctx context.Context, in api.CheckpointRequest) (api.CheckpointResponse, error) {
	out, err := w.log.Checkpoint(ctx, in)
	out.Witnesses, out.Cosigned = w.policy, w.cosigned
	for _, h := range w.proof {
		out.CosignedProof = append(out.CosignedProof, h[:])
	}
	return out, err
}

// A fork for one client has no fresh cosignature, or one of the log that the witness
// saw: a machine without memory notices it too. Without a policy it notices nothing:
// that is the control.
func TestAForkForOneClientWithAWitness(t *testing.T) {
	m := newMachine(t)
	secret, err := checkpoint.GenerateWitness(rand.Reader, "witness.example.com")
	if err != nil {
		t.Fatal(err)
	}
	cosigner, err := checkpoint.NewCosigner(secret, func() time.Time { return m.now })
	if err != nil {
		t.Fatal(err)
	}
	l := newLog(t, "log").grow(40)
	policy := fmt.Sprintf("log %s\nwitness w %s https://witness.example.com\nquorum w\n", l.Signer.Key(), cosigner.Key())
	cosign := func(l *log) string {
		note, _ := l.Latest(t.Context())
		line, err := cosigner.Cosign(note)
		if err != nil {
			t.Fatal(err)
		}
		return string(note) + string(line)
	}
	prove := func(l *log, from int64) []tlog.Hash {
		p, err := tlog.ProveTree(int64(len(l.events)), from, l.Stored)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	true40 := cosign(l)
	l.grow(60)
	_, state, err := m.visit(t, &witnessed{l, policy, true40, prove(l, 40)}, l.Signer.Key())
	if err != nil || state.Witnessed.Size != 40 || !state.WitnessedAt.Equal(m.now) || state.Warning() != "" {
		t.Fatalf("%+v (%v)", state, err)
	}

	fork := l.fork().add("forged").grow(120)
	fresh := func() *machine { f := newMachine(t); f.now = m.now; return f }
	if _, _, err := fresh().visit(t, fork, fork.Signer.Key()); err != nil {
		t.Errorf("a machine without memory and without a policy: %v", err)
	}
	_, _, err = fresh().visit(t, &witnessed{fork, policy, true40, prove(fork, 40)}, fork.Signer.Key())
	isFraud(t, err, proof.Forked)
	short := l.fork().grow(20)
	_, _, err = fresh().visit(t, &witnessed{short, policy, true40, nil}, short.Signer.Key())
	isFraud(t, err, proof.RolledBack)
	_, state, err = fresh().visit(t, &witnessed{fork, policy, "", nil}, fork.Signer.Key())
	if err != nil || !strings.Contains(state.Warning(), "No witness has confirmed") {
		t.Errorf("no cosignature: %q (%v)", state.Warning(), err)
	}
	own, _ := fork.Latest(t.Context())
	_, state, err = fresh().visit(t, &witnessed{fork, policy, string(own), nil}, fork.Signer.Key())
	if err != nil || !strings.Contains(state.Warning(), "No witness has confirmed") {
		t.Errorf("a checkpoint without a cosignature: %q (%v)", state.Warning(), err)
	}

	// A server that drops the policy, or shows an old cosignature, has a warning.
	m.now = m.now.Add(25 * time.Hour)
	l.grow(1)
	for _, c := range []*witnessed{{l, "", "", nil}, {l, "", true40, prove(l, 40)}, {l, policy, true40, prove(l, 40)}} {
		_, state, err = m.visit(t, c, l.Signer.Key())
		if err != nil || !strings.Contains(state.Warning(), "No witness has confirmed") {
			t.Errorf("%q (%v)", state.Warning(), err)
		}
	}

	// A server that replaces the policy has a warning, once.
	other := strings.Replace(policy, "witness w", "witness x", 1)
	other = strings.Replace(other, "quorum w", "quorum x", 1)
	for _, again := range []bool{false, true} {
		_, state, err = m.visit(t, &witnessed{l, other, true40, prove(l, 40)}, l.Signer.Key())
		if err != nil || strings.Contains(state.Warning(), "are others") == again {
			t.Errorf("again: %t: %q (%v)", again, state.Warning(), err)
		}
	}
}
