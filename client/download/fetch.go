package download

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"usher/backend/api"
	"usher/client/download/part"
	"usher/client/download/ticket"
	"usher/client/download/verify"
)

// job fetches one content of one object into its part file: it owns the
// connections, the ledger and the current ticket.
type job struct {
	e      *Engine
	t      *transfer
	file   *part.File
	plain  bool // small: the first request asks for everything, without a range
	claim  *claim
	named  bool // releases name the listing's ETag
	ledger *ledger
	want   verify.Check

	etag     string
	size     int64 // -1 until the first answer
	modified time.Time
	checksum *api.Checksum
	parts    *api.Parts
	version  string
	lookUp   bool // the checksum is composite and its part size must be asked for

	began   time.Time
	had     int64       // bytes, then
	stop    func(error) // ends this try
	fatal   error       // why, where there is one connection
	wg      sync.WaitGroup
	moved   atomic.Int64 // when bytes were last written, in nanoseconds
	away    atomic.Bool  // it was said that the network is away
	noted   atomic.Int64 // when the sidecar was last written, in nanoseconds
	notedAt atomic.Int64 // how many bytes there were then
	noteMu  sync.Mutex

	mu      sync.Mutex
	ticket  *ticket.Ticket
	worked  bool   // S3 took the ticket at least once
	request string // id of the request that released the last ticket
	refused int    // fresh URLs that S3 refused in a row
	met     bool   // the first answer came
	working int    // connections
	noRange bool   // the server does not know ranges
}

// Outcomes of a try that are handled by trying again from nothing.
var (
	errMismatch   = errors.New("the content does not match")
	errNoRange    = errors.New("the server sends whole files only")
	errGoneBefore = errors.New("the ticket is spent")
)

// fetchAll runs connections until every byte is there or nothing more can be
// done. What was written stays written.
func (j *job) fetchAll(ctx context.Context) error {
	j.began, j.had = time.Now(), j.t.progress.done.Load()
	j.moved.Store(j.began.UnixNano())
	if j.plain {
		if w := j.ledger.claim(max(j.size, 1), 0); w != nil { // one connection: this goroutine's
			j.working = 1
			j.wg.Add(1)
			j.stop = func(err error) { j.fatal = err }
			j.work(ctx, w)
		}
	} else {
		ctx, j.stop = context.WithCancelCause(ctx)
		defer j.stop(nil)
		j.e.limits.lanes.join(ctx, j)
		defer j.e.limits.lanes.quit(j)
		j.grow(ctx)
		j.wg.Wait()
	}
	if j.fatal != nil {
		return j.fatal
	}
	if j.ledger.complete() && j.size >= 0 {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return io.ErrUnexpectedEOF
}

// grow starts connections up to what the job may have. Where the release did
// not tell the size there is one until the first answer's headers came: they
// may say that all is different.
func (j *job) grow(ctx context.Context) {
	j.mu.Lock()
	defer j.mu.Unlock()
	quota := 1
	if (j.met || j.size >= 0) && !j.plain && !j.noRange {
		quota = j.e.limits.lanes.quota(j.t.slot.weight)
	}
	for j.working < quota && ctx.Err() == nil {
		w := j.ledger.claim(j.partSize(quota), j.worth())
		if w == nil {
			return
		}
		j.working++
		j.wg.Add(1)
		go j.work(ctx, w)
	}
}

// growIfWorking is grow for others: a job whose last connection left is over.
func (j *job) growIfWorking(ctx context.Context) {
	j.mu.Lock()
	working := j.working > 0
	if working {
		j.wg.Add(1) // keeps the job open meanwhile
	}
	j.mu.Unlock()
	if working {
		j.grow(ctx)
		j.wg.Done()
	}
}

// partSize is what one request asks for: a quarter of a connection's share,
// within bounds, so that the tail is short and headers stay cheap. Where files
// share the connections it is the whole share: the next file fills the tail,
// and each request costs the server as much as some 100 KiB. A file that has
// one connection is asked for as a whole.
func (j *job) partSize(conns int) int64 {
	if j.plain || j.noRange || j.size < 0 || conns == 1 {
		return max(j.size, 1)
	}
	parts := 4 * conns
	if conns < firstConns {
		parts = conns
	}
	return min(max(j.size/int64(parts), minPart), maxPart)
}

// worth is the least that another connection takes over: what one moves in
// the time that it takes to begin a request. It runs under mu.
func (j *job) worth() int64 {
	took := time.Since(j.began).Seconds()
	each := float64(j.t.progress.done.Load()-j.had) / max(took, 1e-3) / float64(max(j.working, 1))
	return max(int64(each*stealTime.Seconds()), minSteal)
}

// stealTime is what a new request costs before its first byte, and some more.
const stealTime = 100 * time.Millisecond

// work is one connection: it fetches lanes until there are none, or too many.
func (j *job) work(ctx context.Context, w *lane) {
	defer j.wg.Done()
	var failed streak
	for {
		from := w.pos
		err := j.fetch(ctx, w)
		j.ledger.leave(w)
		if err == nil || w.pos > from {
			failed = streak{}
		}
		if err != nil {
			if err = j.judge(ctx, err, &failed); err != nil {
				j.stop(err)
				break
			}
		}
		if ctx.Err() != nil {
			break
		}
		j.mu.Lock()
		over := j.working > 1 && j.working > j.e.limits.lanes.quota(j.t.slot.weight)
		n, worth := j.partSize(j.e.limits.lanes.quota(j.t.slot.weight)), j.worth()
		j.mu.Unlock()
		if over {
			break
		}
		if w = j.ledger.claim(n, worth); w == nil {
			break
		}
	}
	j.mu.Lock()
	j.working--
	j.mu.Unlock()
	if !j.plain && ctx.Err() == nil && !j.ledger.complete() {
		j.grow(ctx) // a lane was given back while others had already gone
	}
}

// current is a ticket that may start a request; a new one is asked for when
// little of its life is left.
func (j *job) current(ctx context.Context) (*ticket.Ticket, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.e.cfg.Now()
	if j.ticket != nil && j.ticket.Fresh(now, j.e.cfg.Timeouts.Margin) {
		return j.ticket, nil
	}
	t, err := j.e.ticketFor(ctx, j.t, j.named)
	if err != nil {
		return nil, err
	}
	if t.ETag != j.etag || t.ETag == "" && !t.Modified.Equal(j.modified) || t.Size >= 0 && j.size >= 0 && t.Size != j.size {
		return nil, &Error{Kind: ErrChanged, Path: j.t.req.Key}
	}
	j.ticket, j.worked, j.request = t, false, t.Request
	return t, nil
}

// released is the id of the request that released the last URL.
func (j *job) released() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.request
}

