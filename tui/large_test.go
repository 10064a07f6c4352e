package tui_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"usher/client/download"
	"usher/tui/tuitest"
)

// paged is a folder of 9,500 objects.
func paged(w *program) {
	for i := range 9500 {
		w.server.Put(fmt.Sprintf("builds/b-%05d", i), int64(i%977), "2026-01-02 03:04")
	}
	w.deps.Start = tuitest.At("builds/")
}

// A jump lists only the page of the name. The gap before it is filled on demand.
func TestJumpToAName(t *testing.T) {
	at80(t, paged, func(t *testing.T, w *program) {
		w.Press("n")
		w.Want(t, "jump to the name:", "enter jump")
		w.Type("b-07")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "▌  b-07000", "b-07001", "names that are not loaded", "2,000 and more")
		w.Not(t, "row ")
		if got := w.server.Lists(); !slices.Equal(got, []string{"builds/", "builds/>b-06\U0010ffff"}) {
			t.Errorf("listed %q", got)
		}
		w.Press("k")
		w.Want(t, "▌  ─── names that are not loaded: enter loads 1,000")
		w.Press("V") // no entry
		w.Want(t, "move to a file")
		w.Press("j", "V", "k")
		w.Want(t, "Range of 1 row, without names that are not loaded")
		w.Press("esc")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "▌  b-00999", "b-01000", "row 1,000 of 3,000 and more")
		w.Press("n")
		w.Type("b-0150")
		w.Press("enter") // loaded
		w.Want(t, "▌  b-01500", "3,000 and more")
		w.Press("n")
		w.Type("b-09")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "▌  b-09000", "3,500 and more")
		w.Press("n")
		w.Type("c")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, `No name here is "c" or later.`, "▌  b-09000")
		w.Press("n")
		w.Type("b-0195")
		w.Press("enter") // near the gap: its next page follows
		w.Wait(time.Second)
		w.Want(t, "▌  b-01950", "row 1,951 of 4,500 and more")
		w.Press("/")
		w.Type("b-0")
		w.Wait(time.Minute)
		w.Want(t, "of 9,500, ")
		w.Press("esc")
		w.Not(t, "not loaded")
		w.Press("G")
		w.Want(t, "▌  b-09499", "row 9,500 of 9,500, 100% ")
	})
}

// A jump in a small folder ignores upper and lower case, and names the next one.
func TestJumpInASmallFolder(t *testing.T) {
	at80(t, func(w *program) { w.deps.Start = tuitest.At("company-reports/annual/audited/") }, func(t *testing.T, w *program) {
		lists := len(w.server.Lists())
		for _, row := range [][2]string{{"RESTA", "▌  restated/"}, {"2025-n", "▌  2025-notes-to-accounts.pdf"}, {"2024-b", "▌  2024-consolidated-ledger.parquet"}} {
			w.Press("n")
			w.Type(row[0])
			w.Press("enter")
			w.Want(t, row[1])
		}
		w.Want(t, `No name begins with "2024-b".`)
		if got := w.server.Lists(); len(got) != lists {
			t.Errorf("listed %q", got)
		}
	})
}

// A file that is opened by its path is found by one more page.
func TestPathOfAFileInALargeFolder(t *testing.T) {
	for path, want := range map[string]string{"builds/b-08123": "▌  b-08123", "builds/b-08123x": "There is nothing here"} {
		at80(t, func(w *program) { paged(w); w.deps.Start = tuitest.At(path) }, func(t *testing.T, w *program) {
			w.Wait(time.Minute)
			w.Want(t, want)
			if got := w.server.Lists(); len(got) > 3 {
				t.Errorf("%s: listed %q", path, got)
			}
		})
	}
}

// While a folder loads, the order is that of the rows so far.
func TestOrderWhileAFolderLoads(t *testing.T) {
	at80(t, func(w *program) { paged(w); w.server.Delay = time.Second }, func(t *testing.T, w *program) {
		w.Wait(3 * time.Second)
		w.Press("s", "s")
		w.Wait(2 * time.Second)
		w.Want(t, "Size ↓…", "by size, ", " so far")
		w.Wait(time.Minute)
		w.Want(t, "Size ↓ ", "of 9,500, ")
		w.Not(t, "so far")
	})
}

// The order by the local copy checks all files of the folder, not only the visible ones.
func TestOrderByTheLocalCopy(t *testing.T) {
	at80(t, func(w *program) {
		w.deps.Start = tuitest.At("company-reports/annual/audited/")
		w.engine.Here = func(r download.Request) download.Presence {
			if r.Key == "annual/audited/2025-notes-to-accounts.pdf" {
				return download.HereMaybe
			}
			return download.Absent
		}
	}, func(t *testing.T, w *program) {
		w.Press("s", "l")
		w.Wait(time.Second)
		w.Press("g", "j", "j", "j")
		w.Want(t, "Local↑", "▌  2025-notes-to-accounts.pdf")
		w.Press("s", "l", "G")
		w.Want(t, "Local↓", "▌  2025-notes-to-accounts.pdf")
	})
}
