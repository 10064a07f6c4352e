// Package tree computes the Merkle tree of an audit log (RFC 6962). A leaf is the
// hash of the canonical bytes of one event, in the order of recording. The root
// of a tree of n leaves identifies the first n events: a log with other events
// has another root.
//
// A log keeps every eighth level of the tree: one hash for 256 events. A Reader
// computes the other hashes from the events, for proofs.
package tree

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is the hash of a leaf or of a subtree.
type Hash = tlog.Hash

// Leaf returns the hash of an event's canonical bytes.
// SPEC: RFC 6962 section 2.1, as tlog.RecordHash.
func Leaf(canonical []byte) Hash {
	var buffer [1024]byte // for most events, without an allocation
	return sha256.Sum256(append(buffer[:1], canonical...))
}

// Step is the number of levels between stored levels. A subtree of a stored
// level has 256 times as many leaves as one of the stored level below it.
const Step = 8

// Head identifies a log: its number of events and the root of their tree.
type Head struct {
	Size int64
	Root Hash
}

// Frontier is the state that is necessary for appending to a tree. The zero
// Frontier is the empty tree.
type Frontier struct {
	size  int64
	roots []Hash // one for each bit of size that is set, the largest subtree first
}

// Size returns the number of leaves.
func (f *Frontier) Size() int64 { return f.size }

// Append adds a leaf. It passes each completed subtree of a stored level to
// completed: its level, its number among the subtrees of that level, and its hash.
func (f *Frontier) Append(leaf Hash, completed func(level int, n int64, h Hash)) {
	f.AppendSubtree(0, leaf, completed)
}

// AppendSubtree adds a complete subtree. The size must be a multiple of its
// leaves.
func (f *Frontier) AppendSubtree(level int, h Hash, completed func(level int, n int64, h Hash)) {
	n, leaves := f.size>>level, int64(1)<<level
	for ; n&1 == 1; n >>= 1 {
		last := len(f.roots) - 1
		h = tlog.NodeHash(f.roots[last], h)
		f.roots = f.roots[:last]
		if level++; level%Step == 0 {
			completed(level, n>>1, h)
		}
	}
	f.roots = append(f.roots, h)
	f.size += leaves
}

// Root returns the hash of the tree.
// SPEC: RFC 6962 section 2.1; the hash of the empty tree is that of no bytes.
func (f *Frontier) Root() Hash {
	if f.size == 0 {
		return sha256.Sum256(nil)
	}
	last := len(f.roots) - 1
	h := f.roots[last]
	for i := last - 1; i >= 0; i-- {
		h = tlog.NodeHash(f.roots[i], h)
	}
	return h
}

// Head returns size and root.
func (f *Frontier) Head() Head { return Head{f.size, f.Root()} }

// Clone returns a copy that shares nothing with f.
func (f *Frontier) Clone() Frontier { return Frontier{f.size, slices.Clone(f.roots)} }

// Marshal returns the size as eight bytes big-endian, and the hashes of the
// complete subtrees, the largest first.
func (f *Frontier) Marshal() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(f.size))
	for _, h := range f.roots {
		b = append(b, h[:]...)
	}
	return b
}

var errFrontier = errors.New("the head of the tree is malformed")

// Unmarshal parses the result of Marshal.
func Unmarshal(b []byte) (Frontier, error) {
	if len(b) < 8 {
		return Frontier{}, errFrontier
	}
	size := binary.BigEndian.Uint64(b)
	b = b[8:]
	if size >= 1<<62 || len(b) != bits.OnesCount64(size)*tlog.HashSize {
		return Frontier{}, errFrontier
	}
	f := Frontier{size: int64(size)}
	for h := range slices.Chunk(b, tlog.HashSize) {
		f.roots = append(f.roots, Hash(h))
	}
	return f, nil
}

// Source returns the hashes of a level from number from to number to (exclusive).
// The level is 0, for leaves, or a stored level: 8, 16, 24 and so on.
type Source func(level int, from, to int64) ([]Hash, error)

// Reader is a tlog.HashReader, for the proofs of package tlog.
type Reader struct{ Source Source }

// ReadHashes implements tlog.HashReader.
func (r Reader) ReadHashes(indexes []int64) ([]Hash, error) {
	all := make([]Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		stored := level / Step * Step
		width := int64(1) << (level - stored)
		hashes, err := r.Source(stored, n*width, (n+1)*width)
		if err != nil {
			return nil, err
		}
		if int64(len(hashes)) != width {
			return nil, fmt.Errorf("level %d of the tree has %d hashes from number %d on, not %d", stored, len(hashes), n*width, width)
		}
		for len(hashes) > 1 {
			for j := range len(hashes) / 2 {
				hashes[j] = tlog.NodeHash(hashes[2*j], hashes[2*j+1])
			}
			hashes = hashes[:len(hashes)/2]
		}
		all[i] = hashes[0]
	}
	return all, nil
}

// At returns the head of the first size events, for a size that r has.
func (r Reader) At(size int64) (Head, error) {
	if size == 0 {
		return (&Frontier{}).Head(), nil
	}
	root, err := tlog.TreeHash(size, r)
	if err != nil {
		return Head{}, fmt.Errorf("computing the root of %d events: %w", size, err)
	}
	return Head{size, root}, nil
}

// Resume returns the frontier of the first size events.
func (r Reader) Resume(size int64) (Frontier, error) {
	f := Frontier{size: size}
	for level := 62; level >= 0; level-- {
		if size>>level&1 == 0 {
			continue
		}
		// The subtrees before this one have the higher bits of size.
		n := size>>level - 1
		h, err := r.ReadHashes([]int64{tlog.StoredHashIndex(level, n)})
		if err != nil {
			return Frontier{}, err
		}
		f.roots = append(f.roots, h[0])
	}
	return f, nil
}
