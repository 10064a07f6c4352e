// Package marks is the page of the marked files and folders, of all folders at once,
// with their sizes.
//
// The browser (tui/browse) has the marks and the named sets, and tui/transfers downloads
// them.
package marks

import (
	"cmp"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/browse"
	"usher/tui/copymenu"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/rows"
)

// Marks are the marks of the browser (*browse.Pane).
type Marks interface {
	Marked() []browse.Entry
	MarksVersion() uint64
	RemoveMark(browse.Entry)
	Unmark()
	Counted(folder browse.Entry) (bytes int64, ok bool)
	Sets
}

// Page shows the marks. See New.
type Page struct {
	saving
	env     *pane.Env
	marks   Marks
	version uint64
	all     []browse.Entry
	list    *rows.List
	bySize  bool
	copying bool // after y
	pathW   int  // cells
}

// New returns the page of marks.
func New(env *pane.Env, marks Marks) *Page {
	p := &Page{env: env, marks: marks, saving: newSaving()}
	p.list = rows.New(source{p}, rows.Config{Jump: env.Jump})
	p.list.Focus(true)
	p.read()
	return p
}

// read copies the marks, and sorts them.
func (p *Page) read() {
	p.version, p.all = p.marks.MarksVersion(), p.marks.Marked()
	if p.bySize {
		slices.SortStableFunc(p.all, func(a, b browse.Entry) int { return cmp.Compare(p.size(b), p.size(a)) })
	}
	p.list.Changed()
}

// size returns the bytes of a file, or of a counted folder.
func (p *Page) size(e browse.Entry) int64 {
	if n, ok := p.marks.Counted(e); ok {
		return n
	}
	return e.Size
}

// fresh reads the marks again if they have changed.
func (p *Page) fresh() {
	if p.marks.MarksVersion() != p.version {
		p.read()
	}
}

func path(e browse.Entry) safetext.Text { return pane.Target{Bucket: e.Bucket, Key: e.Key}.Text() }

// source is the rows.Source of the page.
type source struct{ p *Page }

func (s source) Len() int { return len(s.p.all) }

func (s source) Need(int, int) tea.Cmd { return nil }

func (s source) Draw(i, w int, st rows.State) string {
	p, e, t := s.p, s.p.all[i], s.p.env.Theme
	t, mark, name := t.Row(st.Cursor, st.Focus)
	size, mod := "", ""
	switch {
	case e.Kind == api.KindFolder:
		size = "folder"
		if n, ok := p.marks.Counted(e); ok {
			size = quantity.Size(n)
		}
	case !e.Unsized():
		size = quantity.Size(e.Size)
	}
	if !e.Modified.IsZero() {
		mod = format.DateTime(e.Modified.In(p.env.Zone))
	}
	cut := format.Row{At: i, N: len(p.all), Name: func(j int) string { return path(p.all[j]).Distinct() }}.Start
	var b strings.Builder
	b.WriteString(mark + t.Mark.Paint(t.Glyphs.Mark) + t.Fill.Paint(" "))
	b.WriteString(t.Pad(pane.Name(t, name, path(e), p.pathW, cut), p.pathW))
	b.WriteString(t.Muted.Paint(format.PadLeft(size, 1+quantity.SizeWidth) + "  " + format.PadRight(mod, timeWidth)))
	return t.Pad(b.String(), w)
}

const (
	gutter    = 3
	timeWidth = 16
)

// Title returns the path for row 0.
func (p *Page) Title() []string { return []string{"Marks"} }

// Context returns the bindings of the page, or of the copy menu.
func (p *Page) Context() keys.Context {
	if p.copying {
		return keys.Copying
	}
	return keys.Marked
}

// View draws the marks, h lines of w cells.
func (p *Page) View(w, h int) string {
	p.fresh()
	t := p.env.Theme
	p.pathW = max(4, w-gutter-1-quantity.SizeWidth-2-timeWidth-1)
	p.list.Resize(w, h-2)
	head := t.Head(p.heading("Marked"), p.total(), w, true)
	if len(p.all) == 0 {
		hints := [][2]string{p.env.Keys.Hint(keys.Everywhere, keys.Back, "back")}
		if len(p.marks.Sets()) > 0 {
			hints = append([][2]string{p.env.Keys.Hint(keys.Marked, keys.OpenSets, "sets")}, hints...)
		}
		return head + "\n" + strings.Join(pane.Center([]string{t.Text.Bold().Paint("There are no marks."), "", t.Keys(w-4, hints...)}, w, h-1), "\n")
	}
	size, name := "Size", "Path "+t.Glyphs.Up
	if p.bySize {
		size, name = "Size "+t.Glyphs.Down, "Path"
	}
	columns := strings.Repeat(" ", gutter) + format.PadRight(name, p.pathW) + format.PadLeft(size, 1+quantity.SizeWidth) + "  " + format.PadRight("Modified", timeWidth)
	return head + "\n" + t.Pad(t.Muted.Paint(columns), w) + "\n" + p.list.View()
}

