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
}

const meterSpan = 3 * time.Second

func (m *meter) tick(total int64, now time.Time) (instant float64) {
	since := now.Sub(m.at)
	if m.at.IsZero() || since <= 0 {
		m.at, m.last, m.ended = now, total, 0
		return 0
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

func (m *meter) left(rest int64) time.Duration {
	if m.rate < 1 || rest <= 0 {
		return 0
	}
	return time.Duration(min(float64(rest)/m.rate, 1e9)) * time.Second
}

// startTicking measures rates while something is active, under mu.
func (e *Engine) startTicking() {
	if e.ticking || e.closed {
		return
	}
	e.ticking = true
	e.meter.at = time.Time{}
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

// tick measures, and says whether to go on.
func (e *Engine) tick(now time.Time) bool {
	e.mu.Lock()
	rest := e.totals.bytes - e.totals.doneBytes
	for t := range e.active {
		t.meter.tick(t.fetched.Load(), now)
		rest -= t.done.Load()
	}
	instant := e.meter.tick(e.moved.Load(), now)
	e.admit()
	if len(e.active) == 0 || e.ctx.Err() != nil {
		e.ticking = false
		e.meter = meter{}
	}
	goOn := e.ticking
	e.mu.Unlock()
	e.lanes.tick(instant, float64(rest)/max(instant*e.cfg.Timeouts.Tick.Seconds(), 1))
	e.notify()
	return goOn
}

// Snapshot is a consistent copy of the queue.
func (e *Engine) Snapshot() Snapshot {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := Snapshot{Transfers: make([]Transfer, 0, len(e.order)), Files: e.totals.files, FilesDone: e.totals.done,
		FilesFailed: e.totals.failed, Bytes: e.totals.bytes, BytesDone: e.totals.doneBytes, Rate: e.meter.rate}
	moving := map[*transfer]*struct {
		done int64
		rate float64
	}{}
	for t := range e.active {
		if t.state == Running || t.state == Verifying {
			s.Running++
		}
		s.BytesDone += t.done.Load()
		if p := t.parent; p != nil {
			m := moving[p]
			if m == nil {
				m = &struct {
					done int64
					rate float64
				}{}
				moving[p] = m
			}
			m.done += t.done.Load()
			m.rate += t.meter.rate
		}
	}
	for _, t := range e.order {
		c := e.copyOf(t)
		if m := moving[t]; m != nil {
			c.Done += m.done
			c.Rate = m.rate
			mm := meter{rate: m.rate}
			c.Left = mm.left(c.Size - c.Done)
		}
		s.Transfers = append(s.Transfers, c)
	}
	for t := range e.walks {
		s.Counting += max(t.files.files, 1)
	}
	s.Left = e.meter.left(s.Bytes - s.BytesDone)
	return s
}

// copyOf runs under mu.
func (e *Engine) copyOf(t *transfer) Transfer {
	c := Transfer{ID: t.id, Request: t.req, Bucket: t.req.Bucket, Key: t.req.Key, Dest: t.dest, Size: t.size,
		Done: t.done.Load(), Fetched: t.fetched.Load(), State: t.state, Verified: t.verified, Err: t.err, Event: t.event,
		Retries: t.retries, AuditID: t.firstEvent}
	if t.parent != nil {
		c.Parent = t.parent.id
	}
	if t.state == Running {
		c.Rate = t.meter.rate
		c.Left = t.meter.left(t.size - c.Done)
	}
	if t.req.Folder {
		c.Folder, c.Files, c.FilesDone, c.FilesFailed = true, t.files.files, t.files.done, t.files.failed
		c.Size, c.Done, c.Counting = t.files.bytes, t.files.doneBytes, t.walking
	}
	return c
}

// keepFinished is how many finished children stay on the list.
const keepFinished = 20_000

// forgetOld takes the oldest finished children off the list, in one sweep now
// and then, under mu.
func (e *Engine) forgetOld() {
	if e.kept++; e.kept < keepFinished+keepFinished/4 {
		return
	}
	drop := 0
	for _, t := range e.order {
		if t.parent != nil && (t.state == Done || t.state == Skipped) {
			drop++
		}
	}
	e.kept = drop
	if drop -= keepFinished; drop <= 0 {
		return
	}
	e.kept -= drop
	rest := e.order[:0]
	for _, t := range e.order {
		if drop > 0 && t.parent != nil && (t.state == Done || t.state == Skipped) {
			drop--
			delete(e.byID, t.id)
			continue
		}
		rest = append(rest, t)
	}
	clear(e.order[len(rest):])
	e.order = rest
}
