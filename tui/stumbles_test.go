package tui_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
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
		w.Send(tea.KeyPressMsg{Code: 'C', Mod: tea.ModAlt | tea.ModCtrl}) // a byte of Latin-1
		w.Wait(time.Second)
		w.Want(t, "▌  2025-notes-to-accounts.pdf")
		w.Press("t")
		w.Send(tea.KeyPressMsg{Code: tea.KeyUp, Mod: tea.ModAlt}) // as tmux sends esc and an arrow
		w.Wait(time.Second)
		w.Want(t, "row 32 of 33")
		w.Press("t")
		w.Send(tea.KeyPressMsg{Code: 'u', Mod: tea.ModAlt | tea.ModCtrl})
		w.Wait(time.Second)
		w.Not(t, "row 32 of 33", "Transfers")
		w.Press("t")
		w.Send(tea.KeyPressMsg{Code: tea.KeyHome, Mod: tea.ModAlt})
		w.Wait(time.Second)
		w.Want(t, "row 1 of 33")
		w.Press("t")
		w.Send(tea.KeyPressMsg{Code: 'g', Mod: tea.ModAlt}, tuitest.Key("j"), tuitest.Key("j")) // in their order
		w.Wait(time.Second)
		w.Want(t, "row 3 of 33")
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
		w.Want(t, "row 1 of 1,000 and more")
		w.Press("j")
		w.Want(t, "row 2 of 1,000 and more")
		w.Press("G")
		w.Wait(30 * time.Second)
		w.Want(t, "▌  b-09499", "row 9,500 of 9,500, 100% ")
		w.Press("g")
		w.Want(t, "▌  b-00000")
	})
	at80(t, large, func(t *testing.T, w *program) {
		w.Press("G", "g")
		w.Wait(30 * time.Second)
		w.Want(t, "▌  b-00000")
	})
}

// A folder that is opened by its path has its siblings and those of its parents in the
// tree. Each parent is listed once, and not at all for a window without a tree.
func TestTreeOfATypedPath(t *testing.T) {
	deep := func(w *program) { w.deps.Start = tuitest.At("company-reports/annual/audited/working-papers/") }
	parents := []string{"company-reports/annual/audited/working-papers/", "/", "company-reports/", "company-reports/annual/", "company-reports/annual/audited/"}
	play(t, deep, func(t *testing.T, w *program) {
		w.Wait(5 * time.Second)
		w.Want(t, "▸ engineering-builds", "▸ quarterly", "▸ drafts", "▸ restated", "row 1 of 2, 50% ")
		w.Press("j", "k", "tab", "tab", "tab", "h")
		w.Wait(5 * time.Second)
		w.Want(t, "▌  working-papers/") // from the store
		if got := w.server.Lists(); !slices.Equal(got, parents) {
			t.Errorf("listed %q, want %q", got, parents)
		}
	})
	at80(t, deep, func(t *testing.T, w *program) {
		w.Wait(5 * time.Second)
		if got := w.server.Lists(); len(got) != 1 {
			t.Errorf("listed %q without a tree", got)
		}
		w.Press("shift+tab")
		w.Wait(5 * time.Second)
		w.Want(t, "▸ engineering-builds", "▸ restated")
	})
	play(t, func(w *program) { deep(w); w.server.Hide("company-reports/annual/d") }, func(t *testing.T, w *program) {
		w.Wait(time.Second)
		w.server.Fail(tuitest.ErrNetwork)
		w.Press("ctrl+r")
		w.Wait(5 * time.Second)
		w.Want(t, "working-papers", "a.csv", "2, as of")
		w.Not(t, "drafts")
	})
}

