// Package proof keeps the last checkpoint of a server's audit log on this machine,
// and verifies that each later log contains it. A log that was rolled back or
// rewritten since then has no such proof, even for the holder of its key.
//
// The package leaves the storage of files to session.Folders, the calls to
// package client, and the formats to backend/audit/checkpoint.
package proof

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/api"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
	"usher/backend/safetext"
)

// Every is the interval between checks.
const Every = time.Hour

// Server returns checkpoints (*client.Client).
type Server interface {
	Checkpoint(ctx context.Context, in api.CheckpointRequest) (api.CheckpointResponse, error)
}

// Config holds the parts of a Watch. Only Log and Trusted may be empty.
type Config struct {
	Server  Server
	Files   Files
	Place   string       // identity of the server: its origin, or its pool for one on loopback
	Host    string       // for sentences
	Log     api.AuditLog // of the server's current configuration; without Key nothing is checked
	Trusted string       // the key that the person accepted; "": none
	Now     func() time.Time
}

// Watch checks one server's log. It is safe for concurrent use.
type Watch struct {
	c      Config
	memory store

	mu    sync.Mutex
	fraud *Fraud // found on this machine; it remains
	last  State
}

// New returns a Watch.
func New(c Config) (*Watch, error) {
	if c.Server == nil || c.Files == nil || c.Place == "" || c.Now == nil {
		return nil, errors.New("proof: the server, the files, the place or the clock is missing")
	}
	return &Watch{c: c, memory: newStore(c.Files, c.Place)}, nil
}

// State is the result of a check without a finding.
type State struct {
	Head    tree.Head
	Seen    time.Time
	Note    []byte     // the checkpoint
	Before  tree.Head  // that this machine had
	Since   time.Time  // of Before
	Restart *Restarted // since the check before; nil: none
	// Witnessed is the last checkpoint that satisfies the policy of the witnesses.
	// It is zero without a policy.
	Witnessed   tree.Head
	WitnessedAt time.Time // oldest cosignature of it
	Policy      string    // "": none
	Witnesses   Witnesses
}

// Witnesses compares the policy of the witnesses with the one before.
type Witnesses int

// The comparisons.
const (
	SameWitnesses  Witnesses = iota
	OtherWitnesses           // the server replaced the policy
)

// Restarted is a restart of the log with a new key.
type Restarted struct {
	checkpoint.Restart
	Missing int64 // events that this machine has a checkpoint of, and that no longer exist
}

// String returns the restart as one sentence for people.
func (r *Restarted) String() string {
	text := fmt.Sprintf("The audit log was restarted at %s: %q.", r.Time.UTC().Format("2006-01-02 15:04 UTC"), safetext.Line(r.Reason))
	if r.Missing > 0 {
		return text + fmt.Sprintf(" %d events that this machine has a checkpoint of are missing.", r.Missing)
	}
	return text + " No event that this machine has a checkpoint of is missing."
}

// unwitnessedFor is the age of the last cosigned checkpoint from which on a state has
// a warning.
const unwitnessedFor = 24 * time.Hour

// Warning returns a sentence for people about the restart of the log, or about
// witnesses that do not confirm it; "" without both.
func (s State) Warning() string {
	switch {
	case s.Restart != nil:
		return s.Restart.String()
	case s.Witnesses == OtherWitnesses:
		return "The witnesses of the audit log are others than at the last check. Compare their policy with your security team."
	case s.Policy == "" || s.Witnessed.Size == s.Head.Size && s.Head.Size > 0:
		return ""
	case s.WitnessedAt.IsZero():
		return "No witness has confirmed the audit log yet."
	case s.Seen.Sub(s.WitnessedAt) > unwitnessedFor:
		return "No witness has confirmed the audit log since " + s.WitnessedAt.Format("2006-01-02 15:04 UTC") + "."
	}
	return ""
}

// Due reports whether the last successful check is older than age.
func (w *Watch) Due(age time.Duration) bool {
	if w.c.Log.Key == "" {
		return false
	}
	m, err := w.memory.load()
	since := w.c.Now().Sub(m.Seen)
	return err != nil || m.Found != nil || since >= age || since < 0
}

// Fraud returns the finding of this process or of another one on this machine, or
// nil.
func (w *Watch) Fraud() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fraud != nil {
		return w.fraud
	}
	if w.c.Log.Key == "" {
		return nil
	}
	m, err := w.memory.load()
	if err != nil {
		return nil // the next check reports it
	}
	if w.fraud = w.stored(m); w.fraud != nil {
		return w.fraud
	}
	return nil
}

// Last returns the last successful check of this process.
func (w *Watch) Last() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// tries bounds the repetitions of a check that another process overtakes.
const tries = 5

// Check takes the latest checkpoint and verifies it against the last one of this
// machine. The error is a *Fraud, or one of the call or of the disk.
func (w *Watch) Check(ctx context.Context) (State, error) {
	if w.c.Log.Key == "" {
		return State{}, nil
	}
	for range tries {
		state, stored, err := w.check(ctx)
		var fraud *Fraud
		if errors.As(err, &fraud) {
			w.mu.Lock()
			w.fraud = fraud
			w.mu.Unlock()
		}
		if err != nil || stored {
			if err == nil {
				w.mu.Lock()
				w.last = state
				w.mu.Unlock()
			}
			return state, err
		}
	}
	return State{}, errors.New("other processes replace the stored checkpoint all the time")
}

