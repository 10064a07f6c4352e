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
		w.Press("enter", "esc", "s", "m", "s")
		w.Want(t, "Sort by, then by modified; the same key reverses")
		w.Press("s", "s", "s")
		w.Want(t, "Size ↑", "Modified ↓2")
		w.Press("G")
		w.Want(t, "▌  2025-consolidated")
	})
	run("sub-ada", func(t *testing.T, w *program) {
		w.Want(t, "company-reports › annual › audited", "▌  2025-consolidated", "Size ↑", "Modified ↓2")
		w.Press("/", "up")
		w.Want(t, "/ opinion", "of 8, ", "33 in all")
		w.Press("down")
		w.Want(t, "of 33, ")
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

// The field for a path completes names with tab, and finds known folders by parts of
// their paths.
func TestGoAnywhere(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.server.Hide("company-reports/quarterly/2025-q2")
		w.Press("ctrl+g")
		w.Want(t, "go to:", "company-reports/", "tab complete", "up down choose")
		w.Type("s3://comp")
		w.Press("tab")
		w.Want(t, "go to: s3://company-reports/")
		w.Type("a")
		w.Press("tab") // not listed yet
		w.Want(t, "go to: s3://company-reports/annual/")
		w.Type("a")
		w.Press("tab") // two names
		w.Want(t, "go to: s3://company-reports/annual/a ", "company-reports/annual/archive/", "company-reports/annual/audited/")
		w.Press("down", "down", "enter")
		w.Wait(time.Second)
		w.Want(t, "company-reports › annual › audited", "letters-to-shareholders/")
		w.Press("ctrl+g")
		w.Type("company-reports/quarterly/2025-q")
		w.Press("tab")
		w.Want(t, "go to: company-reports/quarterly/2025-q1/")
		w.Press("ctrl+u")
		w.Type("company-reports/annual/audited/2025-NOTES")
		w.Press("tab", "enter")
		w.Wait(time.Second)
		w.Want(t, "▌  2025-notes-to-accounts.pdf")
		w.Press("ctrl+g")
		w.Type("workp")
		w.Want(t, "▌  company-reports/annual/audited/working-papers/")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "audited › working-papers", "a.csv")
		w.Press("~", "ctrl+g")
		w.Type("work pap")
		w.Press("tab", "2", "tab") // a found folder, then a name in it
		w.Want(t, "go to: company-reports/annual/audited/working-papers/2024/")
		w.Press("esc")
		w.Not(t, "go to:")
	})
}

// A completion that arrives late, or fails, changes nothing.
func TestCompletionOfALeftField(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.server.Delay = time.Second
		w.Press("ctrl+g")
		w.Type("engineering-builds/n")
		w.Press("tab", "x")
		w.Wait(5 * time.Second)
		w.Want(t, "go to: engineering-builds/nx ")
		w.Press("backspace", "tab", "esc")
		w.Wait(5 * time.Second)
		w.Not(t, "go to:")
		w.server.Fail(tuitest.ErrNetwork)
		w.Press("ctrl+g")
		w.Type("site-surveys/n")
		w.Press("tab")
		w.Wait(5 * time.Second)
		w.Want(t, "go to: site-surveys/n ", "Can't reach files.example.com")
	})
}

// The palette opens known folders, and hands a typed path to the field.
func TestPaletteGoesAnywhere(t *testing.T) {
	play(t, func(w *program) { w.deps.Start = tuitest.At("company-reports/annual/") }, func(t *testing.T, w *program) {
		w.Press(":")
		w.Type("audited")
		w.Want(t, "company-reports/annual/audited/")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "company-reports › annual › audited")
		w.Press("t", ":")
		w.Type("company-reports/ta")
		w.Press("tab")
		w.Wait(time.Second)
		w.Want(t, "go to: company-reports/tax/")
		w.Press("esc", ":")
		w.Type("company-reports/taxes/")
		w.Press("enter")
		w.Wait(5 * time.Second)
		w.Want(t, "go to: company-reports/taxes/", "annual › audited")
		w.Press("esc", ":")
		w.Type("../")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "go to: ../")
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

// A person with one bucket and one prefix begins there. A key or a named path wins.
func TestOnlyFolderOpens(t *testing.T) {
	only := func(paths ...string) func(*program) {
		return func(w *program) {
			w.server = tuitest.NewServer("ada", "finance-team")
			for _, p := range paths {
				w.server.Put(p, 10, "2026-01-02 03:04")
			}
			w.deps.Backend, w.deps.Start, w.deps.Resume = w.server, tuitest.At(""), true
		}
	}
	for title, paths := range map[string][]string{
		"usher  company-reports › annual › audited ": {"company-reports/annual/audited/a.pdf", "company-reports/annual/audited/b/c.pdf"},
		"usher  company-reports › annual  ":          {"company-reports/annual/a.pdf"},
		"usher  company-reports  ":                   {"company-reports/annual/a.pdf", "company-reports/tax/a.pdf"},
		"usher  Buckets ":                            {"company-reports/annual/a.pdf", "site-surveys/a.pdf"},
	} {
		for _, delay := range []time.Duration{0, time.Second} {
			play(t, func(w *program) { only(paths...)(w); w.server.Delay = delay }, func(t *testing.T, w *program) {
				w.Wait(10 * time.Second)
				w.Want(t, title)
				if n := len(w.server.Lists()); n > 5 {
					t.Errorf("listed %q", w.server.Lists())
				}
			})
		}
	}
	one := "company-reports/annual/audited/a.pdf"
	play(t, only(one), func(t *testing.T, w *program) {
		w.Wait(time.Second)
		w.Press("h")
		w.Wait(time.Second)
		w.Want(t, "usher  company-reports › annual  ", "▌  audited/")
		w.Press("h", "h")
		w.Wait(time.Second)
		w.Want(t, "usher  Buckets ")
		w.Press("ctrl+r")
		w.Wait(time.Second)
		w.Want(t, "usher  Buckets ")
	})
	play(t, func(w *program) { only(one)(w); w.server.Delay = time.Second }, func(t *testing.T, w *program) {
		w.Wait(1500 * time.Millisecond)
		w.Press("~") // the buckets are on the screen: the key stops the descent
		w.Wait(10 * time.Second)
		w.Want(t, "usher  Buckets ")
	})
	play(t, func(w *program) { only(one)(w); w.deps.Resume = false }, func(t *testing.T, w *program) {
		w.Wait(time.Second)
		w.Want(t, "usher  Buckets ")
	})
}
