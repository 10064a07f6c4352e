package tui_test

import (
	"fmt"
	"testing"
	"time"

	"usher/tui/tuitest"
)

// sized has folders whose content is known.
func sized(w *program) {
	for i := range 2500 {
		w.server.Put(fmt.Sprintf("data/x/many/%02d/%04d.csv", i%3, i), 1000, "2026-11-01 08:00")
	}
	w.server.Put("data/x/many/02/newest.txt", 7, "2026-11-22 08:00")
	w.server.Put("data/x/few/large.bin", 9_000_000, "2020-01-01 08:00")
	w.server.PutBare("data/x/few/bare.bin")
	w.server.Put("data/x/file", 1, "2026-11-01 08:00")
	w.deps.Start = tuitest.At("data/x/")
}

// S counts the folder under the cursor, with its subfolders, and the sums stay.
func TestSizesOfFolders(t *testing.T) {
	play(t, sized, func(t *testing.T, w *program) {
		w.Press("j", "S") // few/ is the first row
		w.Wait(time.Second)
		w.Want(t, "data/x/many/: 2,501 files, 2.50 MB. Newest 2026-11-22, largest 1.00 kB.", "2.50 MB")
		w.Press("k", "S")
		w.Wait(time.Second)
		w.Want(t, "data/x/few/: 2 files, 9.00 MB, 1 of unknown size.")
		w.Want(t, "Files     2", "Size      9.00 MB", "Largest   9.00 MB", "large.bin", "Counted   10:12:", "just now")
		calls := w.server.Calls()
		w.Press("j")
		w.Wait(time.Second)
		w.Want(t, "Newest    2026-11-22", "newest.txt")
		w.Press("s", "s") // by size: the largest folder is first
		w.Wait(time.Second)
		w.Press("g", "space", "M")
		w.Want(t, "data/x/few/", "9.00 MB")
		w.Press("esc", "u", "enter") // many/: the sums of its subfolders are known
		w.Wait(time.Second)
		w.Want(t, "834 kB", "833 kB")
		if got := w.server.Calls() - calls; got > 2 { // the listing, and whoami
			t.Errorf("%d calls for known sums", got)
		}
	})
}

// A running count shows its progress. esc stops it, and nothing of it stays.
func TestCountStops(t *testing.T) {
	play(t, sized, func(t *testing.T, w *program) {
		w.server.PerPage = 100
		w.server.Delay = time.Second
		w.Press("j", "S")
		w.Wait(4500 * time.Millisecond)
		w.Want(t, "Counting many", "400 files, 400 kB", "esc stops")
		w.Press("esc")
		w.Not(t, "Counting many", "400 kB")
		w.Want(t, "Counting has stopped.")
		w.Wait(10 * time.Second)
		w.Not(t, "files, ")
		if n := w.server.Calls(); n > 10 {
			t.Errorf("%d calls: the count goes on", n)
		}
	})
}

// After a change of the access all counts are dropped. A failed count shows its reason.
func TestCountsOfOtherAccess(t *testing.T) {
	play(t, sized, func(t *testing.T, w *program) {
		w.Press("j", "S")
		w.Wait(time.Second)
		w.Want(t, "2.50 MB")
		w.server.Grants("2")
		w.Wait(time.Minute)
		w.Press("k", "j")
		w.Not(t, "2.50 MB")
		w.server.Hide("data/x/many/")
		w.Press("S")
		w.Wait(time.Second)
		w.Want(t, "Count of data/x/many/: There is nothing here that you can open.")
		w.Press("~")
		w.Wait(time.Second)
		w.Press("j", "S")
		w.Wait(time.Second)
		w.Want(t, "data/: 3 files, 9.00 MB")
	})
}
