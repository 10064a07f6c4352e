package tui

import "testing"

func TestPhases(t *testing.T) {
	events := []sessionEvent{signedIn, confirmed, unconfirmed, refused, signInChosen, leftSession}
	for _, row := range []struct {
		name string
		from phase
		to   []phase // after each of events
	}{
		{"out", out, []phase{opening, out, out, out, out, out}},
		{"opening", opening, []phase{opening, open, opening, out, opening, out}},
		{"open", open, []phase{open, open, open, expired, open, out}},
		{"expired", expired, []phase{expired, expired, expired, expired, returning, out}},
		{"returning", returning, []phase{checking, returning, returning, returning, returning, out}},
		{"checking", checking, []phase{checking, open, returning, checking, checking, out}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for i, h := range events {
				if got := row.from.after(h); got != row.to[i] {
					t.Errorf("event %d leads to phase %d, want %d", h, got, row.to[i])
				}
			}
		})
	}
}

// The sign-in is active where no page may be visible. Only the browser state of a
// confirmed person is kept.
func TestWhatAPhaseShows(t *testing.T) {
	for _, row := range []struct {
		name            string
		p               phase
		browsing, known bool
	}{
		{"out", out, false, false},
		{"opening", opening, true, false},
		{"open", open, true, true},
		{"expired", expired, true, true},
		{"returning", returning, false, true},
		{"checking", checking, false, true},
	} {
		if row.p.browsing() != row.browsing || row.p.known() != row.known {
			t.Errorf("%s: browsing %v, known %v", row.name, row.p.browsing(), row.p.known())
		}
	}
}

func TestAttention(t *testing.T) {
	for _, row := range []struct {
		name      string
		from      activity
		p         phase
		transfers bool
		recent    bool
		beat      activity
		beatAsks  bool
		keyAsks   bool
	}{
		{"a key was pressed", active, open, false, false, polled, true, false},
		{"no key since the last beat", polled, open, false, false, idle, false, false},
		{"a transfer runs", polled, open, true, false, polled, true, false},
		{"at rest", idle, open, false, false, idle, false, true},
		{"at rest, a transfer begins", idle, open, true, false, polled, true, true},
		{"at the sign-in", active, out, true, false, idle, false, false},
		{"at rest at the sign-in", idle, returning, false, false, idle, false, false},
		{"no key since the last beat, one before it", polled, open, false, true, polled, true, false},
		{"at the sign-in after a key", polled, out, false, true, idle, false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if to, call := row.from.beat(row.p, row.transfers, row.recent); to != row.beat || call != row.beatAsks {
				t.Errorf("a beat leads to %d and asks: %v", to, call)
			}
			if to, call := row.from.key(row.p); to != active || call != row.keyAsks {
				t.Errorf("a key leads to %d and asks: %v", to, call)
			}
		})
	}
}
