// Package theme holds every color and sign that the full-screen program
// draws, and the three ornaments that all panes share: the head of a pane,
// the bar and the dialog box.
//
// A Theme is one value made by New from the facts of the terminal: color
// depth, light or dark, and whether its font may be trusted with more than
// ASCII. Each token is written out at three depths, because the nearest match
// that a color library finds is unreadable for several of them. Under
// NO_COLOR (colorprofile.ASCII) only bold, underline and reverse remain;
// nothing is ever said by color alone.
//
//	t := theme.New(theme.Options{Profile: colorprofile.TrueColor, Dark: true})
//	row := t.On(theme.Selected)        // the same tokens over the cursor row
//	s := row.Text.Paint("report.pdf") + row.Muted.Paint("  4.21 MB")
//
// Panes hold the *Theme they were given and drop their cached strings when a
// pane.Restyled message follows.
//
// The package paints strings that are already safe to print: untrusted text
// comes as the String of a safetext.Text.
package theme

import (
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
)

// Options is the facts of the terminal. The zero value is a light
// terminal without colors and with a full font.
type Options struct {
	Profile colorprofile.Profile // Ascii or less: no color at all
	Dark    bool
	ASCII   bool // draw with ASCII signs of the same width
}

// Ground is the background of a text.
type Ground int

const (
	Page        Ground = iota // the terminal's own background
	Selected                  // the cursor row of the pane with the keys
	SelectedDim               // the cursor row of another pane
	Panel                     // a dialog
	grounds
)

// Theme is the tokens on one ground. On gives the same tokens on another.
type Theme struct {
	Options
	Glyphs Glyphs

	Text   Style // names, values
	Muted  Style // labels, dates; as Text on the selected row
	Accent Style // focus, folders, running
	OK     Style // done, verified, allowed
	Warn   Style // paused, offline
	Bad    Style // failed, denied
	Mark   Style // marked files
	Rule   Style // lines and the empty part of bars; never text
	Dimmed Style // the page behind a dialog; not meant to be read
	Fill   Style // the ground itself: pads a row to its width

	on [grounds]*Theme
}

// On gives the tokens as they look on a ground.
func (t *Theme) On(g Ground) *Theme {
	if t.on[g] == nil {
		return t
	}
	return t.on[g]
}

// Cursor is the ground of the cursor row in a pane with or without the keys.
func Cursor(focus bool) Ground {
	if focus {
		return Selected
	}
	return SelectedDim
}

// token is one color at the three depths, for dark and light: hex, 256, 16.
// A 16 of -1 is the terminal's own text color, -2 reverses.
type token struct {
	dark, light       string
	dark256, light256 int
	dark16, light16   int
}

const (
	none    = -1
	reverse = -2
)

func (k token) colour(o Options) (color.Color, bool) {
	hex, c256, c16 := k.light, k.light256, k.light16
	if o.Dark {
		hex, c256, c16 = k.dark, k.dark256, k.dark16
	}
	if o.Profile <= colorprofile.ASCII {
		return nil, c16 == reverse
	}
	var basic color.Color
	if c16 >= 0 {
		basic = lipgloss.ANSIColor(c16)
	}
	c := lipgloss.Complete(o.Profile)(basic, lipgloss.ANSIColor(c256), lipgloss.Color(hex))
	return c, o.Profile == colorprofile.ANSI && c16 == reverse
}

// New makes the theme for a terminal.
func New(o Options) *Theme {
	base := tokensOn(o, Style{}, Page)
	sel := ground(o, token{"#22394b", "#d3e6f3", 237, 254, reverse, reverse})
	dim := ground(o, token{"#262c35", "#e6e8ea", 236, 255, none, none})
	panel := ground(o, token{"#1d2229", "#f1efe9", 235, 255, none, none})
	all := [grounds]*Theme{base, tokensOn(o, sel, Selected), tokensOn(o, dim, SelectedDim), tokensOn(o, panel, Panel)}
	for _, t := range all {
		t.on = all
	}
	return base
}

