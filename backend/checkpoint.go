package backend

import (
	"errors"

	"usher/backend/api"
	"usher/backend/audit/checkpoint"
)

// checkpoint returns the latest checkpoint of the log to any signed-in person, with
// a proof of consistency with an earlier one.
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
	var p checkpoint.Proof
	err := r.search(func() (err error) {
		p, err = checkpoint.Prove(r.ctx, b.c.Checkpoints, in.From)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := api.CheckpointResponse{Checkpoint: string(p.Note), From: p.From, Proof: make([][]byte, len(p.Hashes)), Witnesses: b.c.Witnesses}
	for i, h := range p.Hashes {
		out.Proof[i] = h[:]
	}
	return out, nil
}
