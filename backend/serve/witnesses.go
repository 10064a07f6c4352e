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

// keptCosigned is a store that keeps cosignatures.
type keptCosigned interface {
	witness.Keeper
	Cosigned(ctx context.Context, satisfied func(note []byte) bool) ([]byte, error)
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
	config := witness.SubmitConfig{Source: store, Key: key, Policy: policy, HTTP: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	kept, keeps := store.(keptCosigned)
	if keeps {
		config.Keeper = kept
	}
	w := &witnesses{policy: string(raw), log: log}
	if w.Submitter, err = witness.NewSubmitter(config); err != nil || !keeps {
		return w, err
	}
	note, err := kept.Cosigned(ctx, policy.Satisfied)
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
