package fetch

import (
	"context"
	"errors"
	"io"
	"time"

	"usher/client/download/verify"
)

// fetch fills one segment with one GET. The first response also opens the way for
// the other connections.
func (j *attempt) fetch(ctx context.Context, w *segment) error {
	t, err := j.tickets.current(ctx)
	if err != nil {
		return err
	}
	end := j.ledger.endOf(w)
	all := w.pos == 0 && (j.plain || j.crew.noRange || end == j.size && j.size > 0)
	if all {
		end = -1
	}
	asked := time.Now()
	a, err := j.c.get(ctx, t, w.pos, end)
	if err != nil {
		return j.tickets.refusal(t, err)
	}
	defer a.body.Close()
	if j.plain {
		j.c.Small.Responded(time.Since(asked))
	}
	j.tickets.works(t)
	if a.whole && !all && (w.pos != 0 || a.n != end) {
		return ErrNoRange
	}
	first, err := j.learn(a)
	if err != nil {
		return err
	}
	if first && !j.plain {
		j.grow(ctx)
	}
	if a.n < 0 { // chunked: the response has no length, the object has
		a.n = j.size - w.pos
	}
	return j.readBody(a, w)
}

// learn takes size, date and checksum from the first response, and reports whether
// a is the first one.
func (j *attempt) learn(a *answer) (first bool, err error) {
	j.mu.Lock()
	unsized := j.size < 0
	switch {
	case a.total >= 0 && j.size >= 0 && a.total != j.size:
		err = badAnswer("the storage has another size for it")
	case j.crew.met:
	case unsized && a.total < 0:
		err = badAnswer("the storage's response has no length")
	default:
		first, err = true, j.learnFirst(a)
	}
	j.mu.Unlock()
	if err != nil || !first {
		return false, err
	}
	if unsized {
		if err := j.Owner.Sized(j.size); err != nil {
			return false, permanentError{err}
		}
	}
	j.Owner.Notify(Event{})
	return true, nil
}

// learnFirst runs under mu.
func (j *attempt) learnFirst(a *answer) error {
	if !a.modified.IsZero() {
		j.modified = a.modified
	}
	learned := j.size < 0
	if learned {
		j.size = a.total
	}
	if a.whole && j.checksum == nil && a.checksum != nil {
		expected, err := verify.Expect(a.checksum, nil, j.size)
		if err != nil && !errors.Is(err, verify.ErrUnusable) {
			return badAnswer(err.Error())
		}
		j.expected, j.checksum, j.lookUp, learned = expected, a.checksum, err != nil, true
	}
	if learned {
		j.ledger.learn(j.size, j.expected) // else the whole is read once more at the end
	}
	j.crew.met = true
	return nil
}

// readBody reads a body into its segment, through one buffer. It ends early where
// another connection took over the rest of the segment.
func (j *attempt) readBody(a *answer, w *segment) error {
	buf := j.c.buffers.get(a.n)
	defer j.c.buffers.put(buf)
	b, have, flushed := *buf, 0, time.Now()
	asked := w.pos + a.n // the announced end
	for {
		n, rerr := a.body.Read(b[have:])
		if n > 0 {
			have += n
			j.Progress.Fetched.Add(int64(n))
			j.c.moved.Add(int64(n))
		}
		if have == len(b) || rerr != nil || have > 0 && time.Since(flushed) > j.c.Timeouts.Tick {
			if w.pos+int64(have) > asked {
				return badAnswer("the storage sent more than it announced")
			}
			own, atEnd, err := j.ledger.write(j.File, w, b[:have])
			if err != nil {
				return &Error{Kind: ErrDisk, Err: err}
			}
			j.Progress.Done.Add(int64(own))
			have, flushed = 0, time.Now()
			j.noteMotion(flushed)
			j.checkpoint(flushed)
			if atEnd && (rerr == nil || rerr == io.EOF) && w.pos < asked {
				return nil // the rest is another's; this connection is given up
			}
		}
		if rerr == io.EOF {
			if !j.ledger.ends(w, asked) {
				return io.ErrUnexpectedEOF
			}
			return nil
		}
		if rerr != nil {
			return rerr
		}
	}
}
