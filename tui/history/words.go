package history

import (
	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/linear"
)

// Words describes the history.
func (p *Page) Words() linear.Words {
	w := linear.Words{Title: "History of downloads, newest first", Info: linear.Infos(p.total())}
	if p.loaded && len(p.state.Entries) == 0 {
		w.State = "No download has ended yet"
	}
	i := p.list.Cursor()
	if i < 0 {
		return w
	}
	e, size, event := p.at(i), "", ""
	if e.Size >= 0 {
		size = quantity.Size(e.Size)
	}
	if e.Event != "" {
		event = "audit event " + safetext.Line(e.Event)
	}
	at := e.At.In(p.env.Zone)
	w.Row = linear.Row{
		ID:   e.At.String() + e.Bucket + "/" + e.Key,
		Text: linear.Position("download", i+1, len(p.state.Entries), path(e).Distinct(), end(e), size, format.Day(at)+" "+format.Clock(at), event),
	}
	return w
}
