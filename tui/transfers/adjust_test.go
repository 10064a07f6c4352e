package transfers

import "testing"

// The steps of the limits lead through all values, in both directions.
func TestSteps(t *testing.T) {
	var up, down []int64
	for now, n := int64(0), 0; n < len(rates); n++ {
		now = faster(now)
		up = append(up, now)
	}
	for now, n := int64(0), 0; n < len(rates); n++ {
		now = slower(now)
		down = append(down, now)
	}
	if up[0] != rates[1] || up[len(up)-2] != rates[len(rates)-1] || up[len(up)-1] != 0 {
		t.Errorf("+ leads over %d", up)
	}
	if down[0] != rates[len(rates)-1] || down[len(down)-1] != rates[1] {
		t.Errorf("- leads over %d", down)
	}
	if faster(3_000_000) != 5_000_000 || slower(3_000_000) != 2_000_000 || faster(200_000_000) != 0 {
		t.Error("a limit of the command line is between two steps")
	}
	for now, want := range map[int]int{0: 0, 1: 2, 4: 6, 5: 6, 16: 0, 100: 0} {
		if got := more(now); got != want {
			t.Errorf("more than %d is %d, want %d", now, got, want)
		}
	}
	for _, c := range []struct{ now, running, want int }{{0, 0, 3}, {0, 5, 4}, {0, 200, 16}, {0, 1, 1}, {4, 9, 3}, {1, 9, 1}, {16, 0, 12}} {
		if got := fewer(c.now, c.running); got != c.want {
			t.Errorf("fewer than %d, with %d running, is %d, want %d", c.now, c.running, got, c.want)
		}
	}
}
