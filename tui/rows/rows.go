package rows

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/client/cells"
	"usher/tui/keys"
)

// Source provides the rows of a list.
type Source interface {
	// Len returns the number of rows.
	Len() int
	// Draw returns row i, painted, at most w cells wide: one or more lines joined
	// by "\n". The list caches the result until Changed.
	Draw(i, w int, s State) string
	// Need returns a command that fetches missing rows in or near the window
	// [from, to), or nil.
	Need(from, to int) tea.Cmd
}

// Tall is a Source with rows of more than one line.
type Tall interface {
	// Height returns the number of lines of row i, at least 1.
	Height(i int, s State) int
}

// Headed is a Source with headings, such as days. The cursor skips them.
type Headed interface {
	Heading(i int) bool
}

// State is how a row is shown.
type State struct {
	Cursor bool // the row has the cursor
	Focus  bool // the list has the focus
}

// Config of a list.
type Config struct {
	Jump bool // jump two thirds of a page at the edge of the window
}

// List is a cursor and a window over a source. The zero List is not usable; see New.
type List struct {
	Config
	src           Source
	w, h          int
	top, at       int
	focus         bool
	drawn         map[int]string // rows without the cursor, by index
	frame         string
	framed, dirty bool
}

// New returns a list with the cursor on its first row.
func New(src Source, c Config) *List {
	l := &List{Config: c, src: src, drawn: make(map[int]string), dirty: true}
	l.at = l.nearest(0, 1)
	return l
}

// Resize sets the window in cells.
func (l *List) Resize(w, h int) {
	if w == l.w && h == l.h {
		return
	}
	if w != l.w {
		clear(l.drawn)
	}
	l.w, l.h, l.dirty = w, h, true
	l.reveal()
}

// Focus sets the focus of the list.
func (l *List) Focus(on bool) {
	if on != l.focus {
		l.focus, l.dirty = on, true
		clear(l.drawn)
	}
}

// Changed records that rows were added, removed or changed. The cursor keeps its
// index, or moves to the last row of a shorter list.
func (l *List) Changed() {
	clear(l.drawn)
	l.dirty = true
	l.at = l.nearest(l.at, 1)
	l.reveal()
}

// ChangedRow records a change of one row.
func (l *List) ChangedRow(i int) {
	delete(l.drawn, i)
	l.dirty = true
}

// Cursor returns the index of the row with the cursor, -1 for an empty list.
func (l *List) Cursor() int {
	if l.src.Len() == 0 {
		return -1
	}
	return l.at
}

// SetCursor moves the cursor to row i, or to the nearest one that is no heading.
func (l *List) SetCursor(i int) {
	l.at = l.nearest(i, 1)
	l.dirty = true
	l.reveal()
}

// Click moves the cursor to the row at line y of the window. It returns false if no
// row is there. again is true if the row had the cursor before.
func (l *List) Click(y int) (again, ok bool) {
	if y < 0 || y >= l.h {
		return false, false
	}
	headed, _ := l.src.(Headed)
	for i := l.top; i < l.src.Len(); i++ {
		if y -= l.height(i); y >= 0 {
			continue
		}
		if headed != nil && headed.Heading(i) {
			return false, false
		}
		again = i == l.at
		l.SetCursor(i)
		return again, true
	}
	return false, false
}

// Top returns the first row of the window.
func (l *List) Top() int { return l.top }

// SetTop sets the first row of the window. The cursor stays visible.
func (l *List) SetTop(i int) {
	l.top, l.dirty = max(0, min(i, l.src.Len()-1)), true
	l.reveal()
}

// Window returns the rows [from, to) of the window.
func (l *List) Window() (from, to int) {
	return l.top, min(l.src.Len(), l.top+max(l.h, 1))
}

// Need returns the command that fetches the rows of the window.
func (l *List) Need() tea.Cmd {
	from, to := l.Window()
	return l.src.Need(from, to)
}

// Move runs a movement action. It returns false for any other action.
func (l *List) Move(a keys.Action) bool {
	page := max(1, l.h-1)
	switch a {
	case keys.Down:
		l.step(1)
	case keys.Up:
		l.step(-1)
	case keys.HalfDown:
		l.step(max(1, l.h/2))
	case keys.HalfUp:
		l.step(-max(1, l.h/2))
	case keys.PageDown:
		l.step(page)
	case keys.PageUp:
		l.step(-page)
	case keys.First:
		l.top = 0
		l.SetCursor(0)
	case keys.Last:
		l.at = l.nearest(l.src.Len()-1, -1)
		l.dirty = true
		l.reveal()
	default:
		return false
	}
	return true
}

