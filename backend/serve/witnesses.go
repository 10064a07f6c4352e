package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/sqlite"
	"usher/backend/audit/witness"
)

// submitEvery is the interval between submissions of checkpoints.
const submitEvery = 10 * time.Second

// witnesses submits the checkpoints of the log to the witnesses of a policy.
type witnesses struct {
	policy string
	*witness.Submitter
	log *slog.Logger
}

// Policy implements backend.Witnesses.
func (w *witnesses) Policy() string { return w.policy }

// keptCosigned keeps cosignatures.
type keptCosigned interface {
	witness.Keeper
	// Latest returns the latest note that satisfies the policy, or nil.
	Latest(ctx context.Context) ([]byte, error)
}

// keeperOf returns the storage of the cosignatures of a log.
func keeperOf(store proved, policy *checkpoint.Policy) (keptCosigned, error) {
	switch s := store.(type) {
	case *sqlite.Store:
		return inFile{s, policy}, nil
	case sealedLog:
		return s.cosignatures(policy)
	}
	return nil, fmt.Errorf("serve: a log of type %T keeps no cosignatures", store)
}

// inFile keeps cosignatures with the checkpoints of a file.
type inFile struct {
	*sqlite.Store
	policy *checkpoint.Policy
}

func (f inFile) Latest(ctx context.Context) ([]byte, error) {
	return f.Cosigned(ctx, f.policy.Satisfied)
}

// newWitnesses returns the witnesses of a configuration, or nil.
func newWitnesses(ctx context.Context, c Config, store proved, log *slog.Logger) (*witnesses, error) {
	if c.Witnesses == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(c.Witnesses)
	if err != nil {
		return nil, fmt.Errorf("reading the policy of the witnesses: %w", err)
	}
	policy, err := checkpoint.ParsePolicy(string(raw))
	if err != nil {
		return nil, err
	}
	key, err := checkpoint.NewVerifier(store.Key())
	if err != nil {
		return nil, err
	}
	kept, err := keeperOf(store, policy)
	if err != nil {
		return nil, err
	}
	config := witness.SubmitConfig{Source: store, Key: key, Policy: policy, Keeper: kept, HTTP: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	w := &witnesses{policy: string(raw), log: log}
	if w.Submitter, err = witness.NewSubmitter(config); err != nil {
		return nil, err
	}
	note, err := kept.Latest(ctx)
	if err != nil {
		return nil, err
	}
	w.Resume(note)
	return w, nil
}

// run submits checkpoints until ctx ends. Nothing waits for it.
func (w *witnesses) run(ctx context.Context, h *health) {
	last := ""
	for {
		err := w.Submit(ctx)
		if ctx.Err() != nil {
			return
		}
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != "" && text != last {
			w.log.Error("submitting a checkpoint to the witnesses", "error", text)
		}
		last = text
		if errors.Is(err, witness.ErrRefused) {
			h.refused(err)
		}
		select {
		case <-time.After(submitEvery):
		case <-ctx.Done():
			return
		}
	}
}
