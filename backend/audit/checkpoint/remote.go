package checkpoint

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"usher/backend/audit/tree"
)

// Remote signs checkpoints with a private key that is elsewhere, as in a key
// management service.
type Remote struct {
	sign func(ctx context.Context, message []byte) ([]byte, error)
	Verifier
}

// NewRemote returns a signer with the name of a log. sign returns the Ed25519
// signature of a message; public is the 32 bytes of its public key.
func NewRemote(name string, public []byte, sign func(ctx context.Context, message []byte) ([]byte, error)) (*Remote, error) {
	if sign == nil {
		return nil, errors.New("a remote key of the audit log needs a function that signs")
	}
	key, err := note.NewEd25519VerifierKey(name, public)
	if err != nil {
		return nil, fmt.Errorf("the public key of the audit log: %w", err)
	}
	v, err := NewVerifier(key)
	if err != nil {
		return nil, err
	}
	return &Remote{sign, *v}, nil
}

// Sign returns the checkpoint of a head, which must be durable. A signature of
// another key is an error.
func (r *Remote) Sign(ctx context.Context, head tree.Head) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: text(r.note.Name(), head)}, remoteNote{r, ctx})
	if err != nil {
		return nil, fmt.Errorf("signing a checkpoint: %w", err)
	}
	if _, err := r.Open(signed); err != nil {
		return nil, fmt.Errorf("signing a checkpoint: %w", err)
	}
	return signed, nil
}

// text returns the lines of a checkpoint.
func text(name string, head tree.Head) string {
	return fmt.Sprintf("%s\n%d\n%s\n", name, head.Size, base64.StdEncoding.EncodeToString(head.Root[:]))
}

// remoteNote is the note.Signer of one call.
type remoteNote struct {
	r   *Remote
	ctx context.Context
}

func (n remoteNote) Name() string                    { return n.r.note.Name() }
func (n remoteNote) KeyHash() uint32                 { return n.r.note.KeyHash() }
func (n remoteNote) Sign(msg []byte) ([]byte, error) { return n.r.sign(n.ctx, msg) }
