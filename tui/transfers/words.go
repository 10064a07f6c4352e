package transfers

import (
	"strconv"
	"strings"

	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/linear"
)

// Words describes the queue. Numbers that change with each copy of the queue are
// announced after a key only.
func (p *Pane) Words() linear.Words {
	s := p.snap
	w := linear.Words{Title: "Transfers"}
	if len(p.shown) == 0 {
		w.State = "No transfers"
		return w
	}
	done := quantity.Count(s.FilesDone) + " of " + quantity.Count(s.Files) + " done"
	if s.FilesFailed > 0 {
		done += ", " + quantity.Count(s.FilesFailed) + " failed"
	}
	w.Info = linear.Infos(done, of(s.BytesDone, s.Bytes), p.percent(), p.pace(linear.Width)[0], p.limits())
	i := p.list.Cursor()
	if i < 0 || i >= len(p.shown) {
		return w
	}
	rows, at := 0, 0
	for j, r := range p.shown {
		if r.kind != gapRow {
			rows++
		}
		if j == i {
			at = rows
		}
	}
	switch r := p.shown[i]; r.kind {
	case bundleRow:
		first := &p.snap.Transfers[r.bundle.members[0]]
		_, state, _ := word(p.Env.Theme, first)
		text := linear.Position("group", at, rows, state, quantity.Plural(len(r.bundle.members), "file", "files")+" in "+safetext.New(p.folderOf(r.bundle)).Distinct(), quantity.Size(r.bundle.size))
		w.Row = linear.Row{ID: "group " + text, Text: text + ". " + linear.Plain(strings.Join(p.bundleReason(r.bundle, linear.Width), " "))}
	case fileRow:
		x := &p.snap.Transfers[r.at]
		_, state, _ := word(p.Env.Theme, x)
		size, kind := "", "file"
		if x.Folder {
			kind = "folder"
		}
		if x.Size >= 0 {
			size = quantity.Size(x.Size)
		}
		pct := ""
		if hasBar(x) {
			pct = percent(x)
		}
		say, hints := p.expanded(x)
		text := linear.Position(kind, at, rows, safetext.New(p.before(x)+base(x)).Distinct(), state, size, pct, linear.Plain(p.notes(x)[0]))
		for _, more := range []string{say, linear.Hints(hints)} {
			if more != "" {
				text += ". " + linear.Plain(more)
			}
		}
		w.Row = linear.Row{ID: strconv.FormatInt(int64(x.ID), 10), Text: text}
	}
	return w
}

// Progress describes the progress of the queue.
func (p *Pane) Progress() linear.Progress {
	if !p.tally.active {
		return linear.Progress{}
	}
	s, held := p.snap, p.tally.held
	if strings.HasPrefix(held, "no data") {
		held = "no data comes"
	}
	return linear.Progress{
		Active: true, Percent: p.percentOf(), Held: held,
		Text: quantity.Plural(max(1, s.Files-s.FilesDone-s.FilesFailed), "download", "downloads"),
	}
}

// Words describes the question before a download.
func (a *Confirm) Words() linear.Words {
	t := a.p.Env.Theme
	title := "Download " + quantity.Plural(len(a.files), "file", "files")
	if a.counting || a.more {
		title = "Download"
	}
	w := linear.Words{Title: title, Keys: linear.Hints(a.choices()), Choice: true}
	if a.counting {
		w.State = "Counting"
		if a.pause != "" {
			w.State = "Waiting for the server"
		}
		return w
	}
	w.State = "Total " + a.total(t)
	w.Text = linear.PlainLines(a.list(t, linear.Width, len(a.items)+1))
	if a.typing {
		w.Field = linear.Field{Label: "Folder of the downloads", Value: safetext.Line(a.field.Value())}
		if a.wrong != "" {
			w.State = a.wrong
		}
		return w
	}
	facts, _ := a.facts(t, linear.Width)
	w.Text = append(w.Text, linear.PlainLines(facts)...)
	return w
}
