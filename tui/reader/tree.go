package reader

import (
	"fmt"
	"sort"
	"strings"

	"usher/client/preview"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/theme"
)

const (
	openAtFirst = 20 // members of a value that is open at first
	summaryMost = 6  // members in the summary of a folded value
)

// treeView shows values, with members folded.
type treeView struct {
	scroll
	tree    *preview.Tree
	open    []bool
	visible []int // nodes on rows
	cursor  int   // in visible
}

func newTree(t *preview.Tree) *treeView {
	v := &treeView{tree: t, open: make([]bool, len(t.Nodes))}
	records := len(t.Nodes) > 0 && t.Nodes[0].Kind == preview.Records
	for i, n := range t.Nodes {
		v.open[i] = n.Depth == 0 || n.Depth == 1 && n.Count <= openAtFirst && !records
	}
	v.arrange()
	return v
}

// arrange lists the nodes that are not inside a folded one.
func (v *treeView) arrange() {
	v.visible = v.visible[:0]
	for i := 0; i < len(v.tree.Nodes); {
		v.visible = append(v.visible, i)
		if v.open[i] {
			i++
		} else {
			i = max(i+1, v.tree.Nodes[i].End)
		}
	}
	v.cursor = max(0, min(v.cursor, len(v.visible)-1))
}

func (v *treeView) name() string     { return "tree" }
func (v *treeView) searchable() bool { return len(v.tree.Nodes) > 0 }

func (v *treeView) row() int {
	if len(v.visible) == 0 {
		return 0
	}
	return v.visible[v.cursor]
}

func (v *treeView) offers(a keys.Action) bool { return a == keys.Enter || a == keys.Parent }

func (v *treeView) position() string {
	return fmt.Sprintf("row %s of %s, %s", quantity.Count(v.cursor+1), quantity.Count(len(v.visible)), quantity.Plural(len(v.tree.Nodes), "value", "values"))
}

func (v *treeView) place(old view) {
	o, ok := old.(*treeView)
	if !ok {
		return
	}
	at := o.row()
	for i := range min(len(o.open), len(v.open)) {
		v.open[i] = o.open[i]
	}
	v.arrange()
	v.reveal(at)
	v.top = o.top
}

// show unfolds the parents of a node, and moves to it.
func (v *treeView) show(node int) {
	for i := 0; i < node; {
		if v.tree.Nodes[i].End > node {
			v.open[i] = true
			i++
		} else {
			i = v.tree.Nodes[i].End
		}
	}
	v.arrange()
	v.reveal(node)
}

// reveal moves the cursor to a node, or to the folded node that contains it.
func (v *treeView) reveal(node int) {
	v.cursor = max(0, sort.SearchInts(v.visible, node+1)-1)
}

func (v *treeView) do(a keys.Action) {
	if len(v.visible) == 0 {
		return
	}
	node := v.visible[v.cursor]
	switch a {
	case keys.Enter:
		v.open[node] = !v.open[node]
		v.arrange()
	case keys.Parent:
		if v.open[node] && v.tree.Nodes[node].Count > 0 {
			v.open[node] = false
			v.arrange()
			return
		}
		v.reveal(v.parent(node))
	case keys.LineNumbers:
		// a tree has no lines
	default:
		s := scroll{top: v.cursor, rows: len(v.visible), page: 1}
		switch a {
		case keys.HalfDown, keys.HalfUp, keys.PageDown, keys.PageUp:
			step := v.page
			if a == keys.HalfDown || a == keys.HalfUp {
				step = v.page / 2
			}
			if a == keys.HalfUp || a == keys.PageUp {
				step = -step
			}
			s.top += step
			s.fit(1)
		default:
			s.do(a)
		}
		v.cursor = s.top
	}
}

// parent returns the node that contains another one.
func (v *treeView) parent(node int) int {
	for i := node - 1; i >= 0; i-- {
		if v.tree.Nodes[i].End > node {
			return i
		}
	}
	return 0
}

func (v *treeView) draw(t *theme.Theme, w, h int, query string) []string {
	v.rows, v.page = len(v.visible), h
	if v.cursor < v.top || v.cursor >= v.top+h {
		v.top = v.cursor - h/3
	}
	v.fit(h)
	var out []string
	for i := v.top; i < v.rows && len(out) < h; i++ {
		row, sign := t, " "
		if i == v.cursor {
			row, sign = t.On(theme.Cursor(true)), t.Accent.Paint(t.Glyphs.Cursor)
		}
		text := line(mark(v.segments(row, v.visible[i], w), query), 0, w-2)
		out = append(out, sign+row.Pad(text, w-1))
	}
	return out
}

// segments returns the row of a node.
func (v *treeView) segments(t *theme.Theme, i, w int) []segment {
	n := v.tree.Nodes[i]
	fold := " "
	if n.Count > 0 {
		fold = t.Glyphs.Closed
		if v.open[i] {
			fold = t.Glyphs.Opened
		}
	}
	out := []segment{{strings.Repeat("  ", min(n.Depth, w/4)) + fold + " ", t.Muted}}
	if n.Named {
		out = append(out, segment{format.End(safe(n.Key), max(8, w/2), t.Glyphs.Ellipsis), t.Accent}, segment{": ", t.Muted})
	}
	if n.Kind == preview.Records || v.open[i] && n.Count > 0 {
		return append(out, segment{countOf(n), t.Muted})
	}
	return append(out, v.value(t, i, w)...)
}

// countOf describes the members of a value.
func countOf(n preview.Node) string {
	switch n.Kind {
	case preview.Object:
		return "{" + quantity.Plural(n.Count, "member", "members") + "}"
	case preview.Records:
		return quantity.Plural(n.Count, "record", "records")
	}
	return "[" + quantity.Plural(n.Count, "element", "elements") + "]"
}

// value returns a value in one row: a container with its first members.
func (v *treeView) value(t *theme.Theme, i, w int) []segment {
	n := v.tree.Nodes[i]
	text := n.Text[:min(len(n.Text), 4*w)]
	switch n.Kind {
	case preview.Quoted:
		return []segment{{`"` + safe(text) + `"`, t.OK}}
	case preview.Literal:
		return []segment{{safe(text), t.Mark}}
	case preview.Broken:
		return []segment{{safe(text), t.Warn}}
	}
	brackets := [2]string{"[", "]"}
	if n.Kind == preview.Object {
		brackets = [2]string{"{", "}"}
	}
	out := []segment{{brackets[0], t.Muted}}
	shown := 0
	for j := i + 1; j < n.End && j < len(v.tree.Nodes); j = max(j+1, v.tree.Nodes[j].End) {
		if shown > 0 {
			out = append(out, segment{", ", t.Muted})
		}
		if shown++; shown > summaryMost {
			out = append(out, segment{t.Glyphs.Ellipsis, t.Muted})
			break
		}
		m := v.tree.Nodes[j]
		if m.Named {
			out = append(out, segment{safe(m.Key[:min(len(m.Key), w)]), t.Accent}, segment{": ", t.Muted})
		}
		if m.Count > 0 {
			out = append(out, segment{countOf(m), t.Muted})
			continue
		}
		out = append(out, v.value(t, j, w)...)
	}
	return append(out, segment{brackets[1], t.Muted})
}
