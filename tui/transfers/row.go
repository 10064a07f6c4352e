package transfers

import (
	"errors"
	"fmt"
	"strings"

	"usher/backend/safetext"
	"usher/client/download"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/rows"
	"usher/tui/theme"

	tea "charm.land/bubbletea/v2"
)

type columns struct{ name, bar, rest int }

const (
	stateW = 15 // gutter, sign and word
	pctW   = 4

	leastBarW  = 7
	leastNoteW = 16
)

// layout returns the columns of a page w cells wide. A name of need cells takes
// cells of the bar first, then of the note. Over SSH the bar is short: see steady.go.
func (p *Pane) layout(w, need int) columns {
	c := columns{bar: leastBarW, rest: leastNoteW}
	switch {
	case w >= 170:
		c = columns{bar: 38, rest: 40}
	case w >= wide:
		c = columns{bar: 20, rest: 30}
	}
	if p.Env.Jump {
		c.bar = leastBarW
	}
	room := w - stateW - 1 - quantity.SizeWidth - 2 - 1 - pctW - 2
	c.bar = max(leastBarW, min(c.bar, room-c.rest-need))
	c.rest = max(leastNoteW, min(c.rest, room-c.bar-need))
	c.name = max(8, room-c.bar-c.rest)
	return c
}

// word returns the symbol, the word (at most ten cells) and the style of a state.
func word(t *theme.Theme, x *download.Transfer) (sign, text string, style theme.Style) {
	g := t.Glyphs
	switch x.State {
	case download.Running:
		if x.Quiet >= quiet {
			return g.Paused, "stalled", t.Warn
		}
		return g.Down, "running", t.Accent
	case download.Verifying:
		return g.Checking, "verifying", t.Accent
	case download.Paused:
		return g.Paused, "paused", t.Warn
	case download.Done:
		return g.Yes, "done", t.OK
	case download.Skipped:
		if x.Differs {
			return g.Differs, "differs", t.Warn
		}
		return g.Yes, "here", t.OK
	case download.Failed:
		return g.No, "failed", t.Bad
	case download.Denied:
		return g.No, "denied", t.Bad
	case download.WaitingNetwork:
		return g.Offline, "no network", t.Warn
	case download.WaitingSignIn:
		return g.Offline, "sign-in", t.Warn
	}
	return g.Waiting, "waiting", t.Muted
}

// Short returns a state for the browser's Local column, at most six cells. It is ""
// if the disk shows the state.
func Short(t download.Transfer) string {
	switch t.State {
	case download.Running:
		if t.Done == 0 {
			return "starts"
		}
		return quantity.Percent(t.Done, max(t.Size, t.Done+1))
	case download.Verifying:
		return "check"
	case download.Paused:
		return "paused"
	case download.Failed:
		return "failed"
	case download.Denied:
		return "denied"
	case download.Waiting, download.WaitingNetwork, download.WaitingSignIn:
		return "queued"
	}
	return ""
}

// conflicts reports whether a transfer ended because of a different local file.
func conflicts(t *download.Transfer) bool {
	return t.State == download.Skipped && t.Differs || t.State == download.Failed && errors.Is(t.Err, download.ErrExists)
}

// Len, Need, Heading, Height and Draw make the page a rows.Source.
func (p *Pane) Len() int { return len(p.shown) }

func (p *Pane) Need(from, to int) tea.Cmd { return nil }

// Heading is true for empty lines, which the cursor skips.
func (p *Pane) Heading(i int) bool { return p.shown[i].kind == gapRow }

func (p *Pane) Height(i int, s rows.State) int {
	return 1 + len(p.below(i, s.Cursor, p.reasonW(p.w)))
}

// below draws the lines below row i.
func (p *Pane) below(i int, cursor bool, w int) []string {
	switch r := p.shown[i]; {
	case r.kind == fileRow:
		return p.reason(&p.snap.Transfers[r.at], cursor, w)
	case r.kind == bundleRow && cursor:
		return p.bundleReason(r.bundle, w)
	}
	return nil
}

