package access

import (
	"strings"

	"usher/client/quantity"
	"usher/tui/linear"
)

// Words describes the view in front.
func (p *Pane) Words() linear.Words {
	v := p.top()
	if v == nil {
		return linear.Words{Title: "Access"}
	}
	title, note := p.headline(v)
	w := linear.Words{Title: title, Info: linear.Infos(note)}
	if at := v.at.Text(); v.kind == who || v.kind == why {
		w.Title += ": " + at.Distinct()
	}
	switch {
	case p.asked != nil && p.asked.view == v && p.slow:
		w.State, w.Info = "Waiting for the server", nil
	case v.problem != "":
		w.State = v.problem
	case v.ans != nil && v.list != nil && len(v.lines) == 0:
		say, hints := p.empty(v)
		w.State = linear.Plain(linear.Join(say, linear.Hints(hints)))
	case v.missing():
		w.State = v.user.String() + " is not among the people who can read this."
	}
	switch {
	case p.typing:
		w.Field = linear.Field{Label: "Find a person, a path, or a person and a path", Value: p.field.Shown()}
		if p.wrong != "" {
			w.State = p.wrong
		}
	case v.list == nil && v.ans != nil:
		w.Text = linear.PlainLines(p.explainedOrReached(v, linear.Width))
	case v.list != nil:
		for _, l := range v.lines {
			if l.bad {
				w.Text = append(w.Text, l.heading)
			}
		}
		w.Row = p.rowWords(v)
	}
	return w
}

// rowWords describes the row under the cursor, with its explanation in one line.
func (p *Pane) rowWords(v *view) linear.Row {
	l := v.current()
	if l.named() == "" {
		return linear.Row{}
	}
	n, of := 0, 0
	for i, x := range v.lines {
		if x.heading == "" {
			of++
			if i == v.list.Cursor() {
				n = of
			}
		}
	}
	kind := "grant"
	switch {
	case l.request != nil:
		kind = "request"
	case l.person != nil:
		kind = "person"
	case l.group != nil:
		kind = "group"
	}
	said := linear.PlainLines(p.reached(v, l, linear.Width))
	return linear.Row{ID: l.named() + quantity.Count(n), Text: linear.Position(kind, n, of, strings.Join(said, "; "))}
}
