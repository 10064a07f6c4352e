package audit_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"usher/backend/audit/audittest"
)

// A write that the store confirmed is confirmed to the caller, even if the
// store returns before the caller waits.
func TestAConfirmedWriteIsNeverReportedAsLost(t *testing.T) {
	n := 40_000
	if testing.Short() {
		n = 2_000
	}
	workers := 4 * runtime.GOMAXPROCS(0)
	l := newLog(t, audittest.NewMemory())
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			for range n / workers {
				if err := l.Record(context.Background(), denied("annual/t1.csv")); err != nil {
					t.Errorf("the store has the event, but Record failed: %v", err)
					return
				}
			}
		})
	}
	work.Wait()
}
