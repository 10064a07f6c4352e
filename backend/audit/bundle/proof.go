package bundle

import (
	"errors"
	"math/bits"
	"slices"

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

// errIncomplete: the nodes of a proof do not cover the tree.
var errIncomplete = errors.New("the hashes do not cover the tree")

// Prove returns the proof of the leaves with these indexes, which are sorted, in a
// tree: the hashes of the largest subtrees without any of them, from left to right.
// The nodes cover all other leaves.
func Prove(size int64, indexes []int64, nodes []Node) ([]tree.Hash, error) {
	type span struct{ lo, hi int64 }
	known := make(map[span]tree.Hash, len(nodes))
	for _, n := range nodes {
		known[span{n.Lo, n.Hi}] = n.Hash
	}
	var hash func(lo, hi int64) (tree.Hash, error)
	hash = func(lo, hi int64) (tree.Hash, error) {
		if h, ok := known[span{lo, hi}]; ok {
			return h, nil
		}
		if hi-lo < 2 {
			return tree.Hash{}, errIncomplete
		}
		k := half(hi - lo)
		left, err := hash(lo, lo+k)
		if err != nil {
			return tree.Hash{}, err
		}
		right, err := hash(lo+k, hi)
		return tlog.NodeHash(left, right), err
	}
	var proof []tree.Hash
	var walk func(lo, hi int64, in []int64) error
	walk = func(lo, hi int64, in []int64) error {
		if len(in) == 0 {
			h, err := hash(lo, hi)
			proof = append(proof, h)
			return err
		}
		if hi-lo == 1 {
			return nil
		}
		k := half(hi - lo)
		at, _ := slices.BinarySearch(in, lo+k)
		if err := walk(lo, lo+k, in[:at]); err != nil {
			return err
		}
		return walk(lo+k, hi, in[at:])
	}
	if size == 0 {
		return nil, nil
	}
	return proof, walk(0, size, indexes)
}

// errProof: a proof has too few or too many hashes.
var errProof = errors.New("the proof has another number of hashes than these events need")

// Root returns the root of a tree from leaves and the proof of Prove. The indexes are
// sorted, and leaves are those of the indexes.
func Root(size int64, indexes []int64, leaves, proof []tree.Hash) (tree.Hash, error) {
	var walk func(lo, hi int64, in []int64, leaves []tree.Hash) (tree.Hash, error)
	walk = func(lo, hi int64, in []int64, leaves []tree.Hash) (tree.Hash, error) {
		switch {
		case len(in) == 0 && len(proof) == 0:
			return tree.Hash{}, errProof
		case len(in) == 0:
			h := proof[0]
			proof = proof[1:]
			return h, nil
		case hi-lo == 1:
			return leaves[0], nil
		}
		k := half(hi - lo)
		at, _ := slices.BinarySearch(in, lo+k)
		left, err := walk(lo, lo+k, in[:at], leaves[:at])
		if err != nil {
			return tree.Hash{}, err
		}
		right, err := walk(lo+k, hi, in[at:], leaves[at:])
		return tlog.NodeHash(left, right), err
	}
	if size == 0 {
		return tree.Hash{}, errProof
	}
	h, err := walk(0, size, indexes, leaves)
	if err == nil && len(proof) > 0 {
		err = errProof
	}
	return h, err
}
