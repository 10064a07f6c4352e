package download

import (
	"context"
	"io"
	"time"

	"usher/client/download/fetch"
)

// Save fetches one object, in order, into w: for pipes, where nothing can be
// taken back. It goes on after a lost connection from the byte it had, and at
// the end checks the checksum: a mismatch is ErrIntegrity after the bytes are
// out. cfg's queue, limits on files and hooks for finished files are not used.
func Save(ctx context.Context, cfg Config, req Request, w io.Writer) (Transfer, error) {
	cfg.QueueFile, cfg.Finished = "", nil
	e, err := New(cfg)
	if err != nil {
		return Transfer{}, err
	}
	defer e.Close()
	e.mu.Lock()
	e.alone = true
	t := e.newTransfer(req, nil, nil)
	t.started, t.phase = e.cfg.Now(), working
	e.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { e.stop(context.Cause(ctx)) })
	defer stop()
	watched := e.watch(t)
	err = e.stream(e.ctx, t, w)
	watched()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	state := Done
	if err != nil {
		state = Failed
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.finish(t, state, err)
	return e.copyOf(t), err
}

// watch calls Config.Watch until the returned function is called.
func (e *Engine) watch(t *transfer) (stop func()) {
	if e.cfg.Watch == nil {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(e.cfg.Timeouts.Tick)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				e.mu.Lock()
				t.slot.meter.tick(t.progress.Fetched.Load(), now)
				c := e.copyOf(t)
				e.mu.Unlock()
				e.cfg.Watch(c)
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); <-ended }
}

// stream fetches an object in order.
func (e *Engine) stream(ctx context.Context, t *transfer, w io.Writer) error {
	// Without the listing's ETag, so that the checksum comes before the bytes.
	tk, err := e.ticketFor(ctx, t, false)
	if err != nil {
		return err
	}
	e.mu.Lock()
	if tk.Size >= 0 {
		e.resize(t, tk.Size)
	}
	o := t.order(nil)
	e.mu.Unlock()
	object := o.object(tk)
	object.Size = tk.Size
	got, err := e.fetcher.Stream(ctx, fetch.Job{Object: object, Ticket: tk, Owner: owner{e, t}, Progress: o.progress}, w)
	if err != nil {
		return mapped(err, t.req.Key, false)
	}
	e.mu.Lock()
	t.result.verified = got.Label
	e.mu.Unlock()
	return nil
}