// total returns the number of marks and the bytes of the files.
func (p *Page) total() string {
	var files, folders, unknown int
	var bytes int64
	for _, e := range p.all {
		switch {
		case e.Kind == api.KindFolder:
			folders++
			bytes += p.size(e)
			continue
		case e.Unsized():
			unknown++
		}
		files++
		bytes += e.Size
	}
	var parts []string
	if files > 0 {
		parts = append(parts, quantity.Plural(files, "file", "files"))
	}
	if unknown > 0 {
		parts = append(parts, quantity.Count(unknown)+" of unknown size")
	}
	if folders > 0 {
		parts = append(parts, quantity.Plural(folders, "folder", "folders"))
	}
	if bytes > 0 {
		parts = append(parts, quantity.Size(bytes))
	}
	return strings.Join(parts, ", ")
}

// Status returns the title of the copy menu, or the set that is being loaded.
func (p *Page) Status(int) (left, right string) {
	if name := p.marks.LoadingSet(); name != "" {
		return p.env.Theme.Muted.Paint("Loading the set " + safetext.Line(name) + p.env.Theme.Glyphs.Ellipsis), ""
	}
	if p.copying {
		return p.env.Theme.Text.Paint("Copy of " + quantity.Count(len(p.all)) + " marked"), ""
	}
	return "", ""
}

// Hints returns the keys for the key line.
func (p *Page) Hints() []keys.Action {
	if p.copying {
		return copymenu.Actions()
	}
	return []keys.Action{keys.Mark, keys.Download, keys.CopyMenu, keys.BySize, keys.SaveSet, keys.OpenSets, keys.Enter, keys.Back, keys.Unmark, keys.Help}
}

// Label returns the effect of the key for the order.
func (p *Page) Label(a keys.Action) string {
	if a == keys.BySize && p.bySize {
		return "by path"
	}
	return ""
}

// Click implements pane.Clicks.
func (p *Page) Click(_, y int) (tea.Cmd, bool) {
	p.fresh()
	again, _ := p.list.Click(y - 2) // below head and columns
	return nil, again
}

// Do runs an action.
func (p *Page) Do(a keys.Action) tea.Cmd {
	p.fresh()
	if p.list.Move(a) {
		return nil
	}
	i := p.list.Cursor()
	switch a {
	case keys.Back, keys.Parent:
		if p.copying {
			p.copying = false
			return nil
		}
		return pane.Send(pane.Close{})
	case keys.SaveSet:
		if why := p.Why(a); !why.IsZero() {
			return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
		}
		p.open()
	case keys.OpenSets:
		if why := p.Why(a); !why.IsZero() {
			return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
		}
		return pane.Send(OpenSets{})
	case keys.BySize:
		p.bySize = !p.bySize
		p.read()
	case keys.Unmark:
		p.marks.Unmark()
		p.read()
	case keys.Reload:
		p.read()
	case keys.CopyPath, keys.CopyURI, keys.CopyLink, keys.CopyCurl, keys.CopySum, keys.CopyCommand, keys.CopyVersion, keys.CopyAdmin:
		return p.copy(a)
	}
	if i < 0 {
		return nil
	}
	switch a {
	case keys.Enter:
		e := p.all[i]
		return pane.Send(pane.GoTo{Target: pane.Target{Bucket: e.Bucket, Key: safetext.New(strings.TrimSuffix(e.Key.Raw(), "/"))}})
	case keys.Mark:
		p.marks.RemoveMark(p.all[i])
		p.read()
	case keys.Download:
		return pane.Send(browse.Download{Entries: slices.Clone(p.all)})
	case keys.CopyMenu:
		p.copying = true
	}
	return nil
}

// copy requests a text of the copy menu for all marks.
func (p *Page) copy(a keys.Action) tea.Cmd {
	p.copying = false
	if why := p.Why(a); !why.IsZero() {
		return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
	}
	return pane.Send(copymenu.Request{Action: a, Files: p.files()})
}

func (p *Page) files() []copymenu.File {
	out := make([]copymenu.File, len(p.all))
	for i, e := range p.all {
		out[i] = copymenu.File{Bucket: e.Bucket, Key: e.Key, Folder: e.Kind != api.KindObject}
	}
	return out
}

// Why returns the reason that an action is not possible now.
func (p *Page) Why(a keys.Action) safetext.Text {
	if a == keys.OpenSets {
		if len(p.marks.Sets()) == 0 {
			return safetext.New("There are no sets. The key " + p.env.Keys.Shown(keys.Marked, keys.SaveSet) + " saves the marks as one.")
		}
		return safetext.Text{}
	}
	if len(p.all) == 0 && a != keys.Back && a != keys.Parent {
		return safetext.New("There are no marks.")
	}
	return safetext.New(copymenu.Why(a, p.files()))
}

// Handle draws again after a change of the theme, and takes a paste.
func (p *Page) Handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case pane.Restyled:
		p.list.Changed()
	case tea.PasteMsg:
		p.paste(m)
	}
	return nil
}

// Key handles a key press in the field for a name.
func (p *Page) Key(msg tea.KeyPressMsg) tea.Cmd { return p.key(msg, p.marks.SaveSet) }

var _ pane.Pane = (*Page)(nil)