func (w *Watch) check(ctx context.Context) (State, bool, error) {
	before, err := w.memory.load()
	if err != nil {
		return State{}, false, err
	}
	if fraud := w.stored(before); fraud != nil {
		return State{}, false, fraud
	}
	known, restart, err := w.known(before)
	if err != nil {
		return State{}, false, err
	}
	answer, err := w.c.Server.Checkpoint(ctx, api.CheckpointRequest{From: known.Size})
	if err != nil {
		return State{}, false, err
	}
	state, err := w.verify(before, known, answer)
	if err != nil {
		return state, false, err
	}
	state.Restart = restart
	after := memory{Key: w.c.Log.Key, Note: answer.Checkpoint, Seen: state.Seen, Policy: state.Policy}
	stored, err := w.memory.replace(before, after)
	return state, stored, err
}

// known returns the head that the log must contain: that of the last checkpoint.
// After a restart that the key before it signed, this is none.
func (w *Watch) known(m memory) (tree.Head, *Restarted, error) {
	if m.Key == "" {
		return tree.Head{}, nil, nil
	}
	v, err := checkpoint.NewVerifier(m.Key)
	if err != nil {
		return tree.Head{}, nil, w.memory.damaged()
	}
	head, err := v.Open([]byte(m.Note))
	if err != nil {
		return tree.Head{}, nil, w.memory.damaged()
	}
	if m.Key == w.c.Log.Key {
		return head, nil, nil
	}
	chain, err := checkpoint.Chain(m.Key, w.c.Log.Key, w.c.Log.Restarts)
	switch {
	case err == nil:
		r := chain[0]
		return tree.Head{}, &Restarted{r, max(0, head.Size-r.Kept)}, nil
	case w.c.Trusted == w.c.Log.Key: // the person accepted the new key
		return tree.Head{}, nil, w.memory.setAside()
	}
	return head, nil, w.found(NewKey, m, tree.Head{}, head, "key: "+w.c.Log.Key)
}

// verify checks an answer of the server.
func (w *Watch) verify(before memory, known tree.Head, answer api.CheckpointResponse) (State, error) {
	v, err := checkpoint.NewVerifier(w.c.Log.Key)
	if err != nil {
		return State{}, fmt.Errorf("reading the key of the audit log: %w", err)
	}
	p, err := proofOf(answer.Checkpoint, answer.Proof)
	if err != nil {
		return State{}, w.found(NoProof, before, tree.Head{}, known, answer.Checkpoint)
	}
	head, err := v.Extend(known, p)
	if err != nil {
		return State{}, w.found(kindOf(err), before, head, known, answer.Checkpoint)
	}
	s := State{Head: head, Before: known, Since: before.Seen, Seen: w.c.Now(), Note: p.Note, Policy: answer.Witnesses}
	return s, w.witnessed(&s, v, before, answer)
}

// witnessed checks the last checkpoint that the witnesses cosigned.
func (w *Watch) witnessed(s *State, v *checkpoint.Verifier, before memory, answer api.CheckpointResponse) error {
	if s.Policy == "" {
		s.Policy = before.Policy // a server cannot drop its witnesses unnoticed
	}
	if before.Policy != "" && s.Policy != before.Policy { // nor replace them
		s.Witnesses = OtherWitnesses
	}
	if s.Policy == "" || answer.Cosigned == "" {
		return nil
	}
	policy, err := checkpoint.ParsePolicy(s.Policy)
	if err != nil {
		return fmt.Errorf("reading the policy of the witnesses: %w", err)
	}
	p, err := proofOf(answer.Checkpoint, answer.CosignedProof)
	if err != nil {
		return w.found(NoProof, before, s.Head, tree.Head{}, answer.Checkpoint+"\n"+answer.Cosigned)
	}
	cosigned, err := v.Open([]byte(answer.Cosigned))
	if err == nil {
		err = checkpoint.Contains(s.Head, cosigned, p.Hashes)
	}
	if err != nil {
		return w.found(kindOf(err), before, s.Head, cosigned, answer.Checkpoint+"\n"+answer.Cosigned)
	}
	if !policy.Satisfied([]byte(answer.Cosigned)) {
		return nil
	}
	s.Witnessed = cosigned
	for _, c := range policy.Cosignatures([]byte(answer.Cosigned)) {
		if s.WitnessedAt.IsZero() || c.Time.Before(s.WitnessedAt) {
			s.WitnessedAt = c.Time
		}
	}
	return nil
}

func proofOf(note string, hashes [][]byte) (checkpoint.Proof, error) {
	p := checkpoint.Proof{Note: []byte(note)}
	for _, h := range hashes {
		if len(h) != tlog.HashSize {
			return p, checkpoint.ErrMalformed
		}
		p.Hashes = append(p.Hashes, tlog.Hash(h))
	}
	return p, nil
}

func kindOf(err error) Kind {
	switch {
	case errors.Is(err, checkpoint.ErrRolledBack):
		return RolledBack
	case errors.Is(err, checkpoint.ErrForked):
		return Forked
	}
	return NoProof
}