func (l *List) step(by int) {
	was, dir := l.at, 1
	if by < 0 {
		dir = -1
	}
	l.at = l.nearest(l.at+by, dir)
	if l.at == was {
		return
	}
	l.dirty = true
	if l.Jump && by*dir == 1 && !l.visible() {
		if dir > 0 {
			l.top = l.at - max(1, l.h/3)
		} else {
			l.top = l.at - max(1, l.h-l.h/3) + 1
		}
		l.top = max(0, l.top)
	}
	l.reveal()
}

// nearest returns the row closest to i that is no heading. It searches in
// direction dir first.
func (l *List) nearest(i, dir int) int {
	n := l.src.Len()
	i = max(0, min(i, n-1))
	h, ok := l.src.(Headed)
	if !ok || n == 0 {
		return i
	}
	for _, d := range []int{dir, -dir} {
		for j := i; j >= 0 && j < n; j += d {
			if !h.Heading(j) {
				return j
			}
		}
	}
	return i
}

func (l *List) height(i int) int {
	if t, ok := l.src.(Tall); ok {
		return max(1, t.Height(i, State{Cursor: i == l.at, Focus: l.focus}))
	}
	return 1
}

func (l *List) visible() bool {
	if l.at < l.top {
		return false
	}
	lines := 0
	for i := l.top; i <= l.at; i++ {
		if lines += l.height(i); lines > l.h {
			return false
		}
	}
	return true
}

// reveal moves the window as little as possible so that it holds the cursor, and
// keeps it within the rows.
func (l *List) reveal() {
	if l.h <= 0 {
		return
	}
	n := l.src.Len()
	if n == 0 {
		l.top = 0
		return
	}
	l.top = max(0, min(l.top, n-1))
	if l.at < l.top {
		l.top = l.at
		if h, ok := l.src.(Headed); ok && l.top > 0 && h.Heading(l.top-1) {
			l.top-- // a heading stays above its first row
		}
	}
	l.top = max(l.top, l.lowestTop(l.at))
	l.top = min(l.top, l.lowestTop(n-1)) // no empty lines below while there are rows above
	l.top = min(l.top, l.at)
}

// lowestTop returns the first row of the window whose last row is i.
func (l *List) lowestTop(i int) int {
	lines := l.height(i)
	for i > 0 {
		if lines += l.height(i - 1); lines > l.h {
			break
		}
		i--
	}
	return i
}

// View returns the window: exactly its height, each line at most its width. An
// unchanged list returns the cached frame.
func (l *List) View() string {
	if !l.dirty && l.framed {
		return l.frame
	}
	lines := make([]string, 0, l.h)
	for i := l.top; i < l.src.Len() && len(lines) < l.h; i++ {
		lines = append(lines, strings.Split(l.draw(i), "\n")...)
	}
	if len(lines) > l.h {
		lines = lines[:l.h]
	}
	for len(lines) < l.h {
		lines = append(lines, "")
	}
	if len(l.drawn) > 4*max(l.h, 16) {
		l.forget()
	}
	l.frame, l.framed, l.dirty = strings.Join(lines, "\n"), true, false
	return l.frame
}

func (l *List) draw(i int) string {
	if i == l.at {
		return l.fit(l.src.Draw(i, l.w, State{Cursor: true, Focus: l.focus}))
	}
	if s, ok := l.drawn[i]; ok {
		return s
	}
	s := l.fit(l.src.Draw(i, l.w, State{Focus: l.focus}))
	l.drawn[i] = s
	return s
}

// fit truncates each line of a row to the width, so that no name can displace
// another column.
func (l *List) fit(s string) string {
	if !strings.Contains(s, "\n") {
		if cells.Width(s) <= l.w {
			return s
		}
		return cells.Truncate(s, l.w, "")
	}
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if cells.Width(line) > l.w {
			lines[i] = cells.Truncate(line, l.w, "")
		}
	}
	return strings.Join(lines, "\n")
}

// forget drops drawn rows far from the window.
func (l *List) forget() {
	for i := range l.drawn {
		if i < l.top-l.h || i > l.top+2*l.h {
			delete(l.drawn, i)
		}
	}
}
