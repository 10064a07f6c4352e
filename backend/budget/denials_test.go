package budget

import (
	"testing"
	"time"

	"usher/backend/event"
)

// Refusals beyond the bound become one event with their exact number, even
// after a failed attempt to record it.
func TestDenials(t *testing.T) {
	now, pass := stopped()
	d := NewDenials(now)
	of := func(sub string) event.Event {
		return event.Event{Action: event.List, User: event.User{Sub: sub}, Bucket: "b", Key: "k"}
	}
	recorded := 0
	for range 1000 {
		if d.Denied(of("ada")) {
			recorded++
		}
	}
	if recorded != deniedPerMinute {
		t.Errorf("%d refusals are recorded one by one, want %d", recorded, deniedPerMinute)
	}
	if !d.Denied(of("grace")) {
		t.Error("one person's refusals use up another's")
	}
	// The count is drained after a second, and again after a failed record.
	pass(time.Second)
	d.Restore(d.Drain(false))
	if got := d.Drain(false); len(got) != 0 {
		t.Errorf("drained twice in one second: %v", got)
	}
	pass(time.Second)
	got := d.Drain(false)
	if len(got) != 1 || got[0].Count != 1000-deniedPerMinute || got[0].Action != event.Suppressed || got[0].User.Sub != "ada" || got[0].Key != "" {
		t.Errorf("the suppressed event: %+v", got)
	}
	if d.Denied(of("ada")) {
		t.Error("a drain within the minute gives a new budget")
	}
	pass(time.Minute)
	if got := d.Drain(false); len(got) != 1 || got[0].Count != 1 {
		t.Errorf("the last second's count: %+v", got)
	}
	if !d.Denied(of("ada")) {
		t.Error("the next minute has no budget")
	}
	if len(d.Drain(true)) != 0 {
		t.Error("an event without refusals over the bound")
	}
}
