package signin

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/session"
	"usher/tui/pane"
)

// field is one field of a form. One of text and hidden is set.
type field struct {
	label  string
	text   *pane.Field
	hidden *secret
	digits bool
}

// fields returns the fields of the stage.
func (p *Page) fields() []field {
	user := field{label: "User", text: &p.user}
	password := field{label: "Password", hidden: &p.secret[0]}
	code := field{label: "Code", text: &p.code, digits: true}
	twice := []field{{label: "New", hidden: &p.secret[0]}, {label: "Again", hidden: &p.secret[1]}}
	switch p.stage {
	case askPassword:
		if !p.native() {
			return nil
		}
		return []field{user, password}
	case askNumber:
		return []field{{label: "Number", text: &p.code, digits: true}}
	case askUser, askForgotten:
		return []field{user}
	case askProof:
		return []field{password}
	case askNew:
		var list []field
		for i, name := range p.step.Attributes {
			list = append(list, field{label: session.AttributeText(name), text: &p.plain[i]})
		}
		return append(list, twice...)
	case askReset:
		return append([]field{code}, twice...)
	case askEmail:
		return []field{{label: "Mail", text: &p.plain[0]}}
	case askCode, askSetUp:
		return []field{code}
	}
	return nil
}

// active returns the field with the focus; the zero field if a row has it.
func (p *Page) active() field {
	if list := p.fields(); p.focus < len(list) {
		return list[p.focus]
	}
	return field{}
}

// Key handles a key press. Enter, tab, esc, up and down control the form; all other
// keys are text.
func (p *Page) Key(msg tea.KeyPressMsg) tea.Cmd { return p.and(p.key(msg)) }

func (p *Page) key(msg tea.KeyPressMsg) tea.Cmd {
	switch msg.String() {
	case "enter":
		return p.submit()
	case "esc":
		if p.stage == askRemember { // the sign-in is stored
			return p.done()
		}
		if p.storing() {
			return nil
		}
		if p.stage != askPassword || p.busy {
			p.leave()
			p.say = ""
		}
		return nil
	case "tab":
		p.move(1)
		return nil
	case "shift+tab":
		p.move(-1)
		return nil
	case "down", "up":
		p.vertical(msg.String() == "down")
		return nil
	}
	if p.stage == askBrowser {
		return p.browserKey(msg.String())
	}
	f := p.active()
	if p.busy {
		return nil
	}
	p.say = ""
	switch {
	case f.hidden != nil:
		f.hidden.key(msg)
	case f.text != nil:
		if f.digits && msg.Text != "" && strings.Trim(msg.Text, "0123456789") != "" {
			return nil
		}
		f.text.Take(msg)
		if p.stage == askNumber && len(f.text.Value()) == numberDigits && msg.Text != "" {
			return p.submit()
		}
		if least := p.step.Code.Least; (p.stage == askCode || p.stage == askSetUp) && least == p.step.Code.Most && len(f.text.Value()) == least && msg.Text != "" {
			return p.submit() // the last digit needs no enter
		}
	}
	return nil
}

// move moves the focus among fields and rows, around the end.
func (p *Page) move(by int) {
	if n := len(p.fields()) + len(p.rows()); n > 0 && !p.busy {
		p.focus = (p.focus + by + n) % n
	}
}

// vertical fills in a demo account while a field of the first stage has the
// focus, and moves the focus elsewhere.
func (p *Page) vertical(down bool) {
	switch {
	case p.stage == askPassword && len(p.Demo) > 0 && p.focus < len(p.fields()):
		p.fill(down)
	case down:
		p.move(1)
	default:
		p.move(-1)
	}
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
	p.focus, p.say = 1, ""
}

func (p *Page) paste(s string) {
	f := p.active()
	if p.busy {
		return
	}
	s = strings.TrimRight(s, "\r\n")
	switch {
	case f.hidden != nil:
		f.hidden.insert(s)
	case f.text != nil:
		if f.digits {
			s = strings.Map(func(r rune) rune {
				if r < '0' || r > '9' {
					return -1
				}
				return r
			}, s)
		}
		f.text.Take(tea.PasteMsg{Content: s})
	}
}
