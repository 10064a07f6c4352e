package versions

import (
	"slices"

	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/linear"
	"usher/tui/pane"
)

// Words describes the versions.
func (p *Page) Words() linear.Words {
	w := linear.Words{Title: "Versions of " + p.File.Name.Distinct()}
	remark, _ := p.Status(linear.Width)
	switch {
	case p.err != nil:
		w.State = pane.Sentence(p.err, p.Server).String()
	case !p.loaded:
		w.State = "Listing"
	case len(p.all) == 0:
		w.State = "There is no version"
	default:
		w.Info = linear.Infos(p.total(), remark)
	}
	i := p.list.Cursor()
	if i < 0 {
		return w
	}
	mark := ""
	if slices.Contains(p.marked, p.all[i].Version) {
		mark = "marked"
	}
	v, size, at, of := p.all[i], quantity.Size(p.all[i].Size), "", quantity.Count(len(p.all))
	if v.Deleted {
		size = ""
	}
	if v.Modified != nil {
		at = format.Day(v.Modified.In(p.Env.Zone)) + " " + format.Clock(v.Modified.In(p.Env.Zone))
	}
	if p.next != "" {
		of += " and more"
	}
	w.Row = linear.Row{ID: v.Version, Text: linear.PositionOf("version", i+1, of, mark, at, size, note(v), "ID "+safetext.Line(v.Version))}
	return w
}
