package fetch

import (
	"context"
	"errors"
	"io"
	"time"

	"usher/backend/api"
	"usher/client/download/ticket"
	"usher/client/download/verify"
)

// Stream fetches an object in order, from its first byte, into w. After a lost
// connection it resumes from the byte that it had. The checksum is compared at the
// end, when the bytes are out: ErrMismatch. A failure of w is returned as it is.
func (c *Client) Stream(ctx context.Context, t Job, w io.Writer) (Result, error) {
	o := t.Object
	if o.Size < 0 {
		return Result{}, mismatch("its size is not known")
	}
	check, err := verify.Expect(o.Checksum, o.Parts, o.Size)
	if err != nil && !errors.Is(err, verify.ErrUnusable) {
		return Result{}, mismatch(err.Error())
	}
	j := newAttempt(c, t)
	j.plain, j.expected, j.ledger = true, check, newLedger(o.Size, check, nil)
	sum := verify.NewStream(check)
	j.motion.note(time.Now())
	repeat := j.retry()
	for complete := false; !complete; {
		err := repeat.do(ctx, func(ctx context.Context) (moved bool, err error) {
			from := t.Progress.Done.Load()
			err = j.copyRest(ctx, io.MultiWriter(sum, w))
			complete = err == nil
			return t.Progress.Done.Load() > from, err
		})
		if errors.Is(err, ErrNoRange) {
			err = mismatch(err.Error())
		}
		if err != nil {
			return Result{}, err
		}
	}
	if !sum.Matches() && !c.NoVerify {
		return Result{}, mismatch("its " + check.Label() + " differs; what was written is not to be used")
	}
	return Result{ETag: o.ETag, Size: o.Size, Label: check.Label(), attempt: j}, nil
}

// First returns the first n bytes of a ticket's object.
func (c *Client) First(ctx context.Context, t *ticket.Ticket, n int64) ([]byte, error) {
	return c.Range(ctx, t, 0, n)
}

// Range returns the bytes [from, end) of a ticket's object, fewer if the storage
// sends fewer.
func (c *Client) Range(ctx context.Context, t *ticket.Ticket, from, end int64) ([]byte, error) {
	ctx, cut := context.WithTimeoutCause(ctx, c.Timeouts.Idle, ErrStalled)
	defer cut()
	a, err := c.get(ctx, t, from, end)
	if err != nil {
		return nil, firstError(err)
	}
	defer a.body.Close()
	if a.whole && from > 0 {
		return nil, &api.Error{Code: api.StorageUnavailable}
	}
	raw, err := io.ReadAll(io.LimitReader(a.body, end-from))
	if err != nil {
		return nil, firstError(err)
	}
	return raw, nil
}

// firstError replaces the storage's own words by a code.
func firstError(err error) error {
	var s3 *s3Error
	var bad badAnswer
	switch {
	case errors.As(err, &s3):
		return s3.failure()
	case errors.As(err, &bad):
		return &api.Error{Code: api.StorageUnavailable}
	}
	return networkError(err)
}

// copyRest copies the missing bytes, with one GET.
func (j *attempt) copyRest(ctx context.Context, w io.Writer) error {
	t, err := j.tickets.current(ctx)
	if err != nil {
		return err
	}
	at, end := j.Progress.Done.Load(), j.size
	if at == 0 {
		end = -1
	}
	a, err := j.c.get(ctx, t, at, end)
	if err != nil {
		return j.tickets.refusal(t, err)
	}
	j.tickets.works(t)
	defer a.body.Close()
	if a.whole && at > 0 {
		return ErrNoRange
	}
	if a.total != j.size {
		return badAnswer("the storage has another size for it")
	}
	buf := make([]byte, BufferSize)
	for {
		n, rerr := a.body.Read(buf)
		if n > 0 {
			j.Progress.Fetched.Add(int64(n))
			if _, err := w.Write(buf[:n]); err != nil {
				return permanentError{err}
			}
			j.Progress.Done.Add(int64(n))
			j.noteMotion(time.Now())
		}
		switch {
		case rerr == io.EOF && j.Progress.Done.Load() < j.size:
			return io.ErrUnexpectedEOF
		case rerr == io.EOF:
			return nil
		case rerr != nil:
			return rerr
		}
	}
}
