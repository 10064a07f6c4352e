package audit_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/backend/event"
	"usher/tui/tuitest"
)

// row matches the table's rows by their time.
var row = regexp.MustCompile(`(?m)^[▌> ] \d\d:\d\d:\d\d\.\d{3} .*$`)

// Ten minutes with 20 folders and 3 downloads, one of them longer than 5 minutes,
// are at most 30 rows.
func TestTenMinutesAreThirtyRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(func(w *program) {
			w.book.events = nil
			p := w.book.person("ada", "10.4.18.22", now().Add(-20*time.Minute))
			p.record(0, event.Event{Action: event.SessionStart})
			for i := range 20 {
				p.list("company-reports", fmt.Sprintf("annual/%02d/", i), 1+i%3)
			}
			p.get("company-reports", "annual/03/report.pdf", 4_213_904, 0)
			p.get("company-reports", "annual/07/ledger.parquet", 20_470_000_000, 6)
			p.get("company-reports", "annual/11/notes.pdf", 1_370_000, 0)
			p.record(time.Second, event.Event{Action: event.SignOut})
		})
		if n := len(w.book.events); n <= 50 {
			t.Fatalf("only %d events: too few to fold", n)
		}
		w.log(t, 200, 60)
		w.filter("who:ada")
		if rows := row.FindAllString(w.Text(), -1); len(rows) > 30 || len(rows) < 20+3 {
			t.Errorf("%d rows:\n%s", len(rows), w.Text())
		}
		w.Want(t, "7 URLs, done 20.5 GB", "3 pages", fmt.Sprintf("%d events in 25 rows", len(w.book.events)))
	})
}

// Paths with the same end are told apart, in the log and in an answer by file.
func TestPathsWithTheSameEndAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(func(w *program) {
			w.book.events = nil
			p := w.book.person("ada", "10.4.18.22", now().Add(-20*time.Minute))
			for year := 2018; year < 2026; year++ {
				p.record(time.Second, event.Event{Action: event.Download, Purpose: api.PurposeDownload, Bucket: "reports", Outcome: event.Allowed,
					Key: fmt.Sprintf("accounts/%d/consolidated-statements/ledger.parquet", year)})
			}
		})
		w.log(t, 80, 24)
		w.filter("who:ada")
		apart := func(page string, found []string) {
			t.Helper()
			seen := map[string]bool{}
			for _, f := range found {
				seen[f] = true
			}
			if len(seen) != 8 {
				t.Errorf("%s: %d different paths, not 8:\n%s", page, len(seen), w.Text())
			}
		}
		path := regexp.MustCompile(`(?m)\S+arquet`)
		apart("log", path.FindAllString(w.Text(), -1))
		w.Press("b", "f")
		w.Wait(time.Second)
		w.Want(t, "Events by file", "  File ", "First (UTC) 2026-", "enter show its events")
		apart("answer", path.FindAllString(w.Text(), -1))
		w.Press("0")
		w.Wait(time.Second)
		w.Want(t, "  Key  Name ", "enter answer it")
		w.Press("esc")
		w.filter("who:nobody")
		w.Press("1")
		w.Wait(time.Second)
		w.Want(t, "No event of the filter is of this kind.")
		w.Not(t, "enter show its events")
	})
}

// A denial in the middle of a download is the outcome of the row.
func TestRefusalIsNotFoldedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(nil)
		w.log(t, 120, 40)
		w.filter("path:company-reports/quarterly/")
		rows := row.FindAllString(w.Text(), -1)
		if len(rows) != 1 || !strings.Contains(rows[0], "✗ denied") {
			t.Errorf("rows %q", rows)
		}
		w.Press("enter")
		w.Want(t, "✓ allowed", "✗ denied", "no grant allows it")
	})
}

// many fills the log with a row a second.
func many(n int) func(*program) {
	return func(w *program) {
		w.book.events = nil
		p := w.book.person("ada", "10.4.18.22", now().Add(-2*time.Hour))
		for i := range n {
			p.record(time.Second, event.Event{Action: event.Stat, Bucket: "builds", Key: fmt.Sprintf("nightly/%04d.tar.gz", i)})
		}
	}
}

