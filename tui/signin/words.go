package signin

import (
	"strings"

	"usher/backend/safetext"
	"usher/tui/linear"
)

// Words describes the stage. A hidden text has no words.
func (p *Page) Words() linear.Words {
	title, note := p.heading()
	w := linear.Words{Title: title + ", usher at " + linear.Join(safetext.Line(p.Server), p.Organisation.String()), State: p.status()}
	if p.over {
		return w
	}
	if note != "" {
		w.Text = append(w.Text, note)
	}
	switch p.stage {
	case askPassword:
		if len(p.Demo) == 0 && p.native() {
			w.Text = append(w.Text, "Your password is checked without being sent, and it is not stored on this machine.")
		}
		for _, a := range p.Demo {
			w.Text = append(w.Text, "Demo account: "+linear.Join(a.User, prefixed("password ", a.Password), a.About))
		}
	case askSetUp:
		w.Title = "Set up your second factor"
		w.Text = append(w.Text, "1. Type this secret into an authenticator app: "+strings.Join(inFours(p.step.Secret.Reveal(), linear.Width), " "), "2. Enter the six digits that it shows.")
	case askBrowser:
		p.browserWords(&w)
	}
	if p.hint != "" {
		w.Text = append(w.Text, "Demo: the code now is "+p.hint)
	}
	p.focusWords(&w)
	if p.stage != askBrowser {
		w.Keys = strings.ReplaceAll(linear.Hints(p.pairs()), p.Env.Theme.Glyphs.Down, "down")
	}
	return w
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// focusWords describes the field or the row with the focus.
func (p *Page) focusWords(w *linear.Words) {
	if p.busy {
		return
	}
	fields, rows := p.fields(), p.rows()
	switch i := p.focus - len(fields); {
	case i < 0:
		f := p.active()
		w.Field = linear.Field{Label: f.label, Hidden: f.hidden != nil}
		if f.text != nil {
			w.Field.Value = f.text.Shown()
		}
		if p.stage == askPassword && p.demo >= 0 && p.user.Value() == p.Demo[p.demo].User {
			a := p.Demo[p.demo]
			w.Row = linear.Row{ID: a.User, Text: linear.Position("demo account", p.demo+1, len(p.Demo), a.User, a.About, "enter signs in")}
		}
	case i < len(rows):
		w.Row = linear.Row{ID: rows[i].label, Text: linear.Position("choice", i+1, len(rows), rows[i].label)}
	}
}

// browserWords describes the stage of a browser.
func (p *Page) browserWords(w *linear.Words) {
	w.Title, w.Keys = "Sign in with a browser", "esc start over"
	if p.browser == nil {
		w.State = "Contacting the server"
		return
	}
	if p.shown.Tunnel != "" {
		w.Text = append(w.Text, "This is an SSH session. On the computer with your browser, run this first and leave it running: "+safetext.Line(p.shown.Tunnel))
	}
	if p.shown.Address != "" {
		w.Text = append(w.Text, "Open this address in a browser: "+safetext.Line(p.shown.Address))
	}
	if p.shown.Code != "" {
		w.Text = append(w.Text, "Enter this code there: "+strings.Join(strings.Split(safetext.Line(p.shown.Code), ""), " "))
	}
	if !p.busy || !p.good {
		w.State = "Waiting for the browser"
	}
	if p.say != "" {
		w.State = p.say
	}
}
