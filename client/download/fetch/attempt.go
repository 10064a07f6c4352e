package fetch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"usher/backend/api"
	"usher/client/download/part"
	"usher/client/download/ticket"
	"usher/client/download/verify"
)

// attempt is one try to do a Job. Its steps are in Fetch; this file has those
// before and after the bytes.
type attempt struct {
	Job
	c        *Client
	plain    bool // see Object
	ledger   *ledger
	expected verify.Check // the expected checksum
	lookUp   bool         // the checksum is composite, and a release must bring its part size
	tickets  tickets
	motion   motion
	crew     crew
	sidecar  checkpoint

	mu       sync.Mutex // guards the fields below, and crew's
	size     int64      // -1 until the first response
	modified time.Time
	checksum *api.Checksum
	parts    *api.Parts
}

func newAttempt(c *Client, t Job) *attempt {
	o := t.Object
	j := &attempt{Job: t, c: c, plain: o.Plain, size: o.Size, modified: o.Modified, checksum: o.Checksum, parts: o.Parts}
	j.crew.noRange = o.Whole
	j.tickets = tickets{source: t.Owner, named: o.Named, now: c.Now, margin: c.Timeouts.Margin, same: j.same, ticket: t.Ticket}
	return j
}

// same reports whether a ticket is of the content that the attempt has begun.
func (j *attempt) same(t *ticket.Ticket) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return t.ETag == j.Object.ETag && (t.ETag != "" || t.Modified.Equal(j.modified)) && (t.Size < 0 || j.size < 0 || t.Size == j.size)
}

// retry is the policy for one connection.
func (j *attempt) retry() retry {
	r := retry{t: j.c.Timeouts, patience: j.c.Patience, sleep: j.c.Sleep, throttle: j.c.Connections, events: j.Owner,
		progress: j.Progress, motion: &j.motion, moved: &j.c.moved, key: j.Object.Key}
	if j.plain {
		r.throttle = j.c.Small
	}
	return r
}

// noteMotion notes that bytes came.
func (j *attempt) noteMotion(now time.Time) {
	if j.motion.note(now) {
		j.Owner.Notify(Event{})
	}
}

// prepare decides how the bytes are summed and takes over the part of an earlier attempt.
func (j *attempt) prepare() error {
	var err error
	if j.expected, err = verify.Expect(j.checksum, j.parts, j.size); errors.Is(err, verify.ErrUnusable) {
		j.lookUp = true
	} else if err != nil {
		return mismatch(err.Error())
	}
	have := j.resume()
	j.ledger = newLedger(j.size, j.expected, have)
	j.Progress.Done.Store(j.ledger.have())
	j.sidecar.at.Store(j.Progress.Done.Load())
	if j.size > allocateFrom {
		if err := j.File.Allocate(j.size); err != nil {
			return &Error{Kind: ErrDisk, Err: err}
		}
	}
	return nil
}

// resume reads the part again where its sidecar lists bytes,
// and takes only ranges whose sums agree: after a power cut the sidecar may
// know more than the disk. Without a sidecar that fits, the part is emptied.
func (j *attempt) resume() []verify.Range {
	if j.File.Size() > 0 && !j.crew.noRange {
		if s, ok := j.File.Notes(); ok && s.ETag == j.Object.ETag && s.Bucket == j.Object.Bucket &&
			s.Key == j.Object.Key && (s.ETag != "" || !s.Modified.IsZero() && s.Modified.Equal(j.modified)) && (j.size < 0 || s.Size == j.size) {
			if j.checksum == nil && s.Checksum != nil {
				if w, err := verify.Expect(s.Checksum, s.Parts, s.Size); err == nil {
					j.checksum, j.parts, j.expected = s.Checksum, s.Parts, w
				}
			}
			if j.modified.IsZero() {
				j.modified = s.Modified
			}
			if have := j.readBack(s); len(have) > 0 {
				return have
			}
		}
	}
	if j.File.Size() > 0 {
		j.File.Empty()
	}
	return nil
}

