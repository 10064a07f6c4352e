package browse

import (
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/copymenu"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
)

// Title returns the path of the open folder.
func (p *Pane) Title() []string {
	s := p.here.location
	if s.bucket == "" {
		return []string{"Buckets"}
	}
	var parts []string
	for _, at := range s.chain() {
		parts = append(parts, safetext.New(strings.TrimSuffix(at.name(), "/")).Distinct())
	}
	if s.query != "" {
		parts = append(parts, "search: "+safetext.Line(s.query))
	}
	return parts
}

// View draws the pane, h lines of w cells.
func (p *Pane) View(w, h int) string {
	p.resize(w, h)
	p.tree.build()
	tw, dw := widths(w, p.shares)
	switch {
	case tw > 0:
		return columnsOf(p.Env.Theme,
			column{tw, p.treeView(tw, h)}, column{w - tw - dw - 2, p.tableView(w-tw-dw-2, h)}, column{dw, p.detailsView(dw, h)})
	case p.focus == inTree:
		return p.treeView(w, h)
	case p.focus == inDetails:
		return p.detailsView(w, h)
	}
	return p.tableView(w, h)
}

// resize sets the size of the lists.
func (p *Pane) resize(w, h int) {
	p.w, p.h = w, h
	tw, dw := widths(w, p.shares)
	tableW := w
	if tw > 0 {
		tableW = w - tw - dw - 2
	} else {
		tw = w
	}
	p.table.Resize(tableW, h-2)
	p.tree.list.Resize(tw, h-1)
}

// arrangeColumns sets the columns of a table w cells wide.
func (p *Pane) arrangeColumns(w int) {
	if p.beside(inDetails) {
		w-- // no word touches the line before the details
	}
	p.cols = layout(w)
	if p.here.location.bucket == "" && !p.anyCount() {
		p.cols = onlyNames(w)
	}
}

type column struct {
	w    int
	text string
}

// columnsOf places parts side by side, with a thin line between them from the
// second line on. The first line is a rule already.
func columnsOf(t *theme.Theme, cols ...column) string {
	split := make([][]string, len(cols))
	for i, c := range cols {
		split[i] = strings.Split(c.text, "\n")
	}
	line := t.Rule.Paint(t.Glyphs.Between)
	var b strings.Builder
	for y := range split[0] {
		if y > 0 {
			b.WriteByte('\n')
		}
		for i, c := range cols {
			switch {
			case i > 0 && y == 0:
				b.WriteByte(' ')
			case i > 0:
				b.WriteString(line)
			}
			if y < len(split[i]) {
				b.WriteString(t.Pad(split[i][y], c.w))
			}
		}
	}
	return b.String()
}

func (p *Pane) treeView(w, h int) string {
	return p.Env.Theme.Head("Folders", "", w, p.focus == inTree) + "\n" + p.tree.list.View()
}

func (p *Pane) detailsView(w, h int) string {
	if p.focus == inDetails {
		p.details.show(p)
	}
	return p.Env.Theme.Head("Details", "", w, p.focus == inDetails) + "\n" + p.details.view(p, w, h-1)
}

func (p *Pane) tableView(w, h int) string {
	p.arrangeColumns(w)
	t := p.Env.Theme
	title := "Files"
	if p.here.location.bucket == "" {
		title = "Buckets"
	}
	switch {
	case p.typing != notTyping:
		title = p.typing.prompt() + p.field.Value() + " "
	case p.filter != "":
		title = filtering.prompt() + p.filter
	}
	note := p.note()
	head := t.HeadOf(safetext.Line(title), w, p.focus == inTable, p.position(note), note)
	if p.typing == leaping {
		return t.Head("Bookmarks", "", w, true) + "\n" + strings.Join(p.bookmarksView(w, h-1), "\n")
	}
	if p.typing == going && len(p.proposals.paths) > 0 {
		head = t.HeadOf(safetext.Line(title), w, p.focus == inTable, quantity.Plural(len(p.proposals.paths), "place", "places"))
		return head + "\n" + strings.Join(p.placesView(w, h-1), "\n")
	}
	if len(p.view) == 0 {
		return head + "\n" + p.blank(w, h-1)
	}
	return head + "\n" + p.header(w) + "\n" + p.table.View()
}

// position returns the row of the cursor and the number of rows. The percentage is
// absent while further rows are not loaded: their number is unknown.
func (p *Pane) position(note string) string {
	at, n, l := p.table.Cursor()+1, len(p.view), p.now()
	row := "row " + quantity.Count(at)
	switch {
	case n == 0 || p.stale || p.typing == going || p.afterGap(at) || p.pause != "" || p.slow && p.loading:
		return ""
	case l.location.query != "" || !l.complete() && !p.arr.byPage():
		return row + ", " + note
	case l.capped || !l.complete():
		return row + " of " + note
	}
	row += " of " + quantity.Count(n) + ", " + strconv.Itoa(at*100/n) + "%"
	if n < l.n {
		row += ", " + quantity.Count(l.n) + " in all"
	}
	return row + p.leftNote()
}

