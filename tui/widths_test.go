package tui_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/client/cells"
	"usher/client/places"
	"usher/session"
)

// panes returns the widths of folders and details by their heads, 0 for none.
func (w *program) panes() (folders, details int) {
	for line := range strings.Lines(w.Text()) {
		line = strings.TrimRight(line, "\n")
		left, rest, files := strings.Cut(line, "Buckets ")
		if !files {
			left, rest, files = strings.Cut(line, "Files ")
		}
		_, right, beside := strings.Cut(rest, " Details ")
		if files && beside && strings.Contains(left, "Folders") {
			return cells.Width(left) - 2, cells.Width(right) + 9 // without the lines between the panes, with the head
		}
	}
	return 0, 0
}

// The keys change the widths of folders and details to their bounds, and the next run
// has the same widths.
func TestWidths(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	var chosen, chosenDetails int
	play(t, remembers(state, "sub-ada"), func(t *testing.T, w *program) {
		w.Wait(time.Second)
		folders, details := w.panes()
		if folders == 0 || details == 0 {
			t.Fatalf("no panes:\n%s", w.Text())
		}
		for _, step := range []struct {
			key              string
			folders, details int // changes
		}{{">", 4, 0}, {"}", 0, -4}, {"{", 0, 4}, {"<", -4, 0}, {"<", -4, 0}, {">", 4, 0}} {
			w.Press(step.key)
			got, gotDetails := w.panes()
			if got-folders != step.folders || gotDetails-details != step.details {
				t.Fatalf("%s: from %d, %d to %d, %d", step.key, folders, details, got, gotDetails)
			}
			folders, details = got, gotDetails
		}
		for key, why := range map[string]string{">": "Folders cannot be wider", "<": "Folders have the least width.", "{": "Details cannot be wider", "}": "Details have the least width."} {
			w.Press(strings.Split(strings.Repeat(key, 40), "")...)
			w.Want(t, why, "Folders", "Buckets", "Details", "company-reports")
		}
		w.Press("|")
		if got, gotDetails := w.panes(); got != folders || gotDetails != details {
			t.Errorf("the defaults are %d, %d, not %d, %d", got, gotDetails, folders, details)
		}
		w.Press("|")
		w.Want(t, "Folders and details have the default widths.")
		w.Press(">", "}", "}")
		chosen, chosenDetails = w.panes()
		w.end(t)
	})
	play(t, remembers(state, "sub-ada"), func(t *testing.T, w *program) {
		w.Wait(time.Second)
		if got, gotDetails := w.panes(); got != chosen || gotDetails != chosenDetails {
			t.Errorf("the next run has %d, %d, not %d, %d", got, gotDetails, chosen, chosenDetails)
		}
	})
	play(t, remembers(state, "sub-alan"), func(t *testing.T, w *program) {
		w.Wait(time.Second)
		if got, gotDetails := w.panes(); got == chosen || gotDetails == chosenDetails {
			t.Errorf("another person has %d, %d", got, gotDetails)
		}
	})
}

// A narrow window has one part, and the keys name the reason. Chosen widths never leave
// less than its least width to a part.
func TestWidthsOfANarrowWindow(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	narrow := func(t *testing.T) (text string) {
		at80(t, remembers(state, "sub-ada"), func(t *testing.T, w *program) {
			w.Wait(time.Second)
			text = w.Text()
			for _, key := range []string{"<", ">", "{", "}", "|"} {
				w.Press(key)
				w.Want(t, "only windows of 110 columns or more have several panes")
			}
			w.Press(":")
			w.Type("wider f")
			w.Want(t, "Wider folders", "only windows of 110")
		})
		return text
	}
	before := narrow(t)
	playAt(t, 200, 50, remembers(state, "sub-ada"), func(t *testing.T, w *program) {
		w.Wait(time.Second)
		w.Press(strings.Split(strings.Repeat(">", 40), "")...)
		w.Press(strings.Split(strings.Repeat("{", 40), "")...)
		w.end(t)
	})
	if after := narrow(t); after != before {
		t.Errorf("the screen of 80x24 has changed:\n%s\n%s", before, after)
	}
	playAt(t, 110, 30, remembers(state, "sub-ada"), func(t *testing.T, w *program) {
		w.Wait(time.Second)
		folders, details := w.panes()
		if folders < 16 || details < 23 || 110-2-folders-details < 45 {
			t.Errorf("widths of 110 columns: %d, %d", folders, details)
		}
		w.Press("<") // from the width on the screen, not from the larger chosen one
		if got, _ := w.panes(); got != folders-4 {
			t.Errorf("from %d to %d", folders, got)
		}
	})
}

// Widths that no program stores are ignored.
func TestForeignWidths(t *testing.T) {
	for _, content := range []string{`{"version":1,"widths":{"folders":-99999,"details":7}}`, `{"version":1,"widths":"wide"}`, `{"version":1,"widths":{"folders":1e300}}`} {
		state := filepath.Join(t.TempDir(), "state")
		usual, usualDetails := 0, 0
		play(t, remembers(state, "sub-ada"), func(t *testing.T, w *program) {
			w.Wait(time.Second)
			usual, usualDetails = w.panes()
			w.Press(">")
			w.end(t)
		})
		files, err := filepath.Glob(filepath.Join(state, "places-*.json"))
		if err != nil || len(files) != 1 {
			t.Fatalf("%q, %v", files, err)
		}
		if err := os.WriteFile(files[0], []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		play(t, remembers(state, "sub-ada"), func(t *testing.T, w *program) {
			w.Wait(time.Second)
			if got, gotDetails := w.panes(); got != usual || gotDetails != usualDetails {
				t.Errorf("%s: widths %d, %d, not %d, %d", content, got, gotDetails, usual, usualDetails)
			}
		})
	}
}

// A program in lines has no panes, and the keys do not change the stored widths.
func TestWidthsInLines(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	play(t, func(w *program) { remembers(state, "sub-ada")(w); w.deps.Lines = true }, func(t *testing.T, w *program) {
		w.Wait(time.Second)
		w.Press(">")
		w.Want(t, "there are no panes in lines")
		w.end(t)
	})
	if got := places.New(session.Folders{State: state}, "files.example.com", "sub-ada").Load().Widths; got != (places.Widths{}) {
		t.Errorf("stored %+v", got)
	}
}