func (j *attempt) readBack(s part.Sidecar) []verify.Range {
	kind := j.expected.CRC()
	if s.CRC != kind.Name() {
		return nil
	}
	said, err := part.Pieces(s.Ranges, j.expected.Border())
	if err != nil {
		return nil
	}
	buf := j.c.buffers.get(BufferSize)
	defer j.c.buffers.put(buf)
	var have []verify.Range
	for _, p := range said {
		crc, at := uint64(0), p.Off
		for at < p.End {
			n, err := j.File.ReadAt((*buf)[:min(int64(len(*buf)), p.End-at)], at)
			if n == 0 || err != nil && at+int64(n) < p.End {
				break
			}
			crc = kind.Update(crc, (*buf)[:n])
			at += int64(n)
		}
		if at == p.End && crc == p.CRC || j.c.NoVerify {
			have = append(have, p)
		}
	}
	return have
}

// verify compares the whole with its checksum. The sums of the ranges are at hand;
// a hash alone needs the bytes once more, in order.
func (j *attempt) verify(ctx context.Context) error {
	if j.lookUp {
		j.Owner.Notify(Event{Kind: Checking})
		tk, err := j.Owner.Ticket(ctx, false)
		if err != nil {
			return err
		}
		if tk.ETag != j.Object.ETag {
			return &Error{Kind: ErrChanged}
		}
		if j.expected, err = verify.Expect(tk.Checksum, tk.Parts, j.size); err != nil && !errors.Is(err, verify.ErrUnusable) {
			return mismatch(err.Error())
		}
	}
	ok, err := true, error(nil)
	j.Owner.Notify(Event{Kind: Checking, Label: j.expected.Label()})
	if w := j.expected; !w.None() && !j.c.NoVerify {
		if w.Combines(j.ledger.kind, j.ledger.border) {
			ok = w.MatchesRanges(j.ledger.pieces())
		} else {
			ok, err = w.MatchesReader(j.File.Reader(), j.size)
		}
	}
	switch {
	case err != nil:
		return &Error{Kind: ErrDisk, Err: err}
	case !ok:
		return mismatch("its " + j.expected.Label() + " differs")
	}
	return nil
}

// abandon keeps the part of a failed attempt where its bytes are of use, and else
// removes it.
func (j *attempt) abandon(err error) {
	keep := j.File.Named() && j.ledger != nil && j.ledger.have() > 0
	switch {
	case errors.Is(err, ErrMismatch), errors.Is(err, ErrNoRange):
		j.File.Remove() // the next attempt counts from nothing
		return
	case errors.Is(err, ErrChanged), errors.Is(err, ErrCancelled):
		keep = false
	}
	if keep {
		j.note()
		return
	}
	j.File.Remove()
	j.Progress.Done.Store(0)
}

// checkpoint is the state of the sidecar on the disk.
type checkpoint struct {
	mu    sync.Mutex
	noted atomic.Int64 // when it was last written, in nanoseconds
	at    atomic.Int64 // how many bytes there were then
}

// checkpoint writes the sidecar now and then, so that kill -9 costs little.
func (j *attempt) checkpoint(now time.Time) {
	last := j.sidecar.noted.Load()
	if now.UnixNano()-last < int64(j.c.Timeouts.Checkpoint) || !j.sidecar.noted.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	if j.Progress.Done.Load()-j.sidecar.at.Load() < 64<<10 {
		return
	}
	j.note()
}

// note writes the sidecar with the ranges that are written.
func (j *attempt) note() {
	j.sidecar.mu.Lock()
	defer j.sidecar.mu.Unlock()
	j.mu.Lock()
	size, checksum, modified := j.size, j.checksum, j.modified
	j.mu.Unlock()
	if size < 0 {
		return
	}
	event, at := j.Owner.Chain()
	// That it cannot be written is no reason to stop: it costs bytes, later.
	_ = j.File.Note(part.Sidecar{Bucket: j.Object.Bucket, Key: j.Object.Key, ETag: j.Object.ETag, Version: j.Object.Version, Size: size,
		Modified: modified, Checksum: checksum, Parts: j.parts, Event: event, EventAt: at,
		CRC: j.ledger.kind.Name(), Ranges: part.Sums(j.ledger.pieces())})
	j.sidecar.at.Store(j.Progress.Done.Load())
}
