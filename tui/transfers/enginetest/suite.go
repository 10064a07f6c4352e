// Package enginetest is a test suite of transfer engines for the screens. The
// download engine and the fake engine of the screens' tests pass the same suite.
//
// A Bed is an engine with controls of its server. Run runs all checks of the suite,
// and CheckOne one of them.
package enginetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"usher/client/download"
	"usher/tui/transfers"
)

// Bed is a new engine with controls of its server.
type Bed struct {
	Engine transfers.Engine
	// Put adds an object and returns a request for it, in the form that screens
	// make from a listing. A second Put of a name replaces the content.
	Put func(name string, size int64) (download.Request, error)
	// Refuse makes the server return not_found for a name, or ends that.
	Refuse func(name string, on bool)
	// Hold makes every transfer wait in state WaitingNetwork or WaitingSignIn. The
	// state Waiting ends that.
	Hold func(download.State)
	// Big is the size of an object that takes seconds to download.
	Big int64
	// Patience is the longest wait of one check.
	Patience time.Duration
	// Close ends the engine.
	Close func() error
}

type promise struct {
	name  string
	check func(bed) error
}

func promises() []promise {
	return []promise{
		{"added files are in the queue, in order", added},
		{"a finished file is verified and counted", arrived},
		{"a paused transfer gets no data until it is resumed", pausedAndResumed},
		{"all transfers are paused and resumed together", allPaused},
		{"a canceled transfer gets no data", canceled},
		{"a finished file that is removed from the list stays on the disk", takenOff},
		{"a refused file is denied, and can be tried again", refused},
		{"all failed files are tried again together", allRetried},
		{"a file that is tried again joins the batch", counted},
		{"transfers can be reordered", moved},
		{"limits hold for running transfers", adjusted},
		{"the first transfer runs alone", preceded},
		{"an object that is added again is one transfer", addedAgain},
		{"a folder is one transfer, its files are others", folder},
		{"a file left out of a folder is not downloaded", without},
		{"local files are found on the disk", local},
		{"an identical local file is not downloaded again", again},
		{"a different local file is treated as requested", differs},
		{"a transfer waits for the network", waits(download.WaitingNetwork)},
		{"a transfer waits for a sign-in", waits(download.WaitingSignIn)},
		{"a new engine has no transfers", fresh},
	}
}

// Run runs each check on a bed of its own.
func Run(t *testing.T, open func() (Bed, error)) {
	for _, p := range promises() {
		t.Run(p.name, func(t *testing.T) {
			if err := play(open, p); err != nil {
				t.Error(err)
			}
		})
	}
}

// CheckOne runs the named check and returns its error.
func CheckOne(t testing.TB, name string, open func() (Bed, error)) error {
	t.Helper()
	for _, p := range promises() {
		if p.name == name {
			return play(open, p)
		}
	}
	t.Fatalf("there is no promise %q", name)
	return nil
}

func play(open func() (Bed, error), p promise) error {
	b, err := open()
	if err != nil {
		return fmt.Errorf("opening an engine: %w", err)
	}
	err = p.check(bed{b})
	return errors.Join(err, b.Close())
}

// bed is a Bed with the helpers of the promises.
type bed struct{ Bed }

// until takes snapshots until one satisfies ok.
func (b bed) until(what string, ok func(download.Snapshot) bool) (download.Snapshot, error) {
	var s download.Snapshot
	for end := time.Now().Add(b.Patience); time.Now().Before(end); <-time.After(5 * time.Millisecond) {
		if s = b.Engine.Snapshot(); ok(s) {
			return s, nil
		}
	}
	return s, fmt.Errorf("no snapshot shows %s; the last one: %s", what, words(s))
}

// state waits until a transfer is in one of the states.
func (b bed) state(id download.ID, states ...download.State) (download.Transfer, error) {
	var found download.Transfer
	_, err := b.until(fmt.Sprintf("transfer %d as %v", id, states), func(s download.Snapshot) bool {
		t, ok := find(s, id)
		found = t
		for _, want := range states {
			if ok && t.State == want {
				return true
			}
		}
		return false
	})
	return found, err
}

// put adds objects of 1,000 bytes and more.
func (b bed) put(names ...string) ([]download.Request, error) {
	reqs := make([]download.Request, len(names))
	for i, name := range names {
		r, err := b.Put(name, int64(1000+i))
		if err != nil {
			return nil, err
		}
		reqs[i] = r
	}
	return reqs, nil
}

// fetch adds an object, downloads it and waits for the end.
func (b bed) fetch(name string) (download.Request, download.ID, error) {
	reqs, err := b.put(name)
	if err != nil {
		return download.Request{}, 0, err
	}
	id := b.Engine.Add(reqs...)[0]
	_, err = b.state(id, download.Done)
	return reqs[0], id, err
}

func find(s download.Snapshot, id download.ID) (download.Transfer, bool) {
	for _, t := range s.Transfers {
		if t.ID == id {
			return t, true
		}
	}
	return download.Transfer{}, false
}

func words(s download.Snapshot) string {
	out := fmt.Sprintf("%d files, %d done, %d failed, %d running, %d of %d bytes", s.Files, s.FilesDone, s.FilesFailed, s.Running, s.BytesDone, s.Bytes)
	for _, t := range s.Transfers {
		out += fmt.Sprintf("; %d %s %d/%d %v", t.ID, t.State, t.Done, t.Size, t.Err)
	}
	return out
}

// wrong returns the first finding that is not ok as an error.
func wrong(found ...finding) error {
	for _, f := range found {
		if !f.ok {
			return fmt.Errorf(f.say, f.args...)
		}
	}
	return nil
}

type finding struct {
	ok   bool
	say  string
	args []any
}

func expect(ok bool, say string, args ...any) finding { return finding{ok, say, args} }
