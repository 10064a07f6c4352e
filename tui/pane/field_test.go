package pane_test

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext/safetexttest"
	"usher/tui/pane"
)

func typed(f *pane.Field, text string) {
	for _, r := range text {
		f.Take(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
}

func ExampleField() {
	f := pane.NewField(0)
	f.Open("path:ada")
	f.Take(tea.KeyPressMsg{Code: tea.KeyHome})
	typed(&f, "- ")
	fmt.Printf("%q, cursor behind %d cells\n", f.Shown(), f.Cells())
	f.Keep()
	f.Open("")
	f.Recall(true)
	fmt.Printf("%q\n", f.Value())
	// Output:
	// "- path:ada", cursor behind 2 cells
	// "- path:ada"
}

func TestFieldInserts(t *testing.T) {
	f := pane.NewField(0)
	f.Set("äbc")
	f.MoveTo(len("ä"))
	f.Insert("財務")
	if f.Value() != "ä財務bc" || f.Before() != "ä財務" || f.After() != "bc" || f.Cells() != 5 {
		t.Errorf("%q: %q before, %q after the cursor, %d cells", f.Value(), f.Before(), f.After(), f.Cells())
	}
	f.MoveTo(-1)
	if f.Before() != "" {
		t.Errorf("%q before the cursor", f.Before())
	}
	f.MoveTo(1000)
	if f.After() != "" {
		t.Errorf("%q after the cursor", f.After())
	}
}

// After a paste of any text, the shown text has no effect on a terminal, and the
// cursor is inside it.
func TestFieldIsSafe(t *testing.T) {
	for _, x := range safetexttest.Payloads() {
		f := pane.NewField(0)
		f.Take(tea.PasteMsg{Content: x.Text})
		if leaks := safetexttest.Leaks(f.Shown()); leaks != nil {
			t.Errorf("%s: %v", x.Name, leaks)
		}
		if whole := len(f.Shown()); f.Cells() > whole {
			t.Errorf("%s: the cursor is behind %d cells of %d", x.Name, f.Cells(), whole)
		}
	}
}

func TestFieldRemembers(t *testing.T) {
	f := pane.NewField(0)
	for _, text := range []string{"one", "two", "one"} {
		f.Open(text)
		f.Keep()
	}
	f.Open("new")
	var seen []string
	for _, earlier := range []bool{true, true, true, false, false, false} {
		f.Recall(earlier)
		seen = append(seen, f.Value())
	}
	if got := strings.Join(seen, ","); got != "one,two,two,one,," {
		t.Errorf("recalled %q", got)
	}
	for i := range 30 {
		f.Open(fmt.Sprint(i))
		f.Keep()
	}
	f.Open("")
	n := 0
	for last := "-"; f.Value() != last; n++ {
		last = f.Value()
		f.Recall(true)
	}
	if f.Value() != "10" {
		t.Errorf("the oldest of the texts that are remembered is %q", f.Value())
	}
}

// Window keeps the cursor visible.
func TestWindow(t *testing.T) {
	for cells := range 40 {
		for room := range 12 {
			left := pane.Window(cells, room)
			if left < 0 || cells < left || room > 0 && cells >= left+room {
				t.Errorf("cursor at %d, room for %d: the window begins at %d", cells, room, left)
			}
		}
	}
}

// The visible part of a field fits in its room and has the cursor.
func TestVisible(t *testing.T) {
	f := pane.NewField(0)
	f.Set("/home/ada/usher/usher-audit-2026-11-29T152956Z.tar")
	for _, c := range []struct {
		room, at int
		text     string
		cursor   int
	}{
		{60, 50, "/home/ada/usher/usher-audit-2026-11-29T152956Z.tar", 50},
		{20, 50, "26-11-29T152956Z.tar"[1:], 19},
		{20, 0, "/home/ada/usher/ushe", 0},
	} {
		f.MoveTo(c.at)
		if text, cursor := f.Visible(c.room); text != c.text || cursor != c.cursor {
			t.Errorf("room %d, cursor %d: %q with the cursor at %d, want %q at %d", c.room, c.at, text, cursor, c.text, c.cursor)
		}
	}
}

func ExampleCenter() {
	for _, l := range pane.Center([]string{"No event matches.", "esc back"}, 24, 6) {
		fmt.Printf("%q\n", l)
	}
	// Output:
	// ""
	// "   No event matches."
	// "   esc back"
	// ""
	// ""
	// ""
}
