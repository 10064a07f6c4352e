package tui

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/dialog"
	"usher/tui/format"
	"usher/tui/help"
	"usher/tui/keys"
	"usher/tui/pane"
)

// Messages from the root to itself.
type (
	run     struct{ action keys.Action } // from the palette
	disarm  struct{}
	quitNow struct{}
	signOut struct{} // after a dialog if transfers are open
)

// answerTime is the wait for outstanding responses of the terminal at the end.
// A later response would appear in the shell.
const answerTime = 200 * time.Millisecond

// ofTerminal returns the command of a key that suspends the program or draws the screen
// again, else nil. Such a key works during the sign-in, in a dialog and in a text field
// too, except as a letter there.
func ofTerminal(env *pane.Env, msg tea.KeyPressMsg) tea.Cmd {
	a, ok := env.Keys.Find(keys.Everywhere, msg.String())
	switch {
	case !ok || msg.Text != "":
		return nil
	case a == keys.Suspend:
		return tea.Suspend
	case a == keys.Redraw:
		return tea.ClearScreen
	}
	return nil
}

// press routes a key press: to the dialog, the text field, the page, or a global binding.
func (m *Model) press(msg tea.KeyPressMsg) tea.Cmd {
	key := msg.String()
	woke := m.keyPressed()
	if key == "ctrl+c" {
		if m.armed {
			return m.quit()
		}
		m.armed = true
		return tea.Batch(m.askQuit(), tea.Tick(time.Second, func(time.Time) tea.Msg { return disarm{} }))
	}
	if cmd := ofTerminal(m.env, msg); cmd != nil {
		return cmd
	}
	if m.small() {
		if key == "q" {
			return m.askQuit()
		}
		return nil
	}
	if m.dialogs.front() != nil {
		return tea.Batch(m.dialogs.press(msg), woke)
	}
	if !m.session.phase.browsing() {
		return m.signin.Key(msg)
	}
	m.say = pane.Say{}
	page := m.front()
	if page.Typing() {
		return tea.Batch(page.Key(msg), woke)
	}
	if a, ok := m.env.Keys.Find(page.Context(), key); ok {
		return tea.Batch(m.act(a), woke)
	}
	if m.env.Keys.Menu(page.Context()) { // any other key closes the menu, and acts
		closed := page.Do(keys.Back)
		if a, ok := m.env.Keys.Find(page.Context(), key); ok {
			return tea.Batch(closed, m.act(a), woke)
		}
		return tea.Batch(closed, woke)
	}
	return woke
}

// act runs a global action, and passes any other to the page in front.
func (m *Model) act(a keys.Action) tea.Cmd {
	page := m.front()
	switch a {
	case keys.OpenTransfers:
		if page != pane.Pane(m.transfers) {
			m.stack = append(m.stack, m.transfers)
		}
		return m.transfers.Opened()
	case keys.OpenAudit, keys.OpenAccess:
		if !m.hasPage(a) || opens(page, a) {
			return nil
		}
		on := pane.Target{}
		if a == keys.OpenAccess {
			on = m.browse.Target()
		}
		return m.open(pane.Open{Page: a, On: on})
	case keys.Session:
		m.show(m.sessionDialog())
	case keys.Help:
		m.show(help.NewKeys("Keys in "+where(page), m.env.Keys, page.Context(), func(a keys.Action) bool { return m.leftOut(a) || omits(page, a) }))
	case keys.Palette:
		m.show(m.palette())
	case keys.Suspend:
		return tea.Suspend
	case keys.Redraw:
		return tea.ClearScreen
	case keys.Reload:
		if !m.env.Me.Online {
			return tea.Batch(m.call(callTime), page.Do(a))
		}
		return page.Do(a)
	case keys.Quit:
		if len(m.stack) > 0 {
			return page.Do(keys.Back)
		}
		return m.askQuit()
	default:
		return page.Do(a)
	}
	return nil
}

// leftOut reports whether the help omits an action, because its page needs a group
// that the person is not in.
func (m *Model) leftOut(a keys.Action) bool {
	return m.needsGroup(a) && !m.whyClosed(a).IsZero() || a == keys.Touched && !m.whyClosed(keys.OpenAudit).IsZero()
}

// omits reports whether a page has no use for an action now.
func omits(page pane.Pane, a keys.Action) bool {
	o, ok := page.(pane.Omits)
	return ok && o.Omits(a)
}

// needsGroup reports whether an action opens a page that needs a group.
func (m *Model) needsGroup(a keys.Action) bool { return a == keys.OpenAudit || a == keys.OpenAccess }

// openedBy returns the page that an action opens.
func openedBy(a keys.Action) keys.Action {
	if a == keys.Touched {
		return keys.OpenAudit
	}
	return a
}

// opens reports whether a page is the one that an action opens.
func opens(p pane.Pane, a keys.Action) bool {
	switch p.Context() {
	case keys.Audit, keys.Event, keys.Answer, keys.Grouping, keys.Export:
		return a == keys.OpenAudit
	case keys.Access, keys.Places, keys.Because, keys.Requests:
		return a == keys.OpenAccess
	}
	return false
}

func where(p pane.Pane) string {
	switch p.Context() {
	case keys.Browser:
		return "the file browser"
	case keys.Tree:
		return "the folders"
	case keys.Details:
		return "the details"
	case keys.Preview:
		return "the file"
	case keys.Compared:
		return "the comparison"
	case keys.Versions:
		return "the versions"
	case keys.Diff:
		return "the comparison of two versions"
	case keys.Marked:
		return "the marks"
	case keys.Sets:
		return "the sets"
	case keys.Transfers:
		return "transfers"
	case keys.History:
		return "the history"
	case keys.Audit, keys.Event, keys.Answer, keys.Export:
		return "the audit log"
	case keys.Access, keys.Places, keys.Because, keys.Requests:
		return "access"
	}
	return "this page"
}

