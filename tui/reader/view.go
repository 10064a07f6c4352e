package reader

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/client/preview"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/linear"
	"usher/tui/pane"
	"usher/tui/theme"
)

// view is a view of the file with its place on the screen.
type view interface {
	name() string
	draw(t *theme.Theme, w, h int, query string) []string
	do(keys.Action)
	// show moves a row of search into the window.
	show(row int)
	// row is the first row of the window, as search counts them.
	row() int
	// position describes the window.
	position() string
	// place takes the place of the same view of an earlier step.
	place(view)
	// offers reports whether the view has an action of rows: wrapping, numbers, right
	// and left.
	offers(keys.Action) bool
	searchable() bool
}

// newViews returns the views of a document.
func newViews(d *preview.Doc) []view {
	var out []view
	for _, v := range d.Views {
		switch v := v.(type) {
		case *preview.Text:
			out = append(out, newText(v, v.Title == "page"))
		case *preview.Table:
			out = append(out, newTable(v))
		case *preview.Tree:
			out = append(out, newTree(v))
		case *preview.Picture:
			out = append(out, &pictureView{picture: v})
		case *preview.Bytes:
			out = append(out, &hexView{data: v.Data})
		}
	}
	return out
}

// Title returns the path for row 0.
func (p *Pane) Title() []string {
	parts := pathOf(p.On)
	if !p.On.Version.IsZero() {
		parts = append(parts, "version "+p.On.Version.Distinct())
	}
	return parts
}