// A path that is not there, or not valid, stays in the field to be corrected.
func TestTypedPathIsKept(t *testing.T) {
	for i, path := range []string{"company-reports/annuals/", "BUILDS/", "../", "company-reports/annual/none.pdf", "company-reports/annuals/", "BUILDS/"} {
		play(t, func(w *program) { w.deps.Start = tuitest.At("company-reports/annual/") }, func(t *testing.T, w *program) {
			if i > 3 { // a slow server
				w.server.Slow(time.Second)
			}
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

// Files of a release differ in the middle of their names: the rows of the transfers
// and of the table show that part.
func TestNamesThatDifferInTheMiddle(t *testing.T) {
	release := func(w *program) {
		for _, platform := range []string{"darwin_amd64", "darwin_arm64", "freebsd", "linux_amd64", "linux_arm64"} {
			w.server.Put("builds/usher/1.0.0/usher_1.0.0-candidate.1_"+platform+".tar.gz", 12_000_000, "2026-01-02 03:04")
		}
		w.deps.Start = tuitest.At("builds/usher/1.0.0/")
	}
	at80(t, release, func(t *testing.T, w *program) {
		w.Want(t, "_darwin_amd64.tar.gz", "_darwin_arm64.tar.gz", "freebsd", "_linux_amd64.tar.gz", "_linux_arm64.tar.gz")
		w.Press("a", "d")
		w.Wait(time.Second)
		w.Press("enter", "t")
		w.Wait(time.Second)
		w.Want(t, "darwin_amd64", "darwin_arm64", "freebsd", "linux_amd64", "linux_arm64", "  usher_1.0.0-candidate.1_darwin_amd64.tar.gz")
	})
}

// Two different names do not look the same, and Details explains the difference.
func TestNamesThatLookTheSame(t *testing.T) {
	names := func(w *program) {
		for _, name := range []string{"cafe\u0301.csv", "caf\u00e9.csv", "payroll.csv", "p\u0430yroll.csv", "report", "report "} {
			w.server.Put("builds/names/"+name, 1, "2026-01-02 03:04")
		}
		w.deps.Start = tuitest.At("builds/names/")
	}
	play(t, names, func(t *testing.T, w *program) {
		w.Want(t, "\u00e9.csv ", "\\{NFD}", "payroll.csv ", `p\u{430}yroll.csv`, "report ", `report\u{20}`)
		w.Press("j", "j", "j")
		w.Wait(time.Second)
		w.Want(t, "U+0430 is a Cyrillic letter.")
	})
}

// A filter finds the names as they look: accents, case and forms of Unicode do not
// matter, and * and ? are patterns.
func TestFilterOfNamesAsTheyLook(t *testing.T) {
	files := []string{"cafe\u0301.csv", "caf\u00e9.csv", "Z\u00fcrich.md", "\u0130stanbul.txt", "plain.csv", "READ.me"}
	names := func(w *program) {
		for _, name := range files {
			w.server.Put("builds/names/"+name, 1, "2026-01-02 03:04")
		}
		w.deps.Start = tuitest.At("builds/names/")
	}
	for typed, want := range map[string]string{
		"\u00e9": "row 1 of 2, ", "cafe": "row 1 of 2, ", "zurich": "row 1 of 1, ", "istanbul": "row 1 of 1, ", "*.csv": "row 1 of 3, ", "?????.csv": "row 1 of 1, ", "read": "row 1 of 1, ",
		"READ": "row 1 of 1, ", "Cafe": "0 of 6 rows", "*a* csv": "row 1 of 3, ",
	} {
		play(t, names, func(t *testing.T, w *program) {
			w.Press("/")
			w.Type(typed)
			w.Wait(time.Second)
			w.Want(t, want)
		})
	}
}

// A second press of the key of an order reverses it. The cursor stays on its row.
func TestOrderIsReversed(t *testing.T) {
	play(t, func(w *program) { w.deps.Start = tuitest.At("company-reports/annual/audited/") }, func(t *testing.T, w *program) {
		w.Press("G")
		w.Want(t, "▌  2025-notes-to-accounts.pdf", "Name ↑")
		w.Press("s")
		w.Want(t, "n reverse  s size, largest")
		w.Press("s")
		w.Want(t, "▌  2025-notes-to-accounts.pdf", "Size ↓")
		w.Press("s", "s")
		w.Want(t, "▌  2025-notes-to-accounts.pdf", "Size ↑")
		w.Press("s", "n")
		w.Want(t, "Name ↑")
	})
}

// Finished rows can be cleared, and an object that is downloaded again has one row.
func TestFinishedRowsAreCleared(t *testing.T) {
	play(t, func(w *program) { w.deps.Start = tuitest.At("company-reports/annual/audited/") }, func(t *testing.T, w *program) {
		w.fetch("opinion")
		w.Wait(30 * time.Second)
		w.Press("/")
		w.Type("opinion")
		w.Press("enter", "d") // one that is here
		w.Wait(30 * time.Second)
		w.Press("t")
		w.Wait(time.Second)
		if n := strings.Count(w.Text(), "auditor-opinion-signed.pdf"); n != 8 {
			t.Errorf("%d rows:\n%s", n, w.Text())
		}
		w.Want(t, "c clear finished")
		w.Press("c")
		w.Wait(time.Second)
		w.Want(t, "No transfers.")
		w.Press("c")
		w.Want(t, "Clear: no transfer has finished.")
	})
}

// Names that no request can contain are left out and counted, in each listing. The
// screen names their number.
func TestImpossibleNamesAreCounted(t *testing.T) {
	odd := func(w *program) {
		for _, name := range []string{"a.txt", "nul\x00byte.txt", "sub/nul\x00byte.txt", "only/nul\x00byte.txt"} {
			w.server.Put("builds/"+name, 10, "2026-01-02 03:04")
		}
		w.deps.Start = tuitest.At("builds/")
	}
	for _, at := range []func(*testing.T, func(*program), func(*testing.T, *program)){at80, play} {
		at(t, odd, func(t *testing.T, w *program) {
			w.Want(t, "row 1 of 3, 33%, 1 left out", "1 name is not a valid object key and is left out. Tell your administrator.")
			w.Press("j", "S")
			w.Wait(time.Second)
			w.Want(t, "builds/sub/: 0 files, 0 B. 1 name is not a valid object key and is")
			w.Press("k", "enter")
			w.Wait(time.Second)
			w.Want(t, "Nothing here that you can see. 1 name is not a valid object")
			w.Press("h")
			w.Wait(time.Second)
			w.Press("F")
			w.Type("*")
			w.Press("enter")
			w.Wait(time.Second)
			w.Want(t, "a.txt", "3 names are not valid object keys and are left out.")
			w.Press("esc", "f", "enter")
			w.Wait(time.Second)
			w.server.Put("builds/b.txt", 10, "2026-01-02 03:04")
			w.Wait(31 * time.Second)
			w.Want(t, " of 4, ", "%, 1 left out")
		})
	}
}

// The dialog at the end of a session agrees with the strip of transfers below it.
func TestEndOfASessionDuringADownload(t *testing.T) {
	play(t, func(w *program) {
		w.deps.Start = tuitest.At("company-reports/annual/audited/2025-consolidated-ledger.parquet")
	}, func(t *testing.T, w *program) {
		w.Press("d")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "1 running")
		w.server.Fail(&api.Error{Code: api.SessionRevoked})
		w.Press("ctrl+r")
		w.Wait(time.Second)
		w.Want(t, "Your sign-in has ended", "1 running download resumes automatically if its link")
		w.Not(t, "waiting")
	})
}
