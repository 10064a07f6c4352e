package download

// phase is the kind of work that a transfer is in. The state is for people; the
// phase is the engine's: it decides which code may act on the transfer next.
type phase int

const (
	resting   phase = iota // nothing works on it: new, paused or finished
	queued                 // in a waiting list
	working                // admitted: a worker has it
	blocked                // as working, and a release of it cannot go out: its other connections do not hide that
	requeued               // as working; it is queued again when its worker ends
	syncing                // has its final name and waits for a shared sync; nothing stops it now
	walking                // a goroutine lists the folder
	rewalking              // as walking; the walk begins again when this one ends
	removed                // taken off the list
)

// lists reports whether a goroutine lists the folder.
func (p phase) lists() bool { return p == walking || p == rewalking }

// works reports whether a worker has the transfer.
func (p phase) works() bool { return p == working || p == blocked || p == requeued }

// transition gives a transfer its next state, and the cause of that state, if it
// has one. It runs under mu. No other code assigns a state.
func (e *Engine) transition(t *transfer, to State, cause error) {
	t.state, t.err = to, cause
	if to == WaitingSignIn {
		e.wake.signedOut = true
		e.checkIdle()
	}
}

// report moves an admitted transfer to the state that its work is in, under mu.
// It leaves finished and paused transfers alone. A blocked transfer stays blocked
// while other connections of the same file still run.
func (e *Engine) report(t *transfer, to State, cause error, event string) {
	hidden := t.phase == blocked && (to == Running || to == Verifying)
	if t.state.Finished() || t.state == Paused || hidden {
		return
	}
	e.transition(t, to, cause)
	if event != "" {
		t.event = event
	}
}

// set is report for a caller without mu.
func (e *Engine) set(t *transfer, to State, cause error, event string) {
	e.mu.Lock()
	e.report(t, to, cause, event)
	e.mu.Unlock()
	e.notify()
}

// block reports why no release of a transfer can go out, under mu.
func (e *Engine) block(t *transfer, why obstacle) {
	e.report(t, why.state, why.err, why.event)
	if t.phase == working && (t.state == WaitingNetwork || t.state == WaitingSignIn) {
		t.phase = blocked
	}
}

// unblock reverses block, under mu. The transfer returns to the state
// before, where that was Waiting or Verifying, and else to Running.
func (e *Engine) unblock(t *transfer, before State) {
	if t.phase != blocked {
		return
	}
	t.phase = working
	if t.state != WaitingNetwork && t.state != WaitingSignIn {
		return
	}
	if before != Waiting && before != Verifying {
		before = Running
	}
	t.event = ""
	e.transition(t, before, nil)
}

// stay withdraws a request to begin again when the present work ends, under mu.
func (t *transfer) stay() {
	switch t.phase {
	case requeued:
		t.phase = working
	case rewalking:
		t.phase = walking
	}
}
