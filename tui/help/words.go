package help

import (
	"strings"

	"usher/tui/linear"
)

// Words are the keys that match, one line for a group.
func (k *Keys) Words() linear.Words {
	w := linear.Words{Title: k.title, Keys: "/ find a key, esc close"}
	if k.typing {
		w.Field = linear.Field{Label: "Find a key", Value: k.field.Shown()}
	}
	for _, g := range k.groups {
		var pairs [][2]string
		for _, b := range g.Bindings {
			if k.matches(b) {
				pairs = append(pairs, [2]string{strings.Join(b.Keys, " or "), b.Label})
			}
		}
		if len(pairs) > 0 {
			w.Text = append(w.Text, g.Name+": "+linear.Hints(pairs)+".")
		}
	}
	if len(w.Text) == 0 {
		w.State = "No key matches"
	}
	return w
}

// Words are the command under the cursor and the typed text.
func (p *Palette) Words() linear.Words {
	w := linear.Words{Title: "Commands", Field: linear.Field{Label: "Command or path", Value: p.field.Shown()}, Keys: "type a part of the name, down next, enter run, esc close"}
	switch {
	case p.isPath():
		w.State = "enter goes to the path"
	case p.at >= len(p.found):
		w.State = "No command matches"
	default:
		c := p.all[p.found[p.at].command]
		key := ""
		if c.Key != "" && !c.Place {
			key = "key " + c.Key
		}
		off := ""
		if !c.Off.IsZero() {
			off = "not possible now: " + c.Off.String()
		}
		w.Row = linear.Row{ID: c.Name, Text: linear.Position("command", p.at+1, len(p.found), c.Name, c.Note, key, off)}
	}
	return w
}
