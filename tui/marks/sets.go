package marks

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/link"
	"usher/client/quantity"
	"usher/tui/browse"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/linear"
	"usher/tui/pane"
	"usher/tui/rows"
)

// Sets are the named sets of marks (*browse.Pane).
type Sets interface {
	Sets() []browse.Set
	SaveSet(name string) (tea.Cmd, error)
	LoadSet(name string) tea.Cmd
	RemoveSet(name string) tea.Cmd
	LoadingSet() string
}

// OpenSets is a message to the root that opens the page of the sets.
type OpenSets struct{}

// SetsPage shows the named sets. See NewSets.
type SetsPage struct {
	pane.NoField
	env   *pane.Env
	sets  Sets
	all   []browse.Set
	list  *rows.List
	nameW int // cells
}

// NewSets returns the page of the sets.
func NewSets(env *pane.Env, sets Sets) *SetsPage {
	p := &SetsPage{env: env, sets: sets}
	p.list = rows.New(setRows{p}, rows.Config{Jump: env.Jump})
	p.list.Focus(true)
	p.read()
	return p
}

func (p *SetsPage) read() {
	p.all = p.sets.Sets()
	p.list.Changed()
}

// setRows is the rows.Source of the page.
type setRows struct{ p *SetsPage }

func (s setRows) Len() int { return len(s.p.all) }

func (s setRows) Need(int, int) tea.Cmd { return nil }

const pathsWidth = 10

func (s setRows) Draw(i, w int, st rows.State) string {
	p, set, t := s.p, s.p.all[i], s.p.env.Theme
	t, mark, name := t.Row(st.Cursor, st.Focus)
	line := mark + t.Fill.Paint("  ") + t.Pad(pane.Name(t, name, set.Name, p.nameW, format.End), p.nameW)
	first := ""
	if len(set.Paths) > 0 {
		first = safetext.Line(set.Paths[0])
	}
	line += t.Muted.Paint("  " + format.PadLeft(quantity.Plural(len(set.Paths), "path", "paths"), pathsWidth) + "  " + format.Middle(first, max(1, w-gutter-p.nameW-4-pathsWidth), t.Glyphs.Ellipsis))
	return t.Pad(line, w)
}

// Title returns the path for row 0.
func (p *SetsPage) Title() []string { return []string{"Marks", "Sets"} }

// Context returns the bindings of the page.
func (p *SetsPage) Context() keys.Context { return keys.Sets }

// View draws the sets, h lines of w cells.
func (p *SetsPage) View(w, h int) string {
	t := p.env.Theme
	p.nameW = min(40, max(8, w/3))
	p.list.Resize(w, h-2)
	head := t.Head("Sets of marks", p.total(), w, true)
	if len(p.all) == 0 {
		return head + "\n" + strings.Join(pane.Center([]string{t.Text.Bold().Paint(noSets), "", t.Keys(w-4, p.env.Keys.Hint(keys.Everywhere, keys.Back, "back"))}, w, h-1), "\n")
	}
	columns := strings.Repeat(" ", gutter) + format.PadRight("Name", p.nameW) + "  " + format.PadLeft("Paths", pathsWidth) + "  First path"
	return head + "\n" + t.Pad(t.Muted.Paint(columns), w) + "\n" + p.list.View()
}

const noSets = "There are no sets."

func (p *SetsPage) total() string {
	if len(p.all) == 0 {
		return ""
	}
	return quantity.Plural(len(p.all), "set", "sets")
}

// Status returns nothing.
func (p *SetsPage) Status(int) (left, right string) { return "", "" }

// Hints returns the keys for the key line.
func (p *SetsPage) Hints() []keys.Action {
	return []keys.Action{keys.Enter, keys.Remove, keys.CopyCommand, keys.Back, keys.Help}
}

// Click implements pane.Clicks.
func (p *SetsPage) Click(_, y int) (tea.Cmd, bool) {
	again, _ := p.list.Click(y - 2) // below head and columns
	return nil, again
}

// Do runs an action.
func (p *SetsPage) Do(a keys.Action) tea.Cmd {
	if p.list.Move(a) {
		return nil
	}
	switch a {
	case keys.Back, keys.Parent:
		return pane.Send(pane.Close{})
	case keys.Reload:
		p.read()
		return nil
	}
	if why := p.Why(a); !why.IsZero() {
		return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
	}
	i := p.list.Cursor()
	if i < 0 {
		return nil
	}
	name := p.all[i].Name.Raw()
	switch a {
	case keys.Enter:
		return tea.Batch(p.sets.LoadSet(name), pane.Send(pane.Close{}))
	case keys.Remove:
		cmd := p.sets.RemoveSet(name)
		p.read()
		return cmd
	case keys.CopyCommand:
		return pane.Send(pane.Copy{Text: safetext.New("usher get --set " + link.Quote(name))})
	}
	return nil
}

// Why returns the reason that an action is not possible now.
func (p *SetsPage) Why(a keys.Action) safetext.Text {
	switch {
	case a != keys.Enter && a != keys.Remove && a != keys.CopyCommand:
	case len(p.all) == 0:
		return safetext.New(noSets)
	case a == keys.Enter && p.sets.LoadingSet() != "":
		return safetext.New("A set is being loaded.")
	}
	return safetext.Text{}
}

// Handle draws again after a change of the theme.
func (p *SetsPage) Handle(msg tea.Msg) tea.Cmd {
	if _, ok := msg.(pane.Restyled); ok {
		p.list.Changed()
	}
	return nil
}

// Words describes the sets.
func (p *SetsPage) Words() linear.Words {
	w := linear.Words{Title: "Sets of marks", Info: linear.Infos(p.total())}
	i := p.list.Cursor()
	if i < 0 {
		w.State = noSets
		return w
	}
	set := p.all[i]
	w.Row = linear.Row{ID: set.Name.Raw(), Text: linear.Position("set", i+1, len(p.all), set.Name.Distinct(), quantity.Plural(len(set.Paths), "path", "paths"))}
	return w
}

var _ pane.Pane = (*SetsPage)(nil)
