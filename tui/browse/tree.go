package browse

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/tui/format"
	"usher/tui/pane"
	"usher/tui/rows"
	"usher/tui/theme"
)

// maxBranch is the largest number of folders of one parent in the tree. The table
// shows all.
const maxBranch = 500

// tree shows the known folders, as a flat slice of visible nodes. Its nodes come from
// the listings of the table, from those of its branches, and from the path of the open
// folder.
type tree struct {
	p      *Pane
	open   map[location]bool
	nodes  []node
	list   *rows.List
	stale  bool
	branch *branch           // pending, or nil
	tried  map[location]bool // listed as branches
}

type node struct {
	location location
	name     string
	depth    int
	leaf     bool // listed, without folders in it
}

func (t *tree) init(p *Pane) {
	t.p, t.open, t.tried = p, make(map[location]bool), make(map[location]bool)
	t.list = rows.New(t, rows.Config{Jump: p.Env.Jump})
}

// follow expands the parents of a folder.
func (t *tree) follow(s location) {
	for _, at := range s.base().chain() {
		t.open[at] = true
	}
	t.stale = true
}

// forget removes a folder and all folders below it.
func (t *tree) forget(s location) {
	for at := range t.open {
		if at.bucket == s.bucket && strings.HasPrefix(at.prefix, s.prefix) {
			delete(t.open, at)
		}
	}
	for at := range t.p.store {
		if at.bucket == s.bucket && strings.HasPrefix(at.prefix, s.prefix) {
			delete(t.p.store, at)
		}
	}
	t.stale = true
}

// build updates the visible nodes, with the cursor on the open folder.
func (t *tree) build() {
	if !t.stale {
		return
	}
	t.stale = false
	t.nodes = t.nodes[:0]
	t.grow(location{}, 0)
	t.list.Changed()
	t.reveal()
}

func (t *tree) reveal() {
	here := t.p.here.location.base()
	for i, n := range t.nodes {
		if n.location == here {
			t.list.SetCursor(i)
			return
		}
	}
}

// grow adds the folders in a folder: those of its listing, and the one that leads
// to the open folder.
func (t *tree) grow(at location, depth int) {
	var names []string
	kind := kindIn(at)
	if l, ok := t.p.store[at]; ok {
		for _, i := range l.folders {
			names = append(names, l.name(i))
		}
	}
	for _, s := range t.p.here.location.chain() {
		up, name := s.parent()
		if up == at && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		s := at.child(name, kind)
		l, listed := t.p.store[s]
		n := node{location: s, name: name, depth: depth, leaf: listed && l.complete() && len(l.folders) == 0}
		t.nodes = append(t.nodes, n)
		if t.open[s] {
			t.grow(s, depth+1)
		}
	}
}

// Len, Need and Draw make the tree a rows.Source.
func (t *tree) Len() int                  { return len(t.nodes) }
func (t *tree) Need(from, to int) tea.Cmd { return nil }

func (t *tree) Draw(i, w int, st rows.State) string {
	n, th := t.nodes[i], t.p.Env.Theme
	here := t.p.here.location.base()
	if st.Cursor {
		th = th.On(theme.Cursor(st.Focus))
	}
	sign := " "
	switch {
	case n.leaf:
	case t.open[n.location]:
		sign = th.Glyphs.Opened
	default:
		sign = th.Glyphs.Closed
	}
	style := th.Muted
	if t.open[n.location] && (!n.leaf || n.location == here) {
		style = th.Text
	}
	if n.location == here {
		style = th.Text.Bold()
	}
	g := th.Fill.Paint(" ")
	if st.Cursor {
		g = th.Muted.Paint(th.Glyphs.CursorDim)
		if st.Focus {
			g = th.Accent.Paint(th.Glyphs.Cursor)
		}
	}
	indent := min(2*n.depth, w/2)
	line := g + th.Fill.Paint(strings.Repeat(" ", indent)) + th.Muted.Paint(sign+" ") +
		pane.Name(th, style, n.shown(), w-indent-4, t.apart(i))
	return th.Pad(line, w)
}

// shown returns the name of a folder without its last slash. A folder without a name
// keeps it.
func (n node) shown() safetext.Text {
	if name := strings.TrimSuffix(n.name, "/"); name != "" {
		return safetext.New(name)
	}
	return safetext.New(n.name)
}

// apart returns the function that truncates the name of node i, so that it differs
// from the names near it.
func (t *tree) apart(i int) format.Cut {
	return format.Row{At: i, N: len(t.nodes), Name: func(j int) string { return t.nodes[j].shown().Distinct() }}.Apart
}

// enter opens the folder under the cursor in the table.
func (t *tree) enter() tea.Cmd {
	i := t.list.Cursor()
	if i < 0 {
		return nil
	}
	return t.p.enter(visit{location: t.nodes[i].location})
}

// up moves the cursor to the parent node.
func (t *tree) up() {
	i := t.list.Cursor()
	if i < 0 {
		return
	}
	for j := i; j >= 0; j-- {
		if t.nodes[j].depth < t.nodes[i].depth {
			t.list.SetCursor(j)
			return
		}
	}
}
