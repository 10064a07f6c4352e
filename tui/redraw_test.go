package tui_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// ctrl+l draws the screen again in a list, in a text field, in a dialog and at each step
// of the sign-in: the output of another program can cover any of them.
func TestRedrawAnywhere(t *testing.T) {
	out := func(w *program) { w.deps.HasSession = false }
	for name, x := range map[string]struct {
		change func(*program)
		open   func(w *program)
		shows  string
	}{
		"the list":     {nil, func(*program) {}, "Files"},
		"a text field": {nil, func(w *program) { w.Press("/") }, "row 1 of 33"},
		"a dialog":     {nil, func(w *program) { w.Press("?") }, "Keys in"},
		"the path":     {nil, func(w *program) { w.Press("ctrl+g") }, "go to:"},
		"the sign-in":  {out, func(*program) {}, "Password"},
		"the code": {out, func(w *program) {
			w.Type("alan")
			w.Press("tab")
			w.Type("Bombe-1940")
			w.Press("enter")
		}, "Code"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, x.change, func(t *testing.T, w *program) {
				x.open(w)
				w.Wait(time.Second)
				w.Want(t, x.shows)
				var output bytes.Buffer
				w.Log(&output)
				w.Press("ctrl+l")
				w.Wait(time.Second)
				if !strings.Contains(output.String(), ansi.EraseEntireScreen) {
					t.Errorf("the screen is not drawn again: %q", output.String())
				}
				w.Want(t, x.shows)
			})
		})
	}
}
