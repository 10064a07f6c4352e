package audit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/backend/api"
	"usher/tui/audit"
)

// The key b counts the events of the filter by a property. Enter shows the events of
// the row, and esc goes back in the same steps.
func TestGroupBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(nil)
		w.log(t, 120, 40)
		w.filter("since:2026-11-01 ip:192.0.2.0/24")
		w.Press("b")
		w.Want(t, "Count the events by", "w who", "i ip", "y day")
		w.Press("i")
		w.Wait(time.Second)
		w.Want(t, "Events by ip", "1 row", "192.0.2.77", "416") // the suppressed denials count
		if got := w.book.grouped[len(w.book.grouped)-1]; got.By != "ip" || got.Filter != "since:2026-11-01 ip:192.0.2.0/24" {
			t.Errorf("%+v", got)
		}
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, " / since:2026-11-01 ip:192.0.2.77", "8 of 1,284,112 events", "▌Events")
		w.Press("enter", "esc", "esc")
		w.Wait(time.Second)
		w.Want(t, "Events by ip", " / since:2026-11-01 ip:192.0.2.0/24")
		w.Press("b", "w")
		w.Wait(time.Second)
		w.Want(t, "Events by who", "alan")
		w.Press("esc")
		w.Want(t, "▌Events ━", " / since:2026-11-01 ip:192.0.2.0/24")
		w.Press("b", "j") // another key closes the menu, and acts
		w.Not(t, "Count the events by")
	})
}

// The keys 1 to 9 answer the saved questions about the filter.
func TestSavedQuestions(t *testing.T) {
	for key, want := range map[string][]string{
		"1": {"Denied decisions by person", "Denied  ", "alan", "416", "ada"},
		"2": {"Downloads by person", "ada", "20.5 GB"},
		"3": {"Addresses of a person that were not seen before", "192.0.2.77"},
		"4": {"Sessions with their sign-in and their end", "s-ada7q4k", "signed out"},
		"5": {"More than 100 files by one person in an hour", "No event of the filter is of this kind."},
		"6": {"without a reported end", "consolidation-workbook-final-v7.xlsx"},
		"7": {"Events between 19:00 and 07:00 UTC", "No event of the filter is of this kind."},
		"8": {"Changes of grants and of group memberships", "grants-changed"},
		"9": {"Reads of the log", "grace"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newProgram(nil)
			w.log(t, 120, 40)
			w.Press(key)
			w.Wait(time.Second)
			w.Want(t, want...)
			if strings.Contains(w.Text(), "No event of the filter is of this kind.") {
				return
			}
			w.Press("enter")
			w.Wait(time.Second)
			w.Want(t, "▌Events ━")
			w.Not(t, "No event matches")
			w.Press("esc")
			w.Wait(time.Second)
			w.Want(t, want[0])
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(nil)
		w.log(t, 120, 40)
		w.filter("outcome:allowed")
		w.Press("1")
		w.Wait(time.Second)
		w.Want(t, "This question chooses outcome: itself.")
	})
}

// An answer that takes long is canceled by esc, and its late result is dropped.
func TestAnswerIsCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(nil)
		w.log(t, 120, 40)
		w.book.do(func() { w.book.delay, w.book.ignoresCancel = time.Minute, true })
		w.Press("2")
		w.Wait(time.Second)
		w.Want(t, "reading the log")
		w.Press("esc")
		w.Want(t, "▌Events ━")
		w.Wait(2 * time.Minute)
		w.Want(t, "▌Events ━")
	})
}

// The chart follows the filter, over 24 hours, 30 days and a year.
func TestChartFollowsTheFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(nil)
		w.log(t, 120, 40)
		w.Want(t, "Events per hour, everyone, last 24 hours (UTC)", "people      3")
		w.filter("who:alan")
		w.Want(t, "Events per hour, this filter, last 24 hours (UTC)", "events      8", "denied      416", "downloads   1")
		w.Press("c")
		w.Wait(time.Second)
		w.Want(t, "Events per day, this filter, last 30 days (UTC)", "10-25", "events      8")
		w.filter("")
		w.Want(t, "Events per day, everyone, last 30 days (UTC)", "events      37")
		w.Press("c")
		w.Wait(time.Second)
		w.Want(t, "Events per week, everyone, last 52 weeks (UTC)", "2025-11")
		w.Press("c")
		w.Want(t, "Events per hour, everyone, last 24 hours (UTC)", "people      3")
		last := w.book.grouped[len(w.book.grouped)-1]
		if last.By != "day" || !strings.HasPrefix(last.Filter, "since:2025-11-2") {
			t.Errorf("%+v", last)
		}
	})
}

// An export has a prompt for a file, shows its progress, and is canceled by esc.
func TestExport(t *testing.T) {
	var orders []audit.Export
	exporter := func() *audit.Exporter {
		return &audit.Exporter{
			Name: func() string { return "/home/grace/usher/usher-audit.tar" },
			Run: func(ctx context.Context, x audit.Export) (audit.Exported, error) {
				orders = append(orders, x)
				x.Progress(audit.Progress{Stage: "Reading", Done: 250_000, Total: 1_000_000, Events: 31})
				select {
				case <-time.After(time.Minute):
				case <-ctx.Done():
					return audit.Exported{}, context.Cause(ctx)
				}
				if len(orders) == 3 {
					return audit.Exported{}, errors.New("disk full")
				}
				return audit.Exported{Path: x.Path, Matches: 31, Events: 32, Size: 48_128, Checkpoint: 1_284_050}, nil
			},
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(func(w *program) { w.exporter = exporter() })
		w.log(t, 120, 40)
		w.filter("who:ada")
		w.Press("e")
		w.Want(t, "Export the events with their proof", "/home/grace/usher/usher-audit.tar", "Whole range")
		w.Press("backspace", "tab", "enter")
		w.Wait(time.Second)
		w.Want(t, "Reading  25%  250,000 of 1,000,000 events  31 match")
		w.Press("esc")
		w.Wait(time.Second)
		w.Want(t, "The export was canceled. There is no file of it.", "▌Events ━")
		if x := orders[0]; x.Filter != "who:ada" || !x.Complete || x.Path != "/home/grace/usher/usher-audit.ta" {
			t.Errorf("%+v", x)
		}
		w.Press("e", "enter")
		w.Wait(2 * time.Minute)
		w.Want(t, "Exported 31 events of this filter.", "32 events in 48.1 kB, with the checkpoint of 1,284,050 events")
		w.Press("esc", "e", "enter")
		w.Wait(2 * time.Minute)
		w.Want(t, "No answer from files.example.com.")
		w.Press("esc")
		w.Want(t, "▌Events ━")
	})
	synctest.Test(t, func(t *testing.T) { // a program without an exporter
		w := newProgram(nil)
		w.log(t, 120, 40)
		w.Press("e")
		w.Want(t, "This program cannot export the log.")
	})
}

// Overdue reviews are in the head.
func TestOverdueReviews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(func(w *program) {
			for i := range 3 {
				w.book.reviews = append(w.book.reviews, api.Review{Name: fmt.Sprintf("denials-%d", i), Due: now().AddDate(0, 0, -3), Overdue: i < 2})
			}
		})
		w.log(t, 120, 40)
		w.Want(t, "2 reviews overdue, denials-0 since 2026-11-20")
	})
}
