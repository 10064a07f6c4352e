package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/cells"
	"usher/client/quantity"
	"usher/tui/dialog"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
)

func line(s string) string { return safetext.Line(s) }

func (m *Model) small() bool { return m.w < leastWidth || m.h < leastHeight }

// View draws the whole window.
func (m *Model) View() tea.View {
	v := tea.NewView("")
	v.AltScreen = true
	v.WindowTitle = "usher"
	if title, bar := m.transfers.Window(); title != "" {
		v.WindowTitle = "usher " + title
		if m.deps.Taskbar {
			v.ProgressBar = bar
		}
	}
	switch {
	case m.w == 0:
		return v
	case m.small():
		v.Content = tooSmall(m.env.Theme, m.w, m.h, m.transfers.Strip())
		return v
	case !m.session.phase.browsing():
		v.Content, v.Cursor = m.signInView()
	default:
		v.Content, v.Cursor = m.pageView()
	}
	if d := m.dialogs.front(); d != nil {
		over(&v, m.env.Theme, d, m.w, m.h)
	}
	terminal(&v, m.deps.Still, m.deps.Mouse)
	return v
}

// terminal sets the chosen properties of the terminal. Bubble Tea resets them at the
// end and for a suspension.
func terminal(v *tea.View, still, mouse bool) {
	if v.Cursor != nil && still {
		v.Cursor.Blink = false
	}
	if mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
}

// over draws a dialog over the window.
func over(v *tea.View, t *theme.Theme, d dialog.Dialog, w, h int) {
	box, cut := dialog.Fit(d.View(t, w, h), h)
	x, y := dialog.Position(box, w, h)
	v.Content = dialog.Over(t, t.Behind(v.Content), box, w, h)
	v.Cursor = nil
	if c := d.Cursor(); c != nil && c.Y > cut {
		v.Cursor = tea.NewCursor(x+c.X, y+c.Y-cut)
	}
}

func (m *Model) signInView() (string, *tea.Cursor) {
	h := m.h - 1
	page := m.signin.View(m.w, h)
	foot := ""
	if m.deps.Version != "" {
		foot = "usher " + line(m.deps.Version)
	}
	t := m.env.Theme
	strip := format.Fit(m.w, m.transfers.Strip()...)
	return page + "\n" + format.Ends(strip, t.Muted.Paint(foot+" "), m.w, t.Glyphs.Ellipsis), m.signin.Cursor(m.w, h)
}

// pageView draws row 0, the page in front, the dock in a tall window, the status
// line and the key line.
func (m *Model) pageView() (string, *tea.Cursor) {
	page := m.front()
	h, dock := m.h-3, 0
	if m.h >= 44 && len(m.stack) == 0 {
		dock = m.transfers.DockHeight()
	}
	parts := []string{m.top(), page.View(m.w, h-dock)}
	if dock > 0 {
		parts = append(parts, m.transfers.Dock(m.w, dock))
	}
	parts = append(parts, m.status(), " "+keyLine(m.env, page, m.w-2, m.noHint))
	cursor := page.Cursor()
	if cursor != nil {
		cursor.Y++
	}
	return strings.Join(parts, "\n"), cursor
}

// top draws row 0: product, path, person.
func (m *Model) top() string {
	t, me := m.env.Theme, m.env.Me
	dot, style := t.Glyphs.Online, t.OK
	if !me.Online {
		dot, style = t.Glyphs.Offline, t.Warn
	}
	right := ""
	if !me.Name.IsZero() || !me.Online {
		right = style.Paint(dot) + t.Muted.Paint(" "+format.End(me.Name.String(), 24, t.Glyphs.Ellipsis))
	}
	if note := m.requestsNote(); note != "" {
		right += "  " + t.Accent.Paint(note)
	}
	if m.w >= 110 {
		right += t.Muted.Paint(m.groups()) + t.Muted.Paint("  "+format.End(line(m.deps.Server), 32, t.Glyphs.Ellipsis))
	}
	if m.w >= 170 && me.Bound > 0 {
		right += t.Muted.Paint(fmt.Sprintf("   removed access ends within %d s", me.Bound))
	}
	room := m.w - 2 - cells.Width(right) - len("usher  ") - 2
	left := t.Accent.Bold().Paint("usher") + "  " + place(t, m.front().Title(), room)
	return " " + format.Ends(left, right, m.w-2, t.Glyphs.Ellipsis) + " "
}

// requestsNote returns the number of open requests for access, for admins; "" without
// any, and for others.
func (m *Model) requestsNote() string {
	n := m.env.Me.OpenRequests
	if n == 0 || !m.hasPage(keys.OpenAccess) {
		return ""
	}
	return quantity.Plural(n, "request", "requests")
}

// groups returns the first group and the number of others; all groups in a wide window.
func (m *Model) groups() string {
	g := m.env.Me.Groups
	if len(g) == 0 {
		return ""
	}
	if m.w < 170 {
		s := "  " + format.End(g[0].String(), 24, m.env.Theme.Glyphs.Ellipsis)
		if len(g) > 1 {
			s += fmt.Sprintf(" +%d", len(g)-1)
		}
		return s
	}
	names := make([]string, len(g))
	for i := range g {
		names[i] = g[i].String()
	}
	return "   groups " + format.End(strings.Join(names, ", "), 50, m.env.Theme.Glyphs.Ellipsis) + " "
}

