package download

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"usher/backend/api"
	"usher/client/download/ticket"
)

// batcher gathers the requests of transfers into releases of up to api.MaxRelease
// objects, so that ten thousand small files cost tens of round trips, and
// waits on their behalf: for the network, for a sign-in, for the backend.
type batcher struct {
	e *Engine

	mu       sync.Mutex
	queue    []*pending
	senders  int
	obstacle *obstacle // blocks the senders; nil: nothing does
}

// obstacle is the condition that blocks all pending releases.
type obstacle struct {
	state State
	err   error
	event string
}

type pending struct {
	ctx   context.Context
	t     *transfer
	obj   api.ReleaseObject
	reply chan reply // room for one, so that the sender does not wait for a transfer that left
	over  bool       // the transfer has the answer, or left; guarded by Engine.mu
}

type reply struct {
	ticket *ticket.Ticket
	err    error
}

// linger is how long the batcher waits for more before a release that is not
// full goes out, again while more comes in, at most lingers times; spare is how
// much must wait for another release beside it.
const (
	linger     = 2 * time.Millisecond
	lingers    = 5
	spare      = 100
	maxSenders = 3 // releases under way
)

// pauseError ends a transfer's try with Paused instead of Failed: nothing is
// wrong with it, and the server cannot answer for now.
type pauseError struct{ err error }

func (p *pauseError) Error() string { return p.err.Error() }
func (p *pauseError) Unwrap() error { return p.err }

// chainAge is how long a chain of events goes on; complete takes events of the last
// 24 h.
const chainAge = 23 * time.Hour

