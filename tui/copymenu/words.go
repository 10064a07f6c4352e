package copymenu

import "usher/tui/linear"

// Words is the text with its notes.
func (p *Page) Words() linear.Words {
	return linear.Words{Title: p.r.Title, Info: linear.Infos(p.note()), Text: linear.PlainLines([]string{p.content(1 << 16)})}
}