func (p *Pane) reasonW(w int) int { return max(20, w-stateW-1) }

func (p *Pane) Draw(i, w int, s rows.State) string {
	if p.shown[i].kind == gapRow {
		return ""
	}
	t := p.Env.Theme
	if s.Cursor {
		t = t.On(theme.Cursor(s.Focus))
	}
	g := t.Fill.Paint(" ")
	if s.Cursor && s.Focus {
		g = t.Accent.Paint(t.Glyphs.Cursor)
	}
	lines := append([]string{t.Pad(g+p.line(t, i, p.cols, s.Cursor), w)}, p.below(i, s.Cursor, p.reasonW(w))...)
	return strings.Join(lines, "\n")
}

// line draws row i without the first cell of the gutter.
func (p *Pane) line(t *theme.Theme, i int, c columns, cursor bool) string {
	r := p.shown[i]
	if r.kind == bundleRow {
		return p.bundleLine(t, r.bundle, c, cursor)
	}
	x := &p.snap.Transfers[r.at]
	sign, state, style := word(t, x)
	size := ""
	if x.Size >= 0 {
		size = quantity.Size(x.Size)
	}
	var b strings.Builder
	b.WriteString(style.Paint(" " + sign + " " + format.PadRight(state, stateW-4)))
	if r.bundle != nil { // its files are indented
		b.WriteString(t.Pad("  "+p.name(t, i, c.name-2, cursor), c.name))
	} else {
		b.WriteString(t.Pad(p.name(t, i, c.name, cursor), c.name))
	}
	b.WriteString(t.Muted.Paint(format.PadLeft(size, 1+quantity.SizeWidth) + "  "))
	room := c.rest
	if hasBar(x) {
		b.WriteString(t.Bar(c.bar, share(x), style))
		b.WriteString(t.Text.Paint(format.PadLeft(percent(x), 1+pctW)) + t.Muted.Paint("  "))
	} else {
		room += c.bar + 1 + pctW + 2
	}
	note := format.Fit(room, p.notes(x)...)
	b.WriteString(t.Muted.Paint(format.End(note, room, t.Glyphs.Ellipsis)))
	return b.String()
}

// name draws the name of row i, truncated so that it differs from the rows near it.
// The path precedes it if another row has the same name, muted and truncated at its
// start.
func (p *Pane) name(t *theme.Theme, i, w int, cursor bool) string {
	label := t.Text
	if cursor {
		label = label.Bold()
	}
	x := p.transfer(i)
	name, before := safetext.New(base(x)), safetext.New(p.before(x))
	near := func(text func(*download.Transfer) string) format.Row {
		return format.Row{At: i, N: len(p.shown), Name: func(j int) string {
			if o := p.transfer(j); o != nil {
				return safetext.New(text(o)).Distinct()
			}
			return ""
		}}
	}
	apart := near(base).Apart
	if before.Raw() == "" {
		return pane.Name(t, label, name, w, apart)
	}
	room := w - min(format.Width(before.Distinct()), max(w/3, w-format.Width(name.Distinct())))
	shown := pane.Name(t, label, name, room, apart)
	return pane.Name(t, t.Muted, before, w-format.Width(shown), near(p.before).Start) + shown
}

// nameWidth returns the cells of the longest name with its path, at most longName.
func (p *Pane) nameWidth() int {
	w := 0
	for i := range p.shown[:min(len(p.shown), 1000)] {
		if x := p.transfer(i); x != nil {
			w = max(w, format.Width(safetext.New(p.before(x)+base(x)).Distinct()))
		}
	}
	return min(w, longName)
}

const longName = 80 // cells

func hasBar(x *download.Transfer) bool {
	switch x.State {
	case download.Running, download.Verifying, download.Paused:
		return true
	case download.Failed, download.WaitingNetwork, download.WaitingSignIn:
		return x.Done > 0
	}
	return false
}

