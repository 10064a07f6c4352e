package fetch

import (
	"context"
	"io"
	"math"
	"slices"
	"sync"
	"time"

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

// newLedger starts with everything missing but the sorted pieces that are there.
// A size of -1 is not known yet: see learn.
func newLedger(size int64, w verify.Check, have []verify.Range) *ledger {
	l := &ledger{kind: w.CRC(), border: w.Border(), size: size, done: have}
	var at int64
	for _, p := range have {
		if p.Off > at {
			l.gaps = append(l.gaps, span{at, p.Off})
		}
		at = p.End
	}
	switch {
	case size < 0:
		l.gaps = []span{{0, math.MaxInt64}}
	case at < size || size == 0: // an empty object is requested too: it may have changed
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

// write sums the next bytes of a segment and writes them to the part. It returns how
// many of them were still the segment's own, and whether the segment is at its end.
// Bytes that are about to be written cannot be taken over.
func (l *ledger) write(to io.WriterAt, w *segment, b []byte) (own int, atEnd bool, err error) {
	l.mu.Lock()
	own = int(min(int64(len(b)), w.end-w.pos))
	w.held = w.pos + int64(own)
	l.mu.Unlock()
	crc := l.kind.Update(w.crc, b[:own])
	if own > 0 {
		if _, err := to.WriteAt(b[:own], w.pos); err != nil {
			return own, false, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w.pos, w.crc = w.pos+int64(own), crc
	return own, w.pos >= w.end, nil
}

// ends notes the end of a segment's response, which announced bytes up to asked. It
// returns false if bytes of the segment are missing.
func (l *ledger) ends(w *segment, asked int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.pos < min(w.end, asked) {
		return false
	}
	w.ended = true
	return true
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
func (l *ledger) learn(size int64, c verify.Check) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.done) > 0 || len(l.segments) != 1 || l.segments[0].held > l.segments[0].off {
		return false
	}
	l.kind, l.border, l.size = c.CRC(), 0, size
	for _, w := range l.segments {
		w.end = size
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

// crew is the connections of one attempt. The fields below stop are guarded by the
// attempt's mu.
type crew struct {
	began time.Time
	had   int64 // bytes at that time
	wg    sync.WaitGroup
	fatal error       // the cause of the end, where there is one connection
	stop  func(error) // ends the attempt

	working int  // connections
	met     bool // the first response came
	noRange bool // the storage ignores ranges
}

// fetchAll runs connections until every byte is there or nothing more can be
// done. Written bytes stay.
func (j *attempt) fetchAll(ctx context.Context) error {
	j.crew.began, j.crew.had = time.Now(), j.Progress.Done.Load()
	j.motion.note(j.crew.began)
	if j.plain {
		if w := j.ledger.claim(max(j.size, 1), 0); w != nil { // one connection: this goroutine's
			j.crew.working = 1
			j.crew.wg.Add(1)
			j.crew.stop = func(err error) { j.crew.fatal = err }
			j.work(ctx, w)
		}
	} else {
		ctx, j.crew.stop = context.WithCancelCause(ctx)
		defer j.crew.stop(nil)
		j.c.Connections.join(ctx, j)
		defer j.c.Connections.quit(j)
		j.grow(ctx)
		j.crew.wg.Wait()
	}
	if j.crew.fatal != nil {
		return j.crew.fatal
	}
	if j.ledger.complete() && j.size >= 0 {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return io.ErrUnexpectedEOF
}

// grow starts connections up to the attempt's quota. An object of unknown size has
// one connection until the headers of the first response.
func (j *attempt) grow(ctx context.Context) {
	j.mu.Lock()
	defer j.mu.Unlock()
	quota := 1
	if (j.crew.met || j.size >= 0) && !j.plain && !j.crew.noRange {
		quota = j.c.Connections.quota(j.Object.Weight)
	}
	for j.crew.working < quota && ctx.Err() == nil {
		further := j.crew.working > 0
		if further && !j.c.Connections.more() {
			return
		}
		w := j.ledger.claim(j.partSize(quota), j.worth())
		if w == nil {
			if further {
				j.c.Connections.fewer()
			}
			return
		}
		j.crew.working++
		j.crew.wg.Add(1)
		go j.work(ctx, w)
	}
}

// growIfWorking is grow for an attempt that still has a connection.
func (j *attempt) growIfWorking(ctx context.Context) {
	j.mu.Lock()
	working := j.crew.working > 0
	if working {
		j.crew.wg.Add(1) // keeps the attempt open meanwhile
	}
	j.mu.Unlock()
	if working {
		j.grow(ctx)
		j.crew.wg.Done()
	}
}

// partSize is the number of bytes of one request: a quarter of a connection's share,
// within bounds, so that the tail is short and headers stay cheap. Where files
// share the connections it is the whole share: the next file fills the tail,
// and each request costs the server as much as some 100 KiB. A file that has
// one connection is asked for as a whole.
func (j *attempt) partSize(conns int) int64 {
	if j.plain || j.crew.noRange || j.size < 0 || conns == 1 {
		return max(j.size, 1)
	}
	parts := 4 * conns
	if conns < FirstConns {
		parts = conns
	}
	return min(max(j.size/int64(parts), MinPart), maxPart)
}

// worth is the least number of bytes that another connection takes over: those
// that one connection moves while a request begins. It runs under mu.
func (j *attempt) worth() int64 {
	took := time.Since(j.crew.began).Seconds()
	each := float64(j.Progress.Done.Load()-j.crew.had) / max(took, 1e-3) / float64(max(j.crew.working, 1))
	return max(int64(each*stealTime.Seconds()), minSteal)
}

// stealTime is the time of a new request before its first byte, and some more.
const stealTime = 100 * time.Millisecond

// work is one connection: it fetches segments until there are none, or too many
// connections.
func (j *attempt) work(ctx context.Context, w *segment) {
	defer j.crew.wg.Done()
	repeat := j.retry()
	for w != nil {
		err := repeat.do(ctx, func(ctx context.Context) (moved bool, err error) {
			from := w.pos
			err = j.fetch(ctx, w)
			j.ledger.leave(w)
			return w.pos > from, err
		})
		if err != nil {
			j.crew.stop(err)
			break
		}
		if ctx.Err() != nil {
			break
		}
		w = j.next()
	}
	j.mu.Lock()
	if j.crew.working--; j.crew.working > 0 {
		j.c.Connections.fewer()
	}
	j.mu.Unlock()
	if !j.plain && ctx.Err() == nil && !j.ledger.complete() {
		j.grow(ctx) // a segment was given back while other connections had already gone
	}
}

// next is the next segment of a connection; nil: there is none, or another object
// needs the connection.
func (j *attempt) next() *segment {
	j.mu.Lock()
	quota := j.c.Connections.quota(j.Object.Weight)
	over := j.crew.working > 1 && (j.crew.working > quota || j.c.Connections.crowded())
	n, worth := j.partSize(quota), j.worth()
	j.mu.Unlock()
	if over {
		return nil
	}
	return j.ledger.claim(n, worth)
}
