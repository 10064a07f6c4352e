package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

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
func (s *Store) Hashes(ctx context.Context) tlog.HashReader {
	return proofs(ctx, s.lookup.on(s.lookup.db))
}

// cosigned is a stored checkpoint with the cosignatures of witnesses.
type cosigned struct {
	size int64
	note string
}

// store replaces a checkpoint by the same one with more signatures.
func (c *cosigned) store(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "UPDATE checkpoints SET note = ?1 WHERE size = ?2 AND substr(?1, 1, length(note)) = note", c.note, c.size)
	return err
}

// KeepCosigned implements witness.Keeper: it adds cosignatures to the stored
// checkpoint of a size. note begins with the stored one.
func (s *Store) KeepCosigned(ctx context.Context, size int64, note []byte) error {
	err := s.enqueue(ctx, &pending{ctx: ctx, cosigned: &cosigned{size, string(note)}, done: make(chan error, 1)})
	if err != nil {
		return fmt.Errorf("storing cosignatures: %w", err)
	}
	return nil
}

// maxUncosigned bounds the search for the last cosigned checkpoint.
const maxUncosigned = 10_000

// Cosigned returns the last checkpoint that satisfies a policy, or nil.
func (s *Store) Cosigned(ctx context.Context, satisfied func(note []byte) bool) (_ []byte, err error) {
	rows, err := s.lookup.db.QueryContext(ctx, "SELECT note FROM checkpoints ORDER BY n DESC LIMIT ?", maxUncosigned)
	if err != nil {
		return nil, fmt.Errorf("reading checkpoints: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var note []byte
		if err := rows.Scan(&note); err != nil {
			return nil, fmt.Errorf("reading checkpoints: %w", err)
		}
		if satisfied(note) {
			return note, nil
		}
	}
	return nil, rows.Err()
}
