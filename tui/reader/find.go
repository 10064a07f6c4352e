package reader

import (
	"bytes"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/preview"
	"usher/client/quantity"
	"usher/tui/pane"
)

const mostHits = 10_000

// found is the result of a search in one view, and its message.
type found struct {
	gen   uint64
	view  string
	query string
	hits  []int // rows, ascending
	at    int   // in hits
}

// Key handles a key press in the field of the search.
func (p *Pane) Key(msg tea.KeyPressMsg) tea.Cmd {
	p.drawn = ""
	switch msg.String() {
	case "enter":
		p.finding = false
		return p.find(p.field.Value())
	case "esc":
		p.finding = false
	case "ctrl+u":
		p.field.Set("")
	case "up", "down":
		p.field.Recall(msg.String() == "up")
	default:
		p.field.Take(msg)
	}
	return nil
}

// FieldKeys implements pane.Fields.
func (p *Pane) FieldKeys() [][2]string {
	return [][2]string{{"enter", "find"}, {"esc", "cancel"}, {"ctrl+u", "empty"}}
}

// Typing is true while a text to find is typed.
func (p *Pane) Typing() bool { return p.finding }

// find searches the view on the screen.
func (p *Pane) find(query string) tea.Cmd {
	if query == "" || p.doc == nil {
		p.found = found{}
		return nil
	}
	p.field.Keep()
	gen, at, source := p.gen, p.now().name(), p.doc.Views[p.at]
	return func() tea.Msg {
		return found{gen: gen, view: at, query: query, hits: search(source, strings.ToLower(query))}
	}
}

func (p *Pane) foundSome(m found) tea.Cmd {
	if m.gen != p.gen || p.doc == nil || m.view != p.now().name() {
		return nil
	}
	p.found, p.drawn = m, ""
	if len(m.hits) == 0 {
		where := "all of this view"
		if p.doc.Next != 0 {
			where = "the part that is read"
		}
		return pane.Send(pane.Say{Text: safetext.New("Nothing in " + where + " fits " + m.query + "."), Tone: pane.Warning})
	}
	p.found.at = len(m.hits) - 1
	for i, h := range m.hits {
		if h >= p.now().row() {
			p.found.at = i - 1
			break
		}
	}
	p.jump(1)
	return nil
}

// jump moves to the next match, or to the one before. After the last it begins again.
func (p *Pane) jump(by int) {
	n := len(p.found.hits)
	p.found.at = (p.found.at + by + n) % n
	p.now().show(p.found.hits[p.found.at])
}

func (p *Pane) matches() string {
	if len(p.found.hits) == 0 {
		return ""
	}
	of := quantity.Count(len(p.found.hits))
	if len(p.found.hits) == mostHits {
		of += " and more"
	}
	return "match " + quantity.Count(p.found.at+1) + " of " + of
}

// search returns the rows of a view that contain a text in lower case.
func search(v preview.View, query string) []int {
	var hits []int
	each := func(i int, texts ...string) bool {
		for _, t := range texts {
			if contains(t, query) {
				hits = append(hits, i)
				break
			}
		}
		return len(hits) < mostHits
	}
	switch v := v.(type) {
	case *preview.Text:
		for i := range v.Lines {
			if !each(i, v.Lines[i].Raw) {
				break
			}
		}
	case *preview.Table:
		for i := range v.Rows {
			if !each(i, v.Rows[i]...) {
				break
			}
		}
	case *preview.Tree:
		for i := range v.Nodes {
			if !each(i, v.Nodes[i].Key, v.Nodes[i].Text) {
				break
			}
		}
	case *preview.Bytes:
		hits = inBytes(string(v.Data), query)
	}
	return hits
}

// inBytes returns the rows of bytes in which a text begins.
func inBytes(data, query string) []int {
	var hits []int
	lower := []byte(data)
	for i, b := range lower { // bytes that are not UTF-8 must keep their place
		if b >= 'A' && b <= 'Z' {
			lower[i] = b + 'a' - 'A'
		}
	}
	for at := 0; len(hits) < mostHits; {
		i := bytes.Index(lower[at:], []byte(query))
		if i < 0 {
			break
		}
		at += i
		if row := at / hexRow; len(hits) == 0 || hits[len(hits)-1] != row {
			hits = append(hits, row)
		}
		at++
	}
	return hits
}

// contains reports whether a text contains another one in lower case.
func contains(text, query string) bool {
	return len(query) <= 4*len(text) && strings.Contains(strings.ToLower(text), query)
}
