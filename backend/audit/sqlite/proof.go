package sqlite

import (
	"context"

	"golang.org/x/mod/sumdb/tlog"
)

// Key returns the public key of the checkpoints, or "" for a log without a Signer.
func (s *Store) Key() string {
	if s.signer == nil {
		return ""
	}
	return s.signer.Key()
}

// Latest implements checkpoint.Source. The first checkpoint of a new log is signed
// at the first call.
func (s *Store) Latest(ctx context.Context) ([]byte, error) {
	text, err := s.lookup.lastNote(ctx)
	if err == nil && text == "" {
		text, err = s.Checkpoint(ctx)
	}
	if err != nil || text == "" {
		return nil, explain(err)
	}
	return []byte(text), nil
}

// Hashes implements checkpoint.Source.
func (s *Store) Hashes(ctx context.Context) tlog.HashReader { return proofs(ctx, s.lookup.db) }
