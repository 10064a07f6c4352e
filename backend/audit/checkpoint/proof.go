package checkpoint

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/audit/tree"
)

// Source has the checkpoints of a log and the hashes of its tree.
type Source interface {
	// Latest returns the last stored checkpoint, or nil for a log without one. A
	// checkpoint is durable before it is returned, and no later call returns a
	// smaller one.
	Latest(ctx context.Context) ([]byte, error)
	// Hashes returns the hashes of a tree with at least the events of the latest
	// checkpoint.
	Hashes(ctx context.Context) tlog.HashReader
}

// Proof is a checkpoint with a proof that its log contains the first From events
// of an earlier one.
type Proof struct {
	Note   []byte
	From   int64
	Hashes []tlog.Hash // none for a From of 0, of the size of Note, or beyond it
}

// MaxProof is the greatest number of hashes in a Proof.
const MaxProof = 2 * 63

// ErrNoCheckpoint: the log has no checkpoint yet.
var ErrNoCheckpoint = errors.New("the audit log has no checkpoint yet")

// Prove returns the latest checkpoint of a log with the proof from a size. For a
// size beyond the checkpoint the result has no hashes: its size is the answer.
func Prove(ctx context.Context, s Source, from int64) (Proof, error) {
	note, err := s.Latest(ctx)
	if err != nil {
		return Proof{}, fmt.Errorf("reading the last checkpoint: %w", err)
	}
	if note == nil {
		return Proof{}, ErrNoCheckpoint
	}
	_, head, err := Unverified(note)
	if err != nil {
		return Proof{}, err
	}
	p := Proof{Note: note, From: from}
	if from > 0 && from < head.Size {
		if p.Hashes, err = tlog.ProveTree(head.Size, from, s.Hashes(ctx)); err != nil {
			return Proof{}, fmt.Errorf("proving that %d events contain the first %d: %w", head.Size, from, err)
		}
	}
	return p, nil
}

// Errors of Extend. Both are findings about the log, and not of a connection.
var (
	// ErrRolledBack: the log has fewer events than before.
	ErrRolledBack = errors.New("the audit log has fewer events than before")
	// ErrForked: the log does not contain the events that it had before.
	ErrForked = errors.New("the audit log does not contain the events that it had before")
)

// Extend verifies a checkpoint with its proof against an earlier head of the same
// log, and returns the new head. The error is ErrSignature, ErrMalformed,
// ErrRolledBack or ErrForked.
func (v *Verifier) Extend(known tree.Head, p Proof) (tree.Head, error) {
	head, err := v.Open(p.Note)
	if err != nil {
		return tree.Head{}, err
	}
	return head, Contains(head, known, p.Hashes)
}

// Contains verifies that the log of head contains the events of known. It returns
// ErrRolledBack, ErrForked or nil.
func Contains(head, known tree.Head, proof []tlog.Hash) error {
	switch {
	case head.Size < known.Size:
		return ErrRolledBack
	case len(proof) > MaxProof:
		return ErrForked
	case known.Size == 0 || head.Size == known.Size:
		if len(proof) > 0 || known.Size > 0 && head.Root != known.Root { // any log contains the empty one
			return ErrForked
		}
		return nil
	}
	if err := tlog.CheckTree(proof, head.Size, head.Root, known.Size, known.Root); err != nil {
		return fmt.Errorf("%w: %w", ErrForked, err)
	}
	return nil
}
