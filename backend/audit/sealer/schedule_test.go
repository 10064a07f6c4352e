package sealer_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"usher/backend/audit/sealer"
)

// schedules returns the number of random schedules: 1,000 for each commit.
func schedules(t *testing.T) uint64 {
	t.Helper()
	switch {
	case os.Getenv("USHER_SOAK") != "":
		return 50_000
	case testing.Short():
		return 100
	}
	return 1000
}

// play runs one random schedule: writers that are late and write events twice,
// sealers that take turns at each call, and deaths between and in calls. It
// returns the first broken promise.
func play(w *world) error {
	rounds := 2 + w.random.IntN(4)
	for range rounds {
		w.write()
		w.now = w.now.Add(time.Duration(w.random.Int64N(int64(3 * time.Minute))))
		if w.random.IntN(8) == 0 { // all sealers slept, for up to two days
			w.now = w.now.Add(time.Duration(w.random.Int64N(int64(48 * time.Hour))))
		}
		if err := w.together(1 + w.random.IntN(3)); err != nil {
			return err
		}
	}
	// The end: all sweeps are over.
	for _, d := range []time.Duration{2 * time.Minute, 2 * time.Hour, 26 * time.Hour} {
		w.now = w.now.Add(d)
		if err := w.drain(); err != nil {
			return err
		}
	}
	return w.check()
}

// write adds batches, some of them late.
func (w *world) write() {
	for range w.random.IntN(8) {
		at := w.now.Add(-time.Duration(w.random.Int64N(int64(20 * time.Second))))
		switch w.random.IntN(10) {
		case 0: // late, at any time of the last days
			at = w.now.Add(-time.Duration(w.random.Int64N(int64(60 * time.Hour))))
		case 1: // late by about the limit
			at = w.now.Add(-30*time.Second - time.Duration(w.random.Int64N(int64(time.Minute))))
		}
		n := 1 + w.random.IntN(4)
		if w.random.IntN(30) == 0 {
			n = 300 // more than an object has
		}
		w.record(at, n)
		if w.random.IntN(3) == 0 {
			w.again()
		}
	}
}

// again writes a part of a batch a second time, as a retry with a lost answer does:
// its key differs when its first event does.
func (w *world) again() {
	for _, b := range w.batches {
		if len(b.Events) > 1 {
			w.add(append([]sealer.Event(nil), b.Events[1+w.random.IntN(len(b.Events)-1):]...))
			return
		}
	}
}

// together runs n sealers at once. They take turns in a random order, one call at
// a time. Each may die.
func (w *world) together(n int) error {
	type turn struct {
		process int
		granted chan struct{}
	}
	type end struct {
		process int
		err     error
	}
	ended := make(chan end, n)
	over := make(chan struct{}) // ends calls that outlive their process
	defer close(over)
	waiting := make(chan turn)
	running := map[int]int{} // by process: its calls that wait
	for i := range n {
		running[i] = 0
		p := &process{turn: func() {
			t := turn{i, make(chan struct{})}
			select {
			case waiting <- t:
				<-t.granted
			case <-over:
			}
		}}
		if w.random.IntN(3) == 0 {
			p.dies, p.late = 1+w.random.IntN(30), w.random.IntN(2) == 0
		}
		s := w.sealer(p)
		go func() {
			var err error
			for range 3 {
				if _, err = s.Step(w.t.Context()); err != nil {
					break
				}
			}
			ended <- end{i, err}
		}()
	}
	// A turn is granted when each process waits for one.
	idle := func() bool {
		for _, calls := range running {
			if calls == 0 {
				return true
			}
		}
		return false
	}
	var turns []turn
	var failed error
	for len(running) > 0 {
		for idle() {
			select {
			case t := <-waiting:
				turns = append(turns, t)
				if _, ok := running[t.process]; ok { // a read ahead can outlive its process
					running[t.process]++
				}
			case e := <-ended:
				delete(running, e.process)
				if e.err != nil && !errors.Is(e.err, errDied) && !errors.Is(e.err, sealer.ErrLost) {
					failed = errors.Join(failed, e.err)
				}
			}
		}
		if len(turns) == 0 {
			break
		}
		i := w.choose(len(turns))
		t := turns[i]
		turns = append(turns[:i], turns[i+1:]...)
		if _, ok := running[t.process]; ok {
			running[t.process]--
		}
		close(t.granted)
	}
	return failed
}

func (w *world) choose(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.IntN(n)
}

// Random schedules of writers and sealers end with every event sealed exactly once,
// and with checkpoints that all belong to one tree.
func TestSchedules(t *testing.T) {
	calls := 0
	for seed := range schedules(t) {
		w := newWorld(t, seed)
		if err := play(w); err != nil {
			t.Fatalf("schedule %d: %v", seed, err)
		}
		calls += w.calls
	}
	t.Logf("SEALER: %d schedules, %d calls, 0 events lost, 0 sealed twice, 0 checkpoints contradicted", schedules(t), calls)
}

// Controls: without one of its conditional writes, a schedule breaks a promise.
func TestSchedulesNoticeMissingGuards(t *testing.T) {
	for name, off := range map[string]func(*world){
		"no condition on the state": func(w *world) { w.unlocked = true },
		"no condition on objects":   func(w *world) { w.overwrite, w.unlocked = true, true },
		"no marks of late writers":  func(w *world) { w.unmarked = true },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(300) {
				w := newWorld(t, seed)
				off(w)
				if err := play(w); err != nil {
					t.Logf("schedule %d: %v", seed, err)
					return
				}
			}
			t.Error("300 schedules without the guard keep all promises")
		})
	}
}

// Every death of one sealer, at each of its calls and after it, is repaired by the
// next one.
func TestDeathAtEveryCall(t *testing.T) {
	for _, late := range []bool{false, true} {
		for dies := 1; ; dies++ {
			w := newWorld(t, 7)
			w.record(w.now, 300)
			w.now = w.now.Add(2 * time.Minute)
			if err := w.drain(); err != nil {
				t.Fatal(err)
			}
			w.record(w.now, 280)
			w.record(w.now.Add(-time.Hour), 3) // a stray
			w.now = w.now.Add(2 * time.Minute)
			p := &process{dies: dies, late: late}
			s := w.sealer(p)
			var err error
			for range 4 {
				if _, err = s.Step(t.Context()); err != nil {
					break
				}
			}
			if err == nil {
				if dies < 15 {
					t.Errorf("the sealer needs %d calls only", dies)
				}
				break
			}
			if !errors.Is(err, errDied) {
				t.Fatalf("call %d: %v", dies, err)
			}
			if err := w.drain(); err != nil {
				t.Fatalf("after a death at call %d: %v", dies, err)
			}
			if err := w.check(); err != nil {
				t.Fatalf("after a death at call %d (late: %v): %v", dies, late, err)
			}
		}
	}
}

func ExampleResult() {
	r := sealer.Result{Sealed: 3, Strays: 1}
	fmt.Println(r.Sealed, r.Strays, r.More)
	// Output: 3 1 false
}
