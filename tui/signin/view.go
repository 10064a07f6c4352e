package signin

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"usher/backend/safetext"
	"usher/client/cells"
	"usher/session"
	"usher/tui/format"
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
	switch p.stage {
	case askSetUp:
		lines = p.setUp(w)
		x = 0
	case askBrowser:
		if p.shown.Code != "" {
			lines, x = p.deviceLines(w), 0
			break
		}
		lines = append([]string{""}, p.browserLines(w)...)
		x = 2
	default:
		lines = p.form(h)
		for range max(0, (h-len(lines))/2) {
			lines = append([]string{""}, lines...)
		}
	}
	out := make([]string, h)
	for i := range out {
		if i < len(lines) && lines[i] != "" {
			out[i] = strings.Repeat(" ", max(0, x-1)) + cells.Truncate(lines[i], w-x, p.Env.Theme.Glyphs.Ellipsis)
		}
	}
	return strings.Join(out, "\n")
}

// form draws the fields of a stage in h lines if possible. Each line has one cell
// for the cursor symbol. In a low window the fields have no line below, and then
// only the fields around the focus are shown: status and keys always are.
func (p *Page) form(h int) []string {
	t := p.Env.Theme
	title, note := p.heading()
	head := append(p.header(blockW-2), " "+t.Text.Bold().Paint(title), "")
	var below []string
	if note != "" {
		for _, l := range format.Wrap(note, blockW-4) {
			below = append(below, " "+t.Muted.Paint(l))
		}
		below = append(below, "")
	}
	var fields []string
	for i, f := range p.fields() {
		fields = append(fields, p.row(i, f)...)
	}
	tail := append(p.rowLines(), p.statusLines(blockW-4)...)
	tail = append(tail, " "+p.keys(blockW-2))
	if room := h - len(head) - len(tail); len(below)+len(fields) > room {
		fields = p.lowFields()
		if len(below)+len(fields) > room {
			below = nil
		}
		fields = around(fields, p.focus, max(1, room))
	}
	lines := slices.Concat(head, below, fields, tail)
	if p.stage == askPassword {
		lines = append(lines, p.footer(h-len(lines))...)
	}
	if p.hint != "" {
		lines = append(lines, "", " "+p.demoHint())
	}
	return lines
}

// lowFields draws the fields without the lines below them.
func (p *Page) lowFields() []string {
	var lines []string
	for i, f := range p.fields() {
		lines = append(lines, p.row(i, f)[0])
	}
	return lines
}

// around returns at most n lines, with the line at among them.
func around(lines []string, at, n int) []string {
	if len(lines) <= n {
		return lines
	}
	from := min(max(at-n/2, 0), len(lines)-n)
	return lines[from : from+n]
}

// heading returns the title of a stage, and a note below it.
func (p *Page) heading() (title, note string) {
	switch p.stage {
	case askUser:
		return "Sign in with a code", "The code goes to the verified mail address or phone number of your account."
	case askForgotten:
		return "Forgot your password?", "A code goes to the verified mail address of your account. With it you set a new password."
	case askNew:
		return "Choose a new password", p.step.Rules
	case askReset:
		return "Set a new password", p.step.Rules
	case askChoice:
		return "Choose how to continue", ""
	case askEmail:
		return "Set up codes by mail", "A code is sent to this address now, and at each sign-in."
	case askProof:
		return "Enter your password", ""
	case askRemember:
		return "Remember this machine?", "Then your sign-ins on this machine need no second factor. Choose no on a machine that others use."
	case askNumber:
		return "Enter the number on the page", "The page in your browser shows six digits now. Nobody else may ask you for them."
	case askCode:
		return p.codeHeading()
	}
	return "Sign in", ""
}

func (p *Page) codeHeading() (title, note string) {
	source := p.step.Code
	if !source.Sent() {
		return "Enter the code from your authenticator app", ""
	}
	by := "by mail"
	if source.Medium == session.SMS {
		by = "by SMS"
	}
	if source.To.IsZero() {
		return "Enter the code that you got " + by, ""
	}
	return "Enter the code that you got " + by, "It was sent to " + source.To.String() + "."
}

// rowLines draws the rows of the stage.
func (p *Page) rowLines() []string {
	t, n := p.Env.Theme, len(p.fields())
	rows := p.rows()
	if len(rows) == 0 {
		return nil
	}
	var lines []string
	if n > 0 {
		lines = append(lines, "")
	}
	for i, r := range rows {
		sign, style := " ", t.Muted
		if p.focus == n+i {
			sign, style = t.Accent.Paint(t.Glyphs.Cursor), t.Text.Bold()
		}
		lines = append(lines, sign+style.Paint(r.label))
	}
	return lines
}

func (p *Page) demoHint() string {
	t := p.Env.Theme
	return t.Muted.Paint("Demo: the code now is ") + t.Text.Bold().Paint(p.hint)
}

// row draws a field and the line below it.
func (p *Page) row(i int, f field) []string {
	t := p.Env.Theme
	sign, lab, rule, line := " ", t.Muted, t.Rule, t.Glyphs.Light
	if p.focus == i {
		sign, lab, rule, line = t.Accent.Paint(t.Glyphs.Cursor), t.Text.Bold(), t.Accent, t.Glyphs.Heavy
	}
	w := p.labelW()
	return []string{
		sign + lab.Paint(format.PadRight(format.End(f.label, w-1, t.Glyphs.Ellipsis), w)) + cells.Truncate(p.value(f, blockW-w-4), blockW-w-2, ""),
		" " + strings.Repeat(" ", w) + rule.Paint(strings.Repeat(line, blockW-w-2)),
	}
}