// quit ends the program, after a short wait for outstanding responses of the terminal.
func (m *Model) quit() tea.Cmd {
	if left := m.signin.Leave(); left != nil {
		return tea.Sequence(left, m.quit())
	}
	if m.asked && !m.leaving {
		m.leaving = true
		return tea.Tick(answerTime, func(time.Time) tea.Msg { return tea.QuitMsg{} })
	}
	return tea.Quit
}

// palette lists all commands, each impossible one with the reason.
func (m *Model) palette() dialog.Dialog {
	page := m.front()
	var all []help.Command
	contexts := []keys.Context{page.Context()}
	if page.Context() == keys.Browser {
		contexts = append(contexts, keys.Sort, keys.Copying)
	}
	if page.Context() != keys.Transfers {
		contexts = append(contexts, keys.Transfers)
	}
	seen := make(map[keys.Action]bool)
	for i, c := range contexts {
		for _, b := range m.env.Keys.All(c) {
			if b.Long == "" || seen[b.Action] || (m.needsGroup(b.Action) || b.Action == keys.Touched) && !m.hasPage(openedBy(b.Action)) {
				continue
			}
			if i > 0 && c == keys.Transfers && b.Group != "Queue" {
				continue
			}
			seen[b.Action] = true
			cmd := help.Command{Name: b.Long, Key: b.Shown(), Run: pane.Send(run{b.Action})}
			switch {
			case i > 0 && c == keys.Sort:
				cmd.Key = m.opening(page, keys.SortMenu) + cmd.Key
			case i > 0 && c == keys.Copying:
				cmd.Key, cmd.Off = m.opening(page, keys.CopyMenu)+cmd.Key, page.Why(b.Action)
			case i > 0:
				cmd.Key = m.opening(page, keys.OpenTransfers) + cmd.Key
				cmd.Run = m.transfers.Do(b.Action)
			case m.needsGroup(b.Action):
				cmd.Off = m.whyClosed(b.Action)
			default:
				cmd.Off = page.Why(b.Action)
			}
			all = append(all, cmd)
		}
	}
	all = append(all,
		help.Command{Name: "Transfers: unfinished ones from an earlier run", Run: pane.Send(reviewUnfinished{})},
		help.Command{Name: "Theme: dark", Run: pane.Send(themed{"dark"})},
		help.Command{Name: "Theme: light", Run: pane.Send(themed{"light"})})
	if m.deps.SignOut != nil {
		all = append(all, help.Command{Name: "Sign out", Run: pane.Send(signOut{})})
	}
	for _, path := range m.browse.Known() {
		where, err := api.ParsePath(path)
		if err != nil {
			continue
		}
		all = append(all, help.Command{Name: safetext.Line(path), Key: "folder", Place: true, Run: pane.Send(pane.GoTo{Target: pane.At(where)})})
	}
	return help.NewPalette(all, help.Path{
		Open:     func(path string) tea.Cmd { return pane.Send(pane.Typed{Text: path}) },
		Complete: func(path string) tea.Cmd { return pane.Send(pane.Typed{Text: path, Complete: true}) },
	})
}

// opening returns the key that opens a menu or page, before the key in it.
func (m *Model) opening(page pane.Pane, a keys.Action) string {
	b, _ := m.env.Keys.Binding(page.Context(), a)
	return b.Shown() + " "
}

type themed struct{ name string }

// sessionDialog shows the person and the session as the server last described them.
func (m *Model) sessionDialog() dialog.Dialog {
	me := m.env.Me
	lines := []dialog.Line{{Label: "Person", Text: me.Name.String()}}
	if !me.Email.IsZero() {
		lines = append(lines, dialog.Line{Label: "Email", Text: me.Email.String()})
	}
	if !me.Since.IsZero() {
		lines = append(lines, dialog.Line{Label: "Signed in", Text: format.DateTime(me.Since.In(m.deps.Zone))})
	}
	groups := "none"
	for i, g := range me.Groups {
		if i == 0 {
			groups = g.String()
		} else {
			groups += ", " + g.String()
		}
	}
	lines = append(lines, dialog.Line{Label: "Groups", Text: groups},
		dialog.Line{Label: "Server", Text: line(m.deps.Server)})
	if !m.deps.Organisation.IsZero() {
		lines = append(lines, dialog.Line{Label: "Organization", Text: m.deps.Organisation.String()})
	}
	lines = append(lines, dialog.Line{Label: "Downloads", Text: m.transfers.Where()})
	if m.deps.Version != "" {
		lines = append(lines, dialog.Line{Label: "Client", Text: "usher " + line(m.deps.Version)})
	}
	if me.Bound > 0 {
		lines = append(lines, dialog.Line{}, dialog.Line{Tone: dialog.Quiet,
			Text: fmt.Sprintf("If your access is removed, no download starts after %d s. A download that is running may finish.", me.Bound)})
	}
	ask := &dialog.Question{Title: "Session", Lines: lines}
	if m.deps.SignOut != nil {
		ask.Choices = append(ask.Choices, dialog.Choice{Keys: []string{"o"}, Label: "sign out", Cmd: pane.Send(signOut{})})
	}
	ask.Choices = append(ask.Choices, dialog.Choice{Keys: []string{"esc", "q", "i", "enter"}, Label: "close"})
	return ask
}
