package transfers

import (
	"strings"
	"time"

	"usher/client/download"
	"usher/client/quantity"
)

// tally holds sums over the queue. It is computed once for each copy of the queue,
// because frames are more frequent.
type tally struct {
	active bool // there is an unfinished transfer that is not paused
	paused bool
	failed bool // there is a transfer to try again
	ended  int  // files that failed or were denied
	files  [groups]int
	silent bool   // no connection to the storage moves
	held   string // the reason that all active transfers wait, or ""
}

// open reports whether there are unfinished transfers.
func (y tally) open() bool { return y.active || y.paused }

func tallied(s *download.Snapshot) (y tally) {
	network, signIn, moves := false, false, false
	var silent time.Duration // the shortest time without data
	for i := range s.Transfers {
		x := &s.Transfers[i]
		if !x.Folder && x.State != download.Cancelled {
			y.files[groupOf(x)]++
		}
		switch x.State {
		case download.Failed, download.Denied:
			y.failed = true
			if !x.Folder {
				y.ended++
			}
		case download.WaitingNetwork:
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
			case x.Folder: // its files count
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
		y.held, y.silent = "waiting for the network", true
	case silent > 0:
		y.held, y.silent = "no data for "+quantity.Remaining(silent), true
	}
	return y
}

// heldShort returns held in fewer cells.
func heldShort(held string) string {
	if strings.HasPrefix(held, "waiting") {
		return "waiting"
	}
	return "no data"
}
