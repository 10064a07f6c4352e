package download

import (
	"context"
	"time"
)

// notify wakes the reader of Changed.
func (e *Engine) notify() {
	select {
	case e.wake.changed <- struct{}{}:
	default:
	}
}

// Changed receives after something changed; several changes may come as one.
func (e *Engine) Changed() <-chan struct{} { return e.wake.changed }

// sleep waits for d, for Retry, or for the end of ctx.
func (e *Engine) sleep(ctx context.Context, d time.Duration) error {
	e.mu.Lock()
	kick := e.wake.kick
	e.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-kick:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// checkIdle wakes Wait, under mu.
func (e *Engine) checkIdle() {
	if !e.busy() {
		close(e.wake.idle)
		e.wake.idle = make(chan struct{})
	}
}

// busy reports whether anything can still move without a person, under mu.
func (e *Engine) busy() bool {
	if e.ends.telling || e.window.waitSmall.Len()+e.window.waitLarge.Len()+e.window.settling > 0 {
		return true
	}
	if !e.wake.signedOut && len(e.window.active) > 0 {
		return true
	}
	for t := range e.window.active {
		if t.state != WaitingSignIn {
			return true
		}
	}
	for t := range e.list.walks {
		if t.state != Paused && t.state != WaitingSignIn {
			return true
		}
	}
	return false
}

// Wait returns when nothing is waiting or running any more. A transfer that
// is paused or waits for a sign-in does not count: only a person continues it.
func (e *Engine) Wait(ctx context.Context) error {
	for {
		e.mu.Lock()
		busy, idle := e.busy(), e.wake.idle
		e.mu.Unlock()
		if !busy {
			e.reporter.flush()
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
