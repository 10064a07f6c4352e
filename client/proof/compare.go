package proof

import (
	"context"
	"fmt"

	"usher/backend/api"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
)

// Comparison is the comparison of a log with a kept checkpoint of it.
type Comparison struct {
	Head    tree.Head // of the checkpoint
	Now     tree.Head // of the log
	Finding string    // a sentence for people; "": the log contains all events of the checkpoint
}

// OpenNote returns the head of a kept checkpoint, after verifying its signature.
func OpenNote(key string, note []byte) (tree.Head, error) {
	v, err := checkpoint.NewVerifier(key)
	if err != nil {
		return tree.Head{}, fmt.Errorf("reading the key of the audit log: %w", err)
	}
	return v.Open(note)
}

// Compare verifies that the log of a server contains all events up to a kept head, by
// a proof of the server.
func Compare(ctx context.Context, server Server, key string, head tree.Head) (Comparison, error) {
	out := Comparison{Head: head}
	v, err := checkpoint.NewVerifier(key)
	if err != nil {
		return out, fmt.Errorf("reading the key of the audit log: %w", err)
	}
	answer, err := server.Checkpoint(ctx, api.CheckpointRequest{From: head.Size})
	if err != nil {
		return out, err
	}
	p, err := proofOf(answer.Checkpoint, answer.Proof)
	if err == nil {
		out.Now, err = v.Extend(head, p)
	}
	if err == nil {
		return out, nil
	}
	switch kindOf(err) {
	case RolledBack:
		out.Finding = fmt.Sprintf("The log has fewer events than the copy, which has %d: events are missing.", head.Size)
	case Forked:
		out.Finding = fmt.Sprintf("The log has other events than the copy, which has %d.", head.Size)
	default:
		out.Finding = fmt.Sprintf("The server does not prove that its log contains the %d events of the copy.", head.Size)
	}
	return out, nil
}
