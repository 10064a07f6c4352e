package tui_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/client/places"
	"usher/session"
	"usher/tui/tuitest"
)

const setFolder = "company-reports/annual/audited/"

// The marks are saved as a set, and the next run loads it: each path is requested again,
// and the missing one is named.
func TestSetsOfMarks(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	before := func(w *program) { remembers(state, "sub-ada")(w); w.deps.Resume = false }
	play(t, before, func(t *testing.T, w *program) {
		w.Press("M")
		w.Want(t, "There are no marks. The key space marks a row.")
		w.Press("space", "j", "j", "space", "space", "M")
		w.Want(t, "Marked", "w save as a set")
		w.Press("o")
		w.Want(t, "There are no sets. The key w saves the marks as one.")
		w.Press("w", "enter")
		w.Want(t, "Set: a set has a name of 1 to 40 characters", "save as the set:")
		w.Type("audit q3")
		w.Want(t, "save as the set: audit q3", "enter save")
		w.Press("enter")
		w.Want(t, "The set audit q3 is saved, with 3 paths.")
		w.Press("w")
		w.Type("other")
		w.Press("enter", "o")
		w.Want(t, "Sets of marks", "audit q3", "3 paths", setFolder)
		w.Press("G", "x")
		w.Want(t, "The set other is removed.", "1 set")
		w.Press("y")
		w.Want(t, "usher get --set 'audit q3'")
		w.end(t)
	})
	saved := places.New(session.Folders{State: state}, "files.example.com", "sub-ada").Load().Sets
	if len(saved) != 1 || len(saved["audit q3"]) != 3 {
		t.Fatalf("stored %q", saved)
	}
	gone := saved["audit q3"][2]
	play(t, func(w *program) { before(w); w.server.Hide(gone) }, func(t *testing.T, w *program) {
		w.Press("M")
		w.Want(t, "There are no marks.", "o sets")
		calls := w.server.Calls()
		w.Press("o", "enter")
		w.Wait(time.Second)
		if n := w.server.Calls() - calls; n != 3 {
			t.Errorf("%d calls for 3 paths", n)
		}
		w.Want(t, "Missing paths", "2 paths are marked", strings.TrimPrefix(gone, setFolder))
		w.Press("esc")
		w.Want(t, "Marked", "2 files")
		w.Press("esc")
		w.Want(t, "2 marked")
	})
	play(t, func(w *program) { remembers(state, "sub-alan")(w) }, func(t *testing.T, w *program) {
		w.Press("M")
		w.Want(t, "There are no marks. The key space marks a row.") // the set is of another person
	})
}

// Without an answer of the server, nothing of a set is marked.
func TestSetWithoutAnAnswer(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	set := places.Change{Sets: map[string][]string{"a\u202eb": {setFolder + "2018-annual-report.pdf", setFolder}}}
	if err := places.New(session.Folders{State: state}, "files.example.com", "sub-ada").Save(set); err != nil {
		t.Fatal(err)
	}
	play(t, func(w *program) { remembers(state, "sub-ada")(w); w.deps.Resume = false }, func(t *testing.T, w *program) {
		w.Press("M", "o")
		w.Want(t, `a\u{202e}b`, "2 paths")
		w.server.Fail(tuitest.ErrNetwork)
		w.Press("enter")
		w.Wait(5 * time.Second)
		w.Want(t, `The set a\u{202e}b is not loaded`, "There are no marks.")
		w.server.Fail(nil)
		w.Press("o", "enter")
		w.Wait(10 * time.Second)
		w.Want(t, `The set a\u{202e}b is loaded: 2 paths are marked.`, "1 file, 1 folder")
	})
}
