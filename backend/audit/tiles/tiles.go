// Package tiles is the form of a sealed log in an object storage, and its reader.
// Objects have these names:
//
//	key                           public key of the log (NAME+HASH+KEY)
//	checkpoint                    latest checkpoint; is replaced
//	checkpoints/SIZE              each checkpoint, with a size of 20 digits
//	cosigned                      latest checkpoint that witnesses confirm; is replaced
//	cosigned/SIZE/SIGNERS         each checkpoint that witnesses cosigned
//	tile/LEVEL/N[.p/WIDTH]        256 hashes of a level of the tree, or WIDTH hashes
//	tile/entries/N[.p/WIDTH]      the events of 256 leaves, or of WIDTH leaves
//
// All objects of a tree are durable before its checkpoint is signed, so a reader
// of a checkpoint finds them.
//
// SPEC: https://c2sp.org/tlog-tiles
package tiles

import (
	"context"
	"errors"
	"fmt"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/audit/tree"
)

// Errors of this package.
var (
	// ErrMissing: there is no object with this name.
	ErrMissing = errors.New("the object does not exist")
	// ErrDamaged: an object does not have the form of its name, or differs from
	// the tree.
	ErrDamaged = errors.New("an object of the sealed log is damaged")
)

// Width is the number of hashes or events in a full object.
const Width = torchwood.TileWidth

// Names of objects.
const (
	Checkpoint  = "checkpoint"
	Key         = "key"
	Checkpoints = "checkpoints/"
	Cosigned    = "cosigned"
	AllCosigned = "cosigned/"
)

// CheckpointOf returns the name of the checkpoint of a size.
func CheckpointOf(size int64) string { return fmt.Sprintf("%s%020d", Checkpoints, size) }

// CosignedOf returns the name of a cosigned checkpoint.
func CosignedOf(size int64, signers string) string {
	return fmt.Sprintf("%s%020d/%s", AllCosigned, size, signers)
}

// bundleLevel is the level of tlog for the events themselves.
const bundleLevel = -1

// tile returns the tile of a level with the hashes from number n*Width on, of a
// tree with size leaves. Its width is 0 beyond the tree.
func tile(level int, n, size int64) tlog.Tile {
	count := size
	if level > 0 {
		count = size >> (level * torchwood.TileHeight)
	}
	width := min(int64(Width), count-n*Width)
	return tlog.Tile{H: torchwood.TileHeight, L: level, N: n, W: int(max(0, width))}
}

// BundleOf returns the name of the object with the events from number n*Width on,
// of a log with size events, and the number of these events.
func BundleOf(n, size int64) (name string, events int) {
	t := tile(bundleLevel, n, size)
	if t.W == 0 {
		return "", 0
	}
	return torchwood.TilePath(t), t.W
}

// PackBundle returns the content of an object with events: each has its length in
// two bytes, big-endian, before it. An event has at most 65,535 bytes.
func PackBundle(events [][]byte) (packed []byte, err error) {
	for _, e := range events {
		if packed, err = torchwood.AppendTileEntry(packed, e); err != nil {
			return nil, fmt.Errorf("packing events: %w", err)
		}
	}
	return packed, nil
}

// UnpackBundle returns the n events of an object.
func UnpackBundle(packed []byte, n int) ([][]byte, error) {
	events := make([][]byte, 0, n)
	for len(packed) > 0 {
		e, rest, err := torchwood.ReadTileEntry(packed)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		events, packed = append(events, e), rest
	}
	if len(events) != n {
		return nil, fmt.Errorf("%w: it has %d events and not %d", ErrDamaged, len(events), n)
	}
	return events, nil
}

// Object is an object of a sealed log.
type Object struct {
	Name string
	Data []byte
}

// Hashes returns the objects with the hashes that a tree of size leaves has and
// one of old leaves has not. r has the hashes of the larger tree.
func Hashes(old, size int64, r tlog.HashReader) ([]Object, error) {
	var all []Object
	for _, t := range tlog.NewTiles(torchwood.TileHeight, old, size) {
		data, err := tlog.ReadTileData(t, r)
		if err != nil {
			return nil, fmt.Errorf("computing the hashes of %s: %w", torchwood.TilePath(t), err)
		}
		all = append(all, Object{torchwood.TilePath(t), data})
	}
	return all, nil
}

// Objects is the storage as a reader needs it. Get returns ErrMissing for an
// object that does not exist.
type Objects interface {
	Get(ctx context.Context, name string) ([]byte, error)
}

// HashesOf returns a reader of the hashes of a tree. It verifies each object
// against the root, so every hash that it returns belongs to the tree.
func HashesOf(ctx context.Context, objects Objects, head tree.Head) tlog.HashReader {
	return tlog.TileHashReader(tlog.Tree{N: head.Size, Hash: head.Root}, &hashTiles{ctx: ctx, objects: objects, verified: map[tlog.Tile][]byte{}})
}

// maxVerified bounds the verified tiles that are kept, of 8 KiB each.
const maxVerified = 128

// hashTiles is a tlog.TileReader.
type hashTiles struct {
	ctx      context.Context // of the reads of one HashReader
	objects  Objects
	verified map[tlog.Tile][]byte
}

func (h *hashTiles) Height() int { return torchwood.TileHeight }

func (h *hashTiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(wanted))
	for i, t := range wanted {
		if known, ok := h.verified[t]; ok {
			data[i] = known
			continue
		}
		var err error
		if data[i], err = h.objects.Get(h.ctx, torchwood.TilePath(t)); err != nil {
			return nil, fmt.Errorf("reading %s: %w", torchwood.TilePath(t), err)
		}
		if len(data[i]) != t.W*tlog.HashSize {
			return nil, fmt.Errorf("%s: %w: its size is %d", torchwood.TilePath(t), ErrDamaged, len(data[i]))
		}
	}
	return data, nil
}

func (h *hashTiles) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	if len(h.verified)+len(tiles) > maxVerified {
		clear(h.verified)
	}
	for i, t := range tiles {
		h.verified[t] = data[i]
	}
}
