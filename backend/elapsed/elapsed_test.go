package elapsed_test

import (
	"fmt"
	"testing"
	"time"

	"usher/backend/elapsed"
	"usher/backend/elapsed/elapsedtest"
)

func TestSince(t *testing.T) {
	now := time.Now()
	thawed := elapsedtest.Thawed(now, 3600)
	if d := thawed.Sub(now); d != 0 {
		t.Fatalf("control: the monotonic clock advanced by %v", d)
	}
	for name, c := range map[string]struct {
		now, then time.Time
		want      time.Duration
	}{
		"frozen for an hour":      {thawed, now, time.Hour},
		"the wall clock set back": {elapsedtest.Thawed(now, -3600).Add(time.Second), now, time.Second},
		"running":                 {now.Add(time.Minute), now, time.Minute},
		"without monotonic":       {now.Round(0).Add(time.Minute), now, time.Minute},
		"in the future":           {now, now.Add(time.Minute), -time.Minute},
	} {
		if got := elapsed.Since(c.now, c.then); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if got := elapsed.Since(now, time.Time{}); got < 100*365*24*time.Hour {
		t.Errorf("without a result: %v", got)
	}
}

func ExampleSince() {
	then := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	fmt.Println(elapsed.Since(then.Add(5*time.Second), then))
	// Output: 5s
}
