// Package checkpointtest is a signed log in memory, for tests of proofs: it grows,
// and it forks.
package checkpointtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
)

// Log implements checkpoint.Source. The zero Log with a Signer is empty.
type Log struct {
	Signer *checkpoint.Signer
	Size   int64 // events
	Stored Hashes
}

// Hashes are the hashes of a tree, in the order of tlog.StoredHashes.
type Hashes []tlog.Hash

// ReadHashes implements tlog.HashReader.
func (h Hashes) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, x := range at {
		if x < 0 || x >= int64(len(h)) {
			return nil, fmt.Errorf("the log has no hash %d", x)
		}
		out[i] = h[x]
	}
	return out, nil
}

// New returns an empty log with a new key.
func New(t testing.TB, name string) *Log {
	t.Helper()
	secret, public, err := checkpoint.Generate(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := checkpoint.NewSigner(secret, public)
	if err != nil {
		t.Fatal(err)
	}
	return &Log{Signer: s}
}

// Fork returns an empty log with the same key.
func (l *Log) Fork() *Log { return &Log{Signer: l.Signer} }

// Add appends an event.
func (l *Log) Add(canonical []byte) {
	more, err := tlog.StoredHashes(l.Size, canonical, l.Stored)
	if err != nil {
		panic(err)
	}
	l.Size, l.Stored = l.Size+1, append(l.Stored, more...)
}

// Head returns the head after the first events.
func (l *Log) Head(size int64) tree.Head {
	if size == 0 {
		return (&tree.Frontier{}).Head()
	}
	root, err := tlog.TreeHash(size, l.Stored)
	if err != nil {
		panic(err)
	}
	return tree.Head{Size: size, Root: root}
}

// Latest returns the checkpoint of all events.
func (l *Log) Latest(context.Context) ([]byte, error) { return l.Signer.Sign(l.Head(l.Size)) }

// Hashes returns the hashes of the tree.
func (l *Log) Hashes(context.Context) tlog.HashReader { return l.Stored }
