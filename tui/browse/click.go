package browse

import tea "charm.land/bubbletea/v2"

// Lines above the rows of the tree, and above those of the table.
const (
	treeHead  = 1
	tableHead = 2
)

// Click implements pane.Clicks for the table and the tree.
func (p *Pane) Click(x, y int) (tea.Cmd, bool) {
	at := p.partAt(x)
	if at == inTable && len(p.view) == 0 || at == inDetails {
		return nil, false
	}
	was := p.focus
	if at == inTree {
		again, ok := p.tree.list.Click(y - treeHead)
		if !ok {
			return nil, false
		}
		at := p.tree.list.Cursor()
		p.focus = inTree
		p.refocus()
		p.tree.list.SetCursor(at)
		return p.tree.grown(), again && was == inTree
	}
	again, ok := p.table.Click(y - tableHead)
	if !ok {
		return nil, false
	}
	p.focus, p.here.far, p.toEnd = inTable, "", false
	p.refocus()
	if p.span != nil {
		p.table.Changed()
	}
	return p.moved(), again && was == inTable
}

// partAt returns the part in a column of the window.
func (p *Pane) partAt(x int) part {
	tw, dw := p.widths()
	switch {
	case tw == 0:
		return p.focus
	case x < tw:
		return inTree
	case x >= p.w-dw:
		return inDetails
	}
	return inTable
}
