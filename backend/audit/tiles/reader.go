package tiles

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
)

// ReaderConfig has the parts of a Reader. All are required.
type ReaderConfig struct {
	Objects Objects
	Key     *checkpoint.Verifier
}

// Reader reads a sealed log. Safe for concurrent use.
type Reader struct{ c ReaderConfig }

// NewReader refuses a missing part.
func NewReader(c ReaderConfig) (*Reader, error) {
	if c.Objects == nil || c.Key == nil {
		return nil, errors.New("tiles: a reader needs objects and a key")
	}
	return &Reader{c}, nil
}

// Latest returns the latest checkpoint, or nil for a log without one.
func (r *Reader) Latest(ctx context.Context) ([]byte, error) {
	note, err := r.c.Objects.Get(ctx, Checkpoint)
	if errors.Is(err, ErrMissing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the latest checkpoint: %w", err)
	}
	return note, nil
}

// Head returns the head in the latest checkpoint, after a check of its signature.
// A log without a checkpoint has the zero Size.
func (r *Reader) Head(ctx context.Context) (tree.Head, error) {
	note, err := r.Latest(ctx)
	if err != nil || note == nil {
		return (&tree.Frontier{}).Head(), err
	}
	return r.c.Key.Open(note)
}

// Hashes returns a reader of the hashes of the latest checkpoint's tree. The
// first read reads the checkpoint.
func (r *Reader) Hashes(ctx context.Context) tlog.HashReader {
	return &latestHashes{open: sync.OnceValues(func() (tlog.HashReader, error) {
		head, err := r.Head(ctx)
		if err != nil {
			return nil, err
		}
		return HashesOf(ctx, r.c.Objects, head), nil
	})}
}

type latestHashes struct {
	open func() (tlog.HashReader, error)
}

func (l *latestHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	h, err := l.open()
	if err != nil {
		return nil, err
	}
	return h.ReadHashes(indexes)
}

// Between returns the events from number from to number to (exclusive), in order, as far
// as the latest checkpoint has them. It does not verify them.
func (r *Reader) Between(ctx context.Context, from, to int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		head, err := r.Head(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		Events(ctx, r.c.Objects, head.Size, from, min(to, head.Size))(yield)
	}
}

// ahead is the greatest number of bundles that Events reads at once.
const ahead = 16

// Events returns the events from number from to number to (exclusive), in order,
// of a log with size events. It does not verify them. It ends with the first
// error.
func Events(ctx context.Context, objects Objects, size, from, to int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var pending []chan bundle
		next, last := from/Width, (to+Width-1)/Width
		width := 1 // most callers read one bundle
		for n := from / Width; n < last; n++ {
			for next < last && len(pending) < width {
				c := make(chan bundle, 1)
				pending = append(pending, c)
				go func(n int64) { c <- readBundle(ctx, objects, n, size) }(next)
				next++
			}
			b := <-pending[0]
			pending, width = pending[1:], min(2*width, ahead)
			if b.err != nil {
				yield(nil, b.err)
				return
			}
			for i, e := range b.events {
				if at := n*Width + int64(i); at >= from && at < to && !yield(e, nil) {
					return
				}
			}
		}
	}
}

type bundle struct {
	events [][]byte
	err    error
}

func readBundle(ctx context.Context, objects Objects, n, size int64) bundle {
	name, count := BundleOf(n, size)
	if count == 0 {
		return bundle{err: fmt.Errorf("the log has %d events: %w", size, ErrMissing)}
	}
	packed, err := objects.Get(ctx, name)
	if err != nil {
		return bundle{err: fmt.Errorf("reading %s: %w", name, err)}
	}
	events, err := UnpackBundle(packed, count)
	if err != nil {
		return bundle{err: fmt.Errorf("%s: %w", name, err)}
	}
	return bundle{events: events}
}
