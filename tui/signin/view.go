package signin

import (
	"image/color"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/backend/safetext"
	"usher/client/qr"
	"usher/session"
	"usher/tui/format"
	"usher/tui/theme"
)

const (
	blockW = 56 // cells of the form
	labelW = 12
)

// Title returns the path for row 0.
func (p *Page) Title() []string { return []string{"Sign in"} }

// View draws the page, h lines of w cells.
func (p *Page) View(w, h int) string {
	var lines []string
	x := max(1, (w-blockW)/2)
	if p.stage == askSetUp {
		lines = p.setUp(w)
		x = 0
	} else {
		lines = p.form()
		for range max(0, (h-len(lines))/2) {
			lines = append([]string{""}, lines...)
		}
	}
	out := make([]string, h)
	for i := range out {
		if i < len(lines) && lines[i] != "" {
			out[i] = strings.Repeat(" ", max(0, x-1)) + ansi.Truncate(lines[i], w-x, p.Env.Theme.Glyphs.Ellipsis)
		}
	}
	return strings.Join(out, "\n")
}

// form draws the fields of a stage. Each line has one cell for the cursor symbol.
func (p *Page) form() []string {
	t := p.Env.Theme
	host := t.Accent.Bold().Paint("usher") + "  " + t.Muted.Paint(safetext.Line(p.Server))
	if !p.Organisation.IsZero() {
		host += "  " + t.Muted.Paint(p.Organisation.String())
	}
	lines := []string{" " + host, " " + t.Rule.Paint(strings.Repeat(t.Glyphs.Light, blockW-2)), ""}
	head := func(s string) { lines = append(lines, " "+t.Text.Bold().Paint(s), "") }
	switch p.stage {
	case askPassword:
		head("Sign in")
		lines = append(lines, p.row(0, "User", t.Text.Paint(p.user.Shown()))...)
		lines = append(lines, p.row(1, "Password", p.dots(0))...)
	case askNew:
		head("Choose a new password")
		for _, l := range format.Wrap(session.PasswordRules(), blockW-4) {
			lines = append(lines, " "+t.Muted.Paint(l))
		}
		lines = append(lines, "")
		lines = append(lines, p.row(0, "New", p.dots(0))...)
		lines = append(lines, p.row(1, "Again", p.dots(1))...)
	case askCode:
		head("Enter the code from your authenticator app")
		lines = append(lines, p.row(0, "Code", t.Text.Paint(p.code.Value()))...)
	}
	lines = append(lines, p.statusLines(blockW-4)...)
	lines = append(lines, " "+p.keys(blockW-2))
	if p.stage == askPassword {
		lines = append(lines, p.footer()...)
	}
	if p.hint != "" {
		lines = append(lines, "", " "+p.demoHint())
	}
	return lines
}

func (p *Page) demoHint() string {
	t := p.Env.Theme
	return t.Muted.Paint("Demo: the code now is ") + t.Text.Bold().Paint(p.hint)
}

// row draws a field and the line below it.
func (p *Page) row(i int, label, value string) []string {
	t := p.Env.Theme
	sign, lab, rule, line := " ", t.Muted, t.Rule, t.Glyphs.Light
	if p.field == i {
		sign, lab, rule, line = t.Accent.Paint(t.Glyphs.Cursor), t.Text.Bold(), t.Accent, t.Glyphs.Heavy
	}
	return []string{
		sign + lab.Paint(format.PadRight(label, labelW)) + ansi.Truncate(value, blockW-labelW-2, ""),
		" " + strings.Repeat(" ", labelW) + rule.Paint(strings.Repeat(line, blockW-labelW-2)),
	}
}

func (p *Page) dots(i int) string {
	t := p.Env.Theme
	return t.Text.Paint(strings.Repeat(t.Glyphs.Hidden, min(p.secret[i].len(), blockW-labelW-4)))
}

