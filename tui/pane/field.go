package pane

import (
	"slices"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/cells"
	"usher/tui/format"
)

// Field is a text field of one line, with a history of entered texts. The zero
// Field is not usable; see NewField.
type Field struct {
	input textinput.Model
	past  []string // oldest first
	at    int      // index in past; len(past) is the current text
}

// pastMost is the largest number of texts in the history.
const pastMost = 20

// NewField returns an empty field for at most limit characters; 0 is no limit.
func NewField(limit int) Field {
	f := Field{input: textinput.New()}
	f.input.SetVirtualCursor(false)
	f.input.Prompt = ""
	f.input.CharLimit = limit
	f.input.Focus()
	return f
}

// Open sets the value and moves to the end of the history.
func (f *Field) Open(value string) {
	f.at = len(f.past)
	f.Set(value)
}

// Set replaces the value and moves the cursor to its end. Control characters are
// removed, so Value may differ from value.
func (f *Field) Set(value string) {
	f.input.SetValue(value)
	f.input.CursorEnd()
}

// Value returns the typed text. It is not safe to print; see Shown.
func (f *Field) Value() string { return f.input.Value() }

// Take handles a key press or a paste.
func (f *Field) Take(msg tea.Msg) { f.input, _ = f.input.Update(msg) }

// Insert adds a text at the cursor.
func (f *Field) Insert(text string) {
	before, after := f.Before(), f.After()
	f.Set(before + text + after)
	f.MoveTo(len(before) + len(text))
}

// MoveTo moves the cursor behind the first n bytes of the value.
func (f *Field) MoveTo(n int) {
	v := f.Value()
	f.input.SetCursor(len([]rune(v[:max(0, min(n, len(v)))])))
}

// Before returns the text before the cursor. It is not safe to print.
func (f *Field) Before() string { return string([]rune(f.Value())[:f.position()]) }

// After returns the text from the cursor on. It is not safe to print.
func (f *Field) After() string { return string([]rune(f.Value())[f.position():]) }

func (f *Field) position() int { return min(f.input.Position(), len([]rune(f.Value()))) }

// Shown returns the value, safe to print.
func (f *Field) Shown() string { return safetext.Line(f.Value()) }

// Cells returns the width of Shown before the cursor.
func (f *Field) Cells() int { return format.Width(safetext.Line(f.Before())) }

// Window returns the first visible cell of a text that scrolls in room cells, so
// that a cursor with the given number of cells before it is visible.
func Window(cells, room int) int { return max(0, cells-max(1, room)+1) }

// Visible returns the part of Shown that has room in room cells, and the cell of the
// cursor in it.
func (f *Field) Visible(room int) (text string, cursor int) {
	left := Window(f.Cells(), room)
	return cells.Cut(f.Shown(), left, left+max(1, room)), f.Cells() - left
}

// History replaces the history, oldest text first.
func (f *Field) History(past []string) {
	f.past = slices.Clone(past)
	f.at = len(f.past)
}

// Recalling reports whether the value is a text of the history, unchanged.
func (f *Field) Recalling() bool { return f.at < len(f.past) && f.past[f.at] == f.Value() }

// Keep adds the value to the history. An equal text moves to the end.
func (f *Field) Keep() {
	text := f.Value()
	f.past = append(slices.DeleteFunc(f.past, func(s string) bool { return s == text }), text)
	f.past = f.past[max(0, len(f.past)-pastMost):]
}

// Recall replaces the value by the earlier or later text of the history. After
// the last one the field is empty.
func (f *Field) Recall(earlier bool) {
	to := f.at + 1
	if earlier {
		to = f.at - 1
	}
	if to < 0 || to > len(f.past) {
		return
	}
	f.at = to
	text := ""
	if to < len(f.past) {
		text = f.past[to]
	}
	f.Set(text)
}
