package transfers

import (
	"strings"
	"time"

	"usher/client/download"
	"usher/client/quantity"
)

// tally is the sums of the whole queue, made once for each copy of it:
// frames come more often.
type tally struct {
	active bool // something moves by itself
	paused bool
	failed bool // something can be tried again
	files  [groups]int
	held   string // why nothing moves though it would; "" while something does
}

// open reports whether the queue is not at rest.
func (y tally) open() bool { return y.active || y.paused }

func tallied(s *download.Snapshot) (y tally) {
	network, signIn, moves := false, false, false
	var silent time.Duration // the shortest time for which nothing came
	for i := range s.Transfers {
		x := &s.Transfers[i]
		if !x.Folder && x.State != download.Cancelled {
			y.files[groupOf(x)]++
		}
		switch x.State {
		case download.Failed, download.Denied, download.WaitingNetwork:
			y.failed = true
		}
		if x.State.Finished() {
			continue
		}
		y.paused = y.paused || x.State == download.Paused
		y.active = y.active || x.State != download.Paused
		switch x.State {
		case download.WaitingNetwork:
			network = true
		case download.WaitingSignIn:
			signIn = true
		case download.Verifying:
			moves = true
		case download.Running:
			switch {
			case x.Folder: // its files tell
			case x.Quiet < quiet:
				moves = true
			case silent == 0 || x.Quiet < silent:
				silent = x.Quiet
			}
		}
	}
	switch {
	case moves:
	case signIn:
		y.held = "waiting for your sign-in"
	case network:
		y.held = "waiting for the network"
	case silent > 0:
		y.held = "no data for " + quantity.Remaining(silent)
	}
	return y
}

// heldShort is the same where cells are few.
func heldShort(held string) string {
	if strings.HasPrefix(held, "waiting") {
		return "waiting"
	}
	return "no data"
}