// works notes that S3 took a ticket.
func (j *job) works(t *ticket.Ticket) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ticket == t {
		j.worked = true
	}
}

// spent drops a ticket that S3 no longer takes, and tells whether it is the
// second in a row that S3 never took.
func (j *job) spent(t *ticket.Ticket) (hopeless bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ticket == t {
		j.ticket = nil
		if j.worked {
			j.refused = 0
		} else {
			j.refused++
		}
	}
	return j.refused >= 2
}

// fetch fills one lane with one GET.
func (j *job) fetch(ctx context.Context, w *lane) error {
	t, err := j.current(ctx)
	if err != nil {
		return err
	}
	conn, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	pulse := newPulse(j.e.cfg.Timeouts, cut)
	defer pulse.stop()
	end := j.ledger.endOf(w)
	all := w.pos == 0 && (j.plain || j.noRange || end == j.size && j.size > 0)
	if all {
		end = -1
	}
	a, err := j.e.get(conn, t, w.pos, end)
	if err != nil {
		return j.refusal(t, err)
	}
	j.works(t)
	defer a.body.Close()
	if a.whole && !all && (w.pos != 0 || a.n != end) {
		return errNoRange
	}
	if err := j.meet(ctx, a); err != nil {
		return err
	}
	if a.n < 0 { // chunked: nothing says where it ends, so we know better
		a.n = j.size - w.pos
	}
	err = j.drain(conn, a, w, pulse)
	if cause := context.Cause(conn); err != nil && cause != nil {
		return cause
	}
	return err
}

// refusal turns S3's "not with this URL" into a try with another one, once.
func (j *job) refusal(t *ticket.Ticket, err error) error {
	var s3 *s3Error
	if !errors.As(err, &s3) {
		return err
	}
	switch s3.status {
	case http.StatusForbidden, http.StatusUnauthorized, http.StatusRequestedRangeNotSatisfiable:
	default:
		if s3.code != "ExpiredToken" {
			return err
		}
	}
	if j.spent(t) {
		return err
	}
	return errGoneBefore
}