func ground(o Options, k token) Style {
	c, rev := k.colour(o)
	return style(nil, c, rev)
}

func tokensOn(o Options, bg Style, g Ground) *Theme {
	ink := func(k token) Style {
		c, _ := k.colour(o)
		if bg.reverse {
			c = nil // one readable pair on a reversed row, whatever the palette is
		}
		return style(c, bg.bg, bg.reverse)
	}
	t := &Theme{
		Options: o,
		Glyphs:  glyphs(o.ASCII),
		Text:    ink(token{"#dce1e8", "#1e252e", 253, 235, none, none}),
		Muted:   ink(token{"#9aa5b4", "#566070", 248, 59, none, none}),
		Accent:  ink(token{"#78c2ec", "#0b6396", 117, 24, 14, 4}),
		OK:      ink(token{"#8fce9b", "#22703a", 114, 22, 10, 2}),
		Warn:    ink(token{"#e8bd6d", "#855600", 179, 58, 11, none}),
		Bad:     ink(token{"#f2938c", "#b3261e", 210, 124, 9, 1}),
		Mark:    ink(token{"#c4adf2", "#6a3fb5", 183, 55, 13, 5}),
		Rule:    ink(token{"#3a424e", "#c8ccd2", 240, 252, 8, 7}),
		Dimmed:  ink(token{"#6b7685", "#8d95a0", 243, 246, 8, 8}),
		Fill:    bg,
	}
	if g == Selected {
		t.Muted = t.Text
	}
	return t
}

// Style paints text. The zero value leaves it as it is.
type Style struct {
	fg, bg                   color.Color
	bold, underline, reverse bool
	open                     string // the SGR sequence, made once
}

func style(fg, bg color.Color, rev bool) Style {
	return Style{fg: fg, bg: bg, reverse: rev}.made()
}

func (s Style) made() Style {
	var a ansi.Style
	if s.bold {
		a = a.Bold()
	}
	if s.underline {
		a = a.Underline(true)
	}
	if s.reverse {
		a = a.Reverse(true)
	}
	if s.fg != nil {
		a = a.ForegroundColor(s.fg)
	}
	if s.bg != nil {
		a = a.BackgroundColor(s.bg)
	}
	s.open = ""
	if len(a) > 0 {
		s.open = a.String()
	}
	return s
}

// Bold is the style with bold letters.
func (s Style) Bold() Style { s.bold = true; return s.made() }

// Underline is the style with a line below.
func (s Style) Underline() Style { s.underline = true; return s.made() }

// Reverse is the style with foreground and background swapped.
func (s Style) Reverse() Style { s.reverse = true; return s.made() }

// Paint puts a text into the style.
func (s Style) Paint(text string) string {
	if s.open == "" || text == "" {
		return text
	}
	return s.open + text + ansi.ResetStyle
}

// Foreground is the color of the letters, nil for the terminal's own.
func (s Style) Foreground() color.Color { return s.fg }

// Background is the color below the letters, nil for the terminal's own.
func (s Style) Background() color.Color { return s.bg }

// Pad fills a painted line with the ground up to w cells, and cuts it there.
func (t *Theme) Pad(line string, w int) string {
	n := ansi.StringWidth(line)
	switch {
	case n > w:
		return ansi.Truncate(line, w, "")
	case n < w:
		return line + t.Fill.Paint(strings.Repeat(" ", w-n))
	}
	return line
}

// Behind redraws a page as it looks behind a dialog: no longer meant to be read.
func (t *Theme) Behind(page string) string {
	lines := strings.Split(ansi.Strip(page), "\n")
	for i, l := range lines {
		lines[i] = t.Dimmed.Paint(strings.TrimRight(l, " "))
	}
	return strings.Join(lines, "\n")
}
