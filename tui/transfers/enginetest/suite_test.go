package enginetest_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/download"
	"usher/tui/transfers"
	"usher/tui/transfers/enginetest"
	"usher/tui/tuitest"
)

// fake opens beds with the fake engine of the screens' tests. The function change
// may break it.
func fake(change func(*tuitest.Engine) transfers.Engine) func() (enginetest.Bed, error) {
	return func() (enginetest.Bed, error) {
		var mu sync.Mutex
		refused := map[string]bool{}
		version := 0
		e := &tuitest.Engine{Now: time.Now, Speed: 2_000_000}
		e.Fail = func(r download.Request) error {
			mu.Lock()
			defer mu.Unlock()
			if refused[r.Key] {
				return &api.Error{Code: api.NotFound}
			}
			return nil
		}
		b := enginetest.Bed{Engine: e, Big: 60_000_000, Close: func() error { return nil }, Hold: e.Stop,
			Put: func(name string, size int64) (download.Request, error) {
				version++
				return transfers.Below("/downloads", download.Request{Bucket: "reports", Key: "test/" + name, Size: size, ETag: fmt.Sprintf(`"%d"`, version), Modified: tuitest.Epoch()}), nil
			},
			Refuse: func(name string, on bool) {
				mu.Lock()
				defer mu.Unlock()
				refused["test/"+name] = on
			},
		}
		b.Patience = 10 * time.Second
		if change != nil {
			b.Engine, b.Patience = change(e), time.Second
		}
		return b, nil
	}
}

func TestFakeEngine(t *testing.T) { enginetest.Run(t, fake(nil)) }

// Each broken engine fails the check of its row.
func TestSuiteBites(t *testing.T) {
	for _, row := range []struct {
		name, promise string
		broken        func(*tuitest.Engine) transfers.Engine
	}{
		{"adds in the wrong order", "added files are in the queue, in order", func(e *tuitest.Engine) transfers.Engine { return backwards{e} }},
		{"forgets sums", "a finished file is verified and counted", sums(func(s *download.Snapshot) { s.BytesNew = 0 })},
		{"does not verify", "a finished file is verified and counted", each(func(t *download.Transfer) { t.Verified = "" })},
		{"does not pause", "a paused transfer gets no data until it is resumed", func(e *tuitest.Engine) transfers.Engine { return restless{e} }},
		{"does not cancel", "a canceled transfer gets no data", func(e *tuitest.Engine) transfers.Engine { return stubborn{e} }},
		{"keeps a removed file in the list", "a finished file that is removed from the list stays on the disk", func(e *tuitest.Engine) transfers.Engine { return stubborn{e} }},
		{"calls a refusal a failure", "a refused file is denied, and can be tried again", each(func(t *download.Transfer) {
			if t.State == download.Denied {
				t.State = download.Failed
			}
		})},
		{"tries nothing again", "all failed files are tried again together", func(e *tuitest.Engine) transfers.Engine { return resigned{e} }},
		{"sums up all batches when it tries again", "a file that is tried again joins the batch", sums(func(s *download.Snapshot) { s.Files = len(s.Transfers) })},
		{"does not move", "transfers can be reordered", func(e *tuitest.Engine) transfers.Engine { return rigid{e} }},
		{"ignores a new number of files", "limits hold for running transfers", func(e *tuitest.Engine) transfers.Engine { return stiff{e} }},
		{"ignores a new rate", "limits hold for running transfers", func(e *tuitest.Engine) transfers.Engine { return fast{e} }},
		{"lets no transfer precede", "the first transfer runs alone", func(e *tuitest.Engine) transfers.Engine { return equal{e} }},
		{"keeps the finished transfer of an object", "an object that is added again is one transfer", sums(func(s *download.Snapshot) {
			if s.FilesDone > 0 {
				s.Transfers = append(s.Transfers, s.Transfers[0])
			}
		})},
		{"counts folders as files", "a folder is one transfer, its files are others", sums(func(s *download.Snapshot) { s.Files = len(s.Transfers) })},
		{"downloads a file left out", "a file left out of a folder is not downloaded", func(e *tuitest.Engine) transfers.Engine { return greedy{e} }},
		{"finds everything here", "local files are found on the disk", func(e *tuitest.Engine) transfers.Engine { return dreamer{e} }},
		{"forgets identical files", "an identical local file is not downloaded again", sums(func(s *download.Snapshot) { s.FilesSame = 0 })},
		{"hides differences", "a different local file is treated as requested", each(func(t *download.Transfer) { t.Differs = false })},
		{"waits without a word", "a transfer waits for a sign-in", each(func(t *download.Transfer) {
			if t.State == download.WaitingSignIn {
				t.State = download.Waiting
			}
		})},
		{"keeps nothing", "a new engine has no transfers", func(e *tuitest.Engine) transfers.Engine { e.Forgetful = true; return e }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if enginetest.CheckOne(t, row.promise, fake(row.broken)) == nil {
				t.Errorf("the suite does not notice: %s", row.promise)
			}
		})
	}
}

type seen struct {
	*tuitest.Engine
	change func(*download.Snapshot)
}

func (e seen) Snapshot() download.Snapshot {
	s := e.Engine.Snapshot()
	s.Transfers = slices.Clone(s.Transfers)
	e.change(&s)
	return s
}

func sums(change func(*download.Snapshot)) func(*tuitest.Engine) transfers.Engine {
	return func(e *tuitest.Engine) transfers.Engine { return seen{e, change} }
}

func each(change func(*download.Transfer)) func(*tuitest.Engine) transfers.Engine {
	return sums(func(s *download.Snapshot) {
		for i := range s.Transfers {
			change(&s.Transfers[i])
		}
	})
}

type stiff struct{ *tuitest.Engine }

func (stiff) SetParallel(int) {}

type fast struct{ *tuitest.Engine }

func (fast) SetLimit(int64) {}

type equal struct{ *tuitest.Engine }

func (equal) First(download.ID) {}

type backwards struct{ *tuitest.Engine }

func (e backwards) Add(reqs ...download.Request) []download.ID {
	turned := slices.Clone(reqs)
	slices.Reverse(turned)
	return e.Engine.Add(turned...)
}

type restless struct{ *tuitest.Engine }

func (restless) Pause(download.ID) {}

type stubborn struct{ *tuitest.Engine }

func (stubborn) Cancel(download.ID) {}

type resigned struct{ *tuitest.Engine }

func (resigned) RetryAll() {}

type rigid struct{ *tuitest.Engine }

func (rigid) Move(download.ID, int) {}

type greedy struct{ *tuitest.Engine }

func (e greedy) Add(reqs ...download.Request) []download.ID {
	for i := range reqs {
		reqs[i].Without = nil
	}
	return e.Engine.Add(reqs...)
}

type dreamer struct{ *tuitest.Engine }

func (e dreamer) Local(dir string, reqs []download.Request) []download.LocalState {
	out := e.Engine.Local(dir, reqs)
	for i := range out {
		out[i].Presence = download.Here
	}
	return out
}
