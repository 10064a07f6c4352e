package fetch

import (
	"io"
	"time"

	"usher/client/download/part"
)

// readBody reads a body into its lane: into one buffer, summed, then written in
// one piece. It ends early where another connection took over the lane's rest.
func (j *attempt) readBody(a *answer, w *segment) error {
	buf := j.c.buffers.get(a.n)
	defer j.c.buffers.put(buf)
	b, have, crc, flushed := *buf, 0, w.crc, time.Now()
	asked := w.pos + a.n // the announced end
	for {
		n, rerr := a.body.Read(b[have:])
		if n > 0 {
			have += n
			j.Progress.Fetched.Add(int64(n))
			j.c.moved.Add(int64(n))
		}
		if have == len(b) || rerr != nil || have > 0 && time.Since(flushed) > j.c.Timeouts.Tick {
			own := j.ledger.hold(w, have)
			if w.pos+int64(have) > asked {
				return badAnswer("the storage sent more than it announced")
			}
			crc = j.ledger.kind.Update(crc, b[:own])
			if own > 0 {
				if _, err := j.File.WriteAt(b[:own], w.pos); err != nil {
					return &Error{Kind: ErrDisk, Err: err}
				}
			}
			atEnd := j.ledger.wrote(w, own, crc)
			j.Progress.Done.Add(int64(own))
			have, flushed = 0, time.Now()
			j.moved.Store(flushed.UnixNano())
			if j.away.CompareAndSwap(true, false) {
				j.Notify(Event{})
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
func (j *attempt) checkpoint(now time.Time) {
	last := j.noted.Load()
	if now.UnixNano()-last < int64(j.c.Timeouts.Checkpoint) || !j.noted.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	if j.Progress.Done.Load()-j.notedAt.Load() < 64<<10 {
		return
	}
	j.note()
}

// note writes the sidecar with the ranges that are written.
func (j *attempt) note() {
	j.noteMu.Lock()
	defer j.noteMu.Unlock()
	j.mu.Lock()
	size, checksum, modified := j.size, j.checksum, j.modified
	j.mu.Unlock()
	if size < 0 {
		return
	}
	event, at := j.Chain()
	// That it cannot be written is no reason to stop: it costs bytes, later.
	_ = j.File.Note(part.Sidecar{Bucket: j.Object.Bucket, Key: j.Object.Key, ETag: j.etag, Version: j.version, Size: size,
		Modified: modified, Checksum: checksum, Parts: j.parts, Event: event, EventAt: at,
		CRC: j.ledger.kind.Name(), Ranges: part.Sums(j.ledger.pieces())})
	j.notedAt.Store(j.Progress.Done.Load())
}

// lastMove is when bytes were last written, or the try began.
func (j *attempt) lastMove() time.Time { return time.Unix(0, j.moved.Load()) }
