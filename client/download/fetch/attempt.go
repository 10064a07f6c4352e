package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"usher/backend/api"
	"usher/client/download/ticket"
	"usher/client/download/verify"
)

// attempt is one try to do a Job: its connections, its ledger and its
// current ticket.
type attempt struct {
	Job
	c        *Client
	plain    bool
	named    bool
	ledger   *ledger
	expected verify.Check // the expected checksum

	etag     string
	size     int64 // -1 until the first response
	modified time.Time
	checksum *api.Checksum
	parts    *api.Parts
	version  string
	lookUp   bool // the checksum is composite, and a release must bring its part size

	began   time.Time
	had     int64       // bytes at that time
	stop    func(error) // ends this attempt
	fatal   error       // the cause, where there is one connection
	wg      sync.WaitGroup
	moved   atomic.Int64 // when bytes were last written, in nanoseconds
	away    atomic.Bool  // an Offline event is out
	noted   atomic.Int64 // when the sidecar was last written, in nanoseconds
	notedAt atomic.Int64 // how many bytes there were then
	noteMu  sync.Mutex

	mu      sync.Mutex
	ticket  *ticket.Ticket
	worked  bool   // S3 took the ticket at least once
	request string // id of the request that released the last ticket
	refused int    // fresh URLs that S3 refused in a row
	met     bool   // the first response came
	working int    // connections
	noRange bool   // the server ignores ranges
}

// fetchAll runs connections until every byte is there or nothing more can be
// done. Written bytes stay.
func (j *attempt) fetchAll(ctx context.Context) error {
	j.began, j.had = time.Now(), j.Progress.Done.Load()
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
		j.c.Connections.join(ctx, j)
		defer j.c.Connections.quit(j)
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

// grow starts connections up to the attempt's quota. An object of unknown size has
// one connection until the headers of the first response.
func (j *attempt) grow(ctx context.Context) {
	j.mu.Lock()
	defer j.mu.Unlock()
	quota := 1
	if (j.met || j.size >= 0) && !j.plain && !j.noRange {
		quota = j.c.Connections.quota(j.Object.Weight)
	}
	for j.working < quota && ctx.Err() == nil {
		further := j.working > 0
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
		j.working++
		j.wg.Add(1)
		go j.work(ctx, w)
	}
}

// growIfWorking is grow for an attempt that still has a connection.
func (j *attempt) growIfWorking(ctx context.Context) {
	j.mu.Lock()
	working := j.working > 0
	if working {
		j.wg.Add(1) // keeps the attempt open meanwhile
	}
	j.mu.Unlock()
	if working {
		j.grow(ctx)
		j.wg.Done()
	}
}

// partSize is the number of bytes of one request: a quarter of a connection's share,
// within bounds, so that the tail is short and headers stay cheap. Where files
// share the connections it is the whole share: the next file fills the tail,
// and each request costs the server as much as some 100 KiB. A file that has
// one connection is asked for as a whole.
func (j *attempt) partSize(conns int) int64 {
	if j.plain || j.noRange || j.size < 0 || conns == 1 {
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
	took := time.Since(j.began).Seconds()
	each := float64(j.Progress.Done.Load()-j.had) / max(took, 1e-3) / float64(max(j.working, 1))
	return max(int64(each*stealTime.Seconds()), minSteal)
}

// stealTime is the time of a new request before its first byte, and some more.
const stealTime = 100 * time.Millisecond

// work is one connection: it fetches segments until there are none, or too many.
func (j *attempt) work(ctx context.Context, w *segment) {
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
			if err = j.classify(ctx, err, &failed); err != nil {
				j.stop(err)
				break
			}
		}
		if ctx.Err() != nil {
			break
		}
		j.mu.Lock()
		over := j.working > 1 && (j.working > j.c.Connections.quota(j.Object.Weight) || j.c.Connections.crowded())
		n, worth := j.partSize(j.c.Connections.quota(j.Object.Weight)), j.worth()
		j.mu.Unlock()
		if over {
			break
		}
		if w = j.ledger.claim(n, worth); w == nil {
			break
		}
	}
	j.mu.Lock()
	if j.working--; j.working > 0 {
		j.c.Connections.fewer()
	}
	j.mu.Unlock()
	if !j.plain && ctx.Err() == nil && !j.ledger.complete() {
		j.grow(ctx) // a lane was given back while others had already gone
	}
}

// current is a ticket that may start a request; a new one is asked for when
// little of its life is left.
func (j *attempt) current(ctx context.Context) (*ticket.Ticket, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.c.Now()
	if j.ticket != nil && j.ticket.Fresh(now, j.c.Timeouts.Margin) {
		return j.ticket, nil
	}
	t, err := j.Source.Ticket(ctx, j.named)
	if err != nil {
		return nil, sourceError{err}
	}
	if t.ETag != j.etag || t.ETag == "" && !t.Modified.Equal(j.modified) || t.Size >= 0 && j.size >= 0 && t.Size != j.size {
		return nil, &Error{Kind: ErrChanged}
	}
	j.ticket, j.worked, j.request = t, false, t.Request
	return t, nil
}

// released is the id of the request that released the last URL.
func (j *attempt) released() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.request
}

// works notes that S3 took a ticket.
func (j *attempt) works(t *ticket.Ticket) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ticket == t {
		j.worked = true
	}
}

// spent drops a ticket that S3 no longer takes, and reports whether it is the
// second in a row that S3 never took.
func (j *attempt) spent(t *ticket.Ticket) (hopeless bool) {
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
func (j *attempt) fetch(ctx context.Context, w *segment) error {
	t, err := j.current(ctx)
	if err != nil {
		return err
	}
	end := j.ledger.endOf(w)
	all := w.pos == 0 && (j.plain || j.noRange || end == j.size && j.size > 0)
	if all {
		end = -1
	}
	asked := time.Now()
	a, err := j.c.get(ctx, t, w.pos, end)
	if err != nil {
		return j.refusal(t, err)
	}
	if j.plain {
		j.c.Small.Responded(time.Since(asked))
	}
	j.works(t)
	defer a.body.Close()
	if a.whole && !all && (w.pos != 0 || a.n != end) {
		return ErrNoRange
	}
	if err := j.firstResponse(ctx, a); err != nil {
		return err
	}
	if a.n < 0 { // chunked: the response has no length, the object has
		a.n = j.size - w.pos
	}
	return j.readBody(a, w)
}

// refusal turns S3's "not with this URL" into a try with another one, once.
func (j *attempt) refusal(t *ticket.Ticket, err error) error {
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
	return errSpent
}

// firstResponse learns from the first answer and opens the way for the other connections.
func (j *attempt) firstResponse(ctx context.Context, a *answer) error {
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
		j.expected, j.checksum, j.lookUp, learned = w, a.checksum, err != nil, true
	}
	if learned {
		j.ledger.learn(j.size, j.expected) // else the whole is read once more at the end
	}
	j.met = true
	j.mu.Unlock()
	if unsized {
		if err := j.Sized(j.size); err != nil {
			return sourceError{err}
		}
	}
	j.Notify(Event{})
	if !j.plain {
		j.grow(ctx)
	}
	return nil
}
