package pane

import (
	"slices"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/tui/format"
)

// Field is a line of text that a person types, with the texts entered before
// it. The zero Field is not usable; see NewField.
type Field struct {
	input textinput.Model
	past  []string // the last one at the end
	at    int      // in past; len(past): the text being typed
}

// pastMost is how many earlier texts a field remembers.
const pastMost = 20

// NewField makes an empty field for at most limit letters; 0 is no limit.
func NewField(limit int) Field {
	f := Field{input: textinput.New()}
	f.input.SetVirtualCursor(false)
	f.input.Prompt = ""
	f.input.CharLimit = limit
	f.input.Focus()
	return f
}

// Open begins with a value, behind the last of the earlier texts.
func (f *Field) Open(value string) {
	f.at = len(f.past)
	f.Set(value)
}

// Set replaces the value and puts the cursor at its end. Control characters
// are dropped, so Value may differ from value.
func (f *Field) Set(value string) {
	f.input.SetValue(value)
	f.input.CursorEnd()
}

// Value is the text as it was typed. It is not safe to print; see Shown.
func (f *Field) Value() string { return f.input.Value() }

// Take gives a key press or a paste to the field.
func (f *Field) Take(msg tea.Msg) { f.input, _ = f.input.Update(msg) }

// Insert puts a text at the cursor.
func (f *Field) Insert(text string) {
	before, after := f.Before(), f.After()
	f.Set(before + text + after)
	f.MoveTo(len(before) + len(text))
}

// MoveTo puts the cursor behind the first n bytes of the value.
func (f *Field) MoveTo(n int) {
	v := f.Value()
	f.input.SetCursor(len([]rune(v[:max(0, min(n, len(v)))])))
}

// Before is the text before the cursor, After the rest; neither is safe to
// print.
func (f *Field) Before() string { return string([]rune(f.Value())[:f.position()]) }

// After is the text from the cursor on.
func (f *Field) After() string { return string([]rune(f.Value())[f.position():]) }

func (f *Field) position() int { return min(f.input.Position(), len([]rune(f.Value()))) }

// Shown is the value, safe to print.
func (f *Field) Shown() string { return safetext.Line(f.Value()) }

// Cells is the width of Shown before the cursor.
func (f *Field) Cells() int { return format.Width(safetext.Line(f.Before())) }

// Window is the first cell of a shown text that room cells show, so that the
// cursor, which has cells before it, is among them.
func Window(cells, room int) int { return max(0, cells-max(1, room)+1) }

// Keep adds the value to the earlier texts, once.
func (f *Field) Keep() {
	text := f.Value()
	f.past = append(slices.DeleteFunc(f.past, func(s string) bool { return s == text }), text)
	f.past = f.past[max(0, len(f.past)-pastMost):]
}

// Recall goes to the earlier or the later text; after the last one comes an
// empty one.
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
