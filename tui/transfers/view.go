package transfers

import (
	"errors"
	"fmt"
	"path"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/download"
	"usher/tui/format"
	"usher/tui/pane"
	"usher/tui/rows"
	"usher/tui/theme"
)

type columns struct{ name, bar, rest int }

const (
	stateW = 15 // gutter, sign and word
	pctW   = 4
)

func layOut(w int) columns {
	c := columns{bar: 7, rest: 16}
	switch {
	case w >= 170:
		c = columns{bar: 38, rest: 32}
	case w >= 110:
		c = columns{bar: 20, rest: 30}
	}
	c.name = max(8, w-stateW-1-format.SizeWidth-2-c.bar-1-pctW-2-c.rest)
	return c
}

// word is a state in at most ten cells, its sign and colour.
func word(t *theme.Theme, s download.State) (sign, text string, style theme.Style) {
	g := t.Glyphs
	switch s {
	case download.Running:
		return g.Down, "running", t.Accent
	case download.Verifying:
		return g.Checking, "verifying", t.Accent
	case download.Paused:
		return g.Paused, "paused", t.Warn
	case download.Done:
		return g.Yes, "done", t.OK
	case download.Skipped:
		return g.Yes, "here", t.OK
	case download.Failed:
		return g.No, "failed", t.Bad
	case download.Denied:
		return g.No, "denied", t.Bad
	case download.Cancelled:
		return g.No, "cancelled", t.Muted
	case download.WaitingNetwork:
		return g.Offline, "no network", t.Warn
	case download.WaitingSignIn:
		return g.Offline, "sign-in", t.Warn
	}
	return g.Waiting, "waiting", t.Muted
}

