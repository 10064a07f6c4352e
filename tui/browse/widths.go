package browse

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/places"
	"usher/tui/keys"
	"usher/tui/pane"
)

// Windows from wide cells on have folders, table and details side by side; those from
// widest cells on have larger shares for folders and details. In a narrower window one
// part has all cells.
const (
	wide   = 110
	widest = 170
)

// Bounds of the parts in cells. A press changes a width by widthStep.
const (
	leastTree    = 16
	leastDetails = 23
	leastTable   = 45
	widthStep    = 4
)

// shares are the widths of folders and details that the person chose: the difference
// in cells from the default, so that they fit windows of every size.
type shares = places.Widths

// defaults returns the default widths of tree and details in a wide window.
func defaults(w int) (treeW, detailsW int) {
	if w >= widest {
		return 36, 49
	}
	return 24, 31
}

// widths returns the widths of tree and details in a window of w cells. They are 0
// in a narrow window, where both replace the table.
func widths(w int, s shares) (treeW, detailsW int) {
	if w < wide {
		return 0, 0
	}
	treeW, detailsW = defaults(w)
	room := w - 2 - leastTable // the parts have two lines between them
	treeW = min(max(treeW+s.Folders, leastTree), room-leastDetails)
	detailsW = min(max(detailsW+s.Details, leastDetails), room-treeW)
	return treeW, detailsW
}

func (p *Pane) widths() (treeW, detailsW int) { return widths(p.w, p.shares) }

// beside reports whether a part has its own column.
func (p *Pane) beside(x part) bool {
	t, d := p.widths()
	return x == inTable || x == inTree && t > 0 || x == inDetails && d > 0
}

// adjust runs an action on the widths of the parts.
func (p *Pane) adjust(a keys.Action) (tea.Cmd, bool) {
	switch a {
	case keys.WiderFolders, keys.NarrowerFolders, keys.WiderDetails, keys.NarrowerDetails, keys.ResetWidths:
	default:
		return nil, false
	}
	if why := p.whyNoWidth(a); why != "" {
		return pane.Send(pane.Say{Text: safetext.New(why), Tone: pane.Warning}), true
	}
	p.shares = p.adjusted(a)
	p.dirty()
	chosen := p.shares
	return p.remember(places.Change{Widths: &chosen}), true
}

// adjusted returns the widths after an action. A change starts at the width on the
// screen, which can be nearer to the default than the chosen one.
func (p *Pane) adjusted(a keys.Action) shares {
	s := p.shares
	treeW, detailsW := p.widths()
	usualTree, usualDetails := defaults(p.w)
	room := p.w - 2 - leastTable
	switch a {
	case keys.WiderFolders:
		s.Folders = min(treeW+widthStep, room-detailsW) - usualTree
	case keys.NarrowerFolders:
		s.Folders = max(treeW-widthStep, leastTree) - usualTree
	case keys.WiderDetails:
		s.Details = min(detailsW+widthStep, room-treeW) - usualDetails
	case keys.NarrowerDetails:
		s.Details = max(detailsW-widthStep, leastDetails) - usualDetails
	case keys.ResetWidths:
		s = shares{}
	}
	return s
}

// whyNoWidth returns the reason that an action does not change the widths, "" if it
// does.
func (p *Pane) whyNoWidth(a keys.Action) string {
	switch {
	case p.Env.Lines:
		return "Widths: there are no panes in lines."
	case !p.beside(inTree):
		return fmt.Sprintf("Widths: only windows of %d columns or more have several panes.", wide)
	}
	was, wasDetails := p.widths()
	now, nowDetails := widths(p.w, p.adjusted(a))
	if a == keys.ResetWidths && p.shares != (shares{}) || now != was || nowDetails != wasDetails {
		return ""
	}
	switch a {
	case keys.WiderFolders:
		return "Folders cannot be wider: the files have the least width."
	case keys.WiderDetails:
		return "Details cannot be wider: the files have the least width."
	case keys.NarrowerFolders:
		return "Folders have the least width."
	case keys.NarrowerDetails:
		return "Details have the least width."
	}
	return "Folders and details have the default widths."
}
