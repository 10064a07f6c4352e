package signin

import (
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/client/cells"
	"usher/client/qr"
	"usher/tui/format"
	"usher/tui/theme"
)

// setUp draws the authenticator's secret as text, and as a QR code if the terminal
// has colors.
func (p *Page) setUp(w int) []string {
	t := p.Env.Theme
	code := p.qr(p.step.URI.Reveal())
	x := 2
	if code != nil {
		x = cells.Width(code[0]) + 4
	}
	side := w - x - 1
	var text []string
	add := func(s theme.Style, sentence string) {
		for _, l := range format.Wrap(sentence, side) {
			text = append(text, s.Paint(l))
		}
	}
	text = append(text, t.Text.Bold().Paint("Set up your second factor"), "")
	if code != nil {
		add(t.Text, "1  Scan this with an authenticator app, or type its secret there:")
	} else {
		add(t.Text, "1  Type this secret into an authenticator app:")
	}
	text = append(text, "")
	for _, l := range inFours(p.step.Secret.Reveal(), side) {
		text = append(text, t.Text.Bold().Paint(l))
	}
	text = append(text, "")
	add(t.Text, "2  Enter the six digits that it shows:")
	text = append(text, "", t.Accent.Paint(t.Glyphs.Cursor)+t.Text.Bold().Paint("Code  ")+t.Text.Paint(p.code.Value()),
		"       "+t.Accent.Paint(strings.Repeat(t.Glyphs.Heavy, 8)))
	for _, l := range p.statusLines(side) {
		text = append(text, strings.TrimPrefix(l, " "))
	}
	text = append(text, p.keys(side))
	if p.hint != "" {
		text = append(text, "", p.demoHint())
	}
	return beside(code, text, x)
}

// beside draws a text beside a QR code, at x cells.
func beside(code, text []string, x int) []string {
	lines := make([]string, max(len(code), len(text)+1))
	for i := range lines {
		left := ""
		if i < len(code) {
			left = " " + code[i]
		}
		right := ""
		if i > 0 && i-1 < len(text) {
			right = text[i-1]
		}
		lines[i] = left + strings.Repeat(" ", max(0, x-cells.Width(left))) + right
	}
	return lines
}

// inFours splits a secret into groups of four letters, as authenticator apps do.
func inFours(s string, w int) []string {
	var groups []string
	for len(s) > 4 {
		groups, s = append(groups, s[:4]), s[4:]
	}
	return format.Wrap(strings.Join(append(groups, s), " "), w)
}

// qr draws an address in the terminal's colors. Without colors there is no
// code.
func (p *Page) qr(address string) []string {
	t := p.Env.Theme
	if t.Profile <= colorprofile.ASCII || t.ASCII {
		return nil
	}
	complete := lipgloss.Complete(t.Profile)
	black := complete(lipgloss.ANSIColor(0), lipgloss.ANSIColor(16), color.Black)
	white := complete(lipgloss.ANSIColor(15), lipgloss.ANSIColor(231), color.White)
	code, err := qr.Draw(address, ansi.Style{}.ForegroundColor(black).BackgroundColor(white).String())
	if err != nil {
		return nil // the secret is shown as text
	}
	return code
}