func TestPaging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(many(450))
		w.log(t, 120, 40)
		w.Want(t, "the newest 200 of 1,284,112 events")
		w.Wait(10 * time.Minute)
		w.Press("ctrl+d", "ctrl+d")
		w.Wait(time.Second)
		if got := w.book.queries(); len(got) != 1 || got[0] != (api.AuditQueryRequest{Limit: 200}) || w.book.calls() != 2 {
			t.Fatalf("before the end comes near: %d calls, %+v", w.book.calls(), got)
		}
		for range 9 {
			w.Press("pgdown")
		}
		at := marked(w.Text())
		w.Press("pgdown", "pgdown")
		w.Wait(time.Second)
		if got := w.book.queries(); len(got) != 2 || got[1].Cursor != tuitest.Cursor(200, "") {
			t.Fatalf("at the end: %+v", got)
		}
		w.Want(t, "the newest 400 of 1,284,112 events")
		w.Press("pgup", "pgup")
		if now := marked(w.Text()); now != at { // the cursor stays on its row
			t.Errorf("the cursor is on %q, was on %q", now, at)
		}
		for range 13 {
			w.Press("pgdown")
		}
		w.Wait(time.Second)
		w.Want(t, " 450 of 1,284,112 events")
		w.Press("G")
		w.Wait(time.Second)
		w.Want(t, "nightly/0000.tar.gz")
		if n := len(w.book.queries()); n != 3 {
			t.Errorf("%d questions for three pages", n)
		}
	})
}

// Pages are read until the window is full. Empty pages with a cursor are read a
// bounded number of times.
func TestPagingFillsTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(many(450))
		w.book.perPage = 5
		w.log(t, 120, 40)
		if n := len(row.FindAllString(w.Text(), -1)); n != 17 {
			t.Errorf("%d rows in a window of 18 lines:\n%s", n, w.Text())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(many(450))
		w.book.perPage = -1
		w.log(t, 120, 40)
		w.Wait(time.Minute)
		if n := len(w.book.queries()); n > 12 {
			t.Errorf("%d queries of a server without events", n)
		}
		w.Want(t, "No match in the part of the log that was read so far.", "read on")
		before := w.book.queries()
		w.book.do(func() { w.book.perPage = 5 })
		w.Press("ctrl+r")
		w.Wait(time.Minute)
		if got := w.book.queries(); len(got) <= len(before) || got[len(before)].Cursor == "" {
			t.Errorf("ctrl+r does not continue the search: %+v", got[len(before):])
		}
		if n := len(row.FindAllString(w.Text(), -1)); n == 0 {
			t.Error("no event after the search continued")
		}
	})
}

func TestLateAnswerIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(func(w *program) { w.book.delay, w.book.ignoresCancel = 5*time.Second, true })
		w.open(t, 120, 40, colorprofile.TrueColor)
		w.Press("A")
		w.book.do(func() { w.book.delay = time.Second })
		w.filter("who:alan")
		w.Wait(time.Second)
		w.Want(t, "drone-raw")
		w.Wait(10 * time.Second)
		w.Not(t, "company-reports/annual")
		w.Want(t, "8 of 1,284,112 events")
	})
}

func TestMistakeIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(nil)
		w.log(t, 120, 40)
		before := w.book.calls()
		for _, bad := range []string{"who:ada and:more", "ledger data", "-ledger", "path", "ip:here", "since:tomorrow", `path:"open`} {
			w.filter(bad)
			w.Want(t, "^")
			w.Press("esc")
		}
		if w.book.calls() != before {
			t.Errorf("%d calls", w.book.calls()-before)
		}
		w.filter("since:24h outcome:denied") // a valid one is sent
		if w.book.calls() != before+1 {
			t.Errorf("%d calls for one question", w.book.calls()-before)
		}
		w.Not(t, "^")
	})
}

func TestTextField(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(nil)
		w.log(t, 120, 40)
		w.filter("who:alan")
		w.filter("who:ada")
		w.Press("/", "up", "up")
		w.Want(t, " / who:alan\n")
		w.Press("down")
		w.Want(t, " / who:ada\n")
		w.Press("esc")
		w.Want(t, " / who:ada ")
		w.Press("/", "left", "left", "ctrl+u")
		w.Type("ac")
		w.Press("tab")
		w.Type("expl")
		w.Press("tab", "enter")
		w.Wait(time.Second)
		if got := w.book.queries(); got[len(got)-1].Filter != "action:explain" {
			t.Errorf("asked for %q", got[len(got)-1].Filter)
		}
		w.filter("")
		w.Want(t, "all events", "37 of 1,284,112")
	})
}

func TestWayBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(nil)
		w.log(t, 120, 40)
		w.filter("who:ada outcome:allowed")
		w.Press("j", "j", "j") // past sign-out and the workbook
		w.Press("w")
		w.Wait(time.Second)
		w.Want(t, " / touched:company-reports/")
		w.Press("w")
		w.Want(t, "These are the events of this path.")
		w.Press("esc")
		w.Wait(time.Second)
		w.Want(t, " / who:ada outcome:allowed")
		w.Press("esc")
		w.Wait(time.Second)
		w.Want(t, "all events")
		w.Press("A") // already open: nothing happens
		calls := w.book.calls()
		w.Press("esc")
		w.Wait(time.Second)
		w.Want(t, "▌Files")
		if calls != w.book.calls() || calls != 6 {
			t.Errorf("%d calls, then %d", calls, w.book.calls())
		}
	})
}

func TestKeysOfARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(nil)
		w.log(t, 120, 40)
		for _, k := range []string{"w", "y"} {
			w.Press(k)
			w.Want(t, "This event names no file.")
		}
		w.Press("v") // no binding
		w.Press("j", "j", "j", "j", "y")
		w.Want(t, "Sent to the clipboard: company-reports/quarterly/2026-q3/consolidation-workbook-final-v7.xlsx")
		w.Press(":")
		w.Type("log")
		w.Wait(time.Second)
		w.Press("esc")
		if n := w.book.calls(); n != 2 {
			t.Errorf("%d calls", n)
		}
	})
}

// A path with characters that cannot be typed is queried unchanged.
func TestFilterThatCannotBeTyped(t *testing.T) {
	const key = "odd\nname \"x\".csv"
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(func(w *program) {
			p := w.book.person("ada", "10.4.18.22", now())
			p.record(0, event.Event{Action: event.Stat, Bucket: "builds", Key: key})
		})
		w.log(t, 120, 40)
		w.Press("w")
		w.Wait(time.Second)
		w.Want(t, `touched:"builds/odd\u{a}name`, "1 of 1,284,112 events")
		w.Press("/")
		w.Want(t, "characters that cannot be typed")
		w.Press("esc")
		w.Want(t, `touched:"builds/odd\u{a}name`)
	})
}

// scroll moves down by pages until the text is on the screen.
func (w *program) scroll(t *testing.T, key, text string) {
	t.Helper()
	for range 400 {
		if strings.Contains(w.Text(), text) {
			return
		}
		w.Press(key)
	}
	t.Fatalf("%s is not on the screen after 400 times %s:\n%s", text, key, w.Text())
}

// A page whose cursor has expired continues after the last event.
func TestExpiredCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(many(450))
		w.log(t, 120, 40)
		w.book.do(func() { w.book.expired = true })
		w.scroll(t, "pgdown", "nightly/0000.tar.gz")
		got := w.book.queries()
		if last := got[len(got)-1]; last.Before == "" || last.Cursor != "" {
			t.Errorf("%+v", last)
		}
		w.Want(t, " 450 of 1,284,112 events")
	})
}

func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(many(450))
		w.log(t, 120, 40)
		w.book.do(func() { w.book.fail = tuitest.ErrNetwork })
		w.scroll(t, "pgdown", "Can't reach files.example.com (no connection).")
		n := len(w.book.queries())
		w.Press("k", "j", "k") // a failed query is not repeated by movement
		w.Wait(time.Second)
		if now := len(w.book.queries()); now != n {
			t.Errorf("%d questions after %d", now, n)
		}
		w.book.do(func() { w.book.fail = nil })
		w.Press("ctrl+r") // continues where it failed, and counts nothing again
		w.Wait(time.Second)
		if got := w.book.queries(); got[len(got)-1].Cursor != tuitest.Cursor(200, "") || w.book.calls() != len(got)+1 {
			t.Errorf("after ctrl+r: %+v, %d calls", got, w.book.calls())
		}
		w.Want(t, "the newest 400 ")
	})
}

// Only auditors can open the page.
func TestOthersStayOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(func(w *program) { w.server.Me.Groups = []string{"finance-team"} })
		w.log(t, 120, 40)
		w.Want(t, "The audit log needs group usher-auditors.", "▌Files")
		w.Press("w")
		w.Want(t, "The audit log needs group usher-auditors.")
		if n := w.book.calls(); n != 0 {
			t.Errorf("%d calls", n)
		}
	})
}
