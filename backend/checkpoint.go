package backend

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/api"
	"usher/backend/audit/checkpoint"
)

// checkpoint returns the latest checkpoint of the log to any signed-in person, with
// a proof of consistency with an earlier one, and with the last checkpoint that the
// witnesses cosigned.
func (b *Backend) checkpoint(r *request) (any, error) {
	var in api.CheckpointRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if in.From < 0 {
		return nil, fail(api.BadRequest, errors.New("from"))
	}
	if _, err := r.listing(); err != nil {
		return nil, err
	}
	if b.c.Checkpoints == nil {
		return nil, fail(api.NotFound, checkpoint.ErrNoCheckpoint)
	}
	var out api.CheckpointResponse
	err := r.search(func() (err error) {
		out, err = proofOf(r.ctx, b.c.Checkpoints, b.c.Witnesses, in.From)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// proofOf returns the latest checkpoint with its proofs. witnesses can be nil.
func proofOf(ctx context.Context, source checkpoint.Source, witnesses Witnesses, from int64) (out api.CheckpointResponse, err error) {
	var confirmed []byte
	if witnesses != nil { // before the latest checkpoint, which then has all of its events
		confirmed, out.Witnesses = witnesses.Cosigned(), witnesses.Policy()
	}
	p, err := checkpoint.Prove(ctx, source, from)
	if err != nil {
		return out, err
	}
	out.Checkpoint, out.From, out.Proof = string(p.Note), p.From, raw(p.Hashes)
	if confirmed == nil {
		return out, nil
	}
	return out, cosigned(ctx, source, confirmed, &out)
}

// cosigned adds the last cosigned checkpoint, with the proof that the latest one
// contains its events.
func cosigned(ctx context.Context, source checkpoint.Source, note []byte, out *api.CheckpointResponse) error {
	_, old, err := checkpoint.Unverified(note)
	if err != nil {
		return fmt.Errorf("reading the cosigned checkpoint: %w", err)
	}
	_, head, err := checkpoint.Unverified([]byte(out.Checkpoint))
	if err != nil {
		return fmt.Errorf("reading the last checkpoint: %w", err)
	}
	out.Cosigned = string(note)
	if old.Size > 0 && old.Size < head.Size {
		proof, err := tlog.ProveTree(head.Size, old.Size, source.Hashes(ctx))
		if err != nil {
			return fmt.Errorf("proving that %d events contain the first %d: %w", head.Size, old.Size, err)
		}
		out.CosignedProof = raw(proof)
	}
	return nil
}

func raw(hashes []tlog.Hash) [][]byte {
	all := make([][]byte, len(hashes))
	for i, h := range hashes {
		all[i] = h[:]
	}
	return all
}
