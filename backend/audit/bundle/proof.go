package bundle

import (
	"errors"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/audit/tree"
)

// Node is the hash of the subtree of the leaves Lo to Hi (exclusive).
type Node struct {
	Lo, Hi int64
	Hash   tree.Hash
}

// half returns the number of leaves of the left subtree of n leaves.
// SPEC: RFC 6962 section 2.1: the largest power of two smaller than n.
func half(n int64) int64 { return 1 << (bits.Len64(uint64(n-1)) - 1) }

// Bare returns the largest subtrees of a subtree that have no selected leaf. The
// leaves begin at lo, and are all leaves of a subtree of the log's tree.
func Bare(lo int64, leaves []tree.Hash, selected func(i int64) bool) []Node {
	nodes, whole := bare(lo, leaves, selected, nil)
	if whole {
		return []Node{{lo, lo + int64(len(leaves)), root(leaves)}}
	}
	return nodes
}

// bare appends the nodes of a subtree. whole reports that no leaf of it is selected;
// it appends none then.
func bare(lo int64, leaves []tree.Hash, selected func(i int64) bool, nodes []Node) (_ []Node, whole bool) {
	n := int64(len(leaves))
	if n == 1 {
		return nodes, !selected(lo)
	}
	k, before := half(n), len(nodes)
	nodes, left := bare(lo, leaves[:k], selected, nodes)
	if left {
		nodes = append(nodes, Node{lo, lo + k, root(leaves[:k])})
	}
	nodes, right := bare(lo+k, leaves[k:], selected, nodes)
	if left && right {
		return nodes[:before], true
	}
	if right {
		nodes = append(nodes, Node{lo + k, lo + n, root(leaves[k:])})
	}
	return nodes, false
}

func root(leaves []tree.Hash) tree.Hash {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := half(int64(len(leaves)))
	return tlog.NodeHash(root(leaves[:k]), root(leaves[k:]))
}

// Cover returns the complete subtrees of the leaves lo to hi, without their hashes:
// the fewest ones. hi is the size of the tree, or both are multiples of a width.
func Cover(lo, hi int64) (all []Node) {
	for lo < hi {
		level := bits.Len64(uint64(hi-lo)) - 1
		if lo > 0 {
			level = min(level, bits.TrailingZeros64(uint64(lo)))
		}
		all = append(all, Node{Lo: lo, Hi: lo + 1<<level})
		lo += 1 << level
	}
	return all
}

// StoredIndex returns the index of a complete subtree for a tlog.HashReader.
func (n Node) StoredIndex() int64 {
	level := bits.Len64(uint64(n.Hi-n.Lo)) - 1
	return tlog.StoredHashIndex(level, n.Lo>>level)
}

// ErrIncomplete: the nodes of a proof do not cover the tree.
var ErrIncomplete = errors.New("the hashes do not cover the tree")

// Prove passes the proof of leaves in a tree to add, from left to right: the hashes of
// the largest subtrees without any of these leaves. The leaves and the nodes are in
// order, and the nodes cover all other leaves. It holds none of them in memory.
func Prove(size int64, leaves Next[Leaf], nodes Next[Node], add func(tree.Hash) error) error {
	if size == 0 {
		return nil
	}
	in, err := peek(leaves)
	if err != nil {
		return err
	}
	known, err := peek(nodes)
	if err != nil {
		return err
	}
	return (&prover{in, known, add}).walk(0, size)
}

// prover is one run of Prove.
type prover struct {
	in    *peeked[Leaf]
	known *peeked[Node]
	add   func(tree.Hash) error
}

func (p *prover) walk(lo, hi int64) error {
	if !p.in.more || p.in.head.Index >= hi {
		h, err := p.hash(lo, hi)
		if err != nil {
			return err
		}
		return p.add(h)
	}
	if hi-lo == 1 {
		return p.in.advance()
	}
	k := half(hi - lo)
	if err := p.walk(lo, lo+k); err != nil {
		return err
	}
	return p.walk(lo+k, hi)
}

// hash returns the hash of a subtree from the nodes.
func (p *prover) hash(lo, hi int64) (tree.Hash, error) {
	for p.known.more && p.known.head.Lo < lo { // a second node of the same leaves
		if err := p.known.advance(); err != nil {
			return tree.Hash{}, err
		}
	}
	if n := p.known.head; p.known.more && n.Lo == lo && n.Hi == hi {
		return n.Hash, p.known.advance()
	}
	if hi-lo < 2 {
		return tree.Hash{}, ErrIncomplete
	}
	k := half(hi - lo)
	left, err := p.hash(lo, lo+k)
	if err != nil {
		return tree.Hash{}, err
	}
	right, err := p.hash(lo+k, hi)
	return tlog.NodeHash(left, right), err
}

// errProof: a proof has too few or too many hashes.
var errProof = errors.New("the proof has another number of hashes than these events need")

// Root returns the root of a tree from leaves, which are in order, and the proof of
// Prove. It holds none of them in memory.
func Root(size int64, leaves Next[Leaf], proof Next[tree.Hash]) (tree.Hash, error) {
	if size == 0 {
		return tree.Hash{}, errProof
	}
	in, err := peek(leaves)
	if err != nil {
		return tree.Hash{}, err
	}
	rest, err := peek(proof)
	if err != nil {
		return tree.Hash{}, err
	}
	h, err := rootOf(in, rest, 0, size)
	if err == nil && (rest.more || in.more) {
		err = errProof
	}
	return h, err
}

func rootOf(in *peeked[Leaf], proof *peeked[tree.Hash], lo, hi int64) (tree.Hash, error) {
	switch {
	case (!in.more || in.head.Index >= hi) && !proof.more:
		return tree.Hash{}, errProof
	case !in.more || in.head.Index >= hi:
		h := proof.head
		return h, proof.advance()
	case hi-lo == 1:
		h := in.head.Hash
		return h, in.advance()
	}
	k := half(hi - lo)
	left, err := rootOf(in, proof, lo, lo+k)
	if err != nil {
		return tree.Hash{}, err
	}
	right, err := rootOf(in, proof, lo+k, hi)
	return tlog.NodeHash(left, right), err
}
