package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/tui/dialog"
	"usher/tui/pane"
)

// checkEvery is the interval between checks of the audit log in an open browser.
const checkEvery = time.Hour

// LogCheck is the result of a check of the server's audit log.
type LogCheck struct {
	Notice  safetext.Text // such as a restart of the log; the zero Text: none
	Finding safetext.Text // the log does not continue the one that this machine knows; the zero Text: it does
}

// logChecked is the message with the result of a check.
type logChecked struct{ LogCheck }

// checkLog checks the log of a server, if the program can.
func (m *Model) checkLog() tea.Cmd {
	check := m.deps.CheckLog
	if check == nil {
		return nil
	}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), callTime)
		defer cancel()
		return logChecked{check(ctx)}
	}
}

// beatLog checks the log each hour, counted in beats of the session timer.
func (m *Model) beatLog(at time.Time) tea.Cmd {
	switch {
	case m.log.since.IsZero():
		m.log.since = at
	case at.Sub(m.log.since) >= checkEvery && m.session.phase.browsing():
		m.log.since = at
		return m.checkLog()
	}
	return nil
}

// logState is the state of the check in the root model.
type logState struct {
	since   time.Time     // of the last check, or the first beat
	finding safetext.Text // remains on the screen
}

// logChecked handles the result of a check.
func (m *Model) logChecked(msg logChecked) tea.Cmd {
	if !msg.Notice.IsZero() {
		m.say = pane.Say{Text: msg.Notice, Tone: pane.Warning}
	}
	if msg.Finding.IsZero() || !m.log.finding.IsZero() {
		return nil
	}
	m.log.finding = msg.Finding
	ask := &dialog.Question{Title: "The audit log was changed", Lines: []dialog.Line{{Text: msg.Finding.String(), Tone: dialog.Bad}},
		Choices: []dialog.Choice{{Keys: []string{"enter"}, Label: "close"}}}
	m.show(ask)
	return ask.WithGrace()
}
