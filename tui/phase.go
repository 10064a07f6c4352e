package tui

// phase is where the program is between "no person is signed in" and "the server
// confirmed the person". It changes in after and nowhere else.
type phase uint8

const (
	out       phase = iota // the sign-in is in front, and no place is kept
	opening                // signed in as far as is known; whoami has not answered
	open                   // whoami has answered
	expired                // a dialog over the page: the sign-in has ended
	returning              // the sign-in is in front, and the place below is kept
	checking               // signed in again; whoami decides whether it is the same person
)

// happening is an event of the session.
type happening uint8

const (
	signedIn    happening = iota // a sign-in was completed, its tokens are kept
	confirmed                    // whoami answered
	unconfirmed                  // whoami failed
	refused                      // a page's call failed because the sign-in has ended
	answered                     // the person wants to sign in again
	leftSession                  // the person signed out
)

// after is the phase that follows an event. An event that means nothing in a
// phase leaves it as it is.
func (p phase) after(h happening) phase {
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
	case h == answered && p == expired:
		return returning
	}
	return p
}

// browsing reports whether the pages have the keys, not the sign-in.
func (p phase) browsing() bool { return p == opening || p == open || p == expired }

// known reports whether whoami has answered for the place that is kept.
func (p phase) known() bool { return p != out && p != opening }

// contact is the state of the whoami call.
type contact uint8

const (
	quiet    contact = iota
	asking           // a call is on its way
	retrying         // the server did not answer; a call is due
)

// attention is whether the person is there. A beat that finds no key and no
// transfer sends nothing; the first key after it calls whoami at once.
type attention uint8

const (
	awake  attention = iota // the last beat asked
	active                  // a key was pressed since the last beat
	asleep                  // the last beat asked nothing
)

// beat is the attention after a beat, and whether whoami is called.
func (a attention) beat(p phase, transfers bool) (attention, bool) {
	if p.browsing() && (a == active || transfers) {
		return awake, true
	}
	return asleep, false
}

// key is the attention after a key press, and whether whoami is called.
func (a attention) key(p phase) (attention, bool) { return active, a == asleep && p.browsing() }
