package audit_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/backend/event"
	"usher/tui/tuitest"
)

var cursorRow = regexp.MustCompile(`(?m)^▌ (.*)$`)

// marked returns the row with the cursor.
func marked(screen string) string {
	if m := cursorRow.FindStringSubmatch(screen); m != nil {
		return strings.TrimSpace(m[1])
	}
	return ""
}

// The keys g and G go to the newest and to the first event of the log, and scrolling
// continues from there in both directions.
func TestBothEndsOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(many(3000))
		w.log(t, 120, 40)
		w.Press("G")
		w.Wait(time.Second)
		w.Want(t, "the oldest 200 of 1,284,112 events")
		if row := marked(w.Text()); !strings.Contains(row, "nightly/0000.tar.gz") {
			t.Errorf("the cursor is on %q", row)
		}
		if n := len(w.book.queries()); n != 2 || !w.book.queries()[1].Oldest {
			t.Fatalf("%d queries: %+v", n, w.book.queries())
		}
		w.scroll(t, "pgup", "nightly/2200.tar.gz") // the window has dropped the first events
		w.Want(t, "2,000 from the middle of 1,284,112 events")
		w.Press("g")
		w.Wait(time.Second)
		w.Want(t, "nightly/2999.tar.gz", "the newest 200 of")
	})
}

// Following shows new events at the top. The cursor stays on its row.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(many(450))
		w.log(t, 120, 40)
		w.Press("j", "j")
		row := marked(w.Text())
		w.Press("f")
		w.Want(t, "Following: new events appear at the top.", "following, newest first")
		p := w.book.person("alan", "10.4.18.23", now().Add(-time.Minute))
		for i := range 3 {
			w.book.do(func() { p.denied(time.Second, "board-packs", fmt.Sprintf("minutes-%d.pdf", i)) })
			w.Wait(5 * time.Second)
			w.Want(t, fmt.Sprintf("minutes-%d.pdf", i))
			if now := marked(w.Text()); now != row {
				t.Fatalf("the cursor moved from %q to %q", row, now)
			}
		}
		w.scroll(t, "pgdown", "nightly/0300")
		row = marked(w.Text())
		w.book.do(func() { p.denied(time.Second, "board-packs", "minutes-below.pdf") })
		w.Wait(5 * time.Second)
		if now := marked(w.Text()); now != row {
			t.Fatalf("the cursor moved from %q to %q", row, now)
		}
		w.Press("g")
		w.Want(t, "minutes-below.pdf")
		w.Press("f")
		w.Want(t, "Following is off.")
		n := w.book.calls()
		w.Wait(time.Minute)
		if w.book.calls() != n {
			t.Errorf("%d calls after following ended", w.book.calls()-n)
		}
	})
}

// Following stops with a sentence when the server is away, and leaves the events.
func TestFollowStopsWithoutTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(many(450))
		w.log(t, 120, 40)
		w.Press("f")
		w.book.do(func() { w.book.fail = tuitest.ErrNetwork })
		w.Wait(3 * time.Second)
		w.Want(t, "Following has stopped. Can't reach files.example.com", "nightly/0449.tar.gz")
		w.Not(t, "following,")
		n := len(w.book.queries())
		w.Wait(time.Minute)
		if now := len(w.book.queries()); now != n {
			t.Errorf("%d queries after following ended", now-n)
		}
		w.book.do(func() { w.book.fail = nil })
		w.Press("f")
		w.Wait(3 * time.Second)
		w.Want(t, "following, newest first")
	})
}

// A late event of another server is inserted in its place while the log is followed.
func TestFollowReadsLateEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(many(40))
		w.book.lag = 3
		w.log(t, 120, 40)
		w.Press("f")
		w.book.do(func() {
			late := w.book.events[38]
			late.ID, late.Key, late.Time = "01JD9X00000000000000LATE", "late.tar.gz", late.Time.Add(300*time.Millisecond)
			w.book.events = append(w.book.events[:39:39], late, w.book.events[39])
		})
		w.Wait(5 * time.Second)
		w.Want(t, "late.tar.gz")
		if rows := row.FindAllString(w.Text(), -1); !strings.Contains(rows[0], "nightly/0039") || !strings.Contains(rows[1], "late.tar.gz") {
			t.Errorf("%q", rows[:2])
		}
	})
}

