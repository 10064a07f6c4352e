package tui

import (
	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/download"
	"usher/client/quantity"
	"usher/tui/copymenu"
	"usher/tui/dialog"
	"usher/tui/keys"
	"usher/tui/pane"
)

// Messages about the unfinished transfers of an earlier run.
type (
	foundUnfinished struct {
		owner uint64
		saved []download.Saved
		asked bool // by the person, so an empty result is shown too
	}
	reviewUnfinished struct{} // the person opened the dialog again
)

// String keeps raw names out of all output.
func (foundUnfinished) String() string { return "unfinished transfers" }

// unfinished looks up the unfinished transfers of an earlier run of this person:
// at the start, after a sign-in, and on request.
func (m *Model) unfinished(asked bool) tea.Cmd {
	engine, owner := m.deps.Transfers, m.owner
	return func() tea.Msg {
		saved, err := engine.Unfinished()
		if err != nil {
			return pane.Say{Text: pane.Sentence(err, ""), Tone: pane.Warning}
		}
		return foundUnfinished{owner, saved, asked}
	}
}

// personChanged records that the engine may work for another person. Pending
// results about unfinished transfers belong to the person before.
func (m *Model) personChanged() {
	m.owner++
	m.refusal = copymenu.Refusal{}
	m.session.unfinished, m.session.resume = nil, nil
}

func (m *Model) foundUnfinished(msg foundUnfinished) tea.Cmd {
	if msg.owner != m.owner {
		return nil
	}
	if len(msg.saved) > 0 {
		m.session.unfinished = msg.saved // Update opens the dialog when no other one is open
		return nil
	}
	if msg.asked {
		return pane.Send(pane.Say{Text: safetext.New("There are no unfinished transfers.")})
	}
	return nil
}

// resume opens the dialog about unfinished transfers when no other dialog and no
// text field is open. Its end is the answer.
func (m *Model) resume() tea.Cmd {
	q := m.session.resume
	if q != nil && !m.dialogs.has(q) {
		m.session.unfinished, m.session.resume = nil, nil
	}
	saved := m.session.unfinished
	if saved == nil || m.session.resume != nil || m.dialogs.front() != nil || !m.session.phase.browsing() || m.front().Typing() {
		return nil
	}
	reqs := make([]download.Request, len(saved))
	for i, s := range saved {
		reqs[i] = s.Request
	}
	ask := &dialog.Question{
		Title: "Unfinished transfers",
		Lines: m.leftLines(saved),
		Choices: []dialog.Choice{
			{Keys: []string{"enter"}, Label: "resume", Cmd: m.transfers.ResumeEarlier(reqs)},
			{Keys: []string{"x"}, Label: "delete partial files", Cmd: m.transfers.Forget()},
			{Keys: []string{"esc"}, Label: "not now", Cmd: pane.Send(pane.Say{Text: safetext.New("Kept for later. To resume, press " + m.env.Keys.Shown(keys.Everywhere, keys.Palette) + " and type \"unfinished\".")})},
		},
	}
	m.show(ask)
	m.session.resume = ask
	return ask.WithGrace()
}

// mostLeft is the number of unfinished transfers that the dialog names.
const mostLeft = 5

// leftLines names unfinished transfers, and the bytes that are on the disk.
func (m *Model) leftLines(saved []download.Saved) []dialog.Line {
	lines := []dialog.Line{{Text: quantity.Plural(len(saved), "transfer from last time is", "transfers from last time are") + " unfinished."}, {}}
	done := int64(0)
	for i, s := range saved {
		done += s.Done
		if i >= mostLeft {
			continue
		}
		share := quantity.Size(s.Done)
		if s.Size > 0 {
			share += " of " + quantity.Size(s.Size)
		}
		name := safetext.New(api.Path{Bucket: s.Request.Bucket, Key: s.Request.Key}.Base())
		lines = append(lines, dialog.Line{Label: share, Text: name.Distinct()})
	}
	if more := len(saved) - mostLeft; more > 0 {
		lines = append(lines, dialog.Line{Tone: dialog.Quiet, Text: "and " + quantity.Count(more) + " more"})
	}
	return append(lines, dialog.Line{}, dialog.Line{Text: "Partial files: " + quantity.Size(done) + "."})
}

// askQuit quits. It opens a dialog first if quitting stops transfers or loses their list.
func (m *Model) askQuit() tea.Cmd {
	n, active := m.transfers.Active()
	keeps, open := m.transfers.Keeps(), m.transfers.Open()
	if !active && (keeps || !open) {
		return m.quit()
	}
	m.askLeave(&dialog.Question{
		Title: "Quit",
		Lines: []dialog.Line{{Text: stopping(n, active, keeps, "next time")}},
		Choices: []dialog.Choice{
			{Keys: []string{"enter", "q"}, Label: "quit", Cmd: pane.Send(quitNow{})},
			{Keys: []string{"esc"}, Label: "stay"},
		},
	})
	return nil
}

// askLeave opens the question before a quit or a sign-out, over any other dialog.
func (m *Model) askLeave(ask dialog.Dialog) {
	m.dialogs.hide(m.leave)
	m.leave = ask
	m.dialogs.show(ask)
}

// askSignOut signs out. It opens a dialog first if that stops transfers.
func (m *Model) askSignOut() tea.Cmd {
	n, active := m.transfers.Active()
	if !active {
		return m.signOut()
	}
	m.askLeave(&dialog.Question{
		Title: "Sign out",
		Lines: []dialog.Line{{Text: stopping(n, active, m.transfers.Keeps(), "at your next sign-in")}},
		Choices: []dialog.Choice{
			{Keys: []string{"enter"}, Label: "sign out", Cmd: m.signOut()},
			{Keys: []string{"esc", "q"}, Label: "stay"},
		},
	})
	return nil
}

// stopping describes the transfers that end now: n of them are running, and the
// others wait or are paused.
func stopping(n int, active, keeps bool, next string) string {
	say := "Transfers are waiting."
	switch {
	case !active:
		say = "Transfers are paused."
	case n > 0:
		say = quantity.Plural(n, "download is running.", "downloads are running.")
	}
	if !keeps {
		return say + " Partial files are kept, but their list is lost: another usher process owns the queue. Download the same again to resume."
	}
	return say + " Partial files are kept, and usher offers to resume " + next + "."
}
