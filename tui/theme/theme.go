package theme

import (
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/client/cells"
)

// Options describe the terminal. The zero value is a light terminal without colors
// and with a full font.
type Options struct {
	Profile colorprofile.Profile // Ascii or less: no color at all
	Dark    bool
	ASCII   bool // draw with ASCII symbols of the same width
}

// Ground is the background of a text.
type Ground int

const (
	Page        Ground = iota // the terminal's own background
	Selected                  // the cursor row of the pane with the focus
	SelectedDim               // the cursor row of another pane
	Panel                     // a dialog
	grounds
)

// Theme holds the tokens on one ground. On returns the tokens on another.
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
	Dimmed Style // the page behind a dialog; need not be readable
	Fill   Style // the ground itself: pads a row to its width

	on [grounds]*Theme
}

// On returns the tokens on a ground.
func (t *Theme) On(g Ground) *Theme {
	if t.on[g] == nil {
		return t
	}
	return t.on[g]
}

// Cursor returns the ground of the cursor row in a pane with or without the focus.
func Cursor(focus bool) Ground {
	if focus {
		return Selected
	}
	return SelectedDim
}

// Row returns the theme of a row of a list, its first cell, which shows the cursor, and
// the style of its main text. focus is that of the list.
func (t *Theme) Row(cursor, focus bool) (on *Theme, sign string, text Style) {
	if !cursor {
		return t, t.Fill.Paint(" "), t.Text
	}
	on = t.On(Cursor(focus))
	return on, on.Accent.Paint(on.Glyphs.Cursor), on.Text.Bold()
}

// token is one color for dark and light at three depths: hex, 256 and 16 colors.
// Of the 16 colors, -1 is the terminal's own text color and -2 reverses.
type token struct {
	dark, light       string
	dark256, light256 int
	dark16, light16   int
}

const (
	none    = -1
	reverse = -2
)

func (k token) resolve(o Options) (color.Color, bool) {
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

// New returns the theme for a terminal.
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
	c, rev := k.resolve(o)
	return style(nil, c, rev)
}

func tokensOn(o Options, bg Style, g Ground) *Theme {
	ink := func(k token) Style {
		c, _ := k.resolve(o)
		if bg.reverse {
			c = nil // a reversed row has one pair of colors, readable in any palette
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

// Style paints text. The zero value does not change it.
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

// Bold returns the style in bold.
func (s Style) Bold() Style { s.bold = true; return s.made() }

// Underline returns the style with underline.
func (s Style) Underline() Style { s.underline = true; return s.made() }

// Reverse returns the style with foreground and background swapped.
func (s Style) Reverse() Style { s.reverse = true; return s.made() }

// Paint returns a text in the style.
func (s Style) Paint(text string) string {
	if s.open == "" || text == "" {
		return text
	}
	return s.open + text + ansi.ResetStyle
}

// Foreground returns the text color, nil for the terminal's own.
func (s Style) Foreground() color.Color { return s.fg }

// Background returns the background color, nil for the terminal's own.
func (s Style) Background() color.Color { return s.bg }

// Pad pads a painted line with the ground to w cells, or truncates it.
func (t *Theme) Pad(line string, w int) string {
	n := cells.Width(line)
	switch {
	case n > w:
		return cells.Truncate(line, w, "")
	case n < w:
		return line + t.Fill.Paint(strings.Repeat(" ", w-n))
	}
	return line
}

// Behind returns a page dimmed, as it is drawn behind a dialog.
func (t *Theme) Behind(page string) string {
	lines := strings.Split(ansi.Strip(page), "\n")
	for i, l := range lines {
		lines[i] = t.Dimmed.Paint(strings.TrimRight(l, " "))
	}
	return strings.Join(lines, "\n")
}
