package download

import (
	"math"
	"time"
)

// meter is a moving mean over about 3 s.
type meter struct {
	warm  bool
	last  int64   // bytes at the last tick
	rate  float64 // bytes a second
	ended int     // files since the last tick
	files float64 // files a second
	at    time.Time
	moved time.Time // the last tick that saw bytes, or the first one
}

const meterSpan = 3 * time.Second

func (m *meter) tick(total int64, now time.Time) (instant float64) {
	since := now.Sub(m.at)
	if m.at.IsZero() || since <= 0 {
		m.at, m.last, m.ended, m.moved = now, total, 0, now
		return 0
	}
	if total > m.last {
		m.moved = now
	}
	instant = float64(max(total-m.last, 0)) / since.Seconds()
	files := float64(m.ended) / since.Seconds()
	weight := 1 - math.Exp(-since.Seconds()/meterSpan.Seconds())
	if !m.warm {
		m.warm, weight = true, 1
	}
	m.rate += weight * (instant - m.rate)
	m.files += weight * (files - m.files)
	m.at, m.last, m.ended = now, total, 0
	return instant
}

// quiet is how long no byte has come, once that is worth a word.
func (m *meter) quiet() time.Duration {
	if since := m.at.Sub(m.moved); since >= meterSpan {
		return since
	}
	return 0
}

// leftAt is how long the rest takes; 0 where that would be no more than a guess.
func leftAt(rate float64, rest int64) time.Duration {
	if rate < leastRate || rest <= 0 {
		return 0
	}
	return time.Duration(min(float64(rest)/rate, 1e9)) * time.Second
}

// leftOfAll returns the time left of a queue, at least that of each file: the mean rate
// still has the bytes of a file that was just paused. 0 stays 0.
func leftOfAll(left time.Duration, transfers []Transfer) time.Duration {
	if left == 0 {
		return 0
	}
	for i := range transfers {
		left = max(left, transfers[i].Left)
	}
	return left
}

const leastRate = 1024 // bytes a second

// startTicking measures rates while something is active, under mu.
func (e *Engine) startTicking() {
	if e.sums.ticking || e.closed {
		return
	}
	e.sums.ticking = true
	e.sums.meter.at = time.Time{}
	e.wg.Add(1)
	go func() {
		defer e.wg.Done()
		ticker := time.NewTicker(e.cfg.Timeouts.Tick)
		defer ticker.Stop()
		for {
			select {
			case <-e.ctx.Done():
			case <-ticker.C:
			}
			if !e.tick(time.Now()) {
				return
			}
		}
	}()
}

// tick measures, and reports whether to continue.
func (e *Engine) tick(now time.Time) bool {
	e.mu.Lock()
	rest := e.sums.totals.bytes - e.sums.totals.doneBytes
	for t := range e.window.active {
		e.account(t)
		t.slot.meter.tick(t.progress.Fetched.Load(), now)
		rest -= t.progress.Done.Load()
	}
	instant := e.sums.tick(now)
	e.admit()
	if len(e.window.active) == 0 || e.ctx.Err() != nil {
		e.sums.stop()
	}
	goOn := e.sums.ticking
	e.mu.Unlock()
	e.conns.Tick(instant, float64(rest)/max(instant*e.cfg.Timeouts.Tick.Seconds(), 1))
	e.notify()
	return goOn
}

// Snapshot is a consistent copy of the queue.
func (e *Engine) Snapshot() Snapshot {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := Snapshot{Transfers: make([]Transfer, 0, len(e.list.order)), Files: e.sums.totals.files, FilesDone: e.sums.totals.done,
		FilesSame: e.sums.totals.same, FilesDiffer: e.sums.totals.differ, FilesPlain: e.sums.totals.plain, FilesFailed: e.sums.totals.failed,
		Bytes: e.sums.totals.bytes, BytesDone: e.sums.totals.doneBytes, BytesNew: e.sums.totals.newBytes, Rate: e.sums.meter.rate,
		Limit: e.window.limit, AtOnce: int(e.window.atOnce.Load())}
	if f := e.window.first; f != nil {
		s.First = f.id
	}
	var rest int64                 // of the transfers that can move
	begun := map[*transfer]int64{} // bytes of a folder's files that have begun and not ended
	for _, t := range e.list.order {
		s.Transfers = append(s.Transfers, e.copyOf(t))
		if t.req.Folder || t.state == Done || t.state == Skipped || t.state == Cancelled {
			continue
		}
		done := t.progress.Done.Load()
		if t.state == Running || t.state == Verifying {
			s.Running++
		}
		if t.batched {
			s.BytesDone += done
		}
		if t.parent != nil {
			begun[t.parent] += done
		}
		if t.state != Paused && !t.state.Finished() {
			rest += max(t.size-done, 0)
		}
	}
	for i, t := range e.list.order {
		c := &s.Transfers[i]
		c.Done += begun[t]
		if t.req.Folder && t.state == Running {
			c.Rate = t.folder.meter.rate
			c.Left = leftAt(c.Rate, c.Size-c.Done)
		}
	}
	for t := range e.list.walks {
		s.Counting += max(t.folder.files.files, 1)
	}
	if e.sums.batch != whileBusy {
		s.Counting = max(s.Files, 1)
	}
	s.Left = leftOfAll(leftAt(e.sums.meter.rate, rest), s.Transfers)
	return s
}

// copyOf runs under mu.
func (e *Engine) copyOf(t *transfer) Transfer {
	c := Transfer{ID: t.id, Request: t.req, Bucket: t.req.Bucket, Key: t.req.Key, Dest: t.result.dest, Size: t.size,
		Done: t.progress.Done.Load(), Fetched: t.progress.Fetched.Load(), State: t.state, Verified: t.result.verified, Err: t.err, Event: t.event,
		Retries: int(t.progress.Retries.Load()), AuditID: t.chain.first, Differs: t.result.differs, Anew: t.result.anew}
	if t.parent != nil {
		c.Parent = t.parent.id
	}
	if t.state == Running {
		c.Rate = t.slot.meter.rate
		if c.Quiet = t.slot.meter.quiet(); c.Quiet == 0 {
			c.Left = leftAt(c.Rate, t.size-c.Done)
		}
	}
	if t.req.Folder {
		c.Folder, c.Files, c.FilesDone, c.FilesFailed = true, t.folder.files.files, t.folder.files.done, t.folder.files.failed
		c.Size, c.Done, c.Counting, c.FilesDiffer = t.folder.files.bytes, t.folder.files.doneBytes, t.phase.lists(), t.folder.files.differ
		c.Omitted = t.folder.omitted
	}
	return c
}

// keepFinished is how many finished children stay on the list.
const keepFinished = 20_000

// forgetOld takes the oldest finished children off the list, in one sweep now
// and then, under mu.
func (e *Engine) forgetOld() {
	if e.list.kept++; e.list.kept < keepFinished+keepFinished/4 {
		return
	}
	drop := 0
	for _, t := range e.list.order {
		if t.parent != nil && (t.state == Done || t.state == Skipped) {
			drop++
		}
	}
	e.list.kept = drop
	if drop -= keepFinished; drop <= 0 {
		return
	}
	e.list.kept -= drop
	rest := e.list.order[:0]
	for _, t := range e.list.order {
		if drop > 0 && t.parent != nil && (t.state == Done || t.state == Skipped) {
			drop--
			delete(e.list.byID, t.id)
			continue
		}
		rest = append(rest, t)
	}
	clear(e.list.order[len(rest):])
	e.list.order = rest
}
