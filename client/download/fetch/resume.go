package fetch

import (
	"context"
	"errors"

	"usher/client/download/part"
	"usher/client/download/verify"
)

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
	j.notedAt.Store(j.Progress.Done.Load())
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
	if j.File.Size() > 0 && !j.noRange {
		if s, ok := j.File.Notes(); ok && s.ETag == j.etag && s.Bucket == j.Object.Bucket &&
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
		j.Notify(Event{Kind: Checking})
		tk, err := j.Source.Ticket(ctx, false)
		if err != nil {
			return err
		}
		if tk.ETag != j.etag {
			return &Error{Kind: ErrChanged}
		}
		if j.expected, err = verify.Expect(tk.Checksum, tk.Parts, j.size); err != nil && !errors.Is(err, verify.ErrUnusable) {
			return mismatch(err.Error())
		}
	}
	ok, err := true, error(nil)
	j.Notify(Event{Kind: Checking, Label: j.expected.Label()})
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
