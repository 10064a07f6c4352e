package dialog

import (
	"usher/backend/safetext"
	"usher/tui/format"
	"usher/tui/pane"
	"usher/tui/theme"
)

// FieldLine draws a text field with its label in w cells. A text that is too long shows
// the part around the text cursor. It returns the column of the cursor in the line.
func FieldLine(p *theme.Theme, label string, labelW int, f *pane.Field, focus bool, w int) (line string, x int) {
	before, after := safetext.Line(f.Before()), safetext.Line(f.After())
	room, style := w-labelW-1, p.Muted
	before = format.Start(before, room, p.Glyphs.Ellipsis)
	after = format.End(after, room-format.Width(before), p.Glyphs.Ellipsis)
	if focus {
		style = p.Accent.Bold()
	}
	return style.Paint(format.PadRight(label, labelW)) + p.Text.Underline().Paint(format.PadRight(before+after, w-labelW)), labelW + format.Width(before)
}
