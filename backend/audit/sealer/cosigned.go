package sealer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tiles"
)

// Cosigned keeps the checkpoints that witnesses cosigned, beside those of the log.
// Several servers can use one log's at once.
type Cosigned struct{ c CosignedConfig }

// CosignedConfig has the parts of a Cosigned. All are required.
type CosignedConfig struct {
	Objects Objects
	Key     *checkpoint.Verifier
	// Satisfied reports whether the cosignatures of a note satisfy the policy of the
	// witnesses.
	Satisfied func(note []byte) bool
}

// NewCosigned refuses a missing part. It makes no call.
func NewCosigned(c CosignedConfig) (*Cosigned, error) {
	if c.Objects == nil || c.Key == nil || c.Satisfied == nil {
		return nil, errors.New("sealer: cosignatures need objects, key and policy")
	}
	return &Cosigned{c}, nil
}

// KeepCosigned stores a cosigned note. One that satisfies the policy becomes the
// latest one, unless there is a later one.
func (k *Cosigned) KeepCosigned(ctx context.Context, size int64, note []byte) error {
	name := tiles.CosignedOf(size, signersOf(note))
	// The same witnesses have cosigned this size before: the first times remain.
	if err := k.c.Objects.Create(ctx, name, note); err != nil && !errors.Is(err, ErrExists) {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if !k.c.Satisfied(note) {
		return nil
	}
	for range 3 {
		latest, tag, err := k.c.Objects.Tagged(ctx, tiles.Cosigned)
		if err != nil && !errors.Is(err, tiles.ErrMissing) {
			return fmt.Errorf("reading the latest cosigned checkpoint: %w", err)
		}
		if err == nil {
			head, err := k.c.Key.Open(latest)
			if err != nil {
				return fmt.Errorf("the latest cosigned checkpoint: %w: %w", ErrTampered, err)
			}
			if head.Size > size || head.Size == size && k.c.Satisfied(latest) {
				return nil
			}
		}
		if err = k.c.Objects.Replace(ctx, tiles.Cosigned, note, tag); err == nil {
			return nil
		} else if !errors.Is(err, ErrExists) {
			return fmt.Errorf("writing the latest cosigned checkpoint: %w", err)
		}
	}
	return ErrLost
}

// Latest returns the latest note that satisfies the policy, or nil.
func (k *Cosigned) Latest(ctx context.Context) ([]byte, error) {
	note, err := k.c.Objects.Get(ctx, tiles.Cosigned)
	if errors.Is(err, tiles.ErrMissing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the latest cosigned checkpoint: %w", err)
	}
	if _, err := k.c.Key.Open(note); err != nil {
		return nil, fmt.Errorf("the latest cosigned checkpoint: %w: %w", ErrTampered, err)
	}
	if !k.c.Satisfied(note) { // of an earlier policy
		return nil, nil
	}
	return note, nil
}

// signersOf returns a text that the notes of one set of signers have in common: a
// part of the hash of their names and keys.
//
// SPEC: https://c2sp.org/signed-note: a signature begins with 4 bytes of the key's
// hash.
func signersOf(note []byte) string {
	const hash = 5 // characters of base64 within these bytes
	var signers []string
	for line := range bytes.Lines(checkpoint.Signatures(note)) {
		if fields := strings.Fields(string(line)); len(fields) == 3 && len(fields[2]) > hash {
			signers = append(signers, fields[1]+" "+fields[2][:hash])
		}
	}
	slices.Sort(signers)
	sum := sha256.Sum256([]byte(strings.Join(signers, "\n")))
	return hex.EncodeToString(sum[:8])
}
