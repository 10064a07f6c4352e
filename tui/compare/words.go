package compare

import (
	"usher/backend/safetext"
	"usher/client/difference"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/linear"
	"usher/tui/pane"
)

// Words describes the comparison.
func (p *Page) Words() linear.Words {
	w := linear.Words{Title: "Comparison of " + safetext.New(p.Folder.String()).Distinct() + " with its local copy", State: "Comparing"}
	left, _ := p.Status(linear.Width)
	switch {
	case p.err != nil:
		w.State = pane.Sentence(p.err, p.Server).String()
	case p.done:
		w.State = linear.Plain(linear.Join(left, p.total()))
	}
	i := p.list.Cursor()
	if i < 0 {
		return w
	}
	r, size, day := p.rows[i], "", ""
	if r.kind == difference.OnlyHere || !r.entry.Unsized() {
		size = quantity.Size(r.size)
	}
	if !r.at.IsZero() {
		day = format.Day(r.at.In(p.Env.Zone))
	}
	w.Row = linear.Row{ID: r.name.Raw(), Text: linear.Position("file", i+1, len(p.rows), r.name.Distinct(), r.kind.String(), size, day)}
	return w
}
