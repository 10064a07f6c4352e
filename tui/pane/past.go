package pane

import (
	"slices"

	"charm.land/bubbles/v2/textinput"
)

// Past is what was typed into a text field earlier.
type Past struct {
	texts []string // the last one at the end
	at    int      // in texts; len(texts): what is being typed
}

// pastMost is how many texts are remembered.
const pastMost = 20

// Begin is called when the field opens.
func (p *Past) Begin() { p.at = len(p.texts) }

// Add remembers a text, once.
func (p *Past) Add(text string) {
	p.texts = append(slices.DeleteFunc(p.texts, func(s string) bool { return s == text }), text)
	p.texts = p.texts[max(0, len(p.texts)-pastMost):]
}

// Recall puts an earlier or a later text into the field; after the last one an
// empty one.
func (p *Past) Recall(field *textinput.Model, earlier bool) {
	to := p.at + 1
	if earlier {
		to = p.at - 1
	}
	if to < 0 || to > len(p.texts) {
		return
	}
	p.at = to
	text := ""
	if to < len(p.texts) {
		text = p.texts[to]
	}
	field.SetValue(text)
	field.CursorEnd()
}
