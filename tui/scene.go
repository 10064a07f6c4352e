package tui

import (
	"slices"

	"usher/tui/keys"
	"usher/tui/linear"
	"usher/tui/pane"
)

// Scene describes the program for package linear.
func (m *Model) Scene() linear.Scene {
	d := m.dialogs.front()
	s := linear.Scene{Say: m.say.Text.String(), Progress: m.transfers.Progress(), Dialog: d != nil}
	if m.session.phase.browsing() {
		s.Page = string(m.front().Context())
	}
	switch {
	case d != nil:
		s.Words = d.Words()
	case !m.session.phase.browsing():
		s.Words = m.signin.Words()
	default:
		s.Words = pageWords(m.env, m.front(), m.noHint)
	}
	if m.session.phase.browsing() && !m.env.Me.Online {
		s.Alerts = append(s.Alerts, m.session.lost.String()+" usher tries again, "+m.env.Keys.Shown(keys.Everywhere, keys.Reload)+" tries now.")
	}
	if !m.log.finding.IsZero() {
		s.Alerts = append(s.Alerts, m.log.finding.String())
	}
	if note := m.requestsNote(); note != "" && m.session.phase.browsing() {
		s.Alerts = append(s.Alerts, "Open for an answer: "+note+" for access.")
	}
	return s
}

// pageWords are the words of a page with its keys.
func pageWords(env *pane.Env, page pane.Pane, leftOut func(keys.Action) bool) linear.Words {
	w := page.Words()
	hints, help := keyPairs(env, page, leftOut)
	if help[0] != "" {
		hints = append(slices.Clone(hints), help)
	}
	w.Keys, w.Choice = linear.Hints(hints), env.Keys.Menu(page.Context())
	return w
}

// Scene describes the program for package linear.
func (m *LogFile) Scene() linear.Scene {
	d := m.dialogs.front()
	s := linear.Scene{Say: m.say.Text.String(), Page: string(m.page.Context()), Dialog: d != nil}
	if d != nil {
		s.Words = d.Words()
	} else {
		s.Words = pageWords(m.env, m.page, elsewhere)
	}
	return s
}
