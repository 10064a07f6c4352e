// Package checkpoint signs and verifies the head of an audit log. A checkpoint is
// a signed note of three lines: the origin (the name of the log), the number of
// events, and the root of their tree in base64. Any two checkpoints of one log
// must belong to one tree; two that do not are a proof of a changed log.
//
// SPEC: https://c2sp.org/tlog-checkpoint, https://c2sp.org/signed-note
package checkpoint

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"usher/backend/audit/tree"
)

// Errors of Verifier.Open.
var (
	// ErrSignature: the note has no valid signature of the key.
	ErrSignature = errors.New("the checkpoint has no valid signature of this key")
	// ErrMalformed: the signed text is no checkpoint of this log.
	ErrMalformed = errors.New("the checkpoint is malformed")
)

// Generate makes an Ed25519 key pair with the name of a log. secret is the text
// of a key file; public is the key for Verifiers, which is no secret.
func Generate(rand io.Reader, name string) (secret, public string, err error) {
	secret, public, err = note.GenerateKey(rand, name)
	if err != nil {
		return "", "", fmt.Errorf("generating the key of the audit log: %w", err)
	}
	return secret, public, nil
}

// Signer signs checkpoints.
type Signer struct {
	note note.Signer
	Verifier
}

// NewSigner parses both keys of Generate. They must belong together.
func NewSigner(secret, public string) (*Signer, error) {
	s, err := note.NewSigner(strings.TrimSpace(secret))
	if err != nil {
		return nil, errors.New("the secret key of the audit log is malformed") // its text is secret
	}
	v, err := NewVerifier(public)
	if err != nil {
		return nil, err
	}
	signer := &Signer{s, *v}
	signed, err := signer.Sign(tree.Head{})
	if err != nil {
		return nil, err
	}
	if _, err := signer.Open(signed); err != nil {
		return nil, errors.New("the secret and the public key of the audit log do not belong together")
	}
	return signer, nil
}

// Sign returns the checkpoint of a head. The head must be durable: after a
// crash, a log without signed events would be a proof against itself.
func (s *Signer) Sign(head tree.Head) ([]byte, error) {
	text := text(s.note.Name(), head)
	signed, err := note.Sign(&note.Note{Text: text}, s.note)
	if err != nil {
		return nil, fmt.Errorf("signing a checkpoint: %w", err)
	}
	return signed, nil
}

// Verifier verifies checkpoints of one log.
type Verifier struct {
	key  string
	note note.Verifier
}

// NewVerifier parses a public key: NAME+HASH+KEY.
func NewVerifier(public string) (*Verifier, error) {
	public = strings.TrimSpace(public)
	v, err := note.NewVerifier(public)
	if err != nil {
		return nil, fmt.Errorf("the public key of the audit log: %w", err)
	}
	return &Verifier{public, v}, nil
}

// Name returns the name of the log.
func (v *Verifier) Name() string { return v.note.Name() }

// Key returns the public key.
func (v *Verifier) Key() string { return v.key }

// Open returns the head in a checkpoint. It accepts the exact form of Sign, and
// further signatures of other keys, such as those of witnesses.
func (v *Verifier) Open(signed []byte) (tree.Head, error) {
	opened, err := note.Open(signed, note.VerifierList(v.note))
	if err != nil {
		return tree.Head{}, ErrSignature
	}
	origin, head, err := parse(opened.Text)
	if err != nil || origin != v.note.Name() {
		return tree.Head{}, ErrMalformed
	}
	return head, nil
}

// parse parses the text of a checkpoint. It accepts one form of each number and
// root, and no extension lines.
func parse(text string) (origin string, head tree.Head, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] == "" || lines[3] != "" {
		return "", tree.Head{}, ErrMalformed
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return "", tree.Head{}, ErrMalformed
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(tree.Hash{}) || base64.StdEncoding.EncodeToString(root) != lines[2] {
		return "", tree.Head{}, ErrMalformed
	}
	return lines[0], tree.Head{Size: size, Root: tree.Hash(root)}, nil
}

// Unverified returns origin and head of a checkpoint without a verification of its
// signatures.
func Unverified(signed []byte) (origin string, head tree.Head, err error) {
	text, _, ok := strings.Cut(string(signed), "\n\n")
	if !ok {
		return "", tree.Head{}, ErrMalformed
	}
	return parse(text + "\n")
}
