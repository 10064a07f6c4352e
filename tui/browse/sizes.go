package browse

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/client/usage"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
)

// Bounds of counts.
const (
	mostCounts = 4       // at the same time
	mostSums   = 100_000 // folders with a known sum
)

// count is the sum of everything below one folder. Its listing is recursive, and each
// page is an event in the audit log.
type count struct {
	sum     usage.Sum
	omitted int       // names that are not valid keys
	at      time.Time // of the last page
	running bool
	inside  *usage.Folders // of a running count: the sums of its subfolders
	ctx     context.Context
	stop    context.CancelFunc
}

// countPage is a page of a running count. The pointer identifies the count.
type countPage struct {
	of      location
	count   *count
	entries *[]api.Entry
	omitted int
	cursor  string
	at      time.Time
	err     error
}

// sized returns the folder that S counts: the one under the cursor, or the open one.
func (p *Pane) sized() location {
	if p.focus == inTree {
		if i := p.tree.list.Cursor(); i >= 0 {
			return p.tree.nodes[i].location
		}
	}
	if e, ok := p.at(p.table.Cursor()); ok && !e.isFile() && p.focus != inTree {
		return folderOf(e)
	}
	return p.here.location.base()
}

// folderOf returns the folder of an entry that is no file.
func folderOf(e Entry) location { return location{bucket: e.Bucket.Raw(), prefix: e.Key.Raw()} }