// statusLines draws a failure or the running call, in at least two lines so that
// the lines below do not move.
func (p *Page) statusLines(w int) []string {
	t, lines := p.Env.Theme, []string{""}
	switch {
	case p.busy && !p.good:
		lines = append(lines, " "+t.Muted.Paint("Signing in"+t.Glyphs.Ellipsis))
	case p.say != "":
		s := t.Bad
		if p.good {
			s = t.OK
		}
		for _, l := range format.Wrap(p.say, w) {
			lines = append(lines, " "+s.Paint(l))
		}
	default:
		lines = append(lines, "")
	}
	return append(lines, "")
}

func (p *Page) keys(w int) string {
	pairs := [][2]string{{"enter", "sign in"}}
	switch p.stage {
	case askPassword:
		pairs = append(pairs, [2]string{"tab", "next field"})
		if len(p.Demo) > 0 {
			pairs = append(pairs, [2]string{p.Env.Theme.Glyphs.Down, "account"})
		}
		pairs = append(pairs, [2]string{"ctrl+c", "quit"})
	case askNew:
		pairs = [][2]string{{"enter", "save"}, {"tab", "next field"}, {"esc", "start over"}}
	default:
		pairs = append(pairs, [2]string{"esc", "start over"})
	}
	return p.Env.Theme.Keys(w, pairs...)
}

// footer draws the demo accounts, or a note on the use of the password.
func (p *Page) footer() []string {
	t := p.Env.Theme
	if len(p.Demo) == 0 {
		return []string{"", " " + t.Muted.Paint("Your password is checked without being sent,"),
			" " + t.Muted.Paint("and it is not stored on this machine.")}
	}
	lines := []string{"", " " + t.Muted.Paint("Demo accounts on this machine")}
	for i, a := range p.Demo {
		sign := " "
		if i == p.demo {
			sign = t.Accent.Paint(t.Glyphs.Cursor)
		}
		lines = append(lines, sign+t.Text.Paint(format.PadRight(a.User, 10))+" "+
			t.Text.Paint(format.PadRight(a.Password, 22))+" "+t.Muted.Paint(format.End(a.About, 36, t.Glyphs.Ellipsis)))
	}
	return lines
}

// setUp draws the authenticator's secret as text, and as a QR code if the terminal
// has colors.
func (p *Page) setUp(w int) []string {
	t := p.Env.Theme
	code := p.qr()
	x := 2
	if code != nil {
		x = ansi.StringWidth(code[0]) + 4
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
		lines[i] = left + strings.Repeat(" ", max(0, x-ansi.StringWidth(left))) + right
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

// qr draws the set-up address in the terminal's colors. Without colors there is no
// code.
func (p *Page) qr() []string {
	t := p.Env.Theme
	if t.Profile <= colorprofile.ASCII || t.ASCII {
		return nil
	}
	complete := lipgloss.Complete(t.Profile)
	black := complete(lipgloss.ANSIColor(0), lipgloss.ANSIColor(16), color.Black)
	white := complete(lipgloss.ANSIColor(15), lipgloss.ANSIColor(231), color.White)
	code, err := qr.Draw(p.step.URI.Reveal(), ansi.Style{}.ForegroundColor(black).BackgroundColor(white).String())
	if err != nil {
		return nil // the secret is shown as text
	}
	return code
}

// Cursor is the position of the text cursor in a View of w by h cells.
func (p *Page) Cursor(w, h int) *tea.Cursor {
	if p.busy {
		return nil
	}
	var n int
	if f := p.text(); f != nil {
		n = f.Cells()
	} else {
		n = min(p.hidden().len(), blockW-labelW-4)
	}
	for y, l := range strings.Split(ansi.Strip(p.View(w, h)), "\n") {
		if i := strings.Index(l, p.Env.Theme.Glyphs.Cursor+p.label()); i >= 0 {
			x := format.Width(l[:i]) + 1 + labelW
			if p.stage == askSetUp {
				x = format.Width(l[:i]) + 1 + len("Code  ")
			}
			return tea.NewCursor(x+n, y)
		}
	}
	return nil
}

func (p *Page) label() string {
	switch p.stage {
	case askPassword:
		return [...]string{"User", "Password"}[p.field]
	case askNew:
		return [...]string{"New", "Again"}[p.field]
	}
	return "Code"
}
