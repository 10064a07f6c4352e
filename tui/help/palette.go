package help

import (
	"cmp"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/sahilm/fuzzy"

	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/pane"
	"usher/tui/theme"
)

// Command is one line of the palette.
type Command struct {
	Name string        // "Download marked files"
	Note string        // "3 files, 1.02 GB"
	Key  string        // for display
	Off  safetext.Text // the reason that it is not possible now; empty if it is
	Run  tea.Cmd       // nil if off
	// Place is the path of a folder, as its Name. It is a line only for a query.
	Place bool
}

// Path is how a palette handles a typed path. Both may be nil.
type Path struct {
	Open     func(path string) tea.Cmd
	Complete func(path string) tea.Cmd // closes the palette
}

// Palette is a dialog that runs a command by its name, or opens a typed path.
type Palette struct {
	all   []Command
	path  Path
	field pane.Field
	found []match
	at    int
}

type match struct {
	command int
	letters []int
	rank    rank
}

// rank is how well a command matches. A better match is before one that is possible
// now: a person types the name of a command to run it, or to learn why it is off.
type rank uint8

const (
	wholeWord rank = iota // a word of the name begins with the query
	part                  // the name contains the query
	scattered             // the name has its letters, in order
)

// NewPalette returns a palette.
func NewPalette(all []Command, path Path) *Palette {
	p := &Palette{all: all, path: path, field: pane.NewField(200)}
	p.find()
	return p
}

func (p *Palette) find() {
	p.found, p.at = p.found[:0], 0
	query := strings.TrimSpace(p.field.Value())
	if query == "" {
		for i := range p.all {
			if !p.all[i].Place {
				p.found = append(p.found, match{command: i})
			}
		}
	} else {
		names := make([]string, len(p.all))
		for i, c := range p.all {
			names[i] = c.Name
		}
		for _, m := range fuzzy.Find(query, names) {
			found := match{m.Index, m.MatchedIndexes, scattered}
			if at := strings.Index(strings.ToLower(m.Str), strings.ToLower(query)); at >= 0 {
				found.rank, found.letters = part, nil
				if at == 0 || m.Str[at-1] == ' ' || m.Str[at-1] == '/' {
					found.rank = wholeWord
				}
				for i := range len(query) {
					found.letters = append(found.letters, at+i)
				}
			}
			p.found = append(p.found, found)
		}
	}
	slices.SortStableFunc(p.found, func(a, b match) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), off(p.all[a.command])-off(p.all[b.command]))
	})
}

func off(c Command) int {
	if !c.Off.IsZero() {
		return 1
	}
	return 0
}

// isPath reports whether the text is a path, not the name of a command.
func (p *Palette) isPath() bool {
	return p.path.Open != nil && strings.Contains(p.field.Value(), "/")
}

// Key handles every key press.
func (p *Palette) Key(msg tea.KeyPressMsg) (bool, tea.Cmd) {
	if msg.String() == "tab" && p.isPath() && p.path.Complete != nil {
		return true, p.path.Complete(p.field.Value())
	}
	switch msg.String() {
	case "esc":
		return true, nil
	case "down", "ctrl+n", "tab":
		p.at = min(p.at+1, max(0, len(p.found)-1))
	case "up", "ctrl+p", "shift+tab":
		p.at = max(p.at-1, 0)
	case "enter":
		if p.isPath() {
			return true, p.path.Open(p.field.Value())
		}
		if p.at < len(p.found) {
			c := p.all[p.found[p.at].command]
			if !c.Off.IsZero() {
				return true, pane.Send(pane.Say{Text: safetext.New(c.Name + ": " + c.Off.Raw()), Tone: pane.Warning})
			}
			return true, c.Run
		}
	default:
		p.field.Take(msg)
		p.find()
	}
	return false, nil
}

// Handle handles a paste.
func (p *Palette) Handle(msg tea.Msg) tea.Cmd {
	if m, ok := msg.(tea.PasteMsg); ok {
		p.field.Take(m)
		p.find()
	}
	return nil
}

// shown returns the number of lines that can match the query.
func (p *Palette) shown() int {
	n := 0
	for _, c := range p.all {
		if !c.Place || strings.TrimSpace(p.field.Value()) != "" {
			n++
		}
	}
	return n
}

// Cursor returns the position of the cursor in the text field.
func (p *Palette) Cursor() *tea.Cursor {
	return tea.NewCursor(3+len(": ")+p.field.Cells(), 2)
}

// View draws the box.
func (p *Palette) View(t *theme.Theme, w, h int) string {
	bw := min(w-4, 76)
	k, inner := t.On(theme.Panel), bw-6
	count := quantity.Count(len(p.found)) + " of " + quantity.Count(p.shown())
	typed := k.Accent.Paint(": ") + k.Text.Bold().Paint(p.field.Shown())
	lines := []string{"", k.Pad(typed, inner-len(count)) + k.Muted.Paint(count), k.Rule.Paint(strings.Repeat(k.Glyphs.Light, inner))}
	room := max(4, min(14, h-12))
	top := max(0, min(p.at-room/2, len(p.found)-room))
	for i := top; i < min(len(p.found), top+room); i++ {
		lines = append(lines, p.row(t, p.found[i], i == p.at && !p.isPath(), inner))
	}
	switch {
	case p.isPath():
		lines = append(lines[:3], k.Accent.Paint(k.Glyphs.Cursor)+k.Text.Paint("go to "+format.Start(p.field.Shown(), inner-8, k.Glyphs.Ellipsis)))
	case len(p.found) == 0:
		lines = append(lines, k.Text.Paint("No command matches."))
	}
	for len(lines) < room+3 {
		lines = append(lines, "")
	}
	below := ""
	if more := len(p.found) - top - room; more > 0 && !p.isPath() {
		below = k.Muted.Paint(" " + k.Glyphs.Down + " " + quantity.Count(more) + " more")
	}
	lines = append(lines, below)
	if p.at < len(p.found) && !p.isPath() {
		if why := p.all[p.found[p.at].command].Off; !why.IsZero() {
			for _, l := range format.Wrap(why.String(), inner-1) {
				lines = append(lines, " "+k.Warn.Paint(l))
			}
		}
	}
	hints := [][2]string{{"enter", "run"}, {"esc", "close"}, {"type a path", "to go there"}}
	if p.isPath() {
		hints = [][2]string{{"enter", "go there"}, {"tab", "complete"}, {"esc", "close"}}
	}
	lines = append(lines, k.Keys(inner, hints...))
	return t.Box("Commands", lines, bw)
}

func (p *Palette) row(t *theme.Theme, m match, cursor bool, w int) string {
	c, k := p.all[m.command], t.On(theme.Panel)
	g := k.Fill.Paint(" ")
	if cursor {
		k = t.On(theme.Selected)
		g = k.Accent.Paint(k.Glyphs.Cursor)
	}
	name := k.Text
	if !c.Off.IsZero() {
		name = k.Muted
	}
	if cursor {
		name = name.Bold()
	}
	var ranges [][]int
	for _, i := range m.letters {
		ranges = append(ranges, []int{i, i + 1})
	}
	line := g + pane.Ranges(name, name.Underline(), c.Name, ranges)
	right, style := c.Key, k.Text.Bold()
	if !c.Off.IsZero() {
		right, style = format.End(c.Off.String(), w/2, k.Glyphs.Ellipsis), k.Warn
	}
	if c.Note != "" && c.Off.IsZero() {
		line += k.Muted.Paint("  " + c.Note)
	}
	return k.Pad(line, w-1-format.Width(right)) + style.Paint(right) + k.Fill.Paint(" ")
}
