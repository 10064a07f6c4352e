package sqlite

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/checkpoint/checkpointtest"
	"usher/backend/audit/witness"
	"usher/client/proof"
)

// liar is a server of a changed log without any check of its own: it signs the tree
// of the records that are in the file.
type liar struct{ *checkpointtest.Log }

func newLiar(t *testing.T, c tampered) *liar {
	t.Helper()
	s, err := readOnly(c.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.db.Close() }()
	l := &liar{&checkpointtest.Log{Signer: c.signer}}
	for r, err := range s.Records(t.Context(), 0) {
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		l.Add(r.Canonical)
	}
	return l
}

// Checkpoint implements proof.Server.
func (l *liar) Checkpoint(ctx context.Context, in api.CheckpointRequest) (api.CheckpointResponse, error) {
	p, err := checkpoint.Prove(ctx, l, in.From)
	out := api.CheckpointResponse{Checkpoint: string(p.Note), From: in.From}
	for _, h := range p.Hashes {
		out.Proof = append(out.Proof, h[:])
	}
	return out, err
}

// machine has the state files of a client.
type machine string

func (m machine) StateFile(name string) string          { return filepath.Join(string(m), name) }
func (m machine) LoadState(name string) ([]byte, error) { return os.ReadFile(m.StateFile(name)) }
func (m machine) SaveState(name string, data []byte) error {
	return os.WriteFile(m.StateFile(name), data, 0o600)
}

// check is a check of a client.
func (m machine) check(t *testing.T, l *liar) string {
	t.Helper()
	w, err := proof.New(proof.Config{Server: l, Files: m, Place: "https://usher.example.com", Host: "usher.example.com", Log: api.AuditLog{Key: l.Signer.Key()}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Check(t.Context()); err != nil {
		return err.Error()
	}
	return ""
}

// observer is a witness with its log.
type observer struct{ policy *checkpoint.Policy }

func newObserver(t *testing.T, signer *checkpoint.Signer) *observer {
	t.Helper()
	secret, err := checkpoint.GenerateWitness(rand.Reader, "witness.example.com")
	if err != nil {
		t.Fatal(err)
	}
	cosigner, err := checkpoint.NewCosigner(secret, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	state, err := witness.OpenFile(filepath.Join(t.TempDir(), "witness.json"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = state.Close() })
	handler, err := witness.New(witness.Config{Cosigner: cosigner, Logs: []*checkpoint.Verifier{&signer.Verifier}, State: state})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(handler)
	t.Cleanup(web.Close)
	policy, err := checkpoint.ParsePolicy(fmt.Sprintf("log %s\nwitness w %s %s\nquorum w\n", signer.Key(), cosigner.Key(), web.URL))
	if err != nil {
		t.Fatal(err)
	}
	return &observer{policy}
}

// forgetful is a server that keeps no cosignatures.
type forgetful struct{}

func (forgetful) KeepCosigned(context.Context, int64, []byte) error { return nil }

// submit submits the checkpoint of a server that has just started.
func (o *observer) submit(t *testing.T, l *liar) string {
	t.Helper()
	s, err := witness.NewSubmitter(witness.SubmitConfig{Source: l, Key: &l.Signer.Verifier, Policy: o.policy, HTTP: http.DefaultClient, Keeper: forgetful{}})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Submit(t.Context())
	if errors.Is(err, witness.ErrRefused) {
		return err.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	return ""
}

// elsewhere shows a log to a client and a witness, changes it, and shows it again. A
// client and a witness that see the log for the first time notice nothing: that is
// the control.
func (k tamper) elsewhere(t *testing.T, c tampered) (client, atWitness string) {
	m, o, before := machine(t.TempDir()), newObserver(t, c.signer), newLiar(t, c)
	if text := m.check(t, before) + o.submit(t, before); text != "" {
		t.Fatal(text)
	}
	k.apply(t, c)
	after := newLiar(t, c)
	if text := machine(t.TempDir()).check(t, after) + newObserver(t, c.signer).submit(t, after); text != "" {
		t.Errorf("without memory: %s", text)
	}
	return m.check(t, after), o.submit(t, after)
}

// A fork that one client sees, while all others and the witness see the true log, is
// noticed by that client at once, and the true log is noticed by it later. The witness
// never sees the fork; a client without memory misses its cosignature (client/proof).
func TestAForkForOneClient(t *testing.T) {
	c := newTampered(t)
	if err := sealedLog(t, &c).Close(); err != nil {
		t.Fatal(err)
	}
	honest := newLiar(t, c)
	victim, fresh, other, o := machine(t.TempDir()), machine(t.TempDir()), machine(t.TempDir()), newObserver(t, c.signer)
	if text := victim.check(t, honest) + other.check(t, honest) + o.submit(t, honest); text != "" {
		t.Fatal(text)
	}
	tamper{sql: []string{`UPDATE records SET event = edited(event, (SELECT json_group_object(n, hex(text)) FROM dictionaries), 'person-', 'nobody-') WHERE seq = 300`}}.apply(t, c)
	fork := newLiar(t, c)
	noticed := map[string]string{"victim": victim.check(t, fork), "other": other.check(t, honest), "witness": o.submit(t, honest), "fresh": fresh.check(t, fork)}
	noticed["fresh, later"] = fresh.check(t, honest)
	t.Logf("TAMPER %-46s client %-7s witness %-7s, a client without memory %s, with the true log later %s", "fork to one client", yes(noticed["victim"]), yes(noticed["witness"]), yes(noticed["fresh"]), yes(noticed["fresh, later"]))
	if noticed["victim"] == "" || noticed["fresh, later"] == "" || noticed["other"] != "" || noticed["witness"] != "" || noticed["fresh"] != "" {
		t.Errorf("%q", noticed)
	}
}
