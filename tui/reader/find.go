package reader

import (
	"bytes"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/preview"
	"usher/client/quantity"
	"usher/tui/pane"
	"usher/tui/theme"
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

// finder is the search of a page.
type finder struct {
	finding bool // the field is open
	field   pane.Field
	found   found
}

func newFinder() finder { return finder{field: pane.NewField(0)} }

// key handles a key press in the field. It returns the query at its end.
func (f *finder) key(msg tea.KeyPressMsg) (query string, done bool) {
	switch msg.String() {
	case "enter":
		f.finding = false
		if f.field.Value() == "" {
			f.found = found{}
			return "", true
		}
		f.field.Keep()
		return f.field.Value(), true
	case "esc":
		f.finding = false
	case "ctrl+u":
		f.field.Set("")
	case "up", "down":
		f.field.Recall(msg.String() == "up")
	default:
		f.field.Take(msg)
	}
	return "", false
}

// FieldKeys implements pane.Fields.
func (f *finder) FieldKeys() [][2]string {
	return [][2]string{{"enter", "find"}, {"esc", "cancel"}, {"ctrl+u", "empty"}}
}

// Typing is true while a text to find is typed.
func (f *finder) Typing() bool { return f.finding }

// open opens the field.
func (f *finder) open() {
	f.finding = true
	f.field.Open(f.found.query)
}

// query is the text of the last search in a view.
func (f *finder) query(of view) string {
	if f.found.view != of.name() {
		return ""
	}
	return f.found.query
}

// take takes the result of a search in the view on the screen, and moves to the first
// match in or below the window. where names the searched part.
func (f *finder) take(m found, now view, where string) tea.Cmd {
	f.found = m
	if len(m.hits) == 0 {
		return pane.Send(pane.Say{Text: safetext.New("Nothing in " + where + " fits " + m.query + "."), Tone: pane.Warning})
	}
	f.found.at = len(m.hits) - 1
	for i, h := range m.hits {
		if h >= now.row() {
			f.found.at = i - 1
			break
		}
	}
	f.jump(now, 1)
	return nil
}

// jump moves to the next match, or to the one before. After the last it begins again.
func (f *finder) jump(now view, by int) {
	n := len(f.found.hits)
	f.found.at = (f.found.at + by + n) % n
	now.show(f.found.hits[f.found.at])
}

func (f *finder) matches() string {
	if len(f.found.hits) == 0 {
		return ""
	}
	of := quantity.Count(len(f.found.hits))
	if len(f.found.hits) == mostHits {
		of += " and more"
	}
	return "match " + quantity.Count(f.found.at+1) + " of " + of
}

const findLabel = " Find  "

// cursor returns the position of the text cursor in a page of w x h cells.
func (f *finder) cursor(w, h int) *tea.Cursor {
	if !f.finding {
		return nil
	}
	_, at := f.field.Visible(w - len(findLabel) - 1)
	return tea.NewCursor(len(findLabel)+at, max(0, h-1))
}

// frame completes the lines of a page: the field at the end, and each line w cells wide.
func (f *finder) frame(t *theme.Theme, lines []string, w, h int) string {
	end := 0
	if f.finding {
		end = 1
	}
	for len(lines) < h-end {
		lines = append(lines, "")
	}
	lines = lines[:max(0, h-end)]
	if f.finding {
		text, _ := f.field.Visible(w - len(findLabel) - 1)
		lines = append(lines, t.Accent.Paint(findLabel)+t.Text.Paint(text))
	}
	for i, l := range lines {
		lines[i] = t.Pad(l, w)
	}
	return strings.Join(lines, "\n")
}

// Key handles a key press in the field of the search.
func (p *Pane) Key(msg tea.KeyPressMsg) tea.Cmd {
	p.drawn = ""
	query, done := p.key(msg)
	if !done || query == "" || p.doc == nil {
		return nil
	}
	gen, at, source := p.gen, p.now().name(), p.doc.Views[p.at]
	return func() tea.Msg {
		return found{gen: gen, view: at, query: query, hits: search(source, lower(query))}
	}
}

func (p *Pane) foundSome(m found) tea.Cmd {
	if m.gen != p.gen || p.doc == nil || m.view != p.now().name() {
		return nil
	}
	p.drawn = ""
	where := "all of this view"
	if p.doc.Next != 0 {
		where = "the part that is read"
	}
	return p.take(m, p.now(), where)
}

// lower is the form of a query for search and for the marks of its matches.
func lower(query string) string { return strings.ToLower(query) }

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
