package browse

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/pane"
	"usher/tui/rows"
	"usher/tui/theme"
)

// jump moves the cursor to the first name that begins with a text, or else to the next
// name. The server starts a page there if the place is not loaded: a gap remains before
// it, and the order becomes that of the names.
func (p *Pane) jump(to string) tea.Cmd {
	p.typing = notTyping
	if to == "" {
		return nil
	}
	if p.jumping = to; p.now().covers(to) {
		return p.land()
	}
	p.arr.by, p.arr.then = by{}, by{}
	p.stop() // the page of another place
	p.jumping = to
	return p.request(where{start: before(to)})
}

// land moves the cursor to the name of a jump, whose place is loaded.
func (p *Pane) land() tea.Cmd {
	l, to := p.now(), p.jumping
	p.jumping, p.here.far = "", ""
	row, ok := l.beginning(to, p.arr)
	if !ok {
		row, ok = l.from(to)
	}
	if !ok {
		return pane.Send(pane.Say{Text: safetext.New("No name here is \"" + to + "\" or later."), Tone: pane.Warning})
	}
	var say tea.Cmd
	if name := l.name(row); !strings.HasPrefix(strings.ToLower(name), strings.ToLower(to)) {
		say = pane.Send(pane.Say{Text: safetext.New("No name begins with \"" + to + "\". The next one is " + name + ".")})
	}
	p.filter, p.view, p.here.cursor, p.landed = "", nil, l.name(row), true
	return tea.Batch(p.arrange(), say)
}

// beginning returns the first row of a complete listing, in its order, that begins with
// a text in upper or lower case.
func (l *listing) beginning(text string, a arrangement) (int32, bool) {
	if !l.complete() {
		return 0, false
	}
	low := strings.ToLower(text)
	a.words = nil
	for _, r := range l.arrange(a) {
		if strings.HasPrefix(strings.ToLower(l.name(r)), low) {
			return r, true
		}
	}
	return 0, false
}

// onGap returns the segment before the gap with the cursor.
func (p *Pane) onGap() (int, bool) {
	at := p.table.Cursor()
	if at < 0 || at >= len(p.view) {
		return 0, false
	}
	return gapOf(p.view[at])
}

// fill loads the first page of the gap with the cursor. The cursor goes to the row
// before it.
func (p *Pane) fill(segment int) tea.Cmd {
	l := p.now()
	p.here.cursor = l.last(segment)
	return p.request(l.segments[segment].next)
}

// need requests the page that the window comes near: that of the next gap below the
// cursor, or that behind the last row.
func (p *Pane) need(to int) tea.Cmd {
	const near = 200
	l := p.now()
	if p.busy {
		return nil // the view has not the rows of the last page yet
	}
	for i := max(0, p.table.Cursor()+1); i < min(len(p.view), to+near); i++ {
		if s, ok := gapOf(p.view[i]); ok {
			return p.request(l.segments[s].next)
		}
	}
	if to+near < len(p.view) || !l.loaded() {
		return nil
	}
	if p.filter != "" || !p.arr.byPage() {
		return p.more()
	}
	return p.request(l.segments[len(l.segments)-1].next)
}

// gaps returns the number of gaps in the view.
func (p *Pane) gaps() int {
	if s := p.now().segments; len(s) > 0 && p.filter == "" {
		return len(s) - 1
	}
	return 0
}

// afterGap reports whether there is a gap before a row of the view: its number in the
// folder is unknown.
func (p *Pane) afterGap(row int) bool {
	if len(p.now().segments) < 2 {
		return false
	}
	for _, r := range p.view[:min(row, len(p.view))] {
		if r < 0 {
			return true
		}
	}
	return false
}

// drawGap draws the row of a gap.
func (p *Pane) drawGap(t *theme.Theme, st rows.State, w int) string {
	text := "names that are not loaded"
	if st.Cursor {
		text += ": enter loads " + quantity.Count(api.MaxList)
	}
	line := strings.Repeat(t.Glyphs.Light, 3) + " "
	return t.Pad(p.gutter(t, st, false)+t.Muted.Paint(format.End(line+text, w-gutter, t.Glyphs.Ellipsis)), w)
}
