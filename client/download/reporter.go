package download

import (
	"context"
	"sync"
	"time"

	"usher/backend/api"
)

// reporter sends completions in batches: of api.MaxReport, or after ReportEvery, and
// when the queue is done. That a report is lost never fails a download.
type reporter struct {
	e *Engine

	mu      sync.Mutex
	items   []api.CompleteItem
	timer   *time.Timer
	sending sync.Mutex
}

func (r *reporter) add(item api.CompleteItem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items = append(r.items, item)
	if len(r.items) == api.MaxReport {
		go r.send(api.MaxReport)
	} else if r.timer == nil {
		r.timer = time.AfterFunc(r.e.cfg.Timeouts.ReportEvery, r.flush)
	}
}

// flush sends all items and returns when they are sent, or lost.
func (r *reporter) flush() { r.send(1) }

// send sends the items in full batches as long as there are least or more.
func (r *reporter) send(least int) {
	r.sending.Lock()
	defer r.sending.Unlock()
	for {
		r.mu.Lock()
		n := min(len(r.items), api.MaxReport)
		if n < least {
			r.mu.Unlock()
			return
		}
		if r.timer != nil {
			r.timer.Stop()
			r.timer = nil
		}
		batch := r.items[:n:n]
		if r.items = r.items[n:]; len(r.items) > 0 {
			r.timer = time.AfterFunc(r.e.cfg.Timeouts.ReportEvery, r.flush)
		}
		r.mu.Unlock()
		for range 2 {
			// Not the engine's context: Close flushes too.
			ctx, cancel := context.WithTimeout(context.Background(), min(5*time.Second, r.e.cfg.Timeouts.Idle))
			err := r.e.cfg.Releaser.Complete(ctx, api.CompleteRequest{Items: batch})
			cancel()
			if err == nil {
				break
			}
		}
	}
}
