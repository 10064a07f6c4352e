package tui

import (
	"errors"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/download"
	"usher/tui/copymenu"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
)

// copyOf makes a text of the copy menu.
func (m *Model) copyOf(r copymenu.Request) tea.Cmd {
	if r.Action == keys.CopyAdmin {
		out := copymenu.Admin{Me: m.env.Me, Server: m.deps.Server, Files: r.Files, Listed: r.Listed, Refusals: m.refusals()}.Text()
		out.Owner, out.From = m.owner, r
		return pane.Send(out)
	}
	if say := copymenu.Announce(r); say != "" {
		m.say = pane.Say{Text: safetext.New(say)}
	}
	return copymenu.Deps{Stat: m.deps.Backend.Stat, Links: m.deps.Links, Now: m.deps.Now}.Run(r, m.owner)
}

// copied sends a finished text to the clipboard and shows it: a short line on the
// status line, all else on a page. A result for an earlier person is dropped.
func (m *Model) copied(r copymenu.Result) tea.Cmd {
	switch {
	case r.Owner != m.owner:
		return nil
	case r.Err != nil:
		m.say = pane.Say{Text: pane.Sentence(r.Err, m.deps.Server), Tone: pane.Warning}
		return pane.Send(pane.Failed{Err: r.Err})
	}
	text := r.Text()
	line := m.copyLead() + text
	if !r.Secret && len(r.Notes) == 0 && format.Width(line) <= m.w-2 && !multiline(text) {
		m.say = pane.Say{Text: pane.Safe(line)}
		return tea.SetClipboard(text)
	}
	m.say = pane.Say{}
	page := copymenu.NewPage(m.env, m.deps.Now, r)
	m.stack = append(m.stack, page)
	if len(text) > copymenu.MaxClipboard {
		return page.Opened()
	}
	return tea.Batch(tea.SetClipboard(text), page.Opened())
}

// copyLead is the text before a copied one. A program in lines has no clipboard.
func (m *Model) copyLead() string { return copyLead(m.deps.Lines) }

func copyLead(lines bool) string {
	if lines {
		return "The text to copy: "
	}
	return "Sent to the clipboard: "
}

func multiline(s string) bool {
	for i := range len(s) {
		if s[i] == '\n' {
			return true
		}
	}
	return false
}

// noteRefusal keeps the last refusal of the server, for the text for an
// administrator.
func (m *Model) noteRefusal(f pane.Failed) {
	var refused *api.Error
	if errors.As(f.Err, &refused) && refused.RequestID != "" {
		m.refusal = copymenu.Refusal{Path: f.On.Raw(), Sentence: pane.Sentence(f.Err, m.deps.Server).String()}
	}
}

// refusals returns the last refusal of a call and those of the newest downloads.
func (m *Model) refusals() []copymenu.Refusal {
	const most = 3 // downloads
	var out []copymenu.Refusal
	if m.refusal.Sentence != "" {
		out = append(out, m.refusal)
	}
	all := m.transfers.Snapshot().Transfers
	for i := len(all) - 1; i >= 0 && len(out) <= most; i-- {
		t := all[i]
		var refused *api.Error
		if t.State != download.Denied || !errors.As(t.Err, &refused) || refused.RequestID == "" {
			continue
		}
		out = append(out, copymenu.Refusal{Path: api.Path{Bucket: t.Bucket, Key: t.Key}.String(), Sentence: refused.Error()})
	}
	return out
}
