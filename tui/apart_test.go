package tui_test

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"usher/tui/tuitest"
)

// distinct checks that the names on a page, each without a space, are n different
// texts.
func (w *program) distinct(t *testing.T, page, name string, n int) {
	t.Helper()
	seen := map[string]bool{}
	for _, found := range regexp.MustCompile(name).FindAllString(w.Text(), -1) {
		seen[found] = true
	}
	if len(seen) != n {
		t.Errorf("%s: %d different names, not %d:\n%s", page, len(seen), n, w.Text())
	}
}

// Names that differ in the part that a cut removes are told apart on each page.
func TestNoTwoNamesLookTheSame(t *testing.T) {
	names := func(w *program) {
		for year := 2021; year < 2026; year++ {
			folder := fmt.Sprintf("builds/accounts/statements-of-%d-of-the-subsidiaries-of-the-group-in-the-northern-hemisphere-and-elsewhere/", year)
			w.server.Put(folder+"balance.csv", 1, "2026-01-02 03:04")
			w.server.Put(fmt.Sprintf("builds/accounts/consolidated-statement-of-the-northern-subsidiaries-%d-of-the-group-and-its-affiliates.csv", year), 1, "2026-01-02 03:04")
		}
		w.deps.Start = tuitest.At("builds/accounts/")
	}
	play(t, names, func(t *testing.T, w *program) {
		w.Wait(time.Second)
		w.distinct(t, "folders", `▸ \S+where`, 5)
	})
	at80(t, names, func(t *testing.T, w *program) {
		w.Wait(time.Second)
		w.Press("ctrl+g")
		w.Type("elsewhere")
		w.Wait(time.Second)
		w.distinct(t, "go to", `\S+-elsewhere/`, 5)
		w.Press("esc", "a", "d")
		w.Wait(time.Second)
		w.Want(t, "Download 5 files")
		w.distinct(t, "download", `│  (\S+\.csv) `, 5)
		w.Press("enter")
		w.Wait(5 * time.Second)
		w.Press("t")
		w.distinct(t, "transfers", `done +\S+\.csv`, 5)
		w.Press("esc", "u")
		w.enter("F", "balance")
		w.Press("a", "d")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(5 * time.Second)
		w.Press("t")
		w.distinct(t, "transfers of one name", `done +\S+/balance\.csv`, 5)
	})
}

// A folder without a name is a slash in the tree, as in the table.
func TestAFolderWithoutANameIsVisible(t *testing.T) {
	play(t, func(w *program) {
		w.server.Put("builds/names//inside.csv", 1, "2026-01-02 03:04")
		w.server.Put("builds/names/a/inside.csv", 1, "2026-01-02 03:04")
		w.deps.Start = tuitest.At("builds/names/")
	}, func(t *testing.T, w *program) {
		w.Wait(time.Second)
		w.Want(t, "▸ / ", "▸ a ")
	})
}