// pathOf returns the parts of a path, safe to print.
func pathOf(on pane.Target) []string {
	parts := []string{on.Bucket.Distinct()}
	for _, s := range strings.Split(on.Key.Distinct(), "/") {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return parts
}

// Context returns the bindings of the page.
func (p *Pane) Context() keys.Context { return keys.Preview }

// Hints returns the keys for the key line: those with an effect in the present view.
func (p *Pane) Hints() []keys.Action {
	var out []keys.Action
	for _, a := range []keys.Action{keys.NextView, keys.Filter, keys.FindNext, keys.LoadMore, keys.Back, keys.Enter, keys.Parent, keys.WrapLines, keys.LineNumbers, keys.CopyPath} {
		if p.whyNot(a) == "" && !(a == keys.Parent && p.folds()) {
			out = append(out, a)
		}
	}
	return append(out, keys.Help)
}

// folds reports whether the present view is a tree.
func (p *Pane) folds() bool {
	if p.doc == nil {
		return false
	}
	_, ok := p.now().(*treeView)
	return ok
}

// Omits implements pane.Omits.
func (p *Pane) Omits(a keys.Action) bool { return sideways(a) && p.whyNot(a) != "" }

// sideways reports whether an action scrolls to a side, or folds a value: not every file
// has such a place.
func sideways(a keys.Action) bool { return a == keys.Enter || a == keys.Parent }

// whyNoSide returns the reason that a view does not scroll to a side.
func whyNoSide(v view, a keys.Action) string {
	switch {
	case v.offers(a):
		return ""
	case v.offers(keys.Enter):
		return "There is nothing to the left."
	case v.offers(keys.Parent):
		return "There is nothing to the right."
	}
	return "The whole width is on the screen."
}

// Label names the effect of keys in the present view.
func (p *Pane) Label(a keys.Action) string {
	if p.doc == nil {
		return ""
	}
	switch a {
	case keys.NextView:
		if len(p.views) > 1 {
			return p.views[(p.at+1)%len(p.views)].name()
		}
	case keys.Enter:
		if p.folds() {
			return "fold, unfold"
		}
	}
	return ""
}

// Status returns the fetched part of the file, and the place in the view.
func (p *Pane) Status(w int) (left, right string) {
	place := ""
	if p.doc != nil {
		place = linear.Join(p.matches(), p.now().position())
	}
	if p.cancel != nil {
		return status(p.Env.Theme, w, place, reading(p.Env.Theme, "The read is recorded in the audit log.")...)
	}
	return status(p.Env.Theme, w, place, p.read.forms()...)
}

// status paints the ends of the status line. The place has precedence over the longer
// forms of the left end.
func status(t *theme.Theme, w int, place string, forms ...string) (left, right string) {
	room := w - 2
	if place != "" {
		room -= format.Width(place) + 2
	}
	return t.Muted.Paint(format.Fit(room, forms...)), t.Muted.Paint(place)
}

// reading returns the forms of the note about a read that has not ended.
func reading(t *theme.Theme, record string) []string {
	short := "Reading" + t.Glyphs.Ellipsis
	return []string{short + " " + record, short}
}

// Cursor returns the position of the text cursor.
func (p *Pane) Cursor() *tea.Cursor { return p.cursor(p.w, p.h) }

// View draws exactly h lines of at most w cells.
func (p *Pane) View(w, h int) string {
	if p.drawn != "" && p.w == w && p.h == h {
		return p.drawn
	}
	p.w, p.h = w, h
	t := p.Env.Theme
	note := ""
	if p.doc != nil {
		note = p.doc.Kind
		if len(p.views) > 1 {
			if name := p.now().name(); !strings.HasSuffix(note, " "+name) {
				note += ", " + name
			}
			note += fmt.Sprintf(", view %d of %d", p.at+1, len(p.views))
		}
	}
	title := p.Title()
	name := format.Middle(title[len(title)-1], max(8, w-10-format.Width(note)), t.Glyphs.Ellipsis)
	lines := append([]string{t.Head(name, note, w, true)}, p.notes(w)...)
	end := 0
	if p.finding {
		end = 1
	}
	if room := h - len(lines) - end; p.doc != nil && room > 0 {
		lines = append(lines, p.now().draw(t, w, room, lower(p.query(p.now())))...)
	}
	p.drawn = p.frame(t, lines, w, h)
	return p.drawn
}

// notes draws the sentences about the file, and an error.
func (p *Pane) notes(w int) []string {
	t := p.Env.Theme
	lines := wrapped(t.Bad, p.wrong.String(), w)
	if p.doc != nil {
		lines = append(lines, wrapped(t.Muted, strings.Join(p.doc.Notes, " "), w)...)
		if p.doc.Next != 0 {
			lines = append(lines, wrapped(t.Muted, p.Env.Keys.Shown(keys.Preview, keys.LoadMore)+" reads "+quantity.Size(p.doc.More)+" more.", w)...)
		}
	}
	return lines[:min(len(lines), mostNotes)]
}

const mostNotes = 4 // lines

// wrapped draws a text that is safe to print in lines of at most w cells.
func wrapped(s theme.Style, text string, w int) (lines []string) {
	if text == "" {
		return nil
	}
	for _, l := range format.Wrap(text, max(1, w-2)) {
		lines = append(lines, " "+s.Paint(l))
	}
	return lines
}

// scroll is a window over rows.
type scroll struct{ top, rows, page int }

// fit keeps the window over the rows.
func (s *scroll) fit(page int) {
	s.page = max(1, page)
	s.top = max(0, min(s.top, s.rows-s.page))
}

func (s *scroll) do(a keys.Action) {
	switch a {
	case keys.Down:
		s.top++
	case keys.Up:
		s.top--
	case keys.HalfDown:
		s.top += s.page / 2
	case keys.HalfUp:
		s.top -= s.page / 2
	case keys.PageDown:
		s.top += s.page
	case keys.PageUp:
		s.top -= s.page
	case keys.First:
		s.top = 0
	case keys.Last:
		s.top = s.rows
	}
	s.fit(s.page)
}

// show moves a row into the window.
func (s *scroll) show(row int) {
	if row < s.top || row >= s.top+s.page {
		s.top = row - s.page/3
	}
	s.fit(s.page)
}

// position describes the window over rows with a unit: "1-18 of 200 rows".
func (s *scroll) position(one, many string) string {
	switch s.rows {
	case 0:
		return "no " + many
	case 1:
		return "1 " + one
	}
	return fmt.Sprintf("%s-%s of %s %s", quantity.Count(s.top+1), quantity.Count(min(s.rows, s.top+s.page)), quantity.Count(s.rows), many)
}
