package tui_test

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/colorprofile"

	"usher/client/places"
	"usher/session"
	"usher/tui"
	"usher/tui/tuitest"
)

// remembers gives a program the places of a person in a folder for state.
func remembers(state, person string) func(*program) {
	return func(w *program) {
		f := session.Folders{State: state}
		w.deps.Person = func() string { return person }
		w.deps.Places = func(identity string) tui.Places { return places.New(f, "files.example.com", identity) }
		w.deps.Resume = true
	}
}

// end ends the program, as main does.
func (w *program) end(t *testing.T) {
	t.Helper()
	w.Stop()
	if err := w.model.Close(); err != nil {
		t.Fatal(err)
	}
}

// The next run continues where the last one ended: folder, row, order, bookmarks and
// filters.
func TestPlacesAreRemembered(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	run := func(person string, test func(*testing.T, *program)) {
		play(t, remembers(state, person), func(t *testing.T, w *program) {
			w.Wait(time.Second)
			test(t, w)
			w.end(t)
		})
	}
	run("sub-ada", func(t *testing.T, w *program) {
		w.Want(t, "Buckets", "company-reports") // the first run has no last folder
		w.Press("enter", "enter", "j", "enter")
		w.Want(t, "audited", "2025-annual-report.pdf")
		w.Press("j", "j", "j", "j", "m")
		w.Want(t, "bookmark this folder", "bookmark of this folder")
		w.Press("a")
		w.Want(t, "Bookmark a is company-reports/annual/audited/.")
		w.Press("/")
		w.Type("opinion")
		w.Press("enter", "esc", "s", "s", "s", "s")
		w.Want(t, "Size ↑")
		w.Press("G")
		w.Want(t, "▌  2025-consolidated")
	})
	run("sub-ada", func(t *testing.T, w *program) {
		w.Want(t, "company-reports › annual › audited", "▌  2025-consolidated", "Size ↑")
		w.Press("/", "up")
		w.Want(t, "/ opinion", "8 of 33")
		w.Press("down")
		w.Want(t, "33 of 33")
		w.Press("esc", "~", "'")
		w.Want(t, "Bookmarks", "a company-reports/annual/audited/")
		w.Press("b")
		w.Want(t, "There is no bookmark b.")
		w.Press("'", "a")
		w.Want(t, "company-reports › annual › audited", "▌  2025-auditor-opinion")
		w.Press("m", "a")
		w.Want(t, "Bookmark a is removed.")
	})
	run("sub-alan", func(t *testing.T, w *program) { // another person on the same machine
		w.Want(t, "Buckets", "company-reports")
		w.Press("'")
		w.Want(t, "There are no bookmarks.")
		w.Press("esc", "/", "up")
		w.Not(t, "opinion")
	})
	run("sub-ada", func(t *testing.T, w *program) {
		w.Press("'")
		w.Want(t, "There are no bookmarks.")
	})
}

// A last folder that is not there any more opens the list of buckets, with a sentence.
func TestLastFolderIsGone(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	store := places.New(session.Folders{State: state}, "files.example.com", "sub-ada")
	last := "company-reports/board\x1b[2J/2026/"
	if err := store.Save(places.Change{Last: &last}); err != nil {
		t.Fatal(err)
	}
	play(t, remembers(state, "sub-ada"), func(t *testing.T, w *program) {
		w.Wait(time.Second)
		w.Want(t, "Buckets", "company-reports", `company-reports/board\u{1b}[2J/2026/, your last folder, is no longer available`)
		if got := w.server.Lists(); len(got) != 2 {
			t.Errorf("listed %q", got)
		}
		w.Wait(5 * time.Second)
		if got := store.Load().Last; got != "" {
			t.Errorf("the last folder is %q", got)
		}
	})
}

// A path of the command line wins over the last folder.
func TestGivenPathWins(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	store := places.New(session.Folders{State: state}, "files.example.com", "sub-ada")
	last := "company-reports/tax/"
	if err := store.Save(places.Change{Last: &last}); err != nil {
		t.Fatal(err)
	}
	for path, head := range map[string]string{"company-reports/annual/": "company-reports › annual ", "": "Buckets"} {
		play(t, func(w *program) {
			remembers(state, "sub-ada")(w)
			w.deps.Resume, w.deps.Start = false, tuitest.At(path)
		}, func(t *testing.T, w *program) {
			w.Wait(time.Second)
			w.Want(t, "usher  "+head)
		})
	}
}

// A folder that is entered again has its cursor on the row of the last visit, also
// without stored places, and a row of the first pages of a large folder.
func TestRowOfTheLastVisit(t *testing.T) {
	play(t, func(w *program) { w.deps.Start = tuitest.At("company-reports/annual/audited/") }, func(t *testing.T, w *program) {
		w.Press("G")
		w.Want(t, "▌  2025-notes-to-accounts.pdf")
		w.Press("~", "enter", "enter", "j", "enter")
		w.Want(t, "▌  2025-notes-to-accounts.pdf")
	})
	state := filepath.Join(t.TempDir(), "state")
	large := func(w *program) {
		remembers(state, "sub-ada")(w)
		w.server.PerPage = 10
		many(95)(w)
		w.server.PerPage = 10
	}
	play(t, large, func(t *testing.T, w *program) {
		w.Press("ctrl+g")
		w.Type("builds/nightly/2026/")
		w.Press("enter")
		w.Wait(time.Second)
		w.Press("G")
		w.Wait(time.Second)
		w.Want(t, "▌  usher-000094")
		w.end(t)
	})
	play(t, large, func(t *testing.T, w *program) {
		w.Wait(time.Second)
		w.Want(t, "▌  usher-000094")
	})
}

// The changes of the last two seconds are stored at the end, however the program ends.
func TestPlacesAreStoredAtTheEnd(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(remembers(state, "sub-ada"))
		w.open(t, 120, 40, colorprofile.TrueColor)
		w.Press("enter")
		w.end(t)
	})
	if got := places.New(session.Folders{State: state}, "files.example.com", "sub-ada").Load().Last; got != "company-reports/" {
		t.Errorf("the last folder is %q", got)
	}
}

// The chosen theme is kept.
func TestThemeIsKept(t *testing.T) {
	var kept []string
	play(t, func(w *program) {
		w.deps.SaveTheme = func(name string) error { kept = append(kept, name); return nil }
	}, func(t *testing.T, w *program) {
		w.Press(":")
		w.Type("theme: light")
		w.Press("enter")
		w.Wait(time.Second)
	})
	if strings.Join(kept, " ") != "light" {
		t.Errorf("kept %q", kept)
	}
}
