package transfers

import (
	"fmt"
	"strings"

	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
)

// View draws the page.
func (p *Pane) View(w, h int) string {
	t := p.Env.Theme
	p.w, p.cols = w, p.layout(w, p.nameW)
	if spaced := w >= wide; spaced != p.spaced {
		p.spaced = spaced
		p.arrange(p.under())
	}
	p.list.Resize(w, h-3)
	head := t.Head("Transfers", p.limits(), w, true)
	if len(p.shown) == 0 {
		lines := []string{head, "", "  " + t.Text.Bold().Paint("No transfers."), ""}
		for _, l := range format.Wrap("In the browser, "+p.Env.Keys.Shown(keys.Browser, keys.Download)+" downloads the marked files or the one under the cursor.", max(1, w-4)) {
			lines = append(lines, "  "+t.Muted.Paint(l))
		}
		for len(lines) < h {
			lines = append(lines, "")
		}
		return strings.Join(lines[:h], "\n")
	}
	return head + "\n" + p.overall(w) + "\n\n" + p.list.View()
}

const leastBar = 4 // cells

// overall draws the line above the list: progress and rate. In a narrow window the
// bar gets shorter, then the rate disappears. No word is truncated.
func (p *Pane) overall(w int) string {
	t, s := p.Env.Theme, p.snap
	done := fmt.Sprintf("%s of %s done", quantity.Count(s.FilesDone), quantity.Count(s.Files))
	if s.FilesFailed > 0 {
		done += ", " + quantity.Count(s.FilesFailed) + " failed"
	}
	if n := p.tally.ended - s.FilesFailed; n > 0 { // rows of an earlier batch
		done += ", " + quantity.Count(n) + " failed earlier"
	}
	bytes := "  " + of(s.BytesDone, s.Bytes)
	barW := 20
	switch {
	case p.Env.Jump:
		barW = leastBarW
	case w >= wide:
		barW = 30
	}
	rest := w - 2 - format.Width(done+bytes) - 2 - (2 + pctW) - 2
	forms := p.pace(w)
	for room := rest - barW; barW > leastBar && format.Width(forms[0]) > room; room++ {
		barW--
	}
	right := format.Fit(rest-barW, append(forms, "")...)
	style := t.Muted
	if p.tally.held != "" {
		style = t.Warn
	}
	share := 0.0
	if s.Bytes > 0 {
		share = quantity.Share(s.BytesDone, s.Bytes)
	}
	return t.Pad(" "+t.Text.Bold().Paint(done)+t.Text.Paint(bytes)+"  "+t.Bar(barW, share, t.Accent)+
		t.Text.Paint(format.PadLeft(p.percent(), 2+pctW))+"  "+style.Paint(right), w)
}

// pace returns the rate and the time left, longest form first.
func (p *Pane) pace(w int) []string {
	s := p.snap
	switch held := p.tally.held; {
	case held != "":
		return []string{held, heldShort(held)}
	case p.tally.paused && !p.tally.active:
		return []string{"paused"}
	case !p.tally.active:
		return []string{""}
	}
	rate, long, short := "", quantity.Remaining(s.Left), quantity.Short(s.Left)
	if s.Rate >= 1 {
		rate = quantity.Rate(s.Rate)
	}
	comma := func(a, b string) string {
		if a == "" || b == "" {
			return a + b
		}
		return a + ", " + b
	}
	switch {
	case s.Counting > 0:
		return []string{comma(p.counting(), rate), p.counting()}
	case long == "":
		return []string{rate}
	case w >= wide:
		return []string{comma(rate, "about "+long+" left"), comma(rate, short), short}
	}
	return []string{comma(rate, short), short}
}

func (p *Pane) counting() string { return p.found(p.snap.Counting) }

// found returns the progress of counting a folder.
func (p *Pane) found(files int) string {
	say := "counting" + p.Env.Theme.Glyphs.Ellipsis
	if files > 1 { // the engine reports 1 before the first file
		say += " " + quantity.Count(files)
	}
	return say
}

// of formats "1.12 of 3.77 GB", with a common unit once.
func of(done, all int64) string {
	d, a := quantity.Size(done), quantity.Size(all)
	if num, unit, _ := strings.Cut(d, " "); strings.HasSuffix(a, " "+unit) {
		return num + " of " + a
	}
	return d + " of " + a
}

// Status returns the destination and a note on partial files.
func (p *Pane) Status(w int) (left, right string) {
	t := p.Env.Theme
	left = t.Muted.Paint("To ") + t.Text.Paint(format.Start(p.short(p.Dir), w/2, t.Glyphs.Ellipsis))
	if p.free >= 0 {
		left += t.Muted.Paint("  " + quantity.Size(p.free) + " free")
	}
	if !p.keeps && p.tally.open() {
		return left, t.Muted.Paint("Another usher process owns the queue.")
	}
	return left, t.Muted.Paint("Partial files are kept when you quit.")
}

// short formats a local path, with ~ for the home folder.
func (p *Pane) short(dir string) string { return safetext.Line(pane.Short(dir, p.Home)) }
