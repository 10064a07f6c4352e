package tui_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"usher/tui"
)

func withKeys(w *program) {
	ledgers(w)
	w.deps.Remap = map[string][]string{
		"down": {"e", "down"}, "download": {"o"}, "filter": {";"}, "sort": {"z"}, "transfers.remove": {"delete"}, "commands": {","},
		"export": {"E"}, "save-report": {"E"}, "transfers": {"T"}, "sets": {"I"},
	}
}

// Other keys act in the browser, and key line, help and palette show them.
func TestOtherKeys(t *testing.T) {
	play(t, withKeys, func(t *testing.T, w *program) {
		w.Want(t, "row 1 of ", "o download", "; filter", ", commands")
		w.Not(t, "d download", ": commands")
		w.Press("e", "e", "j", ":")
		w.Wait(time.Second)
		w.Want(t, "row 3 of ")
		w.Press("?")
		w.Wait(time.Second)
		w.Want(t, "Keys in", "filter")
		help := w.Text()
		for _, row := range []string{`\bo +download\b`, `\be down +down\b`, `\bz +sort by`} {
			if !regexp.MustCompile(row).MatchString(help) {
				t.Errorf("the help lacks %q:\n%s", row, help)
			}
		}
		w.Press("esc")
		w.Wait(time.Second)
		w.Press(",")
		w.Wait(time.Second)
		w.Type("sort by size")
		w.Want(t, "z s")
		w.Press("esc")
		w.Wait(time.Second)
		w.Press("T")
		w.Wait(time.Second)
		w.Want(t, "No transfers.", "In the browser, o downloads")
		w.Press("esc")
		w.Wait(time.Second)
		w.Press("o")
		w.Wait(time.Second)
		w.Want(t, "1 file, 4.21 MB, verified.")
	})
}

// A key with an action is text in an open field.
func TestOtherKeysAreTextInFields(t *testing.T) {
	play(t, withKeys, func(t *testing.T, w *program) {
		w.Press(";")
		w.Type("oe;z,:")
		w.Want(t, "oe;z,:")
		w.Press("esc", "esc")
		w.Want(t, "row 1 of ")
	})
}

// The program refuses keys that the table refuses.
func TestKeysAreChecked(t *testing.T) {
	if err := tui.CheckKeys(map[string][]string{"down": {"e", "down"}, "export": {"E"}, "save-report": {"E"}}); err != nil {
		t.Error(err)
	}
	wrong := map[string][]string{"mark": {"d"}}
	if err := tui.CheckKeys(wrong); err == nil || !strings.Contains(err.Error(), "mark and download") {
		t.Errorf("a conflict: %v", err)
	}
	d := newProgram(nil).deps
	d.Remap = wrong
	if _, err := tui.New(d); err == nil {
		t.Error("the browser starts with a conflict")
	}
}
