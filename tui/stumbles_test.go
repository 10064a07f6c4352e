package tui_test

import (
	"fmt"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/tui/tuitest"
)

// A terminal sends esc and a key that is typed soon after it as one key with alt.
// They are two keys.
func TestEscAndTheNextKey(t *testing.T) {
	play(t, func(w *program) { w.deps.Start = tuitest.At("company-reports/annual/audited/") }, func(t *testing.T, w *program) {
		w.Press("/")
		w.Type("opinion")
		w.Press("enter")
		w.Want(t, "/ opinion")
		w.Send(tea.KeyPressMsg{Code: 't', Mod: tea.ModAlt})
		w.Wait(time.Second)
		w.Want(t, "Transfers")
		w.Send(tea.KeyPressMsg{Code: 'j', Mod: tea.ModAlt}) // closes the page, then moves
		w.Wait(time.Second)
		w.Not(t, "/ opinion")
		w.Press("/")
		w.Send(tea.KeyPressMsg{Code: 'g', ShiftedCode: 'G', Mod: tea.ModAlt | tea.ModShift}) // leaves the field, then the last row
		w.Wait(time.Second)
		w.Want(t, "▌  2025-notes-to-accounts.pdf")
		w.Send(tea.KeyPressMsg{Code: 'c', Mod: tea.ModAlt | tea.ModCtrl}) // is no esc
		w.Wait(time.Second)
		w.Want(t, "▌  2025-notes-to-accounts.pdf")
	})
}

// G goes to the last row of the folder, although only its first page is loaded. A
// move meanwhile wins.
func TestLastRowOfALargeFolder(t *testing.T) {
	large := func(w *program) {
		for i := range 9500 {
			w.server.Put(fmt.Sprintf("builds/b-%05d", i), 1, "2026-01-02 03:04")
		}
		w.deps.Start = tuitest.At("builds/")
	}
	at80(t, large, func(t *testing.T, w *program) {
		w.Want(t, "1,000 and more")
		w.Press("G")
		w.Wait(30 * time.Second)
		w.Want(t, "▌  b-09499", "9,500 of 9,500")
		w.Press("g")
		w.Want(t, "▌  b-00000")
	})
	at80(t, large, func(t *testing.T, w *program) {
		w.Press("G", "g")
		w.Wait(30 * time.Second)
		w.Want(t, "▌  b-00000")
	})
}

// A path that is not there, or not valid, stays in the field to be corrected.
func TestTypedPathIsKept(t *testing.T) {
	for _, path := range []string{"company-reports/annuals/", "BUILDS/", "../", "company-reports/annual/none.pdf"} {
		play(t, func(w *program) { w.deps.Start = tuitest.At("company-reports/annual/") }, func(t *testing.T, w *program) {
			w.Press("ctrl+g")
			w.Type(path)
			w.Press("enter")
			w.Wait(5 * time.Second)
			w.Want(t, "go to: "+path, "audited/")
			w.Press("esc")
			w.Not(t, "go to:")
			w.Press("ctrl+g")
			w.Type("s3://company-reports/annual/audited/")
			w.Press("enter")
			w.Wait(5 * time.Second)
			w.Want(t, "2025-annual-report.pdf")
			w.Not(t, "go to:")
		})
	}
}

// A key that the menu of orders does not have closes the menu, and acts.
func TestMenuOfOrdersTakesNoOtherKey(t *testing.T) {
	play(t, func(w *program) { w.deps.Start = tuitest.At("company-reports/annual/audited/") }, func(t *testing.T, w *program) {
		w.Press("s")
		w.Want(t, "size, largest")
		w.Press("G")
		w.Not(t, "size, largest")
		w.Want(t, "▌  2025-notes-to-accounts.pdf")
		w.Press("s", "?")
		w.Want(t, "Keys in")
	})
}
