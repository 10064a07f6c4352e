package backend

import (
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
	err := r.search(func() error {
		p, err := checkpoint.Prove(r.ctx, b.c.Checkpoints, in.From)
		if err != nil {
			return err
		}
		out = api.CheckpointResponse{Checkpoint: string(p.Note), From: p.From, Proof: raw(p.Hashes)}
		return b.cosigned(r, &out)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// cosigned adds the last cosigned checkpoint, with the proof that the latest one
// contains its events.
func (b *Backend) cosigned(r *request, out *api.CheckpointResponse) error {
	if b.c.Witnesses == nil {
		return nil
	}
	out.Witnesses = b.c.Witnesses.Policy()
	note := b.c.Witnesses.Cosigned()
	if note == nil {
		return nil
	}
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
		proof, err := tlog.ProveTree(head.Size, old.Size, b.c.Checkpoints.Hashes(r.ctx))
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
