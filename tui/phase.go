package tui

import "time"

// phase is the progress of the sign-in, from "no person is signed in" to "the
// server confirmed the person". Only after changes it.
type phase uint8

const (
	out       phase = iota // the sign-in page is shown, and no browser state is kept
	opening                // signed in, but whoami has not succeeded yet
	open                   // whoami has succeeded
	expired                // a dialog over the page: the sign-in has ended
	returning              // the sign-in page is shown, and the browser state is kept
	checking               // signed in again; whoami will show if the person is the same
)

// sessionEvent is an event of the session.
type sessionEvent uint8

const (
	signedIn     sessionEvent = iota // a sign-in is complete, and its tokens are stored
	confirmed                        // whoami succeeded
	unconfirmed                      // whoami failed
	refused                          // a call failed because the sign-in has ended
	signInChosen                     // the person chose to sign in again
	leftSession                      // the person signed out
)

// after returns the phase that follows an event. An event without a meaning in
// a phase does not change it.
func (p phase) after(h sessionEvent) phase {
	switch {
	case h == leftSession:
		return out
	case h == signedIn && p == out:
		return opening
	case h == signedIn && p == returning:
		return checking
	case h == confirmed && (p == opening || p == checking):
		return open
	case h == unconfirmed && p == checking:
		return returning
	case h == refused && p == opening:
		return out
	case h == refused && p == open:
		return expired
	case h == signInChosen && p == expired:
		return returning
	}
	return p
}

// browsing reports whether the pages are active, not the sign-in.
func (p phase) browsing() bool { return p == opening || p == open || p == expired }

// interrupted reports whether the person of the kept browser state must sign in again.
func (p phase) interrupted() bool { return p == expired || p == returning || p == checking }

// known reports whether whoami has confirmed the person of the kept browser state.
func (p phase) known() bool { return p != out && p != opening }

// contact is the state of the whoami call.
type contact uint8

const (
	noCall   contact = iota
	calling          // a call is in progress
	retryDue         // the server did not respond; a call is scheduled
)

// pollTime is how long after the last key press the beats call whoami, so that the
// end of a session shows on any page. Later the pool's quota of calls is left to
// people at work.
const pollTime = 10 * time.Minute

// activity is the person's activity between two beats of the session timer. A
// beat without a recent key press or a transfer makes no call; the first key press
// after it calls whoami immediately.
type activity uint8

const (
	polled activity = iota // the last beat called whoami
	active                 // a key was pressed since the last beat
	idle                   // the last beat made no call
)

// beat returns the activity after a beat, and reports whether whoami is due. Recent
// reports a key press within pollTime.
func (a activity) beat(p phase, transfers, recent bool) (activity, bool) {
	if p.browsing() && (a == active || transfers || recent) {
		return polled, true
	}
	return idle, false
}

// key returns the activity after a key press, and reports whether whoami is due.
func (a activity) key(p phase) (activity, bool) { return active, a == idle && p.browsing() }
