package access

import (
	"cmp"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/tui/dialog"
	"usher/tui/format"
	"usher/tui/linear"
	"usher/tui/pane"
	"usher/tui/theme"
)

// title returns the title of the box.
func (d *reply) title() string {
	if d.approve {
		return "Approve a request"
	}
	return "Decline a request"
}

// about returns the request in lines. The page shows long texts in full.
func (d *reply) about() []dialog.Line {
	r := d.request
	lines := []dialog.Line{{Label: "Person", Text: r.user.String()}, {Label: "Path", Text: dialog.Excerpt(r.at.Text().Distinct(), d.ellipsis)}}
	if !r.reason.IsZero() {
		lines = append(lines, dialog.Line{Label: "Wrote", Text: dialog.Excerpt(r.reason.Distinct(), d.ellipsis)})
	}
	return append(lines, dialog.Line{})
}

// choices are the keys and their effects.
func (d *reply) choices() [][2]string {
	switch d.stage {
	case checking, sending:
		return [][2]string{{"esc", "cancel"}}
	case confirming:
		return [][2]string{{"y", "approve"}, {"esc", "back"}}
	case filing:
		return [][2]string{{"y", "copy the line"}, {"esc", "close"}}
	}
	if !d.approve {
		return [][2]string{{"enter", "decline"}, {"esc", "cancel"}}
	}
	keys := [][2]string{{"enter", "check"}, {"tab", "next field"}}
	if d.field() == nil && len(d.request.groups) > 1 {
		keys = append(keys, [2]string{"right", "another group"})
	}
	return append(keys, [2]string{"esc", "cancel"})
}

const replyText = "The person sees the reason, and the audit log has the answer."

// note returns the sentence of a pending call.
func (d *reply) note() string {
	return map[stage]string{checking: "Checking", sending: "Sending"}[d.stage]
}

// View draws the box.
func (d *reply) View(t *theme.Theme, w, _ int) string {
	bw := min(dialog.Width, w-4)
	p, inner := t.On(theme.Panel), bw-6
	lines := append([]string{""}, dialog.Draw(p, d.about(), inner)...)
	if d.stage == confirming || d.stage == filing {
		lines = append(lines, dialog.Draw(p, d.facts, inner)...)
		return t.Box(d.title(), append(append(lines, ""), p.KeyRows(inner, d.choices()...)...), bw)
	}
	for i, x := range d.parts {
		at := 1 + len(lines)
		line, col := d.partLine(p, x, i == d.focus, inner)
		if i == d.focus {
			d.x, d.y = 3+col, at
		}
		lines = append(lines, line)
	}
	lines = append(append(lines, ""), dialog.Draw(p, []dialog.Line{{Text: replyText, Tone: dialog.Quiet}}, inner)...)
	switch {
	case d.stage.waits():
		lines = append(lines, "", p.Muted.Paint(d.note()+p.Glyphs.Ellipsis))
	case len(d.wrong) > 0:
		lines = append(lines, "")
		for _, l := range d.wrong {
			lines = append(lines, dialog.Draw(p, []dialog.Line{{Text: l, Tone: dialog.Bad}}, inner)...)
		}
	}
	lines = append(append(lines, ""), p.KeyRows(inner, d.choices()...)...)
	return t.Box(d.title(), lines, bw)
}

// partLine draws a row of the form.
func (d *reply) partLine(p *theme.Theme, x part, focus bool, w int) (string, int) {
	const label = 8
	switch x {
	case timePart:
		return dialog.FieldLine(p, "Time", label, &d.time, focus, w)
	case reasonPart:
		return dialog.FieldLine(p, "Reason", label, &d.reason, focus, w)
	}
	style := p.Muted
	if focus {
		style = p.Accent.Bold()
	}
	more := ""
	if n := len(d.request.groups); n > 1 {
		more = fmt.Sprintf("  %d of %d", d.group+1, n)
	}
	name := pane.Name(p, p.Text, d.shownGroup(), max(1, w-label-format.Width(more)), format.End)
	return style.Paint(format.PadRight("Group", label)) + name + p.Muted.Paint(more), label
}

// shownGroup returns the name of the chosen group, for display.
func (d *reply) shownGroup() safetext.Text {
	if g := d.chosen(); !g.IsZero() {
		return g
	}
	return safetext.New("none")
}

// Cursor returns the position of the text cursor.
func (d *reply) Cursor() *tea.Cursor {
	if d.stage != typing || d.field() == nil {
		return nil
	}
	return tea.NewCursor(d.x, d.y)
}

// Words describes the dialog.
func (d *reply) Words() linear.Words {
	w := linear.Words{Title: d.title(), Keys: linear.Hints(d.choices()), State: cmp.Or(strings.Join(d.wrong, " "), d.note()), Choice: d.stage == confirming || d.stage == filing}
	lines := d.about()
	if w.Choice {
		lines = append(lines, d.facts...)
	} else {
		w.Text = append(w.Text, replyText)
	}
	for _, l := range lines {
		if l.Text != "" {
			w.Text = append(w.Text, linear.Plain(l.Label+" "+l.Text))
		}
	}
	if d.stage != typing {
		return w
	}
	switch d.parts[d.focus] {
	case timePart:
		w.Field = linear.Field{Label: "Time", Value: d.time.Shown()}
	case groupPart:
		w.Row = linear.Row{ID: "group" + d.shownGroup().String(), Text: linear.Position("group", d.group+1, max(1, len(d.request.groups)), d.shownGroup().String())}
	default:
		w.Field = linear.Field{Label: "Reason", Value: d.reason.Shown()}
	}
	return w
}
