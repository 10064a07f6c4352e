package download

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"usher/client/download/part"
	"usher/client/download/verify"
	"usher/client/quantity"
)

// prepare decides how the bytes are summed and takes over what an earlier try left.
func (j *job) prepare() error {
	var err error
	if j.want, err = verify.Expect(j.checksum, j.parts, j.size); errors.Is(err, verify.ErrUnusable) {
		j.lookUp = true
	} else if err != nil {
		return &mismatch{err.Error()}
	}
	have := j.resume()
	j.ledger = newLedger(j.size, j.want, have)
	j.t.progress.done.Store(j.ledger.have())
	j.notedAt.Store(j.t.progress.done.Load())
	if j.size > smallObject {
		if err := j.file.Allocate(j.size); err != nil {
			return j.e.writeError(j, err)
		}
	}
	return nil
}

// resume reads the part again where its sidecar says that bytes are there,
// and takes only ranges whose sums agree: after a power cut the sidecar may
// know more than the disk. Without a sidecar that fits, the part is emptied.
func (j *job) resume() []verify.Range {
	if j.file.Size() > 0 && !j.noRange {
		if s, ok := j.file.Notes(); ok && s.ETag == j.etag && s.Bucket == j.t.req.Bucket &&
			s.Key == j.t.req.Key && (s.ETag != "" || !s.Modified.IsZero() && s.Modified.Equal(j.modified)) && (j.size < 0 || s.Size == j.size) {
			if j.checksum == nil && s.Checksum != nil {
				if w, err := verify.Expect(s.Checksum, s.Parts, s.Size); err == nil {
					j.checksum, j.parts, j.want = s.Checksum, s.Parts, w
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
	if j.file.Size() > 0 {
		j.file.Empty()
	}
	return nil
}

func (j *job) readBack(s part.Sidecar) []verify.Range {
	kind := j.want.CRC()
	if s.CRC != kind.Name() {
		return nil
	}
	said, err := part.Pieces(s.Ranges, j.want.Border())
	if err != nil {
		return nil
	}
	buf := j.e.buffers.get(bufferSize)
	defer j.e.buffers.put(buf)
	var have []verify.Range
	for _, p := range said {
		crc, at := uint64(0), p.Off
		for at < p.End {
			n, err := j.file.ReadAt((*buf)[:min(int64(len(*buf)), p.End-at)], at)
			if n == 0 || err != nil && at+int64(n) < p.End {
				break
			}
			crc = kind.Update(crc, (*buf)[:n])
			at += int64(n)
		}
		if at == p.End && crc == p.CRC || j.e.cfg.hooks.noVerify {
			have = append(have, p)
		}
	}
	return have
}

// adopt takes over the chain of audit events that an earlier run began, so
// that the auditor sees one row for one file.
func (e *Engine) adopt(t *transfer, s part.Sidecar) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if age := e.cfg.Now().Sub(s.EventAt); t.chain.first != "" || !eventID(s.Event) || age < 0 || age > chainAge {
		return
	}
	t.chain.first, t.chain.at = s.Event, s.EventAt
	t.event = "Going on from " + quantity.Size(s.Have()) + "."
}

// chainAge is how long a chain goes on; complete takes events of the last 24 h.
const chainAge = 23 * time.Hour

// eventID tells whether a sidecar's event could be one: the file may have been
// touched, and the backend refuses a whole release for one odd id.
func eventID(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-')
	})
}

// verify checks the whole. The ranges' sums are at hand; only hashes need the
// bytes once more, in order.
func (j *job) verify(ctx context.Context) error {
	j.e.set(j.t, Verifying, nil, "")
	if j.lookUp {
		tk, err := j.e.ticketFor(ctx, j.t, false)
		if err != nil {
			return err
		}
		if tk.ETag != j.etag {
			return &Error{Kind: ErrChanged, Path: j.t.req.Key}
		}
		if j.want, err = verify.Expect(tk.Checksum, tk.Parts, j.size); err != nil && !errors.Is(err, verify.ErrUnusable) {
			return &mismatch{err.Error()}
		}
	}
	ok, err := true, error(nil)
	j.e.mu.Lock()
	j.t.result.verified = j.want.Label() // of what is being checked
	j.e.mu.Unlock()
	if w := j.want; !w.None() && !j.e.cfg.hooks.noVerify {
		if w.Combines(j.ledger.kind, j.ledger.border) {
			ok = w.MatchesRanges(j.ledger.pieces())
		} else {
			ok, err = w.MatchesReader(j.file.Reader(), j.size)
		}
	}
	if err != nil || !ok {
		j.e.mu.Lock()
		j.t.result.verified = ""
		j.e.mu.Unlock()
	}
	if err != nil {
		return diskError(j.file.Folder().Path(), err)
	}
	if !ok {
		return &mismatch{"its " + j.want.Label() + " differs"}
	}
	return nil
}

// abandon keeps or drops the part of a try that failed, as the failure asks.
func (j *job) abandon(err error) error {
	var own *Error
	switch {
	case errors.Is(err, errMismatch), errors.Is(err, errNoRange):
		j.file.Remove()
	case errors.As(err, &own) && own.Kind == ErrChanged:
		own.Path = filepath.Join(j.file.Folder().Path(), j.t.segs[len(j.t.segs)-1])
		j.file.Remove()
		j.t.progress.done.Store(0)
	case errors.Is(err, errCancelled):
		j.file.Remove()
		j.t.progress.done.Store(0)
	case j.file.Named() && j.ledger != nil && j.ledger.have() > 0:
		j.note()
	default:
		j.file.Remove()
		j.t.progress.done.Store(0)
	}
	return err
}
