package preview

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"usher/client/quantity"
)

// Source reads n bytes from an offset of a file, fewer at its end.
type Source interface {
	ReadRange(ctx context.Context, off, n int64) ([]byte, error)
}

// Ranges reads a file in ranges, within a budget of fetched bytes. It keeps all
// fetched bytes, so that no range is fetched twice. Its methods must not be called
// concurrently.
type Ranges struct {
	source   Source
	size     int64
	budget   int64
	requests int
	bytes    int64
	head     []byte           // the first bytes of the file
	blocks   map[int64][]byte // further bytes, by the index of their block
}

const blockSize = 4 << 10

// NewRanges returns the ranges of a file of size bytes, with a budget of Free bytes.
func NewRanges(s Source, size int64) *Ranges {
	return &Ranges{source: s, size: size, budget: Free, blocks: make(map[int64][]byte)}
}

// Over is the error of a read beyond the budget.
type Over struct {
	Need int64 // bytes of the read
}

func (e *Over) Error() string {
	return fmt.Sprintf("a read of %s is beyond the budget", quantity.Size(e.Need))
}

// Size returns the size of the file in bytes.
func (r *Ranges) Size() int64 { return r.size }

// Requests returns the number of fetched ranges.
func (r *Ranges) Requests() int { return r.requests }

// Bytes returns the number of fetched bytes.
func (r *Ranges) Bytes() int64 { return r.bytes }

// Budget returns the number of bytes that may be fetched in total.
func (r *Ranges) Budget() int64 { return r.budget }

// Allow sets the budget, at most to Most.
func (r *Ranges) Allow(total int64) { r.budget = min(max(r.budget, total), Most) }

// fetch appends the bytes from off on to p. A source may return fewer bytes than
// requested; the rest is requested next.
func (r *Ranges) fetch(ctx context.Context, p []byte, off, n int64) ([]byte, error) {
	n = min(n, r.size-off)
	if r.bytes+n > r.budget {
		return p, &Over{Need: n}
	}
	for n > 0 {
		raw, err := r.source.ReadRange(ctx, off, n)
		r.requests++
		if err != nil {
			return p, &failedRead{err}
		}
		if len(raw) == 0 || int64(len(raw)) > n {
			return p, &failedRead{io.ErrUnexpectedEOF}
		}
		r.bytes += int64(len(raw))
		p, off, n = append(p, raw...), off+int64(len(raw)), n-int64(len(raw))
	}
	return p, nil
}

// failedRead is an error of the source. It ends Open; all other errors are about the
// content of the file.
type failedRead struct{ error }

func (f *failedRead) Unwrap() error { return f.error }

// Head returns the first n bytes of the file, or all bytes of a shorter one.
func (r *Ranges) Head(ctx context.Context, n int64) ([]byte, error) {
	n = min(n, r.size)
	have := int64(len(r.head))
	if n <= have {
		return r.head[:n], nil
	}
	all, err := r.fetch(ctx, slices.Grow(r.head, int(n-have)), have, n-have)
	if err != nil {
		return nil, err
	}
	r.head = all
	return r.head, nil
}

// ReadAt reads len(p) bytes from off, and fetches at least ahead bytes where it
// fetches at all.
func (r *Ranges) ReadAt(ctx context.Context, p []byte, off, ahead int64) (int, error) {
	if off < 0 {
		return 0, errors.New("a negative offset")
	}
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if at >= r.size {
			return n, io.EOF
		}
		part, err := r.at(ctx, at, max(int64(len(p)-n), ahead))
		if err != nil {
			return n, err
		}
		n += copy(p[n:], part)
	}
	return n, nil
}

// at returns fetched bytes from off on, at least one.
func (r *Ranges) at(ctx context.Context, off, want int64) ([]byte, error) {
	if off < int64(len(r.head)) {
		return r.head[off:], nil
	}
	i := off / blockSize
	if b, ok := r.blocks[i]; ok && off-i*blockSize < int64(len(b)) {
		return b[off-i*blockSize:], nil
	}
	first, last := i, (min(off+want, r.size)-1)/blockSize
	for j := first + 1; j <= last; j++ {
		if _, have := r.blocks[j]; have {
			last = j - 1
		}
	}
	raw, err := r.fetch(ctx, nil, first*blockSize, (last-first+1)*blockSize)
	if err != nil {
		return nil, err
	}
	for j := first; len(raw) > 0; j++ {
		n := min(blockSize, len(raw))
		r.blocks[j], raw = raw[:n:n], raw[n:]
	}
	return r.blocks[i][off-i*blockSize:], nil
}

// reader is Ranges as an io.ReaderAt, io.Reader and io.Seeker.
type reader struct {
	ctx   context.Context
	r     *Ranges
	ahead int64
	off   int64
}

func (r *Ranges) reader(ctx context.Context, ahead int64) *reader {
	return &reader{ctx: ctx, r: r, ahead: ahead}
}

func (a *reader) ReadAt(p []byte, off int64) (int, error) { return a.r.ReadAt(a.ctx, p, off, a.ahead) }

func (a *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := a.ReadAt(p, a.off)
	a.off += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// Seek implements io.Seeker.
func (a *reader) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += a.off
	case io.SeekEnd:
		off += a.r.size
	}
	if off < 0 {
		return 0, errors.New("a negative offset")
	}
	a.off = off
	return off, nil
}
