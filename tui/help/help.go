// Package help has the two dialogs for keys and commands. Keys shows the bindings
// of the present pane, with a search. Palette runs a command by its name, or shows
// the reason that it is not possible. Both use the table of package keys.
package help

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
)

// Keys is the help of one context.
type Keys struct {
	title  string
	groups []keys.Group
	field  pane.Field
	typing bool
	top    int
}

// NewKeys returns the help of a context. The function left reports the actions to
// omit, such as pages that the person may not open.
func NewKeys(title string, m keys.Map, c keys.Context, left func(keys.Action) bool) *Keys {
	k := &Keys{title: title, field: pane.NewField(200)}
	for _, g := range m.Groups(c) {
		out := keys.Group{Name: g.Name}
		for _, b := range g.Bindings {
			if left == nil || !left(b.Action) {
				out.Bindings = append(out.Bindings, b)
			}
		}
		if len(out.Bindings) > 0 {
			k.groups = append(k.groups, out)
		}
	}
	return k
}

// Key handles every key press.
func (k *Keys) Key(msg tea.KeyPressMsg) (bool, tea.Cmd) {
	if k.typing {
		switch msg.String() {
		case "esc":
			k.typing = false
			k.field.Set("")
		case "enter":
			k.typing = false
		default:
			k.field.Take(msg)
		}
		k.top = 0
		return false, nil
	}
	switch msg.String() {
	case "/":
		k.typing = true
	case "j", "down":
		k.top++
	case "k", "up":
		k.top = max(0, k.top-1)
	case "pgdown", "ctrl+d", "space":
		k.top += 8
	case "pgup", "ctrl+u":
		k.top = max(0, k.top-8)
	case "esc":
		if k.field.Value() != "" {
			k.field.Set("")
			return false, nil
		}
		return true, nil
	case "?", "q", "enter":
		return true, nil
	}
	return false, nil
}

// Handle handles a paste.
func (k *Keys) Handle(msg tea.Msg) tea.Cmd {
	if m, ok := msg.(tea.PasteMsg); ok && k.typing {
		k.field.Take(m)
	}
	return nil
}

// Cursor returns the position of the cursor in the search field.
func (k *Keys) Cursor() *tea.Cursor {
	if !k.typing {
		return nil
	}
	return tea.NewCursor(3+len("/ ")+k.field.Cells(), 2)
}

// View draws the box, with as many columns of groups as fit.
func (k *Keys) View(t *theme.Theme, w, h int) string {
	bw := min(w-4, 110)
	p, inner := t.On(theme.Panel), min(w-4, 110)-6
	cols := max(1, inner/34)
	colW := inner / cols
	blocks := k.blocks(p, colW-2)
	lines := flow(blocks, cols, colW, p)
	foot := []string{p.Rule.Paint(strings.Repeat(p.Glyphs.Light, inner)), signs(p, inner)}
	head := []string{""}
	if k.typing || k.field.Value() != "" {
		head = append(head, p.Accent.Paint("/ ")+p.Text.Bold().Paint(k.field.Shown()), "")
	}
	room := max(3, h-2-len(head)-len(foot)-4)
	more := ""
	if len(lines) > room {
		k.top = min(k.top, len(lines)-room)
		more = "j k scroll"
		lines = lines[k.top : k.top+room]
	} else {
		k.top = 0
	}
	if len(lines) == 0 {
		lines = []string{p.Text.Paint("No key matches.")}
	}
	all := append(head, lines...)
	all = append(all, foot...)
	pairs := [][2]string{{"/", "find a key"}, {"esc", "close"}}
	if more != "" {
		pairs = append(pairs, [2]string{"j k", "scroll"})
	}
	all = append(all, "", p.Keys(inner, pairs...))
	return t.Box(k.title, all, bw)
}

// matches reports whether a key matches the search.
func (k *Keys) matches(b keys.Binding) bool {
	query := strings.ToLower(k.field.Value())
	return query == "" || strings.Contains(strings.ToLower(b.Label+" "+b.Long+" "+strings.Join(b.Keys, " ")), query)
}

// blocks returns the lines of each group.
func (k *Keys) blocks(p *theme.Theme, w int) [][]string {
	const keyW = 15
	var out [][]string
	for _, g := range k.groups {
		var lines []string
		for _, b := range g.Bindings {
			shown := strings.Join(b.Keys, " ")
			if format.Width(shown) >= keyW {
				shown = b.Shown()
			}
			if !k.matches(b) {
				continue
			}
			lines = append(lines, p.Text.Bold().Paint(format.PadRight(shown, keyW))+p.Muted.Paint(format.End(b.Label, w-keyW, p.Glyphs.Ellipsis)))
		}
		if len(lines) > 0 {
			out = append(out, append([]string{p.Accent.Bold().Paint(g.Name)}, lines...))
		}
	}
	return out
}

// flow arranges blocks in columns of about the same height.
func flow(blocks [][]string, cols, colW int, p *theme.Theme) []string {
	total := 0
	for _, b := range blocks {
		total += len(b) + 1
	}
	target := (total + cols - 1) / cols
	columns := make([][]string, 1, cols)
	for _, b := range blocks {
		at := len(columns) - 1
		if len(columns[at]) > 0 && len(columns[at])+len(b) > target+2 && len(columns) < cols {
			columns = append(columns, nil)
			at++
		}
		if len(columns[at]) > 0 {
			columns[at] = append(columns[at], "")
		}
		columns[at] = append(columns[at], b...)
	}
	height := 0
	for _, c := range columns {
		height = max(height, len(c))
	}
	lines := make([]string, height)
	for y := range lines {
		for _, c := range columns {
			cell := ""
			if y < len(c) {
				cell = c[y]
			}
			lines[y] += p.Pad(cell, colW)
		}
	}
	return lines
}

// signs draws the legend of the symbols beside rows, as much as fits.
func signs(p *theme.Theme, w int) string {
	g := p.Glyphs
	line := ""
	for _, s := range []struct {
		style theme.Style
		sign  string
		word  string
	}{{p.Accent, g.Cursor, "cursor"}, {p.Mark, g.Mark, "marked"}, {p.OK, g.Yes, "done and verified"}, {p.Accent, g.Down, "running"},
		{p.Warn, g.Paused, "paused"}, {p.Bad, g.No, "failed or denied"}, {p.Accent, "name/", "folder"}} {
		next := s.style.Paint(s.sign) + p.Muted.Paint(" "+s.word)
		if line != "" {
			next = p.Fill.Paint("  ") + next
		}
		if format.Width(line)+format.Width(next) > w {
			break
		}
		line += next
	}
	return line
}