// Short is a state for the browser's Local column, six cells at most.
func Short(t download.Transfer) string {
	switch t.State {
	case download.Running:
		return format.Percent(t.Done, max(t.Size, t.Done+1))
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

func name(t download.Transfer) safetext.Text {
	n := path.Base(strings.TrimSuffix(t.Key, "/"))
	if t.Folder {
		n += "/"
		if t.Key == "" {
			n = t.Bucket + "/"
		}
	}
	return safetext.New(n)
}

// Len, Need, Height and Draw make the page a rows.Source.
func (p *Pane) Len() int { return len(p.shown) }

func (p *Pane) Need(from, to int) tea.Cmd { return nil }

func (p *Pane) Height(i int, s rows.State) int {
	return 1 + len(p.reason(p.snap.Transfers[p.shown[i]], s.Cursor, max(20, p.w-stateW-1)))
}

func (p *Pane) Draw(i, w int, s rows.State) string {
	x := p.snap.Transfers[p.shown[i]]
	t := p.Env.Theme
	if s.Cursor {
		t = t.On(theme.Cursor(s.Focus))
	}
	g := t.Fill.Paint(" ")
	if s.Cursor && s.Focus {
		g = t.Accent.Paint(t.Glyphs.Cursor)
	}
	lines := append([]string{t.Pad(g+p.line(t, x, p.cols, s.Cursor), w)}, p.reason(x, s.Cursor, max(20, w-stateW-1))...)
	return strings.Join(lines, "\n")
}

// line is one transfer without the gutter's first cell.
func (p *Pane) line(t *theme.Theme, x download.Transfer, c columns, cursor bool) string {
	sign, state, style := word(t, x.State)
	label := t.Text
	if cursor {
		label = label.Bold()
	}
	size := ""
	if x.Size >= 0 {
		size = format.Size(x.Size)
	}
	var b strings.Builder
	b.WriteString(style.Paint(" " + sign + " " + format.PadRight(state, stateW-4)))
	b.WriteString(t.Pad(pane.Name(t, label, name(x), c.name, format.Middle), c.name))
	b.WriteString(t.Muted.Paint(format.PadLeft(size, 1+format.SizeWidth) + "  "))
	note := note(x)
	if barred(x) {
		if x.State == download.Paused {
			style = t.Warn
		}
		b.WriteString(t.Bar(c.bar, share(x), style))
		b.WriteString(t.Text.Paint(format.PadLeft(percent(x), 1+pctW)) + t.Muted.Paint("  "+format.End(note, c.rest, t.Glyphs.Ellipsis)))
	} else {
		b.WriteString(t.Muted.Paint(format.End(note, c.bar+1+pctW+2+c.rest, t.Glyphs.Ellipsis)))
	}
	return b.String()
}

func barred(x download.Transfer) bool {
	switch x.State {
	case download.Running, download.Verifying, download.Paused, download.WaitingNetwork, download.WaitingSignIn:
		return true
	case download.Failed:
		return x.Done > 0
	}
	return false
}

func share(x download.Transfer) float64 {
	if x.State == download.Verifying {
		return 1
	}
	if x.Size < 0 {
		return 0
	}
	return format.Share(x.Done, x.Size)
}

// percent says 100 only once the bytes are being checked.
func percent(x download.Transfer) string {
	switch {
	case x.State == download.Verifying:
		return "100%"
	case x.Size < 0:
		return ""
	}
	return fmt.Sprintf("%d%%", min(99, format.PercentOf(x.Done, x.Size)))
}

// note is the right end of a line.
func note(x download.Transfer) string {
	switch x.State {
	case download.Running:
		if x.Folder && x.Counting {
			return fmt.Sprintf("%s of %s found", format.Count(x.FilesDone), format.Count(x.Files))
		}
		if left := format.Remaining(x.Left); left != "" {
			return format.Rate(x.Rate) + "  " + left
		}
		return format.Rate(x.Rate)
	case download.Verifying:
		return "checking"
	case download.Paused, download.Failed, download.WaitingNetwork, download.WaitingSignIn:
		if x.Done > 0 {
			return "at " + format.Size(x.Done)
		}
	case download.Done:
		if x.Folder {
			return format.Plural(x.FilesDone, "file", "files")
		}
		switch x.Verified {
		case "":
		case "size":
			return "complete, no checksum kept"
		default:
			return "verified " + safetext.Line(x.Verified)
		}
	case download.Skipped:
		return "already here and the same"
	}
	return ""
}

// reason is the lines that unfold below a transfer: why, and its keys.
func (p *Pane) reason(x download.Transfer, cursor bool, w int) []string {
	bad := x.State == download.Failed || x.State == download.Denied
	waits := x.State == download.WaitingNetwork || x.State == download.WaitingSignIn
	if !(bad || waits) || !(cursor || x.State == download.Denied) {
		return nil
	}
	t := p.Env.Theme
	indent := strings.Repeat(" ", stateW)
	say := safetext.Line(x.Event)
	if x.Err != nil {
		say = safetext.Line(x.Err.Error())
	}
	if x.State == download.Denied {
		say = "No longer available: your access to this file ended, or it is gone. What was fetched is kept."
		var refused *api.Error
		if errors.As(x.Err, &refused) && refused.RequestID != "" {
			say += " (request " + safetext.Line(refused.RequestID) + ")"
		}
	}
	var out []string
	for _, l := range format.Wrap(say, w) {
		out = append(out, indent+t.Text.Paint(l))
	}
	if cursor {
		try := "try again"
		if x.Done > 0 && x.State != download.Denied {
			try += " from " + format.Size(x.Done)
		}
		out = append(out, indent+t.Keys(w, [2]string{"r", try}, [2]string{"x", "remove from the list"}))
	}
	return out
}

// View draws the page.
func (p *Pane) View(w, h int) string {
	t := p.Env.Theme
	p.w, p.cols = w, layOut(w)
	p.list.Resize(w, h-3)
	note := ""
	if p.snap.Running > 0 {
		note = format.Count(p.snap.Running) + " running"
	}
	head := t.Head("Transfers", note, w, true)
	if len(p.shown) == 0 {
		lines := []string{head, "", "  " + t.Text.Bold().Paint("No transfers."), "",
			"  " + t.Muted.Paint("In the browser, d downloads the marked files or the one under the cursor.")}
		for len(lines) < h {
			lines = append(lines, "")
		}
		return strings.Join(lines[:h], "\n")
	}
	return head + "\n" + p.overall(w) + "\n\n" + p.list.View()
}

// overall is the line over the list.
func (p *Pane) overall(w int) string {
	t, s := p.Env.Theme, p.snap
	barW := 20
	if w >= 110 {
		barW = 30
	}
	left := " " + t.Text.Bold().Paint(fmt.Sprintf("%s of %s done", format.Count(s.FilesDone), format.Count(s.Files))) +
		"  " + t.Text.Paint(of(s.BytesDone, s.Bytes))
	right := ""
	if p.active && s.Rate > 0 {
		right = format.Rate(s.Rate)
		if l := format.Remaining(s.Left); l != "" {
			right += ", " + l + " left"
		}
	}
	if s.Counting > 0 {
		right = "counting" + t.Glyphs.Ellipsis + " " + format.Count(s.Counting)
	}
	return t.Pad(left+"  "+t.Bar(barW, format.Share(s.BytesDone, s.Bytes), t.Accent)+
		t.Text.Paint(format.PadLeft(format.Percent(s.BytesDone, s.Bytes), 2+pctW))+"  "+t.Muted.Paint(right), w)
}

// of writes "1.12 of 3.77 GB": the unit once where it is the same.
func of(done, all int64) string {
	d, a := format.Size(done), format.Size(all)
	if num, unit, _ := strings.Cut(d, " "); strings.HasSuffix(a, " "+unit) {
		return num + " of " + a
	}
	return d + " of " + a
}

// Strip is the queue in one line for the status line, "" at rest.
func (p *Pane) Strip() string {
	if !p.active {
		return ""
	}
	t, s := p.Env.Theme, p.snap
	line := t.Accent.Paint(t.Glyphs.Down) + t.Text.Paint(fmt.Sprintf(" %d running", s.Running)) +
		t.Text.Paint("  "+format.Percent(s.BytesDone, max(s.Bytes, s.BytesDone+1)))
	if waiting := p.waiting(); s.Running == 0 && waiting != "" {
		return t.Warn.Paint(t.Glyphs.Paused + " " + waiting)
	}
	if s.Rate > 0 {
		line += t.Muted.Paint("  " + format.Rate(s.Rate))
	}
	if l := format.Remaining(s.Left); l != "" {
		line += t.Muted.Paint("  " + l + " left")
	}
	return line
}

// waiting says what the whole queue waits for.
func (p *Pane) waiting() string {
	for _, x := range p.snap.Transfers {
		switch x.State {
		case download.WaitingNetwork:
			return "transfers wait for the network"
		case download.WaitingSignIn:
			return "transfers wait for your sign-in"
		}
	}
	return ""
}

// Dock draws the queue below a tall browser, h lines with its head.
func (p *Pane) Dock(w, h int) string {
	t := p.Env.Theme
	count := make(map[string]int)
	for _, x := range p.snap.Transfers {
		if !x.Folder {
			_, s, _ := word(t, x.State)
			count[s]++
		}
	}
	var parts []string
	for _, s := range []string{"running", "waiting", "paused", "failed", "denied", "done"} {
		if n := count[s]; n > 0 {
			parts = append(parts, format.Count(n)+" "+s)
		}
	}
	c := layOut(w)
	lines := []string{t.Head("Transfers", strings.Join(parts, ", "), w, false)}
	for _, i := range p.front(h - 1) {
		lines = append(lines, t.Pad(" "+p.line(t, p.snap.Transfers[i], c, false), w))
	}
	for len(lines) < h {
		lines = append(lines, "")
	}
	return strings.Join(lines, "\n")
}

// front is the transfers worth a place in the dock: what moves first, then
// what needs a look, then what waits, then what ended.
func (p *Pane) front(n int) []int {
	rank := func(s download.State) int {
		switch s {
		case download.Running, download.Verifying:
			return 0
		case download.Failed, download.Denied, download.Paused, download.WaitingNetwork, download.WaitingSignIn:
			return 1
		case download.Waiting:
			return 2
		}
		return 3
	}
	var out []int
	for r := range 4 {
		for _, i := range p.shown {
			if len(out) < n && rank(p.snap.Transfers[i].State) == r {
				out = append(out, i)
			}
		}
	}
	return out
}

// DockHeight is the lines that the dock wants, 0 for none.
func (p *Pane) DockHeight() int {
	if len(p.shown) == 0 {
		return 0
	}
	return 1 + min(8, len(p.shown))
}

// Status is where files go and what stays.
func (p *Pane) Status(w int) (left, right string) {
	t := p.Env.Theme
	left = t.Muted.Paint("To ") + t.Text.Paint(format.Start(p.short(p.Dir), w/2, t.Glyphs.Ellipsis))
	if p.free >= 0 {
		left += t.Muted.Paint("  " + format.Size(p.free) + " free")
	}
	return left, t.Muted.Paint("Partial files stay when you quit.")
}

// short writes a local path with ~ for the home folder.
func (p *Pane) short(dir string) string {
	if p.Home != "" {
		if dir == p.Home {
			return "~"
		}
		if rest, ok := strings.CutPrefix(dir, p.Home+"/"); ok {
			dir = "~/" + rest
		}
	}
	return safetext.Line(dir)
}
