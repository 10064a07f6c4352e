package dialog

import "usher/tui/linear"

// Words are the lines and the choices of the question.
func (a *Question) Words() linear.Words {
	w := linear.Words{Title: a.Title, Choice: true}
	for _, l := range a.Lines {
		if l.Tone != Rule && l.Text != "" {
			w.Text = append(w.Text, linear.Plain(l.Label+" "+l.Text))
		}
	}
	var pairs [][2]string
	for _, c := range a.Choices {
		if c.Label != "" {
			pairs = append(pairs, [2]string{c.Keys[0], c.Label})
		}
	}
	w.Keys = linear.Hints(pairs)
	return w
}
