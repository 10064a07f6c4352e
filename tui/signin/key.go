package signin

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/tui/pane"
)

// Key handles a key press. Enter, tab, esc, up and down control the form; all other
// keys are text.
func (p *Page) Key(msg tea.KeyPressMsg) tea.Cmd {
	switch msg.String() {
	case "enter":
		return p.submit()
	case "esc":
		if p.stage != askPassword || p.busy {
			p.leave()
			p.say, p.field = "", 1
		}
		return nil
	case "tab", "shift+tab":
		if p.fields() > 1 {
			p.field = 1 - p.field
		}
		return nil
	case "down", "up":
		p.fill(msg.String() == "down")
		return nil
	}
	if p.busy {
		return nil
	}
	p.say = ""
	if f := p.text(); f != nil {
		if p.stage != askPassword && msg.Text != "" && strings.Trim(msg.Text, "0123456789") != "" {
			return nil
		}
		f.Take(msg)
		if p.stage != askPassword && len(f.Value()) == 6 && msg.Text != "" {
			return p.submit() // the sixth digit needs no enter
		}
		return nil
	}
	p.hidden().key(msg)
	return nil
}

// fields returns the number of fields of the stage.
func (p *Page) fields() int {
	if p.stage == askPassword || p.stage == askNew {
		return 2
	}
	return 1
}

// fill fills in the next or previous demo account.
func (p *Page) fill(next bool) {
	n := len(p.Demo)
	if n == 0 || p.stage != askPassword || p.busy {
		return
	}
	if next {
		p.demo = (p.demo + 1) % n
	} else {
		p.demo = (max(p.demo, 0) + n - 1) % n
	}
	p.user.Set(p.Demo[p.demo].User)
	p.secret[0].zero()
	p.secret[0].insert(p.Demo[p.demo].Password)
	p.field, p.say = 1, ""
}

// text returns the active field if it is a plain one.
func (p *Page) text() *pane.Field {
	switch {
	case p.stage == askPassword && p.field == 0:
		return &p.user
	case p.stage == askSetUp || p.stage == askCode:
		return &p.code
	}
	return nil
}

// hidden returns the active field if it is a hidden one.
func (p *Page) hidden() *secret {
	if p.stage == askNew {
		return &p.secret[p.field]
	}
	return &p.secret[0]
}

func (p *Page) paste(s string) {
	if p.busy {
		return
	}
	s = strings.TrimRight(s, "\r\n")
	if f := p.text(); f != nil {
		if p.stage != askPassword {
			s = strings.Map(func(r rune) rune {
				if r < '0' || r > '9' {
					return -1
				}
				return r
			}, s)
		}
		f.Take(tea.PasteMsg{Content: s})
		return
	}
	p.hidden().insert(s)
}