// ticketFor returns the URL that came with the listing, or requests one. With named,
// the listing's ETag is enough; without it the backend looks the object up, and size,
// checksum and parts come along. A chain of events that the server's log no longer
// holds open is begun again.
func (e *Engine) ticketFor(ctx context.Context, t *transfer, named bool) (*ticket.Ticket, error) {
	if named {
		if tk, err := e.takeOffer(t); tk != nil || err != nil {
			return tk, err
		}
	}
	e.mu.Lock()
	before := t.state
	if e.cfg.Now().Sub(t.chain.at) > chainAge {
		t.chain.first = ""
	}
	obj := api.ReleaseObject{Bucket: t.req.Bucket, Key: t.req.Key, Version: t.req.Version, Continues: t.chain.first}
	if named {
		obj.ETag, obj.Mark = t.req.ETag, t.req.Mark
	}
	e.mu.Unlock()
	tk, err := e.batcher.request(ctx, t, obj)
	if obj.Continues != "" && errors.Is(err, &api.Error{Code: api.BadRequest}) {
		obj.Continues = ""
		tk, err = e.batcher.request(ctx, t, obj)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if context.Cause(ctx) == nil || err == nil {
		e.unblock(t, before)
	}
	t.chain.first = obj.Continues
	if err != nil {
		return nil, err
	}
	if t.chain.first == "" {
		t.chain.first, t.chain.at = tk.Event, e.cfg.Now()
	}
	t.chain.last = tk.Event
	e.notify()
	return tk, nil
}

// request queues an object for the next release and waits for its URL.
func (d *batcher) request(ctx context.Context, t *transfer, obj api.ReleaseObject) (*ticket.Ticket, error) {
	a := &pending{ctx: ctx, t: t, obj: obj, reply: make(chan reply, 1)}
	d.add(a)
	defer func() {
		d.e.mu.Lock()
		a.over = true
		d.e.mu.Unlock()
	}()
	select {
	case r := <-a.reply:
		return r.ticket, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// takeOffer returns the ticket of the URL that came with the transfer's page, once;
// nil: there is none. The event of that URL is on record, whether a request starts
// with it or not (see fetch), so that a later release continues it.
func (e *Engine) takeOffer(t *transfer) (*ticket.Ticket, error) {
	e.mu.Lock()
	o := t.chain.offer
	if o.item == nil {
		e.mu.Unlock()
		return nil, nil
	}
	t.chain = chain{first: o.item.Event, last: o.item.Event, at: o.page.got}
	obj := api.ReleaseObject{Bucket: t.req.Bucket, Key: t.req.Key, ETag: t.req.ETag}
	e.mu.Unlock()
	return e.checked(obj, *o.item, o.page.got, o.page.request)
}

// checked is the check of every released URL, whichever answer it came with.
func (e *Engine) checked(obj api.ReleaseObject, item api.ReleaseItem, got time.Time, request string) (*ticket.Ticket, error) {
	tk, err := e.check.Check(obj, item, got)
	if err != nil {
		return nil, err
	}
	if e.cfg.hooks.noIfMatch {
		tk.Header.Del("If-Match")
	}
	tk.Request = request
	return tk, nil
}

func (d *batcher) add(a *pending) {
	d.mu.Lock()
	obstacle := d.obstacle
	d.queue = append(d.queue, a)
	if d.senders == 0 || d.senders < maxSenders && len(d.queue) >= spare {
		d.senders++
		d.e.wg.Add(1)
		go d.send()
	}
	d.mu.Unlock()
	if obstacle != nil {
		d.mark([]*pending{a}, *obstacle)
	}
}

// hold reports an obstacle to a batch and to all requests behind it.
func (d *batcher) hold(batch []*pending, t obstacle) {
	d.mu.Lock()
	d.obstacle = &t
	all := append(slices.Clone(batch), d.queue...)
	d.mu.Unlock()
	d.mark(all, t)
}

// clear ends an obstacle.
func (d *batcher) clear() {
	d.mu.Lock()
	d.obstacle = nil
	d.mu.Unlock()
}

func (d *batcher) send() {
	defer d.e.wg.Done()
	for {
		for n, seen := 0, -1; n < lingers; n++ {
			waiting := d.waiting()
			if waiting >= api.MaxRelease || waiting == seen {
				break
			}
			seen = waiting
			time.Sleep(linger)
		}
		batch := d.take()
		if batch == nil {
			return
		}
		d.call(batch)
	}
}

func (d *batcher) waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.queue)
}

// take removes the next batch; nil: there is none, and the pump is gone.
func (d *batcher) take() []*pending {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(len(d.queue), api.MaxRelease)
	if n == 0 {
		d.senders--
		d.queue = nil
		return nil
	}
	batch := d.queue[:n:n]
	d.queue = d.queue[n:]
	return batch
}

// call repeats a release until every waiting transfer has an answer.
func (d *batcher) call(batch []*pending) {
	e := d.e
	began := time.Now()
	network := 0
	for {
		batch = stillThere(batch)
		if len(batch) == 0 {
			return
		}
		got := e.cfg.Now()
		resp, err := e.cfg.Releaser.Release(e.ctx, requestOf(batch))
		if err == nil {
			d.clear()
			d.answer(batch, resp, got)
			return
		}
		var ae *api.Error
		switch {
		case e.ctx.Err() != nil:
			return
		case api.SignedOut(err) && e.alone:
			all(batch, err)
			return
		case api.SignedOut(err):
			e.mu.Lock()
			signedIn := e.wake.signIn
			e.mu.Unlock()
			d.hold(batch, obstacle{WaitingSignIn, err, "Waiting for you to sign in again."})
			select {
			case <-signedIn:
			case <-e.ctx.Done():
			}
			d.clear()
		case refusedHere(err):
			d.clear()
			all(batch, err)
			return
		case !errors.As(err, &ae):
			network++
			if p := e.cfg.Patience; p > 0 && time.Since(began) > p {
				all(batch, netError(err))
				return
			}
			d.hold(batch, obstacle{WaitingNetwork, netError(err), "Waiting for the network: the server does not answer."})
			_ = e.sleep(e.ctx, e.cfg.Timeouts.fetch().Backoff(network))
		case api.Lookup(ae.Code).Retry || ae.Code == api.Internal:
			d.clear()
			all(batch, &pauseError{ae}) // the client has repeated the call
			return
		case ae.Code == api.BadRequest && len(batch) > 1:
			// One odd name must not fail its neighbors: find it by halves.
			d.call(batch[:len(batch)/2])
			d.call(batch[len(batch)/2:])
			return
		default:
			d.clear()
			all(batch, ae)
			return
		}
	}
}

// refusedHere reports whether the Releaser or Lister itself ended the work, without
// the server.
func refusedHere(err error) bool {
	var ae *api.Error
	var f api.Failing
	return !errors.As(err, &ae) && errors.As(err, &f) && f.Exit() == api.ExitIntegrity
}

func requestOf(batch []*pending) api.ReleaseRequest {
	req := api.ReleaseRequest{Objects: make([]api.ReleaseObject, len(batch))}
	for i, a := range batch {
		req.Objects[i] = a.obj
	}
	return req
}

// mark reports an obstacle to the waiting transfers of a batch.
func (d *batcher) mark(batch []*pending, t obstacle) {
	e := d.e
	e.mu.Lock()
	for _, a := range batch {
		if !a.over {
			e.block(a.t, t)
		}
	}
	e.mu.Unlock()
	e.notify()
}

// answer hands out the items, each checked against its request.
func (d *batcher) answer(batch []*pending, resp api.ReleaseResponse, got time.Time) {
	if len(resp.Items) != len(batch) {
		all(batch, &ticket.Error{Path: batch[0].obj.Key,
			Reason: fmt.Sprintf("%d answers to %d questions", len(resp.Items), len(batch))})
		return
	}
	for i, a := range batch {
		item := resp.Items[i]
		if item.Error != nil {
			a.reply <- reply{err: &api.Error{Code: item.Error.Code, RequestID: resp.RequestID}}
			continue
		}
		t, err := d.e.checked(a.obj, item, got, resp.RequestID)
		a.reply <- reply{t, err}
	}
}

func all(batch []*pending, err error) {
	for _, a := range batch {
		a.reply <- reply{err: err}
	}
}

func stillThere(batch []*pending) []*pending {
	var rest []*pending
	for _, a := range batch {
		if a.ctx.Err() == nil {
			rest = append(rest, a)
		}
	}
	return rest
}

// SignedIn continues the transfers that waited for a sign-in.
func (e *Engine) SignedIn() {
	e.mu.Lock()
	close(e.wake.signIn)
	e.wake.signIn = make(chan struct{})
	e.wake.signedOut = false // a transfer that still waits sets it again
	e.mu.Unlock()
}
