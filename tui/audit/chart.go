package audit

import (
	"strconv"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/theme"
)

// counts are the numbers of the chart.
type counts struct {
	columns           []bucket // the oldest first
	most              int
	people, downloads int // people: -1 if they were not counted
	denied, matches   int
}

// bucket is a column of the chart.
type bucket struct {
	start          time.Time
	events, denied int
}

// totals are the state of the whole log.
type totals struct {
	events  int64
	sinks   []sink
	reviews []review
}

func totalsOf(r api.AuditSummaryResponse) *totals {
	t := &totals{events: max(0, r.Events)}
	for _, s := range r.Sinks {
		t.sinks = append(t.sinks, sink{safetext.New(s.Name), time.Duration(max(0, s.LagSeconds)) * time.Second, s.Stuck})
	}
	for _, v := range r.Reviews {
		if v.Overdue {
			t.reviews = append(t.reviews, review{safetext.New(v.Name), v.Due.UTC()})
		}
	}
	return t
}

func newCounts(r api.AuditSummaryResponse) *counts {
	c := &counts{people: max(0, r.People), downloads: max(0, r.Downloads), denied: max(0, r.Denied)}
	for _, h := range r.Hours[max(0, len(r.Hours)-lastDay.buckets()):] {
		c.columns = append(c.columns, bucket{h.Start.UTC(), max(0, h.Events), max(0, h.Denied)})
		c.most = max(c.most, h.Events)
		c.matches += max(0, h.Events)
	}
	return c
}

const (
	chartHeight = 5 // head, two lines of bars, refusals, hours
	chartLabel  = 12
	totalsW     = 22
)

// chart draws the counts in chartHeight lines: a column for each hour, and below it
// the number of denials.
func (p *Pane) chart(w int) string {
	if p.drawn.chart != "" && p.drawn.chartW == w {
		return p.drawn.chart
	}
	t := p.Env.Theme
	lines := make([]string, 1, chartHeight)
	unit, name := p.span.title()
	of := "everyone"
	if p.filter != "" {
		of = "this filter"
	}
	note := ""
	if p.charting != nil || p.counts == nil && p.counting != nil && p.countsWrong == "" {
		note = "counting" + t.Glyphs.Ellipsis
	}
	lines[0] = t.Head("Events per "+unit+", "+of+", "+name+" (UTC)", note, w, false)
	switch {
	case p.countsWrong != "":
		lines = append(lines, " "+t.Warn.Paint(format.End("No counts. "+p.countsWrong, w-2, t.Glyphs.Ellipsis)))
	case p.counts != nil && len(p.counts.columns) > 0:
		lines = append(lines, p.bars(t, p.counts, w)...)
	}
	for i := range lines {
		lines[i] = t.Pad(lines[i], w)
	}
	for len(lines) < chartHeight {
		lines = append(lines, "")
	}
	p.drawn.chart, p.drawn.chartW = strings.Join(lines, "\n"), w
	return p.drawn.chart
}

func (p *Pane) bars(t *theme.Theme, c *counts, w int) []string {
	step := min(max((w-chartLabel-2-totalsW)/len(c.columns), 1), 5)
	g := t.Glyphs
	var high, low, denied, hours strings.Builder
	every := 6 // columns with a label
	layout := "15"
	switch p.span {
	case lastMonth:
		every, layout = 7, "01-02"
	case lastYear:
		every, layout = 13, "2006-01"
	}
	for i, h := range c.columns {
		levels := level(h.events, c.most, 2*len(g.Bars))
		high.WriteString(bar(g.Bars, levels-len(g.Bars), step))
		low.WriteString(bar(g.Bars, levels, step))
		if h.denied == 0 {
			denied.WriteString(t.Rule.Paint(format.PadRight(g.Waiting, step)))
		} else {
			denied.WriteString(t.Bad.Bold().Paint(digits(h.denied, step)))
		}
		if i%every == 0 {
			hours.WriteString(format.PadRight(h.start.Format(layout), every*step))
		}
	}
	label := func(s string) string { return " " + format.PadRight(s, chartLabel-1) }
	lines := []string{
		t.Muted.Paint(label("peak "+quantity.Count(c.most))) + t.Accent.Paint(high.String()),
		t.Muted.Paint(label("events")) + t.Accent.Paint(low.String()),
		t.Bad.Paint(label("denied")) + denied.String(),
		t.Muted.Paint(label("")) + t.Muted.Paint(hours.String()),
	}
	at := chartLabel + len(c.columns)*step + 2
	if at+totalsW > w {
		return lines
	}
	for i, total := range c.totals(t) {
		lines[i] = t.Pad(lines[i], at) + total
	}
	return lines
}

// totals returns the sums beside the chart, one on each line.
func (c *counts) totals(t *theme.Theme) []string {
	line := func(name string, n int, s theme.Style) string {
		return t.Muted.Paint(format.PadRight(name, 12)) + s.Paint(quantity.Count(n))
	}
	denied := t.Text
	if c.denied > 0 {
		denied = t.Bad.Bold()
	}
	first := line("people", c.people, t.Text)
	if c.people < 0 {
		first = line("events", c.matches, t.Text)
	}
	return []string{first, line("downloads", c.downloads, t.Text), line("denied", c.denied, denied)}
}

// totalsLine draws the counts on one line, for a window without the chart.
func (p *Pane) totalsLine(w int) string {
	t, c := p.Env.Theme, p.counts
	switch {
	case p.countsWrong != "":
		return t.Warn.Paint(format.End("No counts. "+p.countsWrong, w, t.Glyphs.Ellipsis))
	case c == nil:
		return ""
	}
	denied := t.Text
	if c.denied > 0 {
		denied = t.Bad.Bold()
	}
	s := t.Muted.Paint(p.span.short()+"  denied ") + denied.Paint(quantity.Count(c.denied))
	states := p.states()
	if len(states) == 0 || format.Width(s)+3+format.Width(states[0].text)+20 < w {
		s += t.Muted.Paint("  downloads ") + t.Text.Paint(quantity.Count(c.downloads))
		if c.people >= 0 {
			s += t.Muted.Paint("  people ") + t.Text.Paint(quantity.Count(c.people))
		}
	}
	return t.Pad(s+"   "+p.joined(states, w-format.Width(s)-3), w)
}

// level scales n to whole steps. Any n above 0 has at least one.
func level(n, most, steps int) int {
	if n <= 0 || most <= 0 {
		return 0
	}
	return max(1, int(float64(n)/float64(most)*float64(steps)))
}

// bar draws one line of a column, step cells wide with its gap.
func bar(signs []string, levels, step int) string {
	sign := " "
	if levels > 0 {
		sign = signs[min(levels, len(signs))-1]
	}
	if step == 1 {
		return sign
	}
	return strings.Repeat(sign, step-1) + " "
}

// digits formats a number in w cells. A number that does not fit ends in "+".
func digits(n, w int) string {
	s := strconv.Itoa(n)
	if w == 1 && n > 9 {
		return "+"
	}
	if len(s) >= w && len(s) > 1 {
		s = strings.Repeat("9", w-1) + "+"
	}
	return format.PadRight(s, w)
}