// note returns the number of rows, which ends the head of the table.
func (p *Pane) note() string {
	l, g := p.now(), p.Env.Theme.Glyphs
	all := quantity.Count(l.n)
	switch {
	case p.pause != "":
		return p.pause + g.Ellipsis + " " + all
	case l.location.query != "" && l.loaded() && !p.stale:
		return p.searchNote(l)
	case l.loaded() && !l.complete() && !p.arr.byPage() && !p.stale:
		return "by " + orderWords[p.arr.by.order] + ", " + quantity.Count(len(p.view)) + " so far"
	case p.slow && p.loading:
		return "listing" + g.Ellipsis + " " + all
	case p.stale:
		return all + ", as of " + format.Clock(l.at.In(p.Env.Zone))
	case !l.loaded():
		return ""
	case l.capped:
		return "the first " + all
	case !l.complete():
		return quantity.Count(len(p.view)-p.gaps()) + " and more"
	}
	note := quantity.Plural(l.n, "row", "rows")
	if len(p.view) < l.n {
		note = quantity.Count(len(p.view)) + " of " + note
	}
	return note + p.leftNote()
}

// leftNote is the end of the head's note about names that no request can contain.
func (p *Pane) leftNote() string {
	switch l := p.now(); {
	case l.left == 0:
		return ""
	case l.jumped:
		return ", names left out"
	default:
		return ", " + quantity.Count(l.left) + " left out"
	}
}

// leftOut returns the sentence about names that no request can contain, "" without any.
func (p *Pane) leftOut() string {
	switch l := p.now(); {
	case l.left == 0:
		return ""
	case l.jumped:
		return "Some names are not valid object keys and are left out. Tell your administrator."
	default:
		return pane.LeftOut(l.left) + ". Tell your administrator."
	}
}

// empty returns the reason of an empty table, and the keys for it.
func (p *Pane) empty() (say string, hints [][2]string) {
	t, l := p.Env.Theme, p.now()
	hint := func(a keys.Action, label string) [2]string { return p.Env.Keys.Hint(keys.Browser, a, label) }
	up := hint(keys.Parent, "parent folder")
	var request [][2]string // access can help here
	if p.Requests {
		request = [][2]string{hint(keys.Request, "request access")}
	}
	switch {
	case p.problem.err != nil:
		say = p.problem.text
		hints = [][2]string{hint(keys.Reload, "try again"), hint(keys.Session, "session")}
		if p.here.location.bucket != "" {
			hints = append(hints, up)
		}
		if pane.Code(p.problem.err) == api.NotFound {
			hints = append(request, hints...)
		}
	case !l.loaded() || !l.complete() && p.loading:
		switch {
		case p.pause != "":
			say = p.pause + t.Glyphs.Ellipsis + " " + quantity.Count(l.n)
		case p.slow && l.location.query != "":
			say = p.searchNote(l)
		case p.slow:
			say = "listing" + t.Glyphs.Ellipsis + " " + quantity.Count(l.n)
		}
	case p.filter != "":
		say = "Nothing matches \"" + safetext.Line(p.filter) + "\"."
		hints = [][2]string{hint(keys.Back, "show all "+quantity.Count(l.n))}
	case p.here.location.query != "":
		say = p.nothingFound(l)
		hints = [][2]string{hint(keys.FindHere, "another search"), hint(keys.Back, "the folder")}
	case p.here.location.bucket == "":
		say = api.NoBucket
		hints = append(request, hint(keys.Session, "show your groups"), hint(keys.Reload, "refresh"))
	default:
		say = strings.TrimSpace("Nothing here that you can see. " + p.leftOut())
		hints = append([][2]string{up, hint(keys.Reload, "refresh")}, request...)
	}
	return say, hints
}

// blank draws the reason of an empty table, in the middle of the pane.
func (p *Pane) blank(w, h int) string {
	t := p.Env.Theme
	say, hints := p.empty()
	var lines []string
	for _, s := range format.Wrap(say, min(60, w-4)) {
		lines = append(lines, t.Text.Bold().Paint(s))
	}
	if len(hints) > 0 {
		lines = append(lines, "", t.Keys(w-4, hints...))
	}
	return strings.Join(pane.Center(lines, w, h), "\n")
}

