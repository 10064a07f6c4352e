package tui_test

import (
	"strings"
	"testing"
	"time"

	"usher/client/download"
)

// The keys of the limits act on running transfers at once, and the head shows the
// limits.
func TestLimitsWhileTransfersRun(t *testing.T) {
	for _, at := range []func(*testing.T, func(*program), func(*testing.T, *program)){at80, play} {
		at(t, ledgers, func(t *testing.T, w *program) {
			w.Press("a", "d")
			w.Wait(time.Second)
			w.Press("enter")
			w.Wait(3 * time.Second)
			w.Press("t")
			w.Wait(time.Second)
			w.Want(t, "3 running ━")
			w.Press("+", "+")
			w.Want(t, "Rate limit: 2 MB/s for all downloads together.")
			w.Wait(time.Second)
			w.Want(t, "3 running, limit 2 MB/s")
			w.Press("<")
			w.Wait(time.Second)
			w.Want(t, "2 running, 2 at a time, limit 2 MB/s")
			w.Press("<", "-", "-")
			w.Wait(time.Second)
			w.Want(t, "1 running, 1 at a time, limit 1 MB/s")
			if s := w.engine.Snapshot(); s.Limit != 1_000_000 || s.AtOnce != 1 || s.Running != 1 || s.Rate > 1_000_000 {
				t.Errorf("limit %d, %d at a time, %d running at %.0f", s.Limit, s.AtOnce, s.Running, s.Rate)
			}
		})
	}
}

// A transfer can be made the first one while others run. They wait and keep their
// bytes. The same key ends that.
func TestThisFirst(t *testing.T) {
	play(t, ledgers, func(t *testing.T, w *program) {
		w.engine.Fail = nil
		w.Press("a", "d")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(2 * time.Second)
		w.Press("t", "j", "j")
		w.Wait(time.Second)
		second := w.engine.Snapshot().Transfers
		w.Press("f")
		w.Wait(time.Second)
		w.Want(t, "comes first. The others wait and keep their bytes.", "1 running", "after the first one, from", "f not first")
		for _, x := range w.engine.Snapshot().Transfers {
			for _, before := range second {
				if before.ID == x.ID && x.Done < before.Done {
					t.Errorf("%s lost bytes: %d of %d", x.Key, x.Done, before.Done)
				}
			}
		}
		w.Press("f")
		w.Wait(time.Second)
		w.Want(t, "3 running")
		if s := w.engine.Snapshot(); s.First != 0 {
			t.Errorf("%d precedes", s.First)
		}
		running := func() (keys []string) {
			for _, x := range w.engine.Snapshot().Transfers {
				if x.State == download.Running {
					keys = append(keys, x.Key)
				}
			}
			return keys
		}
		before := strings.Join(running(), " ")
		w.Press("g", "j", "j", "J") // the last one that runs
		w.Wait(time.Second)
		if after := strings.Join(running(), " "); after == before || len(running()) != 3 {
			t.Errorf("J on a running transfer: %s, before %s", after, before)
		}
	})
}

// The counts at the head are those of the present batch. Rows of a failed transfer
// before are counted apart.
func TestHeadCountsThePresentBatch(t *testing.T) {
	broken := true
	play(t, func(w *program) {
		w.engine.Fail = func(download.Request) error {
			if broken {
				return download.ErrNetwork
			}
			return nil
		}
	}, func(t *testing.T, w *program) {
		w.fetch("opinion")
		w.Wait(30 * time.Second)
		broken = false
		w.Press("t", "x")
		w.Wait(time.Second)
		w.Press("esc")
		w.fetch("2025-notes")
		w.Wait(30 * time.Second)
		w.Press("t")
		w.Wait(time.Second)
		w.Want(t, "1 of 1 done, 7 failed earlier")
	})
}