// countSizes counts a folder.
func (p *Pane) countSizes() tea.Cmd {
	of := p.sized()
	switch c := p.sizes[of]; {
	case of.bucket == "":
		return pane.Send(pane.Say{Text: safetext.New("Count: open a bucket first."), Tone: pane.Warning})
	case c != nil && c.running:
		return nil
	case p.counts() >= mostCounts:
		return pane.Send(pane.Say{Text: safetext.New("Count: four folders are being counted. The key " + p.Env.Keys.Shown(keys.Browser, keys.Back) + " stops them."), Tone: pane.Warning})
	case len(p.sizes) >= mostSums:
		clear(p.sizes)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &count{running: true, ctx: ctx, stop: cancel}
	c.inside = usage.NewFolders(1, func(path string, s usage.Sum) { p.sumOfSubfolder(c, path, s) })
	p.sizes[of] = c
	p.sizesChanged()
	return p.countNext(of, c, "")
}

// countNext requests a page of a count.
func (p *Pane) countNext(of location, c *count, cursor string) tea.Cmd {
	backend, now, ctx := p.Backend, p.Now, c.ctx
	req := api.ListRequest{Bucket: of.bucket, Prefix: of.prefix, Recursive: true, Cursor: cursor, Limit: api.MaxList}
	return func() tea.Msg {
		call, cancel := context.WithTimeout(ctx, listLimit)
		defer cancel()
		r, err := backend.List(call, req)
		m := countPage{of: of, count: c, entries: &r.Entries, omitted: r.Omitted, cursor: r.Cursor, at: now(), err: err}
		if ctx.Err() != nil {
			m.err = ctx.Err()
		}
		return m
	}
}

// counted adds a page to its count.
func (p *Pane) counted(m countPage) tea.Cmd {
	c := m.count
	if p.sizes[m.of] != c || !c.running {
		return nil
	}
	if m.err != nil {
		c.stop()
		delete(p.sizes, m.of)
		p.sizesChanged()
		say := pane.Say{Text: safetext.New("Count of " + m.of.path() + ": " + pane.Sentence(m.err, p.Server).Raw()), Tone: pane.Warning}
		return tea.Batch(pane.Send(say), pane.Send(pane.Failed{Err: m.err, On: m.of.text()}))
	}
	at := api.Path{Bucket: m.of.bucket, Key: m.of.prefix}
	for _, e := range *m.entries {
		if e.Kind != api.KindObject || at.Join(e.Name).IsMarker(e.Size) {
			continue
		}
		c.sum.Add(e.Name, e)
		c.inside.Add(at, e.Name, e)
	}
	c.omitted += m.omitted
	c.at = m.at
	p.sizesChanged()
	if m.cursor != "" {
		return p.countNext(m.of, c, m.cursor)
	}
	c.inside.End()
	c.inside, c.running = nil, false
	c.stop()
	p.sizesChanged()
	cmds := []tea.Cmd{pane.Send(pane.Say{Text: safetext.New(p.sentence(m.of, c))}), pane.Send(pane.Answered{})}
	if p.arr.needs(bySize) {
		cmds = append(cmds, p.arrange())
	}
	return tea.Batch(cmds...)
}

// sumOfSubfolder keeps the sum of a subfolder of a counted folder.
func (p *Pane) sumOfSubfolder(c *count, path string, s usage.Sum) {
	of := locationOf(path)
	if known := p.sizes[of]; known != nil && known.running || len(p.sizes) >= mostSums {
		return
	}
	_, name := of.parent()
	s.Newest.Name, s.Largest.Name = strings.TrimPrefix(s.Newest.Name, name), strings.TrimPrefix(s.Largest.Name, name)
	p.sizes[of] = &count{sum: s, at: c.at}
}

// sentence returns the result of a count.
func (p *Pane) sentence(of location, c *count) string {
	s := of.path() + ": " + sumText(c.sum)
	if c.sum.Newest.Name != "" {
		s += ". Newest " + format.Date(c.sum.Newest.Modified.In(p.Env.Zone)) + ", largest " + quantity.Size(c.sum.Largest.Size)
	}
	if c.omitted > 0 {
		s += ". " + pane.LeftOut(c.omitted)
	}
	return s + "."
}

func sumText(s usage.Sum) string {
	text := quantity.Plural(s.Files, "file", "files") + ", " + quantity.Size(s.Bytes)
	if s.Unsized > 0 {
		text += ", " + quantity.Count(s.Unsized) + " of unknown size"
	}
	return text
}

// counts returns the number of running counts.
func (p *Pane) counts() int {
	n := 0
	for _, c := range p.sizes {
		if c.running {
			n++
		}
	}
	return n
}

// stopCounts ends the running counts. Their sums so far are dropped: they are not the
// sums of their folders.
func (p *Pane) stopCounts() {
	for of, c := range p.sizes {
		if c.running {
			c.running = false
			c.stop()
			delete(p.sizes, of)
		}
	}
	p.sizesChanged()
}

// forgetSizes drops all counts, because the access of the person has changed.
func (p *Pane) forgetSizes() {
	p.stopCounts()
	clear(p.sizes)
}

func (p *Pane) sizesChanged() {
	p.counting = p.counts()
	p.table.Changed()
	p.details.drawn = ""
}

// countsLine draws the running counts for the status line.
func (p *Pane) countsLine() string {
	t := p.Env.Theme
	for of, c := range p.sizes {
		if c.running && p.counting == 1 {
			name := safetext.New(strings.TrimSuffix(of.name(), "/")).Distinct()
			return t.Text.Paint("Counting "+format.Middle(name, 24, t.Glyphs.Ellipsis)+t.Glyphs.Ellipsis+" "+sumText(c.sum)) + t.Muted.Paint("  "+p.Env.Keys.Shown(keys.Browser, keys.Back)+" stops")
		}
	}
	return t.Text.Paint("Counting "+quantity.Count(p.counting)+" folders"+t.Glyphs.Ellipsis) + t.Muted.Paint("  "+p.Env.Keys.Shown(keys.Browser, keys.Back)+" stops")
}

// sizeOf returns the count of the folder of an entry, nil without one.
func (p *Pane) sizeOf(e Entry) *count {
	if len(p.sizes) == 0 || e.isFile() {
		return nil
	}
	return p.sizes[folderOf(e)]
}

// anyCount reports whether a folder of the open listing has a count, also a running one.
func (p *Pane) anyCount() bool {
	for of := range p.sizes {
		if up, _ := of.parent(); up == p.here.location {
			return true
		}
	}
	return false
}

// sums returns the counted bytes of the folders of the open listing, by name.
func (p *Pane) sums() map[string]int64 {
	out := make(map[string]int64)
	for of, c := range p.sizes {
		if up, name := of.parent(); up == p.here.location && !c.running {
			out[name] = c.sum.Bytes
		}
	}
	return out
}

// sizeLines draws the count of a folder for the details.
func (p *Pane) sizeLines(e Entry, w int) []string {
	t := p.Env.Theme
	c := p.sizeOf(e)
	if c == nil {
		return []string{t.Text.Bold().Paint("S") + t.Muted.Paint("     count all below")}
	}
	var out []string
	pair := func(label, value string) {
		out = append(out, t.Muted.Paint(format.PadRight(label, 10))+t.Text.Paint(format.End(value, max(1, w-10), t.Glyphs.Ellipsis)))
	}
	pair("Files", quantity.Count(c.sum.Files))
	pair("Size", quantity.Size(c.sum.Bytes))
	if c.sum.Unsized > 0 {
		pair("", quantity.Count(c.sum.Unsized)+" of unknown size")
	}
	if c.omitted > 0 {
		pair("", quantity.Plural(c.omitted, "name", "names")+" left out")
	}
	file := func(label, value string, f usage.File) {
		if f.Name != "" {
			pair(label, value)
			pair("", format.Middle(safetext.New(f.Name).Distinct(), max(1, w-10), t.Glyphs.Ellipsis))
		}
	}
	file("Newest", format.DateTime(c.sum.Newest.Modified.In(p.Env.Zone)), c.sum.Newest)
	file("Largest", quantity.Size(c.sum.Largest.Size), c.sum.Largest)
	if c.running {
		return append(out, "", t.Warn.Paint("Counting"+t.Glyphs.Ellipsis), t.Text.Bold().Paint("esc")+t.Muted.Paint("   stop"))
	}
	now := c.at
	if p.clock.After(now) {
		now = p.clock
	}
	pair("Counted", format.Clock(c.at.In(p.Env.Zone))+", "+format.Ago(c.at, now))
	return append(out, "", t.Text.Bold().Paint("S")+t.Muted.Paint("     count again"))
}

// Counted returns the counted bytes of a folder.
func (p *Pane) Counted(e Entry) (bytes int64, ok bool) {
	c := p.sizeOf(e)
	if c == nil || c.running {
		return 0, false
	}
	return c.sum.Bytes, true
}
