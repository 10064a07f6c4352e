package backend

import (
	"testing"
	"time"
)

// A folder of ten thousand files is released at once, and that their ends are
// reported takes nothing from the next ones; then it is as many a second as S3
// gives for a prefix.
func TestBudgets(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	b := newBudgets(func() time.Time { return now })
	spend := func(from func(string, int) bool, who string) (n int) {
		for from(who, 250) {
			n += 250
		}
		return n
	}
	if n := spend(b.objects, "ada"); n != objectsBurst {
		t.Errorf("%d objects at once", n)
	}
	if n := spend(b.reports, "ada"); n != objectsBurst {
		t.Errorf("%d reports after them", n)
	}
	if n := spend(b.objects, "grace"); n != objectsBurst {
		t.Errorf("%d objects for somebody else", n)
	}
	now = now.Add(time.Second)
	if n := spend(b.objects, "ada"); n != objectsPerSecond {
		t.Errorf("%d objects a second later", n)
	}
	lists := 0
	for b.lists("ada") {
		lists++
	}
	if lists != listsBurst {
		t.Errorf("%d listings at once", lists)
	}
}
