package download

import (
	"context"
	"errors"
	"io"
	"time"

	"usher/client/download/verify"
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
	e.conclude(t, state, err)
	return e.copyOf(t), err
}

// watch tells Config.Watch of a transfer until the function that it returns is called.
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
				t.slot.meter.tick(t.progress.fetched.Load(), now)
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

// stream is fetchAll for one connection and bytes in order.
func (e *Engine) stream(ctx context.Context, t *transfer, w io.Writer) error {
	// Without the listing's ETag, so that the checksum comes before the bytes.
	tk, err := e.ticketFor(ctx, t, false)
	if err != nil {
		return err
	}
	if tk.Size < 0 {
		return &Error{Kind: ErrIntegrity, Path: t.req.Key, Detail: "its size is not known"}
	}
	check, err := verify.Expect(tk.Checksum, tk.Parts, tk.Size)
	if err != nil && !errors.Is(err, verify.ErrUnusable) {
		return &Error{Kind: ErrIntegrity, Path: t.req.Key, Detail: err.Error()}
	}
	e.mu.Lock()
	e.resize(t, tk.Size)
	e.mu.Unlock()
	j := &job{e: e, t: t, plain: true, etag: tk.ETag, size: tk.Size, ticket: tk, checksum: tk.Checksum, want: check}
	j.ledger = newLedger(tk.Size, check, nil)
	sum := verify.NewStream(check)
	for failed := (streak{}); ; {
		from := t.progress.done.Load()
		err := j.pour(ctx, io.MultiWriter(sum, w))
		if err == nil {
			break
		}
		var own *pourError
		if errors.As(err, &own) {
			return own.err
		}
		if t.progress.done.Load() > from {
			failed = streak{}
		}
		if err := j.judge(ctx, err, &failed); err != nil {
			var m *mismatch
			if errors.As(err, &m) || errors.Is(err, errNoRange) {
				return &Error{Kind: ErrIntegrity, Path: t.req.Key, Detail: err.Error()}
			}
			return err
		}
	}
	if !sum.Matches() && !e.cfg.hooks.noVerify {
		return &Error{Kind: ErrIntegrity, Path: t.req.Key, Detail: "its " + check.Label() + " differs; what was written is not to be used"}
	}
	e.mu.Lock()
	t.result.verified = check.Label()
	e.mu.Unlock()
	return nil
}

// pourError is a failure of the reader at the other end of the pipe.
type pourError struct{ err error }

func (p *pourError) Error() string { return p.err.Error() }

// pour copies what is missing, with one GET.
func (j *job) pour(ctx context.Context, w io.Writer) error {
	t, err := j.current(ctx)
	if err != nil {
		return err
	}
	ctx, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	pulse := newPulse(j.e.cfg.Timeouts, cut)
	defer pulse.stop()
	at, end := j.t.progress.done.Load(), j.size
	if at == 0 {
		end = -1
	}
	a, err := j.e.get(ctx, t, at, end)
	if err != nil {
		return j.refusal(t, err)
	}
	j.works(t)
	defer a.body.Close()
	if a.whole && at > 0 {
		return errNoRange
	}
	if a.total != j.size {
		return badAnswer("the storage has another size for it")
	}
	buf := make([]byte, bufferSize)
	for {
		n, rerr := a.body.Read(buf[:min(len(buf), j.e.limits.readMost)])
		if n > 0 {
			pulse.beat(n)
			j.t.progress.fetched.Add(int64(n))
			if err := pulse.rest(func() error {
				if l := j.e.limits.rate; l != nil {
					if err := waitLimit(ctx, l, n); err != nil {
						return err
					}
				}
				if _, err := w.Write(buf[:n]); err != nil { // a full pipe is no stall
					return &pourError{err}
				}
				return nil
			}); err != nil {
				return err
			}
			j.t.progress.done.Add(int64(n))
		}
		switch {
		case rerr == io.EOF && j.t.progress.done.Load() < j.size:
			return io.ErrUnexpectedEOF
		case rerr == io.EOF:
			return nil
		case rerr != nil:
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return rerr
		}
	}
}
