package budget_test

import (
	"fmt"
	"testing"
	"time"

	"usher/backend/budget"
)

func TestRefusedTokensAreCountedByAddressAndHour(t *testing.T) {
	now := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	c := budget.NewTokenRefusals(func() time.Time { return now }, time.Hour)
	c.Refused("192.0.2.1", "invalid")
	now = now.Add(30 * time.Minute)
	c.Refused("192.0.2.1", "expired")
	c.Refused("192.0.2.1", "invalid")
	c.Refused("192.0.2.2", "invalid")
	if due := c.Drain(false); len(due) != 0 {
		t.Fatalf("%d counts before the end of the hour", len(due))
	}
	now = now.Add(30 * time.Minute)
	due := c.Drain(false)
	if len(due) != 1 {
		t.Fatalf("%d counts", len(due))
	}
	e := due[0].Event()
	if e.SourceIP != "192.0.2.1" || e.Count != 3 || e.Reason != "1 expired, 2 invalid" || e.Until.Sub(*e.From) != 30*time.Minute {
		t.Errorf("%+v", e)
	}
	c.Restore(due)
	c.Refused("192.0.2.1", "invalid")
	total := 0
	for _, d := range c.Drain(true) {
		total += d.Event().Count
	}
	if total != 5 {
		t.Errorf("%d refusals, want 5", total)
	}
}

// The memory of the counts is bounded, and no refusal is lost.
func TestRefusedTokensOfManyAddresses(t *testing.T) {
	c := budget.NewTokenRefusals(time.Now, time.Hour)
	const n = 5000
	for i := range n {
		c.Refused(fmt.Sprintf("10.%d.%d.1", i/256, i%256), "invalid")
	}
	due := c.Drain(true)
	if len(due) > 1001 {
		t.Errorf("%d rows", len(due))
	}
	total, rest := 0, 0
	for _, d := range due {
		e := d.Event()
		total += e.Count
		if e.SourceIP == "" {
			rest = e.Count
		}
	}
	if total != n || rest != n-1000 {
		t.Errorf("%d refusals, %d of further addresses", total, rest)
	}
}
