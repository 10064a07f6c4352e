package signin

import tea "charm.land/bubbletea/v2"

// Waited is the message after three seconds of a call.
func Waited(p *Page) tea.Msg { return waited{p.gen} }
