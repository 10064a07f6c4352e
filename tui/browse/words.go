package browse

import (
	"strings"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/download"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/linear"
)

// Words describes the part with the focus.
func (p *Pane) Words() linear.Words {
	p.tree.build()
	w := linear.Words{Title: p.wordsTitle(), State: p.wordsState(), Info: p.wordsInfo(), Field: p.wordsField()}
	switch {
	case p.typing == leaping:
		w.Text = linear.PlainLines(p.bookmarksView(linear.Width, len(p.memory.state.Bookmarks)+2))
	case p.typing == going:
		if q := p.proposals; q.at >= 0 && q.at < len(q.paths) {
			w.Row = linear.Row{ID: q.paths[q.at], Text: linear.Position("place", q.at+1, len(q.paths), safetext.Line(q.paths[q.at]))}
		}
	case p.focus == inTree:
		w.Row = p.tree.words()
	case p.focus == inDetails:
		p.details.show(p)
		w.Text = linear.PlainLines(p.details.lines(p, linear.Width))
	default:
		w.Row = p.wordsRow(p.table.Cursor())
	}
	return w
}

func (p *Pane) wordsTitle() string {
	where := p.here.location
	switch {
	case p.focus == inTree:
		return "Folders"
	case p.focus == inDetails && p.details.shown:
		return "Details of " + p.details.entry.Name.Distinct()
	case where.query != "":
		return "Search for " + safetext.Line(where.query) + " in " + folderWords(where.base())
	}
	return folderWords(where)
}

func folderWords(where location) string {
	if where.bucket == "" {
		return "Buckets"
	}
	return "Folder " + safetext.New(strings.TrimSuffix(api.Path{Bucket: where.bucket, Key: where.prefix}.String(), "/")).Distinct()
}

// wordsState returns a condition of the listing, without numbers that grow.
func (p *Pane) wordsState() string {
	switch {
	case p.pause != "":
		return "Waiting for the server"
	case p.long && (p.loading || p.toEnd):
		return "Listing"
	case p.stale && p.problem.err != nil:
		return p.problem.text
	case len(p.view) == 0 && !p.loading:
		say, hints := p.empty()
		if h := linear.Hints(hints); say != "" && h != "" {
			say += " " + h
		}
		return linear.Plain(say)
	}
	return ""
}

// wordsInfo returns the number of rows, their order and the marks.
func (p *Pane) wordsInfo() []string {
	l := p.now()
	if p.focus != inTable || !l.loaded() {
		return nil
	}
	n, rows := len(p.view)-p.gaps(), ""
	switch {
	case p.filter != "":
		rows = quantity.Count(n) + " of " + quantity.Plural(l.n, "row", "rows") + " with the filter " + safetext.Line(p.filter)
	case !l.complete() || l.capped:
		rows = quantity.Count(n) + " rows and more"
	case n > 0:
		rows = quantity.Plural(n, "row", "rows")
	}
	order := ""
	if n > 1 && !p.arr.byPage() {
		order = "by " + p.arr.by.word()
		if p.arr.then.order != byName {
			order += ", then by " + p.arr.then.word()
		}
	}
	menu := ""
	switch {
	case p.sorting:
		menu = "Sort by" + p.sortNote()
	case p.copying:
		menu = p.copyTitle()
	case p.span != nil:
		menu = p.spanLine()
	}
	watch := ""
	if note := p.watchNote(); note != nil {
		watch = note[len(note)-1]
	}
	return linear.Infos(menu, p.marksLine(), rows, order, watch)
}

// wordsField returns the open text field.
func (p *Pane) wordsField() linear.Field {
	label := map[use]string{
		filtering: "Filter", going: "Go to", searchingFor: "Search below", marking: "Mark by pattern", unmarking: "Unmark by pattern",
		naming: "Jump to the name", bookmarking: "A letter for a bookmark of this folder", leaping: "The letter of a bookmark",
		watching: "Watch this folder, and download new files that match",
	}[p.typing]
	return linear.Field{Label: label, Value: safetext.Line(p.field.Value())}
}

// wordsRow describes row i of the table.
func (p *Pane) wordsRow(i int) linear.Row {
	switch {
	case i < 0 || i >= len(p.view):
		return linear.Row{}
	case p.view[i] < 0:
		return linear.Row{ID: "gap", Text: "Names that are not loaded: enter loads " + quantity.Count(api.MaxList)}
	}
	e := p.now().entry(p.view[i])
	of := quantity.Count(len(p.view) - p.gaps())
	if !p.now().complete() {
		of += " and more"
	}
	kind, size, name := "file", "", e.Name.Distinct()
	if e.Name.IsZero() {
		name = "the content of the folder's own name"
	}
	switch e.Kind {
	case api.KindBucket:
		kind = "bucket"
	case api.KindFolder:
		kind = "folder"
	default:
		if !e.Unsized() {
			size = quantity.Size(e.Size)
		}
	}
	if c := p.sizeOf(e); c != nil && !c.running {
		size = quantity.Size(c.sum.Bytes)
	}
	day := ""
	if !e.Modified.IsZero() {
		day = format.Day(e.Modified.In(p.Env.Zone))
	}
	text := linear.PositionOf(kind, i+1, of, name, size, day, p.wordsLocal(e), strings.Join(e.Name.Remarks(), ", "))
	if _, marked := p.marks[keyOf(e)]; marked || p.inSpan(i) {
		text = "marked " + text
	}
	return linear.Row{ID: keyOf(e).bucket + "/" + keyOf(e).prefix, Text: text}
}

// wordsLocal returns the state of the local file.
func (p *Pane) wordsLocal(e Entry) string {
	if _, s := p.transfer(e); s == "" {
		switch p.local[keyOf(e)].Presence {
		case download.Here:
			return "downloaded"
		case download.HereMaybe:
			return "a local file is there, not compared"
		case download.HereOther:
			return "a different local file is there"
		case download.HerePartial:
			return quantity.Count(p.local[keyOf(e)].Percent) + "% downloaded"
		}
		if e.Archived {
			return "archived"
		}
	}
	s, _ := p.localState(e, p.Env.Theme)
	return s
}

// words describes the folder under the cursor of the tree.
func (t *tree) words() linear.Row {
	i := t.list.Cursor()
	if i < 0 || i >= len(t.nodes) {
		return linear.Row{}
	}
	n := t.nodes[i]
	state := "closed"
	switch {
	case n.leaf:
		state = "without folders"
	case t.open[n.location]:
		state = "open"
	}
	kind := "folder"
	if n.location.prefix == "" {
		kind = "bucket"
	}
	text := linear.Position(kind, i+1, len(t.nodes), safetext.New(strings.TrimSuffix(n.name, "/")).Distinct(), "level "+quantity.Count(n.depth+1), state)
	return linear.Row{ID: n.location.bucket + "/" + n.location.prefix, Text: text}
}
