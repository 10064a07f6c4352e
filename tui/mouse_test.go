package tui_test

import (
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/client/download"
	"usher/tui"
)

func withMouse(w *program) { ledgers(w); w.deps.Mouse = true }

// at returns the cell of the first line with a text.
func (w *program) at(t *testing.T, text string) (x, y int) {
	t.Helper()
	for y, l := range strings.Split(w.Text(), "\n") {
		if before, _, ok := strings.Cut(l, text); ok {
			return len([]rune(before)), y
		}
	}
	t.Fatalf("no %q on\n%s", text, w.Text())
	return 0, 0
}

// click presses and releases a button on the first cell of a text.
func (w *program) click(t *testing.T, text string, b tea.MouseButton) {
	t.Helper()
	x, y := w.at(t, text)
	w.Send(tea.MouseClickMsg{X: x, Y: y, Button: b})
	w.Send(tea.MouseReleaseMsg{X: x, Y: y, Button: b})
	w.Wait(time.Second)
}

func (w *program) wheel(b tea.MouseButton) {
	w.Send(tea.MouseWheelMsg{X: 50, Y: 10, Button: b})
	w.Wait(time.Second)
}

// The wheel moves by three rows, a click selects a row, and a click on the selected
// row opens it. No other button and no open field reacts.
func TestMouse(t *testing.T) {
	play(t, withMouse, func(t *testing.T, w *program) {
		w.Want(t, "row 1 of ")
		w.wheel(tea.MouseWheelDown)
		w.Want(t, "row 4 of ")
		w.wheel(tea.MouseWheelUp)
		w.wheel(tea.MouseWheelLeft)
		w.Want(t, "row 1 of ")
		w.click(t, "2023-board", tea.MouseRight)
		w.click(t, "row 1 of ", tea.MouseLeft)
		w.click(t, "Modified", tea.MouseLeft)
		w.Want(t, "row 1 of ")
		w.click(t, "2023-board", tea.MouseLeft)
		w.Want(t, "row 5 of ")

		w.Press("s")
		w.wheel(tea.MouseWheelDown) // closes the menu
		w.Want(t, "row 5 of ")
		w.wheel(tea.MouseWheelDown)
		w.Want(t, "row 8 of ")

		w.Press("/")
		w.Type("annual")
		w.wheel(tea.MouseWheelDown)
		w.click(t, "2023-annual", tea.MouseLeft)
		w.Want(t, "annual ")
		w.Press("esc", "esc")
		w.Press("?")
		w.Wait(time.Second)
		w.wheel(tea.MouseWheelDown)
		w.Want(t, "Keys in")
		w.Press("esc")
		w.Wait(time.Second)

		w.click(t, "audited", tea.MouseLeft) // a folder in the tree
		w.click(t, "audited", tea.MouseLeft)
		w.Wait(time.Second)
		w.Want(t, "› audited")
	})
}

// Each page with rows takes clicks.
func TestMouseOnOtherPages(t *testing.T) {
	play(t, withMouse, func(t *testing.T, w *program) {
		w.engine.Fail = nil
		w.Press("a", "M")
		w.Wait(time.Second)
		w.click(t, "2025-management", tea.MouseLeft)
		w.Press("x")
		w.Wait(time.Second)
		w.Not(t, "2025-management")
		w.Press("esc", "a", "a", "d")
		w.Wait(time.Second)
		w.Press("enter", "t")
		w.Wait(time.Second)
		w.click(t, "2022-consolidated", tea.MouseLeft)
		w.Press("p")
		w.Wait(time.Second)
		if got := w.paused(); len(got) != 1 || !strings.HasSuffix(got[0], "2022-consolidated-ledger.parquet") {
			t.Errorf("%q are paused, want the clicked transfer", got)
		}
	})
}

// Without the setting, the terminal reports no mouse, and a stray report does nothing.
func TestMouseIsOptIn(t *testing.T) {
	play(t, ledgers, func(t *testing.T, w *program) {
		w.wheel(tea.MouseWheelDown)
		w.click(t, "2023-board", tea.MouseLeft)
		w.Want(t, "row 1 of ")
	})
	for on, want := range map[bool]tea.MouseMode{false: tea.MouseModeNone, true: tea.MouseModeCellMotion} {
		if v := view(t, func(w *program) { w.deps.Mouse = on }, tea.KeyPressMsg{}); v.MouseMode != want {
			t.Errorf("with mouse %t: mode %d, want %d", on, v.MouseMode, want)
		}
	}
}