// The keys p and s show the events of the row's person and session, and keep the time
// of the filter.
func TestPersonAndSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(nil)
		w.log(t, 120, 40)
		w.filter("outcome:denied since:2026-11-22")
		w.Press("p")
		w.Wait(time.Second)
		w.Want(t, " / who:ada since:2026-11-22")
		w.Press("s")
		w.Wait(time.Second)
		w.Want(t, " / session:s-ada7q4k since:2026-11-22")
		w.Press("esc", "esc")
		w.Wait(time.Second)
		w.Want(t, " / outcome:denied since:2026-11-22")
		w.Press("enter", "p") // in the detail view too
		w.Wait(time.Second)
		w.Want(t, " / who:ada since:2026-11-22", "▌Events")
		w.filter("action:grants-changed")
		w.Press("s")
		w.Want(t, "This event has no session.")
	})
}

// The own reads are hidden by a key. Reads by others and the person's other events
// stay.
func TestOwnReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(func(w *program) {
			p := w.book.person("margaret", "10.0.0.9", now().Add(-time.Minute))
			p.record(0, event.Event{Action: event.AuditRead, Reason: "who:grace"})
		})
		w.log(t, 120, 40)
		w.Want(t, "who:ada action:download", "counts per hour", "who:grace")
		w.Press("o")
		w.Want(t, "Your own reads of the log are hidden.", "who:grace", "session-start")
		w.Not(t, "who:ada action:download", "counts per hour")
		w.Press("o")
		w.Want(t, "Your own reads of the log are shown.", "who:ada action:download")
		w.filter("who:grace action:audit-read")
		w.Press("o")
		w.Want(t, "your own reads of the log", "show them")
	})
}

// The keys n and N show the next and the previous row in full, also over the end of a
// page.
func TestNextAndPreviousEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(many(450))
		w.log(t, 120, 40)
		w.Press("enter")
		w.Want(t, "Event 450", "nightly/0449.tar.gz")
		w.Press("N")
		w.Want(t, "This is the newest event that was read.")
		for i := 448; i >= 200; i-- {
			w.Press("n")
			w.Want(t, fmt.Sprintf("nightly/%04d.tar.gz", i))
		}
		w.Press("N")
		w.Want(t, "nightly/0201.tar.gz")
		w.Press("esc")
		if row := marked(w.Text()); !strings.Contains(row, "nightly/0201") {
			t.Errorf("the cursor is on %q", row)
		}
	})
}

// The detail view shows the number and the hash of an event in the tree, the identity,
// and the names of the groups, which are in an earlier event.
func TestIdentityAndGroups(t *testing.T) {
	groups := []string{"external-auditors", "finance-team"}
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(func(w *program) {
			w.book.events = nil
			p := w.book.person("ada", "10.0.0.1", now().Add(-3*time.Hour))
			p.record(0, event.Event{Action: event.SessionStart, GroupNames: groups, Groups: event.HashGroups(groups)})
			q := w.book.person("alan", "10.0.0.2", now().Add(-2*time.Hour))
			for range 250 {
				q.record(time.Second, event.Event{Action: event.List, Bucket: "builds"})
			}
			p.record(2*time.Hour, event.Event{Action: event.Stat, Bucket: "builds", Key: "a", Groups: event.HashGroups(groups), Policy: "v1"})
		})
		w.log(t, 120, 40)
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "252 in the log (index 251 of the tree)", "external-auditors, finance-team", "sub-ada", "ada@example.com", "set by the person, not verified")
		if n := len(w.book.queries()); n != 2 {
			t.Errorf("%d queries", n)
		}
		w.Press("esc", "enter")
		w.Wait(time.Second)
		if n := len(w.book.queries()); n != 2 {
			t.Errorf("%d queries: the names are not kept", n)
		}
		w.book.do(func() { w.book.fail = errors.New("away") })
		w.Press("esc", "G")
		w.Wait(time.Second)
		w.book.do(func() { w.book.fail = nil })
	})
}

// A search that ends early shows the time that it has reached, and goes on as the
// person scrolls.
func TestSearchedBackTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(many(450))
		w.log(t, 120, 40)
		w.book.do(func() { w.book.perPage, w.book.reached = -1, time.Date(2026, 9, 3, 10, 0, 0, 0, time.UTC) })
		w.scroll(t, "pgdown", "Searched back to 3 September 2026 10:00.")
		w.Wait(time.Minute)
		n := len(w.book.queries())
		w.Press("j")
		w.Wait(time.Minute)
		if now := len(w.book.queries()); now <= n || now > n+12 {
			t.Errorf("%d queries after j", now-n)
		}
		w.book.do(func() { w.book.perPage = 0 })
		w.scroll(t, "pgdown", "nightly/0000.tar.gz")
		w.Not(t, "Searched back")
		w.book.do(func() { w.book.perPage = -1 })
		w.filter("outcome:denied")
		w.Want(t, "No match from now back to 3 September 2026 10:00.")
	})
}
