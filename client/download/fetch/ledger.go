package fetch

import (
	"math"
	"slices"
	"sync"

	"usher/client/download/verify"
)

// span is a range [off, end) that nobody works on.
type span struct{ off, end int64 }

// segment is the range of one connection: [off, end), written up to pos. The
// bytes up to held are about to be written and cannot be taken away.
type segment struct {
	off, pos, held, end int64
	crc                 uint64
	ended               bool // its answer was read to the end
}

// ledger knows which bytes of a file are written, which are being fetched and
// which are missing, and hands out the work. Pieces are kept sorted and
// joined, so that in the end there is one, with the CRC of the whole.
type ledger struct {
	kind *verify.CRC
	// border is the part size of a composite checksum: no piece crosses a
	// multiple of it, because parts are summed one by one. 0: none.
	border int64

	mu       sync.Mutex
	size     int64
	done     []verify.Range
	segments []*segment
	gaps     []span
}

// newLedger starts with everything missing but the pieces that are there.
// A size of -1 is not known yet: see learn.
func newLedger(size int64, w verify.Check, have []verify.Range) *ledger {
	l := &ledger{kind: w.CRC(), border: w.Border(), size: size}
	var at int64
	for _, p := range have {
		if p.Off > at {
			l.gaps = append(l.gaps, span{at, p.Off})
		}
		l.keep(p)
		at = p.End
	}
	switch {
	case size < 0:
		l.gaps = []span{{0, math.MaxInt64}}
	case at < size || size == 0: // an empty object is asked for too: it may have changed
		l.gaps = append(l.gaps, span{at, size})
	}
	return l
}

// claim hands out work of at most n bytes: from the first gap, or, if there
// is none, the second half of the largest rest that another connection still
// has before it, if that is worth so many bytes. nil: there is nothing worth
// doing.
func (l *ledger) claim(n, worth int64) *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.gaps) > 0 {
		g := &l.gaps[0]
		end := min(g.off+n, g.end)
		if l.border > 0 {
			end = min(end, (g.off/l.border+1)*l.border)
		}
		if g.end-end < minSteal/2 && (verify.Range{Off: g.off, End: g.end}).Within(l.border) {
			end = g.end // no crumbs
		}
		w := &segment{off: g.off, pos: g.off, held: g.off, end: end}
		if g.off = end; g.off == g.end {
			l.gaps = l.gaps[1:]
		}
		l.segments = append(l.segments, w)
		return w
	}
	var victim *segment
	for _, w := range l.segments {
		if victim == nil || w.end-w.held > victim.end-victim.held {
			victim = w
		}
	}
	if victim == nil || victim.end-victim.held < 2*max(worth, minSteal) {
		return nil
	}
	mid := victim.held + (victim.end-victim.held)/2
	w := &segment{off: mid, pos: mid, held: mid, end: victim.end}
	victim.end = mid
	l.segments = append(l.segments, w)
	return w
}

// hold reserves the next n bytes of a segment for writing and returns how many
// are still its own.
func (l *ledger) hold(w *segment, n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = int(min(int64(n), w.end-w.pos))
	w.held = w.pos + int64(n)
	return n
}

// wrote notes that n held bytes are written and reports whether the segment is at
// its end.
func (l *ledger) wrote(w *segment, n int, crc uint64) (atEnd bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.pos += int64(n)
	w.crc = crc
	return w.pos >= w.end
}

// seen notes that a segment's response was read to its end.
func (l *ledger) seen(w *segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.ended = true
}

// endOf is where a segment ends now; another may have taken its second half.
func (l *ledger) endOf(w *segment) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return w.end
}

// leave ends a segment: its written bytes are kept, the rest is missing again.
func (l *ledger) leave(w *segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments = slices.DeleteFunc(l.segments, func(o *segment) bool { return o == w })
	if w.pos > w.off {
		l.keep(verify.Range{Off: w.off, End: w.pos, CRC: w.crc})
	}
	if w.pos < w.end || w.off == w.end && !w.ended {
		i, _ := slices.BinarySearchFunc(l.gaps, w.pos, func(g span, at int64) int {
			if g.off < at {
				return -1
			}
			return 1
		})
		l.gaps = slices.Insert(l.gaps, i, span{w.pos, w.end})
	}
}

// learn sets the size and the expected checksum of the first response. It returns
// false, and sets nothing, if something is written already or more than one
// connection has a segment.
func (l *ledger) learn(size int64, w verify.Check) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.done) > 0 || len(l.segments) != 1 || l.segments[0].held > l.segments[0].off {
		return false
	}
	l.kind, l.border, l.size = w.CRC(), 0, size
	for _, lane := range l.segments {
		lane.end = size
	}
	return true
}

// keep inserts a piece and joins it with its neighbors.
func (l *ledger) keep(p verify.Range) {
	i, _ := slices.BinarySearchFunc(l.done, p.Off, func(q verify.Range, at int64) int {
		if q.Off < at {
			return -1
		}
		return 1
	})
	l.done = slices.Insert(l.done, i, p)
	for _, j := range []int{i, i - 1} { // with the next, then with the one before
		if j < 0 || j+1 >= len(l.done) {
			continue
		}
		a, b := l.done[j], l.done[j+1]
		if a.End != b.Off || l.border > 0 && b.Off%l.border == 0 {
			continue
		}
		l.done[j] = verify.Range{Off: a.Off, End: b.End, CRC: l.kind.Combine(a.CRC, b.CRC, b.End-b.Off)}
		l.done = slices.Delete(l.done, j+1, j+2)
	}
}

// complete reports whether every byte is written.
func (l *ledger) complete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.gaps) == 0 && len(l.segments) == 0
}

// pieces returns the written ranges in order, with those of open segments.
func (l *ledger) pieces() []verify.Range {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.done)
	for _, w := range l.segments {
		if w.pos > w.off {
			all = append(all, verify.Range{Off: w.off, End: w.pos, CRC: w.crc})
		}
	}
	slices.SortFunc(all, func(a, b verify.Range) int { return int(min(max(a.Off-b.Off, -1), 1)) })
	return all
}

// have counts the bytes that are written.
func (l *ledger) have() (n int64) {
	for _, p := range l.pieces() {
		n += p.End - p.Off
	}
	return n
}