// Without motion, the text cursor of a field does not blink.
func TestStill(t *testing.T) {
	for _, still := range []bool{false, true} {
		v := view(t, func(w *program) { w.deps.Still = still }, tea.KeyPressMsg{Code: '/', Text: "/"})
		if v.Cursor == nil || v.Cursor.Blink == still {
			t.Errorf("with still %t: cursor %+v", still, v.Cursor)
		}
	}
}

// view returns the view of a program after a key.
func view(t *testing.T, change func(*program), key tea.KeyPressMsg) tea.View {
	t.Helper()
	m, err := tui.New(newProgram(change).deps)
	if err != nil {
		t.Fatal(err)
	}
	m.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
	m.Update(key)
	return m.View()
}

// paused returns the keys of the paused transfers.
func (w *program) paused() (list []string) {
	for _, x := range w.engine.Snapshot().Transfers {
		if x.State == download.Paused {
			list = append(list, x.Key)
		}
	}
	return list
}

// Without motion, a running transfer is drawn less often.
func TestStillTransfers(t *testing.T) {
	calls := func(still bool) (n int) {
		play(t, func(w *program) { ledgers(w); w.deps.Still = still }, func(t *testing.T, w *program) {
			w.Press("a", "d")
			w.Wait(time.Second)
			w.Press("enter")
			w.Wait(time.Second)
			n = w.engine.Calls()
			w.Wait(10 * time.Second)
			w.Want(t, " running")
			n = w.engine.Calls() - n
		})
		return n
	}
	if moving, quiet := calls(false), calls(true); moving < 30 || quiet < 4 || quiet > 12 {
		t.Errorf("%d looks at the queue in 10 s with motion, %d without", moving, quiet)
	}
}

// The chosen glyphs come before those of the locale.
func TestGlyphs(t *testing.T) {
	for _, x := range []struct {
		locale, glyphs string
		ascii          bool
	}{{"C", "", true}, {"C", "unicode", false}, {"C", "ascii", true}, {"C.UTF-8", "", false}, {"C.UTF-8", "ascii", true}, {"", "", false}} {
		getenv := func(name string) string { return map[string]string{"LC_ALL": x.locale}[name] }
		if d := (tui.LogFileDeps{}).Terminal(getenv, "", tui.Screen{Glyphs: x.glyphs}); d.ASCII != x.ascii {
			t.Errorf("locale %q, glyphs %q: ASCII %t", x.locale, x.glyphs, d.ASCII)
		}
	}
}

// A click selects a row of a page over the browser. A click on the selected row opens
// it where enter does.
func TestMouseOnPagesOverTheBrowser(t *testing.T) {
	set := func(w *program) { w.deps.Mouse = true }
	play(t, set, func(t *testing.T, w *program) {
		w.Press("j", "j", "j", "H")
		w.Wait(time.Second)
		w.click(t, "UIORUnfndfhnw", tea.MouseLeft)
		w.Press("y", "v")
		w.Wait(time.Second)
		w.Want(t, "Sent to the clipboard: UIORUnfndfhnw89493jJFJ.rmSpXd3dIbrH")
	})
	play(t, set, func(t *testing.T, w *program) {
		w.Press("t", "H")
		w.Wait(time.Second)
		w.click(t, "2025-auditor-opinion", tea.MouseLeft)
		w.Want(t, "audit event 01M8E3S2")
		w.click(t, "2025-auditor-opinion", tea.MouseLeft)
		w.Wait(time.Second)
		w.Want(t, "▌  2025-auditor-opinion-signed.pdf")
	})
	copies := copied(t.TempDir())
	play(t, func(w *program) { copies(w); set(w) }, func(t *testing.T, w *program) {
		w.Press("=")
		w.Wait(3 * time.Second)
		w.click(t, "unchecked.csv", tea.MouseLeft)
		w.Want(t, "Compared with the local copy")
		w.click(t, "unchecked.csv", tea.MouseLeft)
		w.Wait(time.Second)
		w.Not(t, "Compared with the local copy")
		w.Want(t, "▌  unchecked.csv")
	})
}
