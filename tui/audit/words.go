package audit

import (
	"strconv"

	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/linear"
)

// Words describes the view in front: an event, an export, an answer, or the list.
func (p *Pane) Words() linear.Words {
	switch {
	case p.open != nil:
		return linear.Words{Title: p.open.members[0].title(), Text: linear.PlainLines(p.open.lines(p, linear.Width))}
	case p.export != nil:
		return p.export.words(p)
	case p.answer != nil:
		return p.answer.words(p)
	}
	w := linear.Words{Title: "Audit log", Info: linear.Infos(p.filterWords(), p.amount(), p.note(), p.joined(p.states(), linear.Width))}
	if p.grouping {
		w.State = "Count the events by"
	}
	if len(p.lines) == 0 {
		say, hints := p.emptyList()
		w.State = linear.Plain(linear.Join(say, linear.Hints(hints)))
	} else if p.problem.text != "" {
		w.State = p.problem.text
	}
	if p.typing {
		w.Field = linear.Field{Label: "Filter of the log", Value: safetext.Line(p.field.Value())}
		w.Text = linear.PlainLines(append(p.mistake(linear.Width), p.below(linear.Width)))
		return w
	}
	w.Row = p.rowWords()
	return w
}

func (p *Pane) filterWords() string {
	if p.filter == "" {
		return "all events"
	}
	return "filter " + safetext.Line(p.filter)
}

// rowWords describes the row under the cursor.
func (p *Pane) rowWords() linear.Row {
	at := p.list.Cursor()
	e := p.entry(at)
	if e == nil {
		return linear.Row{}
	}
	n := 0
	for _, l := range p.lines[:at+1] {
		if l.entry >= 0 {
			n++
		}
	}
	first, worst := &p.log.facts[e.members[0]], &p.log.facts[e.worst]
	when := p.zoned(e.at)
	from := ""
	if !first.ip.IsZero() {
		from = "from " + first.ip.String()
	}
	_, why := p.reason(worst)
	text := linear.PositionOf("event", n, quantity.Count(len(p.log.entries)), format.Day(when)+" "+format.Clock(when), first.who.Distinct(), act(first).String(),
		worst.outcome.String(), linear.Plain(p.pathCell(p.Env.Theme, p.Env.Theme.Text, first, linear.Width, format.Start)), p.then(e).String(), from)
	if worst.outcome.Raw() != "allowed" && !why.IsZero() {
		text += ", " + why.String()
	}
	return linear.Row{ID: first.id.Raw(), Text: text}
}

// words describes an answer.
func (a *answer) words(p *Pane) linear.Words {
	w := linear.Words{Title: a.title, Info: linear.Infos(p.filterWords(), quantity.Plural(len(a.rows), "row", "rows"))}
	switch {
	case a.cancel != nil:
		w.State = "Reading the log"
	case len(a.rows) == 0:
		say, hints := a.empty(p)
		w.State = linear.Plain(linear.Join(say, linear.Hints(hints)))
	}
	i := a.list.Cursor()
	if i < 0 || i >= len(a.rows) {
		return w
	}
	var parts []string
	for c, cell := range a.rows[i].cells {
		if c < len(a.columns) && cell.String() != "" {
			parts = append(parts, linear.Plain(a.columns[c].title+" "+cell.Distinct()))
		}
	}
	w.Row = linear.Row{ID: a.title + strconv.Itoa(i), Text: linear.Position("row", i+1, len(a.rows), parts...)}
	return w
}

// words describes an export. Its progress is announced by its stages.
func (x *export) words(p *Pane) linear.Words {
	lines := linear.PlainLines([]string{x.view(p, linear.Width, linear.Height)})
	w := linear.Words{Title: "Export the events with their proof", Text: lines[1:]}
	switch now := x.stage(); {
	case x.typing():
		w.Field = linear.Field{Label: "File of the export", Value: safetext.Line(x.field.Value())}
		w.State = x.problem
	case x.cancel != nil:
		w.State, w.Text = linear.Join("Exporting", now), nil
	}
	return w
}

// stage returns the present stage of a running export.
func (x *export) stage() string {
	if x.progress == nil {
		return ""
	}
	if now := x.progress.Load(); now != nil {
		return safetext.Line(now.Stage)
	}
	return ""
}

// Words describes the verification.
func (p *Verify) Words() linear.Words {
	lines := linear.PlainLines([]string{p.View(linear.Width, linear.Height)})
	w := linear.Words{Title: "Verify the log", Text: lines[1:]}
	if p.choosing {
		w.Field = linear.Field{Label: "File of the kept copy", Value: safetext.Line(p.field.Value())}
		return w
	}
	if all := p.findings(); p.at < len(all) {
		w.Row = linear.Row{ID: strconv.Itoa(p.at), Text: linear.Position("finding", p.at+1, len(all), all[p.at].text.String())}
	}
	return w
}