func share(x *download.Transfer) float64 {
	if x.State == download.Verifying {
		return 1
	}
	if x.Size < 0 || x.Size == 0 && x.Done == 0 {
		return 0
	}
	return quantity.Share(x.Done, x.Size)
}

// percent is 100 only from verification on. It is empty before the first byte.
func percent(x *download.Transfer) string {
	switch {
	case x.State == download.Verifying:
		return "100%"
	case x.Size < 0 || x.Done == 0:
		return ""
	}
	return fmt.Sprintf("%d%%", min(99, quantity.PercentOf(x.Done, max(x.Size, x.Done, 1))))
}

// reason draws the lines below a transfer: its full name if the row truncates it, its
// reason and its keys.
func (p *Pane) reason(x *download.Transfer, cursor bool, w int) []string {
	if !(x.State == download.Done && x.Omitted > 0) && !cursor {
		return nil
	}
	say, keys := p.expanded(x)
	t := p.Env.Theme
	indent := strings.Repeat(" ", stateW)
	var out []string
	if full := safetext.New(p.before(x) + base(x)); cursor && format.Width(full.Distinct()) > p.cols.name {
		for _, l := range pane.Wrap(t, t.Text, full, w) {
			out = append(out, indent+l)
		}
	}
	if say != "" {
		for _, l := range format.Wrap(say, w) {
			out = append(out, indent+t.Text.Paint(l))
		}
	}
	if cursor && len(keys) > 0 {
		out = append(out, indent+t.Keys(w, keys...))
	}
	return out
}

// queueKey returns the key that opens this page.
func (p *Pane) queueKey() string { return p.Env.Keys.Shown(keys.Everywhere, keys.OpenTransfers) }

// hint returns the key of an action with another label.
func (p *Pane) hint(a keys.Action, label string) [2]string {
	return p.Env.Keys.Hint(keys.Transfers, a, label)
}

// expanded returns the sentence and the keys below the row under the cursor. Both
// may be empty.
func (p *Pane) expanded(x *download.Transfer) (say string, hints [][2]string) {
	say, request := sentence(x)
	again, remove := "try again", p.hint(keys.Remove, "remove from the list")
	if x.Done > 0 {
		again += " from " + quantity.Size(x.Done)
	}
	switch x.State {
	case download.Done:
		if as := savedAs(x); as != "" {
			return "A local file has its name already, so it was saved as " + safetext.Line(as), nil
		}
		if x.Omitted > 0 {
			return say, nil
		}
	case download.Paused:
		if x.Err == nil {
			say = ""
		}
		return say, [][2]string{p.hint(keys.Pause, "resume"), remove}
	case download.Skipped:
		if !x.Differs {
			return "", nil
		}
		return say, [][2]string{p.hint(keys.KeepBoth, "keep both"), p.hint(keys.Again, "replace"), remove}
	case download.Failed:
		switch {
		case errors.Is(x.Err, download.ErrExists):
			return say, [][2]string{p.hint(keys.KeepBoth, "keep both"), p.hint(keys.Again, "replace"), remove}
		case errors.Is(x.Err, download.ErrChanged):
			again = "download the new version"
		case x.Folder && x.FilesFailed > 0:
			again = "try the failed files again"
			switch {
			case p.causes(x) > 1:
				say = "First failure: " + say
			case x.FilesFailed > 1:
				say = quantity.Plural(x.FilesFailed, "file", "files") + ": " + say
			}
		}
		if request != "" {
			say += " (request " + safetext.Line(request) + ")"
		}
		return say, [][2]string{p.hint(keys.Again, again), remove}
	case download.WaitingNetwork:
		return say, [][2]string{p.hint(keys.Again, "try now"), remove}
	case download.WaitingSignIn:
		return say, [][2]string{remove}
	case download.Denied:
		if x.Done > 0 {
			say += " The partial file is kept."
		}
		if request != "" {
			say += " (request " + safetext.Line(request) + ")"
		}
		return say, [][2]string{p.hint(keys.Again, "try again"), remove}
	}
	return "", nil
}
