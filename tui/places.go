package tui

import (
	tea "charm.land/bubbletea/v2"

	"usher/client/places"
	"usher/tui/browse"
	"usher/tui/pane"
)

// recalled is the stored places of a person, for the browser that was made for them.
type recalled struct {
	browser  *browse.Pane
	identity string
	state    places.State
	store    Places
	start    pane.Target
	resume   bool
}

// start opens the first folder of a new browser, after the places of the person are
// loaded. With resume it is the last folder of an earlier run.
func (m *Model) start(at pane.Target, resume bool) tea.Cmd {
	if m.deps.Places == nil || m.deps.Person == nil || m.deps.Person() == "" {
		if resume {
			return m.browse.Resume()
		}
		return m.browse.Start(at)
	}
	msg := recalled{browser: m.browse, identity: m.deps.Person(), start: at, resume: resume}
	open := m.deps.Places
	return func() tea.Msg {
		msg.store = open(msg.identity)
		msg.state = msg.store.Load()
		return msg
	}
}

// recalled starts the browser. Places of another person, or for a browser that is
// gone, are dropped.
func (m *Model) recalled(msg recalled) tea.Cmd {
	if msg.browser != m.browse || msg.identity != m.deps.Person() {
		return nil
	}
	m.browse.Recall(msg.state, msg.store.Save)
	if msg.resume {
		return m.browse.Resume()
	}
	return m.browse.Start(msg.start)
}

// Close stores the places that are not stored yet. Call it after the end of the
// program, however it ended.
func (m *Model) Close() error { return m.browse.Keep() }
