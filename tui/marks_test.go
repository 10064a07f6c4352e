package tui_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/tui/tuitest"
)

// enter types a text into the field that a key opens.
func (w *program) enter(key, text string) {
	w.Press(key)
	w.Type(text)
	w.Press("enter")
	w.Wait(time.Second)
}

// A pattern has the language of searches. It marks files, and folders if it ends in
// "/". It removes marks in the same way.
func TestMarksByPattern(t *testing.T) {
	play(t, func(w *program) {
		w.server.Put("data/x/Zürich.csv", 10, "2026-11-20 08:00")
		w.server.Put("data/x/zurich.txt", 2_000_000, "2020-01-01 08:00")
		w.server.Put("data/x/report 1.csv", 30, "2026-11-01 08:00")
		w.server.Put("data/x/[draft].csv", 40, "2026-11-01 08:00")
		w.server.Put("data/x/csv/a", 50, "2026-11-01 08:00")
		w.server.Put("data/x/other/a", 50, "2026-11-01 08:00")
		w.deps.Start = tuitest.At("data/x/")
	}, func(t *testing.T, w *program) {
		for _, row := range []struct{ mark, want, unmark, left string }{
			{"*.csv", "3 marked, 80 B", "zur*", "2 marked, 70 B"},
			{"zurich", "2 marked", "*.csv", "1 marked, 2.00 MB"},
			{"Zürich*", "1 marked, 10 B", "none", "1 marked"},
			{"size:>1M", "1 marked, 2.00 MB", "size:>3M", "1 marked"},
			{"*.csv modified:<7d", "1 marked, 10 B", "modified:>7d", "1 marked"},
			{"*/", "2 marked", "o*/", "1 marked"},
			{`"[draft]"`, "1 marked, 40 B", "report", "1 marked"},
			{"report 1", "1 marked, 30 B", "*", ""},
			{"{zurich,report}*", "3 marked", "size:<20", "2 marked"},
		} {
			w.enter("+", row.mark)
			w.Want(t, row.want)
			w.enter("-", row.unmark)
			w.Press("j") // removes the sentence
			if row.left == "" {
				w.Not(t, " marked")
			}
			w.Want(t, row.left)
			w.Press("u")
		}
		w.enter("+", "*.cvs")
		w.Want(t, "No row matches *.cvs.")
		w.enter("+", "a[b")
		w.Want(t, "a bracket or brace of the pattern is not closed", "mark: a[b")
		w.Press("esc")
		w.enter("+", "")
		w.Want(t, "the search has no text")
		w.Press("esc")
		w.Not(t, "mark:")
	})
}

// A pattern is for all rows of a folder, also for those that are not loaded yet.
func TestMarksByPatternLoadAllRows(t *testing.T) {
	play(t, func(w *program) {
		for i := range 3000 {
			w.server.Put(fmt.Sprintf("data/x/%04d.csv", i), 1, "2026-11-20 08:00")
		}
		w.server.PerPage = 500
		w.deps.Start = tuitest.At("data/x/")
	}, func(t *testing.T, w *program) {
		w.Press("a")
		w.Want(t, "the folder has more")
		w.Press("u")
		w.enter("+", "*9.csv")
		w.Wait(3 * time.Second)
		w.Want(t, "300 rows match", "300 marked")
	})
}

// A range goes from the row of V to the cursor, in any direction. The next V marks it,
// or unmarks rows that are all marked.
func TestMarksOfARange(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.Press("j", "j", "j", "V", "j", "j")
		w.Want(t, "Range of 3 rows", "V mark the range", "esc cancel")
		w.Press("V")
		w.Want(t, "3 marked")
		w.Press("V", "k", "k", "space")
		w.Not(t, " marked")
		w.Press("V", "j", "esc")
		w.Not(t, "Range of", " marked")
		w.Press("V", "j", "d") // d downloads the range
		w.Wait(time.Second)
		w.Want(t, "Download 2 files")
		w.Press("esc")
		w.Press("u", "V", "j", "s", "n") // an action that is none of marks ends it
		w.Not(t, "Range of", " marked")
		w.Press("g", "V", "j", "h") // the folder above has no such row
		w.Wait(time.Second)
		w.Not(t, "Range of")
	})
}

// The page of marks has the marks of all folders. It removes, downloads and copies
// them.
func TestPageOfMarks(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.Press("M")
		w.Want(t, "There are no marks.")
		w.enter("+", "2025*.pdf")
		w.Press("g", "space", "h")
		w.Wait(time.Second)
		w.Press("M")
		w.Want(t, "Marked", "files, ", ", 1 folder", "company-reports/annual/audited/2025-annual-report.pdf", "4.21 MB", "2026-03-14")
		w.Press("s")
		if rows := strings.Split(w.Text(), "\n"); !strings.Contains(rows[3], "2025-annual-report.pdf") {
			t.Errorf("the largest file is not the first row:\n%s", w.Text())
		}
		w.Press("space")
		w.Not(t, "4.21 MB")
		w.Press("y")
		w.Want(t, "Copy of ", "p path")
		w.Press("esc", "d")
		w.Wait(time.Second)
		w.Want(t, "Download ")
		w.Press("esc", "enter")
		w.Wait(time.Second)
		w.Want(t, "2025-notes-to-accounts.pdf")
		w.Press("M", "u")
		w.Want(t, "There are no marks.")
		w.Press("esc")
		w.Not(t, "There are no marks.", " marked")
	})
}

// Any key without a binding closes each one-letter menu.
func TestEveryMenuCloses(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		for menu, shown := range map[string]string{"s": "Sort by", "y": "a for admin"} {
			w.Press(menu)
			w.Want(t, shown)
			w.Press("?")
			w.Want(t, "Keys in the file browser")
			w.Press("esc")
			w.Not(t, shown)
		}
	})
}
