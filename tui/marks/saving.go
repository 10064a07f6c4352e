package marks

import (
	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/tui/linear"
	"usher/tui/pane"
)

// saving is the field for the name of a set.
type saving struct {
	field  pane.Field
	opened bool
}

const (
	setName = 40 // characters; places.Fits has the rule
	prompt  = "save as the set: "
)

func newSaving() saving { return saving{field: pane.NewField(setName)} }

func (s *saving) open() {
	s.opened = true
	s.field.Open("")
}

// Typing implements pane.Pane.
func (s *saving) Typing() bool { return s.opened }

// FieldKeys implements pane.Fields.
func (s *saving) FieldKeys() [][2]string {
	return [][2]string{{"enter", "save"}, {"esc", "cancel"}, {"ctrl+u", "empty"}}
}

// key handles a key press. A name that save refuses stays in the field.
func (s *saving) key(msg tea.KeyPressMsg, save func(name string) (tea.Cmd, error)) tea.Cmd {
	switch msg.String() {
	case "esc":
		s.opened = false
	case "ctrl+u":
		s.field.Set("")
	case "enter":
		cmd, err := save(s.field.Value())
		if err != nil {
			return pane.Send(pane.Say{Text: safetext.New("Set: " + err.Error() + "."), Tone: pane.Bad})
		}
		s.opened = false
		return cmd
	default:
		s.field.Take(msg)
	}
	return nil
}

func (s *saving) paste(msg tea.PasteMsg) {
	if s.opened {
		s.field.Take(msg)
	}
}

// heading returns the text of the head.
func (s *saving) heading(otherwise string) string {
	if s.opened {
		return prompt + s.field.Shown() + " "
	}
	return otherwise
}

// Cursor implements pane.Pane.
func (s *saving) Cursor() *tea.Cursor {
	if !s.opened {
		return nil
	}
	return tea.NewCursor(1+len(prompt)+s.field.Cells(), 0)
}

func (s *saving) words() linear.Field {
	if !s.opened {
		return linear.Field{}
	}
	return linear.Field{Label: "Name of the set", Value: s.field.Shown()}
}
