package budget

import (
	"testing"
	"time"
)

func stopped() (now func() time.Time, pass func(time.Duration)) {
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	return func() time.Time { return at }, func(d time.Duration) { at = at.Add(d) }
}

// A burst releases a folder of ten thousand files at once. Afterwards the rate is
// the request rate of S3 for one prefix. Reports of downloads have their own rate.
func TestRates(t *testing.T) {
	now, pass := stopped()
	r := NewRates(now)
	spend := func(kind Kind, sub string, step int) (n int) {
		for r.Spend(sub, kind, step) {
			n += step
		}
		return n
	}
	if n := spend(Objects, "ada", 250); n != objectsBurst {
		t.Errorf("%d objects at once", n)
	}
	if n := spend(Reports, "ada", 250); n != objectsBurst {
		t.Errorf("%d reports after them", n)
	}
	if n := spend(Objects, "grace", 250); n != objectsBurst {
		t.Errorf("%d objects for another person", n)
	}
	pass(time.Second)
	if n := spend(Objects, "ada", 250); n != objectsPerSecond {
		t.Errorf("%d objects a second later", n)
	}
	if n := spend(Lists, "ada", 1); n != listsBurst {
		t.Errorf("%d listings at once", n)
	}
	if n := spend(Requests, "ada", 1); n != requestsBurst {
		t.Errorf("%d requests at once", n)
	}
}

// A request without a budget is refused.
func TestNoBudgetIsRefused(t *testing.T) {
	now, _ := stopped()
	r := NewRates(now)
	for _, kind := range []Kind{None, kinds, kinds + 1} {
		if r.Spend("ada", kind, 1) {
			t.Errorf("a request with budget %d passes", kind)
		}
	}
}

func TestIdlePeopleLeaveMemory(t *testing.T) {
	now, pass := stopped()
	r := NewRates(now)
	r.Spend("ada", Lists, 1)
	pass(forget + time.Second)
	r.Spend("grace", Lists, 1)
	if len(r.people) != 1 {
		t.Errorf("%d people in memory, want 1", len(r.people))
	}
}
