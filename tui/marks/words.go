package marks

import (
	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/linear"
)

// Words describes the marks.
func (p *Page) Words() linear.Words {
	p.fresh()
	w := linear.Words{Title: "Marks", Info: linear.Infos(p.total()), Field: p.words()}
	if len(p.all) == 0 {
		w.State = "There are no marks"
	}
	if name := p.marks.LoadingSet(); name != "" {
		w.State = "Loading the set " + safetext.Line(name)
	}
	if p.copying {
		w.State = "Copy of " + quantity.Count(len(p.all)) + " marked"
	}
	i := p.list.Cursor()
	if i < 0 {
		return w
	}
	e, kind, size, day := p.all[i], "file", "", ""
	if n, counted := p.marks.Counted(e); counted {
		size = quantity.Size(n)
	} else if e.Kind == api.KindObject && !e.Unsized() {
		size = quantity.Size(e.Size)
	}
	if e.Kind != api.KindObject {
		kind = "folder"
	}
	if !e.Modified.IsZero() {
		day = format.Day(e.Modified.In(p.env.Zone))
	}
	w.Row = linear.Row{ID: path(e).Raw(), Text: linear.Position(kind, i+1, len(p.all), path(e).Distinct(), size, day)}
	return w
}