// place draws the path of the page, truncated at its start.
func place(t *theme.Theme, parts []string, w int) string {
	if len(parts) == 0 {
		return ""
	}
	last := format.Middle(parts[len(parts)-1], max(8, w), t.Glyphs.Ellipsis)
	sep := " " + t.Glyphs.Sep + " "
	before := strings.Join(parts[:len(parts)-1], sep)
	if before == "" {
		return t.Text.Bold().Paint(last)
	}
	before = format.Start(before+sep, w-format.Width(last), t.Glyphs.Ellipsis)
	return t.Muted.Paint(before) + t.Text.Bold().Paint(last)
}

// status draws the line above the keys: the last sentence, else the status of the
// page. The transfers on the right are always there: a long sentence is truncated.
func (m *Model) status() string {
	t, w := m.env.Theme, m.w-2
	left, right := m.front().Status(m.w)
	strip := m.transfers.Strip()
	if m.front() == pane.Pane(m.transfers) {
		strip = nil
	}
	room := w
	if len(strip) > 0 {
		room -= 2 + format.Width(strip[len(strip)-1])
	}
	if !m.env.Me.Online {
		left, right = format.Fit(room, m.away()...), ""
	}
	if !m.say.Text.IsZero() {
		left = pane.Name(t, m.say.Tone.Style(t), sentences(m.say.Text, room), w, format.End)
	}
	if !m.log.finding.IsZero() {
		left = pane.Name(t, pane.Bad.Style(t), sentences(m.log.finding, room), w, format.End)
	}
	if strip != nil {
		right = format.Fit(w-2-format.Width(left), strip...)
		left = cells.Truncate(left, w-2-format.Width(right), t.Glyphs.Ellipsis)
	}
	return " " + format.Ends(left, right, w, t.Glyphs.Ellipsis) + " "
}

// sentences returns the sentences of a text that fit in w cells, at least the first.
func sentences(text safetext.Text, w int) safetext.Text {
	raw := text.Raw()
	for format.Width(text.Distinct()) > w {
		end := strings.LastIndex(strings.TrimSuffix(raw, "."), ". ")
		if end < 0 {
			return text
		}
		raw = raw[:end+1]
		text = safetext.New(raw)
	}
	return text
}

// away returns the failure to reach the server and the time of the next call, longest
// form first.
func (m *Model) away() []string {
	t := m.env.Theme
	next := "trying now"
	if m.session.contact == retryDue {
		next = "next try in " + quantity.Remaining(m.session.wait)
	}
	sign, now := t.Warn.Paint(t.Glyphs.Offline+" "), ""
	if h := m.env.Keys.Hints(m.front().Context(), keys.Reload); len(h) > 0 {
		now = t.Muted.Paint("  ") + t.Keys(m.w, [2]string{h[0][0], "now"})
	}
	short := sign + t.Warn.Paint(next)
	return []string{
		sign + t.Warn.Paint(m.session.lost.String()) + t.Muted.Paint("  "+next) + now,
		sign + t.Warn.Paint("No connection") + t.Muted.Paint("  "+next) + now,
		short + now, short,
	}
}

// keyLine draws the keys of the page in front, from the same table as the bindings.
// The key of the help has its room before all others.
func keyLine(env *pane.Env, page pane.Pane, w int, leftOut func(keys.Action) bool) string {
	hints, help := keyPairs(env, page, leftOut)
	if help[0] == "" {
		return env.Theme.Keys(w, hints...)
	}
	last := env.Theme.Keys(w, help)
	line := env.Theme.Keys(w-2-format.Width(last), hints...)
	if line != "" {
		line += "  "
	}
	return line + last
}

// keyPairs returns the keys of the page in front, and the key of the help. In a text
// field, letters are text: the keys are those of the field.
func keyPairs(env *pane.Env, page pane.Pane, leftOut func(keys.Action) bool) (hints [][2]string, help [2]string) {
	if page.Typing() {
		fields, _ := page.(pane.Fields)
		if fields == nil {
			return [][2]string{{"enter", "accept"}, {"esc", "cancel"}, {"ctrl+u", "empty"}}, help
		}
		return fields.FieldKeys(), help
	}
	labels, _ := page.(pane.Labels)
	for _, a := range page.Hints() {
		if leftOut(a) {
			continue
		}
		for _, h := range env.Keys.Hints(page.Context(), a) {
			if labels != nil {
				if now := labels.Label(a); now != "" {
					h[1] = now
				}
			}
			if a == keys.Help {
				help = h
				continue
			}
			hints = append(hints, h)
		}
	}
	return hints, help
}

// noHint reports whether the key line omits an action.
func (m *Model) noHint(a keys.Action) bool {
	return m.needsGroup(a) && (!m.hasPage(a) || !m.whyClosed(a).IsZero())
}

// tooSmall draws the message of a window that is too small, with the transfers.
func tooSmall(t *theme.Theme, w, h int, strip []string) string {
	lines := []string{"", " " + t.Accent.Bold().Paint("usher"), ""}
	add := func(s theme.Style, text string) {
		for _, l := range format.Wrap(text, max(1, w-2)) {
			lines = append(lines, " "+s.Paint(l))
		}
	}
	add(t.Text.Bold(), fmt.Sprintf("This window is %dx%d. usher needs %dx%d or more.", w, h, leastWidth, leastHeight))
	lines = append(lines, "")
	add(t.Text, "Make it larger, or zoom the tmux pane with prefix z.")
	if strip != nil {
		lines = append(lines, "", " "+cells.Truncate(format.Fit(w-2, strip...), max(0, w-2), ""))
	}
	for len(lines) < h-1 {
		lines = append(lines, "")
	}
	lines = lines[:max(0, min(len(lines), h-1))]
	return strings.Join(append(lines, " "+t.Keys(w-2, [2]string{"q", "quit"}, [2]string{"ctrl+z", "suspend"})), "\n")
}
