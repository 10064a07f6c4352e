package tui

import (
	tea "charm.land/bubbletea/v2"

	"usher/tui/keys"
	"usher/tui/pane"
)

// wheelRows is the number of rows of one step of the wheel.
const wheelRows = 3

// pageTop is the first line of the page in front.
const pageTop = 1

// mouse handles the wheel and the left button. Both do nothing over a dialog, in a
// text field and before the sign-in.
func (m *Model) mouse(msg tea.MouseMsg) tea.Cmd {
	if !m.deps.Mouse || m.small() || m.dialogs.front() != nil || !m.session.phase.browsing() {
		return nil
	}
	cmd, done := onPage(m.env, m.front(), msg, m.act)
	if !done {
		return nil
	}
	m.say = pane.Say{}
	return tea.Batch(cmd, m.keyPressed())
}

// mouse is as that of Model.
func (m *LogFile) mouse(msg tea.MouseMsg) tea.Cmd {
	if !m.deps.Mouse || m.small() || m.dialogs.front() != nil {
		return nil
	}
	cmd, _ := onPage(m.env, m.page, msg, m.act)
	return cmd
}

// onPage handles the wheel or the left button on a page. It returns false for any
// other event. The first event in a one-letter menu closes the menu.
func onPage(env *pane.Env, page pane.Pane, msg tea.MouseMsg, act func(keys.Action) tea.Cmd) (tea.Cmd, bool) {
	at := msg.Mouse()
	wheel, click := keys.Action(""), false
	switch msg.(type) {
	case tea.MouseWheelMsg:
		switch at.Button {
		case tea.MouseWheelDown:
			wheel = keys.Down
		case tea.MouseWheelUp:
			wheel = keys.Up
		}
	case tea.MouseClickMsg:
		click = at.Button == tea.MouseLeft
	}
	if wheel == "" && !click || page.Typing() {
		return nil, false
	}
	if env.Keys.Menu(page.Context()) {
		return page.Do(keys.Back), true
	}
	if click {
		return clicked(env, page, at, act), true
	}
	if _, ok := env.Keys.Binding(page.Context(), wheel); !ok {
		return nil, false
	}
	var cmds []tea.Cmd
	for range wheelRows {
		cmds = append(cmds, act(wheel))
	}
	return tea.Batch(cmds...), true
}

// clicked selects the row under the mouse. A click on the selected row opens it.
func clicked(env *pane.Env, page pane.Pane, at tea.Mouse, act func(keys.Action) tea.Cmd) tea.Cmd {
	p, ok := page.(pane.Clicks)
	if !ok {
		return nil
	}
	cmd, again := p.Click(at.X, at.Y-pageTop)
	if _, opens := env.Keys.Binding(page.Context(), keys.Enter); again && opens {
		return act(keys.Enter)
	}
	return cmd
}
