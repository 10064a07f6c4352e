package transfers

import (
	"fmt"
	"strings"

	"usher/client/quantity"

	tea "charm.land/bubbletea/v2"
)

// percent formats the completed part of the batch. It is 100% only at the end, and
// empty before the first byte.
func (p *Pane) percent() string {
	pct := p.percentOf()
	if pct == 0 && p.snap.BytesDone == 0 {
		return ""
	}
	return fmt.Sprintf("%d%%", pct)
}

func (p *Pane) percentOf() int {
	s := p.snap
	if s.Files > 0 && s.FilesDone == s.Files && s.Counting == 0 {
		return 100
	}
	if s.Bytes <= 0 {
		return 0
	}
	return min(99, quantity.PercentOf(s.BytesDone, s.Bytes))
}

// Strip returns the state of the queue for the status line, longest form first. It
// is empty without unfinished transfers.
func (p *Pane) Strip() []string {
	if !p.tally.open() {
		return nil
	}
	t, s := p.Env.Theme, p.snap
	pct := ""
	if done := p.percent(); done != "" {
		pct = t.Text.Paint(" " + done)
	}
	if !p.tally.active {
		sign := t.Warn.Paint(t.Glyphs.Paused)
		return []string{sign + t.Muted.Paint(" paused ") + pct, sign + pct}
	}
	if held := p.tally.held; held != "" {
		sign := t.Warn.Paint(t.Glyphs.Paused)
		return []string{sign + pct + t.Warn.Paint("  "+held), sign + pct + t.Warn.Paint("  "+heldShort(held))}
	}
	sign := t.Accent.Paint(t.Glyphs.Down)
	if pct == "" && s.Counting == 0 {
		pct = t.Muted.Paint(" starting")
	}
	running, counting, rate, left := "", "", "", ""
	if s.Running > 0 {
		running = t.Text.Paint(" " + quantity.Count(s.Running) + " running ")
	}
	if s.Counting > 0 {
		counting = t.Muted.Paint("  " + p.counting())
	}
	if s.Rate >= 1 {
		rate = t.Muted.Paint("  " + quantity.Rate(s.Rate))
	}
	if l := quantity.Remaining(s.Left); l != "" && s.Counting == 0 {
		left = t.Muted.Paint("  " + l + " left")
	}
	return []string{sign + running + pct + counting + rate + left, sign + pct + counting + rate + left, sign + pct + counting + left, sign + pct}
}

// Window returns the state of the queue for the terminal's title and taskbar: ""
// and nil without active transfers. It holds no file name.
func (p *Pane) Window() (title string, bar *tea.ProgressBar) {
	if !p.tally.active {
		return "", nil
	}
	s, pct := p.snap, p.percentOf()
	say, state := "", tea.ProgressBarDefault
	held := p.tally.held
	switch {
	case strings.HasPrefix(held, "no data"):
		say, state = "no data comes", tea.ProgressBarWarning
	case held != "":
		say, state = held, tea.ProgressBarWarning
	case s.Counting > 0:
		say = "counting, " + quantity.Plural(s.Files, "download", "downloads")
	default:
		say = quantity.Plural(max(1, s.Files-s.FilesDone-s.FilesFailed), "download", "downloads")
	}
	if done := p.percent(); done != "" {
		say = done + ", " + say
	}
	return say, tea.NewProgressBar(state, pct)
}

// Dock draws the queue below the browser in a tall window, h lines with its head.
func (p *Pane) Dock(w, h int) string {
	t := p.Env.Theme
	var parts []string
	for g, name := range [groups]string{"running", "need attention", "paused", "waiting", "done", "denied"} {
		if n := p.tally.files[g]; n > 0 {
			parts = append(parts, quantity.Count(n)+" "+name)
		}
	}
	p.w = w
	c := p.layout(w, p.nameW)
	lines := []string{t.Head("Transfers", strings.Join(parts, ", "), w, false)}
	for i, r := range p.shown {
		if r.kind != gapRow && len(lines) < h {
			lines = append(lines, t.Pad(" "+p.line(t, i, c, false), w))
		}
	}
	for len(lines) < h {
		lines = append(lines, "")
	}
	return strings.Join(lines, "\n")
}

// DockHeight returns the number of lines of the dock, 0 for none.
func (p *Pane) DockHeight() int {
	rows := 0
	for _, r := range p.shown {
		if r.kind != gapRow {
			rows++
		}
	}
	if rows == 0 {
		return 0
	}
	return 1 + min(8, rows)
}
