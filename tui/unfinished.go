package tui

import (
	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/download"
	"usher/client/quantity"
	"usher/tui/dialog"
	"usher/tui/pane"
)

// Messages about the unfinished transfers of an earlier run.
type (
	left struct {
		hands uint64
		reqs  []download.Request
		asked bool // by the person: "nothing" is an answer too
	}
	recall struct{} // the person wants the question again
)

// String keeps raw names out of any print.
func (left) String() string { return "unfinished transfers" }

// unfinished looks for unfinished transfers of an earlier run of this person: at the
// start, after a sign-in, and whenever they ask.
func (m *Model) unfinished(asked bool) tea.Cmd {
	engine, hands := m.deps.Transfers, m.hands
	return func() tea.Msg {
		saved, err := engine.Unfinished()
		if err != nil {
			return pane.Say{Text: pane.Sentence(err, ""), Tone: pane.Warning}
		}
		reqs := make([]download.Request, len(saved))
		for i, s := range saved {
			reqs[i] = s.Request
		}
		return left{hands, reqs, asked}
	}
}

// otherHands notes that the engine may work for another person from now on:
// the answers about unfinished transfers are of the person before.
func (m *Model) otherHands() {
	m.hands++
	m.session.undone, m.session.resume = nil, nil
}

func (m *Model) left(msg left) tea.Cmd {
	if msg.hands != m.hands {
		return nil
	}
	if len(msg.reqs) > 0 {
		m.session.undone = msg.reqs // Update opens the question, once no other dialog is open
		return nil
	}
	if msg.asked {
		return pane.Send(pane.Say{Text: safetext.New("There are no unfinished transfers.")})
	}
	return nil
}

// resume opens the question about transfers of an earlier time. While another question
// is open, or something is typed, it waits; a question that takes its place
// does not answer it. was is the dialog before the message that is just over.
func (m *Model) resume(was dialog.Dialog) tea.Cmd {
	if q := m.session.resume; q != nil && was == q && m.dialog == nil {
		m.session.undone, m.session.resume = nil, nil
	}
	reqs := m.session.undone
	if reqs == nil || m.dialog != nil || !m.session.phase.browsing() || m.front().Typing() {
		return nil
	}
	ask := &dialog.Ask{
		Title: "Unfinished transfers",
		Lines: []dialog.Line{{Text: quantity.Plural(len(reqs), "transfer from last time is", "transfers from last time are") + " unfinished. Partial files are kept."}},
		Choices: []dialog.Choice{
			{Keys: []string{"enter"}, Label: "resume", Cmd: m.transfers.GoOn(reqs)},
			{Keys: []string{"x"}, Label: "forget", Cmd: m.transfers.Forget()},
			{Keys: []string{"esc"}, Label: "not now", Cmd: pane.Send(pane.Say{Text: safetext.New("Kept for later. To resume, press : and type \"unfinished\".")})},
		},
	}
	m.dialog, m.session.resume = ask, ask
	return ask.WithGrace()
}

// askQuit quits, after a question if that stops transfers, or loses their list.
func (m *Model) askQuit() tea.Cmd {
	n, active := m.transfers.Active()
	keeps, open := m.transfers.Keeps(), m.transfers.Open()
	if !active && (keeps || !open) {
		return m.quit()
	}
	say := "Transfers are waiting."
	switch {
	case !active:
		say = "Transfers are paused."
	case n > 0:
		say = quantity.Plural(n, "download is running.", "downloads are running.")
	}
	say += " Partial files are kept"
	if keeps {
		say += ", and usher offers to resume next time."
	} else {
		say += ", but their list is lost: another usher process owns the queue. Download the same again to resume."
	}
	m.dialog = &dialog.Ask{
		Title: "Quit",
		Lines: []dialog.Line{{Text: say}},
		Choices: []dialog.Choice{
			{Keys: []string{"enter", "q"}, Label: "quit", Cmd: pane.Send(quitNow{})},
			{Keys: []string{"esc"}, Label: "stay"},
		},
	}
	return nil
}