// labelW is the width of the labels of the stage.
func (p *Page) labelW() int {
	w := labelW
	for _, f := range p.fields() {
		w = max(w, min(format.Width(f.label)+2, 34))
	}
	return w
}

func (p *Page) value(f field, most int) string {
	t := p.Env.Theme
	switch {
	case f.hidden != nil:
		return t.Text.Paint(strings.Repeat(t.Glyphs.Hidden, min(f.hidden.len(), most)))
	case f.text != nil:
		return t.Text.Paint(f.text.Shown())
	}
	return ""
}

// statusLines draws a failure or the running call, in at least two lines so that
// the lines below do not move.
func (p *Page) statusLines(w int) []string {
	t, lines := p.Env.Theme, []string{""}
	style := t.Bad
	switch {
	case p.busy && p.late:
		style = t.Warn
	case p.busy && !p.good:
		style = t.Muted
	case p.good:
		style = t.OK
	}
	status := p.status()
	if status == "" {
		return append(lines, "", "")
	}
	for _, l := range format.Wrap(status, w) {
		lines = append(lines, " "+style.Paint(l))
	}
	return append(lines, "")
}

// status returns a failure or the running call as a sentence.
func (p *Page) status() string {
	switch {
	case p.busy && p.late:
		return "Waiting for " + p.service() + " to answer. esc stops it."
	case p.busy && !p.good:
		return "Signing in" + p.Env.Theme.Glyphs.Ellipsis
	}
	return p.say
}

// service names the host that a call waits for.
func (p *Page) service() string {
	if p.Service == "" {
		return "the sign-in service"
	}
	return "the sign-in service at " + safetext.Line(p.Service)
}

func (p *Page) keys(w int) string { return p.Env.Theme.Keys(w, p.pairs()...) }

// pairs returns the keys of the stage.
func (p *Page) pairs() [][2]string {
	onRow := p.focus >= len(p.fields())
	enter := "sign in"
	switch {
	case onRow:
		enter = "choose"
	case p.stage == askNew || p.stage == askReset:
		enter = "save"
	case p.stage == askUser || p.stage == askForgotten || p.stage == askEmail:
		enter = "continue"
	}
	pairs := [][2]string{{"enter", enter}}
	if len(p.fields())+len(p.rows()) > 1 {
		pairs = append(pairs, [2]string{"tab", "next"})
	}
	switch {
	case p.stage == askPassword && len(p.Demo) > 0 && !onRow:
		pairs = append(pairs, [2]string{p.Env.Theme.Glyphs.Down, "account"}, [2]string{"ctrl+c", "quit"})
	case p.stage == askPassword:
		pairs = append(pairs, [2]string{"ctrl+c", "quit"})
	case p.stage == askRemember:
		pairs = append(pairs, [2]string{"esc", "no"})
	default:
		pairs = append(pairs, [2]string{"esc", "start over"})
	}
	return pairs
}

// footer draws the demo accounts in h lines, or a note on the use of the password.
func (p *Page) footer(h int) []string {
	t := p.Env.Theme
	if len(p.Demo) == 0 {
		return []string{"", " " + t.Muted.Paint("Your password is checked without being sent,"),
			" " + t.Muted.Paint("and it is not stored on this machine.")}
	}
	title := "Demo accounts on this machine"
	shown := min(len(p.Demo), max(h-2, 2))
	from := min(max(p.demo-shown/2, 0), len(p.Demo)-shown)
	if shown < len(p.Demo) {
		title += fmt.Sprintf(", %d to %d of %d", from+1, from+shown, len(p.Demo))
	}
	lines := []string{"", " " + t.Muted.Paint(title)}
	userW, passwordW := 0, 0
	for _, a := range p.Demo {
		userW, passwordW = max(userW, format.Width(a.User)), max(passwordW, format.Width(a.Password))
	}
	for i, a := range p.Demo[from : from+shown] {
		sign := " "
		if from+i == p.demo {
			sign = t.Accent.Paint(t.Glyphs.Cursor)
		}
		lines = append(lines, sign+t.Text.Paint(format.PadRight(a.User, userW))+" "+
			t.Text.Paint(format.PadRight(a.Password, passwordW))+"  "+t.Muted.Paint(a.About))
	}
	return lines
}

// Cursor is the position of the text cursor in a View of w by h cells.
func (p *Page) Cursor(w, h int) *tea.Cursor {
	f := p.active()
	if p.busy || f.label == "" {
		return nil
	}
	n := 0
	if f.text != nil {
		n = f.text.Cells()
	} else {
		n = min(f.hidden.len(), blockW-p.labelW()-4)
	}
	for y, l := range strings.Split(ansi.Strip(p.View(w, h)), "\n") {
		if i := strings.Index(l, p.Env.Theme.Glyphs.Cursor+format.End(f.label, p.labelW()-1, p.Env.Theme.Glyphs.Ellipsis)); i >= 0 {
			x := format.Width(l[:i]) + 1 + p.labelW()
			if p.stage == askSetUp {
				x = format.Width(l[:i]) + 1 + len("Code  ")
			}
			return tea.NewCursor(x+n, y)
		}
	}
	return nil
}
