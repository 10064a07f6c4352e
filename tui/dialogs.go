package tui

import (
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/tui/dialog"
)

// dialogs are the open dialogs. The last one is on the screen and has the keys; the
// others return when it closes, with their typed text.
type dialogs struct {
	open []dialog.Dialog
	kept []dialog.Dialog // until the person has signed in again
	wait *grace          // after the return of the kept ones; nil: none
}

// grace is a time in which the returned dialogs ignore keys: the last ones of a sign-in
// choose nothing. Its address is its identity, so it needs a size.
type grace struct{ _ byte }

// graceOver is the end of a grace.
type graceOver struct{ of *grace }

// front returns the dialog on the screen, nil without one.
func (d *dialogs) front() dialog.Dialog {
	if n := len(d.open); n > 0 {
		return d.open[n-1]
	}
	return nil
}

// has reports whether a dialog is open or kept.
func (d *dialogs) has(x dialog.Dialog) bool {
	return slices.Contains(d.open, x) || slices.Contains(d.kept, x)
}

// show opens a dialog over the others.
func (d *dialogs) show(x dialog.Dialog) {
	d.hide(x)
	d.open = append(d.open, x)
}

// keep opens a dialog for the time after the sign-in.
func (d *dialogs) keep(x dialog.Dialog) {
	d.hide(x)
	d.kept = append(d.kept, x)
}

// hide closes a dialog.
func (d *dialogs) hide(x dialog.Dialog) {
	other := func(y dialog.Dialog) bool { return x == y }
	d.open, d.kept = slices.DeleteFunc(d.open, other), slices.DeleteFunc(d.kept, other)
}

// interrupt keeps the open dialogs for the time after the sign-in.
func (d *dialogs) interrupt() {
	d.kept, d.open = append(d.kept, d.open...), nil
}

// resume opens the kept dialogs again, for the same person.
func (d *dialogs) resume() tea.Cmd {
	if len(d.kept) == 0 {
		return nil
	}
	d.open, d.kept = append(d.kept, d.open...), nil
	wait := new(grace)
	d.wait = wait
	return tea.Tick(dialog.Grace, func(time.Time) tea.Msg { return graceOver{wait} })
}

// press passes a key to the dialog on the screen.
func (d *dialogs) press(msg tea.KeyPressMsg) tea.Cmd {
	if d.wait != nil {
		return nil
	}
	x := d.front()
	over, cmd := x.Key(msg)
	if over {
		d.hide(x)
	}
	return cmd
}

// handle passes a message to all dialogs. Its owner recognizes it by type.
func (d *dialogs) handle(msg tea.Msg) tea.Cmd {
	if m, ok := msg.(graceOver); ok && m.of == d.wait {
		d.wait = nil
	}
	var cmds []tea.Cmd
	for _, x := range slices.Concat(d.kept, d.open) {
		cmds = append(cmds, x.Handle(msg))
	}
	return tea.Batch(cmds...)
}