// meet learns from the first answer and opens the way for the other connections.
func (j *job) meet(ctx context.Context, a *answer) error {
	j.mu.Lock()
	if a.total >= 0 && j.size >= 0 && a.total != j.size {
		j.mu.Unlock()
		return badAnswer("the storage has another size for it")
	}
	if j.met {
		j.mu.Unlock()
		return nil
	}
	if j.size < 0 && a.total < 0 {
		j.mu.Unlock()
		return badAnswer("the storage did not say how long it is")
	}
	if !a.modified.IsZero() {
		j.modified = a.modified
	}
	unsized := j.size < 0
	if unsized {
		j.size = a.total
	}
	learned := unsized
	if a.whole && j.checksum == nil && a.checksum != nil {
		w, err := verify.Expect(a.checksum, nil, j.size)
		if err != nil && !errors.Is(err, verify.ErrUnusable) {
			j.mu.Unlock()
			return badAnswer(err.Error())
		}
		j.want, j.checksum, j.lookUp, learned = w, a.checksum, err != nil, true
	}
	if learned {
		j.ledger.learn(j.size, j.want) // else the whole is read once more at the end
	}
	j.met = true
	j.mu.Unlock()
	if unsized {
		j.e.mu.Lock()
		j.e.resize(j.t, j.size)
		j.e.mu.Unlock()
		j.claim.size = j.size
		if err := j.claim.reserve(j.file.Folder()); err != nil {
			return err
		}
	}
	j.e.set(j.t, Running, nil, "")
	if !j.plain {
		j.grow(ctx)
	}
	return nil
}

// drain reads a body into its lane: into one buffer, summed, then written in
// one piece. It ends early where another connection took over the lane's rest.
func (j *job) drain(ctx context.Context, a *answer, w *lane, pulse *pulse) error {
	buf := j.e.buffers.get(a.n)
	defer j.e.buffers.put(buf)
	b, have, crc, flushed := *buf, 0, w.crc, time.Now()
	asked := w.pos + a.n // the end of what was announced
	for {
		n, rerr := a.body.Read(b[have:min(len(b), have+j.e.limits.readMost)])
		if n > 0 {
			have += n
			pulse.beat(n)
			if l := j.e.limits.rate; l != nil {
				if err := pulse.rest(func() error { return waitLimit(ctx, l, n) }); err != nil && rerr == nil {
					rerr = err
				}
			}
			j.t.progress.fetched.Add(int64(n)) // after the wait, or the rate would be over the limit
			j.e.moved.Add(int64(n))
		}
		if have == len(b) || rerr != nil || have > 0 && time.Since(flushed) > j.e.cfg.Timeouts.Tick {
			own := j.ledger.hold(w, have)
			if w.pos+int64(have) > asked {
				return badAnswer("the storage sent more than it announced")
			}
			crc = j.ledger.kind.Update(crc, b[:own])
			if own > 0 {
				if _, err := j.file.WriteAt(b[:own], w.pos); err != nil {
					return j.e.writeError(j, err)
				}
			}
			atEnd := j.ledger.wrote(w, own, crc)
			j.t.progress.done.Add(int64(own))
			have, flushed = 0, time.Now()
			j.moved.Store(flushed.UnixNano())
			if j.away.CompareAndSwap(true, false) {
				j.e.set(j.t, Running, nil, "")
			}
			j.checkpoint(flushed)
			if atEnd && (rerr == nil || rerr == io.EOF) && w.pos < asked {
				return nil // the rest is another's; this connection is given up
			}
		}
		if rerr == io.EOF {
			if w.pos < j.ledger.endOf(w) && w.pos < asked {
				return io.ErrUnexpectedEOF
			}
			j.ledger.seen(w)
			return nil
		}
		if rerr != nil {
			return rerr
		}
	}
}

// checkpoint writes the sidecar now and then, so that kill -9 costs little.
func (j *job) checkpoint(now time.Time) {
	last := j.noted.Load()
	if now.UnixNano()-last < int64(j.e.cfg.Timeouts.Checkpoint) || !j.noted.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	if j.t.progress.done.Load()-j.notedAt.Load() < 64<<10 {
		return
	}
	j.note()
}

// note writes the sidecar with what there is.
func (j *job) note() {
	j.noteMu.Lock()
	defer j.noteMu.Unlock()
	j.mu.Lock()
	size, checksum, modified := j.size, j.checksum, j.modified
	j.mu.Unlock()
	if size < 0 {
		return
	}
	j.e.mu.Lock()
	event, at := j.t.chain.first, j.t.chain.at
	j.e.mu.Unlock()
	// That it cannot be written is no reason to stop: it costs bytes, later.
	_ = j.file.Note(part.Sidecar{Bucket: j.t.req.Bucket, Key: j.t.req.Key, ETag: j.etag, Version: j.version, Size: size,
		Modified: modified, Checksum: checksum, Parts: j.parts, Event: event, EventAt: at,
		CRC: j.ledger.kind.Name(), Ranges: part.Sums(j.ledger.pieces())})
	j.notedAt.Store(j.t.progress.done.Load())
}

// lastMove is when bytes were last written, or the try began.
func (j *job) lastMove() time.Time { return time.Unix(0, j.moved.Load()) }
