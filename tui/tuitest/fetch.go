package tuitest

import (
	"errors"
	"fmt"
	"time"

	"usher/backend/api"
	"usher/client/download"
)

const usual = 3 // files at once

// open reports whether a transfer is unfinished, paused or not.
func (t *transfer) open() bool { return !t.State.Finished() }

// moves reports whether a transfer is active: neither finished nor paused.
func (t *transfer) moves() bool { return !t.State.Finished() && t.State != download.Paused }

// advance adds the data for the time since the last call.
func (e *Engine) advance() {
	now := e.Now()
	d := now.Sub(e.last)
	e.last = now
	atOnce, alone := usual, e.preceded()
	if e.atOnce > 0 {
		atOnce = e.atOnce
	}
	running := 0
	for _, t := range e.all {
		if !t.moves() || t.Folder {
			continue
		}
		if e.hold == 0 && (running >= atOnce || alone && !e.leads(t)) {
			t.State, t.Rate, t.Left = download.Waiting, 0, 0
			continue
		}
		if e.hold != 0 {
			t.State, t.Rate, t.Left = e.hold, 0, 0
			continue
		}
		fresh := t.State != download.Running
		if fresh {
			e.begin(t, now)
		}
		if t.State == download.Running {
			running++
			if !fresh {
				e.fetch(t, d, now)
			}
		}
	}
	for _, t := range e.all {
		if t.Folder {
			e.walk(t, d)
		}
	}
}

// preceded reports whether a transfer precedes all others.
func (e *Engine) preceded() bool {
	for _, t := range e.all {
		if e.leads(t) && t.moves() {
			return true
		}
	}
	e.first = 0
	return false
}

// speed returns the rate of one file, in bytes a second.
func (e *Engine) speed() int64 {
	running := int64(0)
	for _, t := range e.all {
		if t.State == download.Running && !t.Folder {
			running++
		}
	}
	if e.limit > 0 && running > 0 {
		return min(e.Speed, e.limit/running)
	}
	return e.Speed
}

// begin checks the local file, like the real engine before its first call.
func (e *Engine) begin(t *transfer, now time.Time) {
	t.quiet = now
	p := e.presence(t.Request)
	c := t.Request.Conflict
	same := p == download.Here || p == download.HereMaybe && (e.Same == nil || e.Same(t.Request))
	switch {
	case p == download.Absent, p == download.HerePartial, !same && (c == download.Overwrite || c == download.KeepBoth):
		t.State = download.Running
		if t.Size < 0 {
			t.Size = 120_000
		}
	case same:
		t.State, t.Done, t.Size = download.Skipped, max(t.Size, 0), max(t.Size, 0)
	case c == download.Refuse:
		t.State, t.Err = download.Failed, &download.Error{Kind: download.ErrExists, Path: t.Dest}
	default:
		t.State, t.Differs, t.Done = download.Skipped, true, max(t.Size, 0)
	}
}

func (e *Engine) fetch(t *transfer, d time.Duration, now time.Time) {
	if e.silent {
		t.Rate, t.Left = 0, 0
		if t.Quiet = now.Sub(t.quiet).Truncate(time.Second); t.Quiet < 3*time.Second {
			t.Quiet = 0
		}
		return
	}
	t.quiet, t.Quiet = now, 0
	t.Done = min(t.Size, t.Done+int64(d.Seconds()*float64(e.speed())))
	if e.Fail != nil {
		if err := e.Fail(t.Request); err != nil && t.Done >= t.Size/4 {
			t.State, t.Err, t.Done, t.Rate, t.Left = download.Failed, err, t.Size/4, 0, 0
			if refused := (*api.Error)(nil); errors.As(err, &refused) && refused.Code == api.NotFound {
				t.State, t.Done = download.Denied, 0
			}
			return
		}
	}
	t.Rate = float64(e.speed())
	t.Left = time.Duration(float64(t.Size-t.Done) / t.Rate * float64(time.Second))
	if t.Done == t.Size {
		t.State, t.Verified, t.Rate, t.Left = download.Done, "crc64nvme", 0, 0
		if e.Plain != nil && e.Plain(t.Request) {
			t.Verified = "size"
		}
		if e.have == nil {
			e.have = make(map[string]download.Request)
		}
		r := t.Request
		r.Size = t.Size
		e.have[diskKey(r)] = r
	}
}

// walk finds further files of a folder and computes its sums.
func (e *Engine) walk(f *transfer, d time.Duration) {
	if f.walk > 0 && f.moves() {
		f.found += 1000 * d.Seconds()
		for ; f.found >= 1 && f.walk > 0; f.found, f.walk = f.found-1, f.walk-1 {
			key := fmt.Sprintf("%sfound-%05d.bin", f.Key, f.walk)
			e.add(download.Request{Bucket: f.Bucket, Key: key, ETag: `"f"`, Size: 100_000, Dir: f.Request.Dir, Conflict: f.Request.Conflict}, f.ID)
		}
	}
	f.Counting = f.walk > 0
	f.Files, f.FilesDone, f.FilesDiffer, f.FilesFailed, f.Size, f.Done, f.Rate, f.Left = 0, 0, 0, 0, 0, 0, 0, 0
	openFiles := 0
	for _, t := range e.all {
		if t.Parent != f.ID {
			continue
		}
		f.Files++
		f.Size += max(t.Size, 0)
		f.Done += t.Done
		f.Rate += t.Rate
		switch {
		case t.State == download.Done || t.State == download.Skipped:
			f.FilesDone++
			if t.Differs {
				f.FilesDiffer++
			}
		case t.State.Finished():
			f.FilesFailed++
		default:
			openFiles++
		}
	}
	switch {
	case !f.moves() || f.Counting || openFiles > 0:
		if f.Rate > 0 {
			f.Left = time.Duration(float64(f.Size-f.Done) / f.Rate * float64(time.Second))
		}
		if f.State == download.Failed && openFiles > 0 {
			f.State, f.Err = download.Running, nil
		}
	case f.FilesFailed > 0:
		f.State, f.Err = download.Failed, download.ErrNetwork
	default:
		f.State = download.Done
	}
}

// Snapshot returns a copy of the queue, with the sums of the batch.
func (e *Engine) Snapshot() download.Snapshot {
	defer e.enter()()
	s := download.Snapshot{Limit: e.limit, AtOnce: e.atOnce, First: e.first}
	rest := int64(0)
	for _, t := range e.all {
		s.Transfers = append(s.Transfers, t.Transfer)
		if t.Folder {
			if t.Counting {
				s.Counting += max(t.Files, 1)
			}
			continue
		}
		if t.State == download.Running || t.State == download.Verifying {
			s.Running++
			s.Rate += t.Rate
		}
		if t.moves() {
			rest += max(t.Size, 0) - t.Done
		}
		if t.batch != e.batch {
			continue
		}
		s.Files++
		s.Bytes += max(t.Size, 0)
		s.BytesDone += t.Done
		switch t.State {
		case download.Done:
			s.FilesDone++
			s.BytesNew += t.Size
			if t.Verified == "size" {
				s.FilesPlain++
			}
		case download.Skipped:
			s.FilesDone++
			if t.Differs {
				s.FilesDiffer++
			} else {
				s.FilesSame++
			}
		case download.Failed, download.Denied:
			s.FilesFailed++
		}
	}
	if s.Rate > 0 {
		s.Left = time.Duration(float64(rest) / s.Rate * float64(time.Second))
	}
	return s
}
