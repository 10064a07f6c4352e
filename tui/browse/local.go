package browse

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/download"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/pane"
	"usher/tui/theme"
)

// Local is the state of a file on this machine.
type Local struct {
	Presence download.Presence
	Percent  int           // of a partial file
	Path     safetext.Text // of the file, present or not
}

// LocalCheck returns the states of files in the download folder, in the same order.
// It reads the disk, so only commands call it.
type LocalCheck func(ctx context.Context, files []Entry) []Local

// localDone is the result of a LocalCheck.
type localDone struct {
	gen   uint64
	files []Entry
	state []Local
}

// checkLocal checks the visible files on this machine: once, and again after a
// transfer of the file.
func (p *Pane) checkLocal(from, to int) tea.Cmd {
	if p.Local == nil {
		return nil
	}
	var files []Entry
	for i := from; i < to && i < len(p.view); i++ {
		e, _ := p.at(i)
		if !e.isFile() {
			continue
		}
		id, word := p.transfer(e)
		if at, asked := p.looked[keyOf(e)]; word == "" && (!asked || at != id) {
			p.looked[keyOf(e)] = id
			files = append(files, e)
		}
	}
	if len(files) == 0 {
		return nil
	}
	look, gen := p.Local(), p.localGen
	return func() tea.Msg {
		ctx, cancel := contextFor(listLimit)
		defer cancel()
		return localDone{gen, files, look(ctx, files)}
	}
}

// localDone stores the result of a check, unless the download folder has changed.
func (p *Pane) localDone(m localDone) tea.Cmd {
	if m.gen != p.localGen {
		return nil
	}
	for i, f := range m.files {
		p.local[keyOf(f)] = m.state[i]
	}
	p.dirty()
	if p.arr.needs(byLocal) && len(m.files) > 0 {
		return p.arrange()
	}
	return nil
}

// mostLocal is the largest number of rows that the order by the local copy checks on
// this machine. Later rows count as absent.
const mostLocal = 20_000

// localRanks returns the ranks of the files of the open folder on this machine, by
// name: the higher one is first.
func (p *Pane) localRanks() map[string]int64 {
	ranks := map[download.Presence]int64{download.Here: 4, download.HereMaybe: 3, download.HereOther: 2, download.HerePartial: 1}
	here, out := p.here.location, make(map[string]int64)
	for at, l := range p.local {
		if name, ok := strings.CutPrefix(at.prefix, here.prefix); ok && at.bucket == here.bucket && ranks[l.Presence] > 0 {
			out[name] = ranks[l.Presence]
		}
	}
	return out
}

// RecheckLocal drops all results, because the download folder has changed.
func (p *Pane) RecheckLocal() tea.Cmd {
	p.localGen++
	clear(p.local)
	clear(p.looked)
	p.dirty()
	from, to := p.table.Window()
	return p.checkLocal(from, to)
}

// Progress updates the table after a change of the transfers.
func (p *Pane) Progress() tea.Cmd {
	p.table.Changed()
	p.details.drawn = ""
	from, to := p.table.Window()
	return p.checkLocal(from, to)
}

// transfer returns the last transfer of a file: its ID, and the word for its state,
// "" if the disk shows it.
func (p *Pane) transfer(e Entry) (id int64, word string) {
	if p.Transfer == nil || !e.isFile() {
		return 0, ""
	}
	return p.Transfer(pane.File{Bucket: e.Bucket.Raw(), Key: e.Key.Raw()})
}

// localState returns the word of the Local column: the state of a transfer, else
// of the local file.
func (p *Pane) localState(e Entry, t *theme.Theme) (string, theme.Style) {
	if _, s := p.transfer(e); s != "" {
		switch s {
		case "failed", "denied":
			return s, t.Bad
		case "paused":
			return s, t.Warn
		case "queued", "waiting":
			return s, t.Muted
		}
		return s, t.Accent
	}
	switch l := p.local[keyOf(e)]; {
	case l.Presence == download.Here:
		return "here", t.OK
	case l.Presence == download.HereMaybe:
		return "here?", t.Muted
	case l.Presence == download.HereOther:
		return "other", t.Warn
	case l.Presence == download.HerePartial:
		return quantity.Count(l.Percent) + "%", t.Warn
	case e.Archived:
		return "cold", t.Muted
	case p.watch.fresh[e.Name.Raw()] && p.watch.on == p.here.location:
		return "new", t.Accent
	}
	return "", t.Text
}

// localLines returns the state of the local file in sentences, for the details.
func (p *Pane) localLines(e Entry, w int) []string {
	t, l := p.Env.Theme, p.local[keyOf(e)]
	var state string
	switch {
	case l.Presence == download.Here:
		state = t.OK.Paint(t.Glyphs.Yes + " verified on download")
	case l.Presence == download.HereMaybe:
		state = t.Text.Paint("same name, not compared")
	case l.Presence == download.HereOther:
		state = t.Warn.Paint("a different file is here")
	case l.Presence == download.HerePartial:
		state = t.Warn.Paint(quantity.Count(l.Percent) + "% downloaded, d resumes")
	default:
		return nil
	}
	return []string{"", t.Muted.Paint("Local copy"), state, pane.Name(t, t.Text, safetext.New(pane.Short(l.Path.Raw(), p.Home)), w, format.Start)}
}