// Status returns the marks, and the time of the listing on the right.
func (p *Pane) Status(w int) (left, right string) {
	t, l := p.Env.Theme, p.now()
	left = p.marksLine()
	switch {
	case p.sorting:
		left = t.Text.Paint("Sort by" + p.sortNote())
	case p.span != nil:
		left = p.spanLine()
	case p.counting > 0:
		left = p.countsLine()
	case p.copying:
		left = t.Text.Paint(p.copyTitle())
	case p.stale && p.problem.err != nil:
		left = t.Warn.Paint(t.Glyphs.Offline + " " + p.problem.text)
		right = t.Muted.Paint(p.Env.Keys.Shown(keys.Browser, keys.Reload) + " try now")
	case left == "":
		left = t.Warn.Paint(p.leftOut())
	}
	if note := p.watchNote(); right == "" && note != nil {
		right = t.Muted.Paint(format.Fit(w-4-format.Width(left), note...))
	}
	if right == "" && !l.at.IsZero() && w >= wide {
		right = t.Muted.Paint("listed " + format.Clock(l.at.In(p.Env.Zone)))
	}
	return left, right
}

// FieldKeys returns the keys of the filter and of the field for a path.
func (p *Pane) FieldKeys() [][2]string {
	enter, esc := "open", "cancel"
	switch p.typing {
	case bookmarking:
		return [][2]string{{"a-z 0-9", "bookmark of this folder"}, {"esc", "cancel"}}
	case leaping:
		return [][2]string{{"a-z 0-9", "go to the bookmark"}, {"esc", "cancel"}}
	case naming:
		enter = "jump"
	case going:
		return [][2]string{{"enter", "open"}, {"tab", "complete"}, {"up down", "choose"}, {"esc", "cancel"}, {"ctrl+r", "request access"}, {"ctrl+u", "empty"}}
	case filtering:
		enter, esc = "keep the filter", "clear it"
	case marking, unmarking:
		effect := map[use]string{marking: "mark", unmarking: "unmark"}[p.typing]
		return [][2]string{{"enter", effect}, {"esc", "cancel"}, {"*.csv", "pattern"}, {"*/", "folders"}, {"size:>100M", "size"}, {"modified:<7d", "age"}}
	case watching:
		return [][2]string{{"enter", "watch"}, {"esc", "cancel"}, {"*.csv *.gz", "download these"}, {"*", "everything"}, {"ctrl+u", "nothing"}}
	case searchingFor:
		return [][2]string{{"enter", "search"}, {"esc", "cancel"}, {"ctrl+u", "empty"}, {"*.csv", "pattern"}, {"size:>100M", "size"}, {"modified:<7d", "age"}}
	}
	return [][2]string{{"enter", enter}, {"esc", esc}, {"ctrl+u", "empty"}}
}

// Label returns the effect of a key that depends on the state or that is shown with
// another one: the key of the present order reverses it.
func (p *Pane) Label(a keys.Action) string {
	switch o, ok := orders[a]; {
	case ok && o == p.arr.by.order:
		return "reverse"
	case a == keys.NarrowerFolders || a == keys.WiderDetails: // with the key for the other direction
		return "width"
	case p.span != nil && a == keys.Range:
		return "mark the range"
	case p.span != nil && a == keys.Back:
		return "cancel"
	}
	return ""
}

// Hints returns the keys for the key line, most useful first.
func (p *Pane) Hints() []keys.Action {
	switch {
	case p.sorting:
		return []keys.Action{keys.ByName, keys.BySize, keys.ByModified, keys.ByKind, keys.ByLocal, keys.Back}
	case p.copying:
		return copymenu.Actions()
	case p.span != nil:
		return []keys.Action{keys.Range, keys.Back, keys.Down, keys.Up, keys.Last, keys.Help}
	case p.focus == inTree:
		h := []keys.Action{keys.Enter, keys.Parent, keys.NextPane, keys.OpenTransfers, keys.CopyMenu}
		if p.beside(inTree) {
			h = append(h, keys.NarrowerFolders)
		}
		return append(h, keys.Session, keys.Palette, keys.Help)
	case p.focus == inDetails:
		h := []keys.Action{keys.Download, keys.Read, keys.CopyMenu, keys.CopySum, keys.Parent}
		if p.beside(inDetails) {
			h = append(h, keys.WiderDetails)
		}
		return append(h, keys.Palette, keys.Help)
	}
	h := []keys.Action{keys.Enter, keys.Mark, keys.Download, keys.Filter}
	if p.w >= wide {
		h = append(h, keys.NextPane)
	}
	h = append(h, keys.OpenTransfers)
	if p.w >= widest {
		h = append(h, keys.FindHere, keys.Read)
	}
	if p.Touched != nil && p.Touched().IsZero() && p.w >= wide {
		h = append(h, keys.OpenAudit)
	}
	h = append(h, keys.CopyMenu)
	if p.w >= wide {
		h = append(h, keys.Session, keys.Palette)
	}
	return append(h, keys.Help)
}

// Cursor returns the position of the text cursor, relative to the pane.
func (p *Pane) Cursor() *tea.Cursor {
	if p.typing == notTyping || p.typing == bookmarking || p.typing == leaping {
		return nil
	}
	x := 1 + len(p.typing.prompt())
	if tw, _ := p.widths(); tw > 0 {
		x += tw + 1
	}
	return tea.NewCursor(x+p.field.Cells(), 0)
}

var _ pane.Pane = (*Pane)(nil)
