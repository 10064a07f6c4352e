package audit

import (
	"context"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/event"
	"usher/client/question"
	"usher/tui/pane"
)

// span is the time of the chart.
type span uint8

const (
	lastDay   span = iota // 24 hours
	lastMonth             // 30 days
	lastYear              // 52 weeks
)

// buckets returns the number of columns of the chart.
func (s span) buckets() int { return [...]int{24, 30, 52}[s] }

// title names the span and the unit of a column.
func (s span) title() (unit, name string) {
	switch s {
	case lastMonth:
		return "day", "last 30 days"
	case lastYear:
		return "week", "last 52 weeks"
	}
	return "hour", "last 24 hours"
}

// short names the span in a narrow window.
func (s span) short() string { return [...]string{"24 h", "30 d", "1 y"}[s] }

// count requests the counts of the chart. Those of all events of the last day are
// ready in the server; others are counted from the events, page by page.
func (p *Pane) count() tea.Cmd {
	if p.stopCount != nil {
		p.stopCount()
	}
	limit := askLimit
	if p.File {
		limit = answerLimit // the events of a day are read, not their counts
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	q := &query{}
	p.counting, p.stopCount = q, cancel
	backend := p.Backend
	return func() tea.Msg {
		defer cancel()
		r, err := backend.AuditSummary(ctx, api.AuditSummaryRequest{Hours: lastDay.buckets()})
		if err != nil {
			return counted{of: q, err: err}
		}
		return counted{of: q, totals: totalsOf(r), counts: newCounts(r)}
	}
}

// chartNow requests the counts that the chart shows: those of the filter and the span.
func (p *Pane) chartNow() tea.Cmd {
	if p.stopChart != nil {
		p.stopChart()
		p.stopChart = nil
	}
	p.drawn = drawn{}
	p.counts = nil
	if p.filter == "" && p.span == lastDay {
		p.counts = p.everyone
		p.charting = nil
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	q := &query{}
	p.charting, p.stopChart = q, cancel
	backend, filter, s, now := p.Backend, p.filter, p.span, p.Now
	return func() tea.Msg {
		defer cancel()
		c, err := countBuckets(ctx, backend, filter, s, now())
		return charted{q, c, err}
	}
}

// charted is the message with the counts of the chart.
type charted struct {
	of     *query
	counts *counts
	err    error
}

func (p *Pane) charted(m charted) tea.Cmd {
	if p.charting == nil || m.of != p.charting {
		return nil
	}
	p.charting, p.stopChart = nil, nil
	p.drawn = drawn{}
	if m.err != nil {
		p.countsWrong = p.sentence(m.err)
		return pane.Send(pane.Failed{Err: m.err})
	}
	p.counts, p.countsWrong = m.counts, ""
	return nil
}

// countBuckets counts the events of a filter in the columns of a span.
func countBuckets(ctx context.Context, source question.Source, filter string, s span, now time.Time) (*counts, error) {
	by, width, layout := event.PerDay, 24*time.Hour, time.DateOnly
	last := now.UTC().Truncate(24 * time.Hour)
	switch s {
	case lastDay:
		by, width, layout, last = event.PerHour, time.Hour, "2006-01-02 15:04", now.UTC().Truncate(time.Hour)
	case lastYear:
		width = 7 * 24 * time.Hour
		last = last.Add(-6 * 24 * time.Hour)
	}
	first := last.Add(-time.Duration(s.buckets()-1) * width)
	from := event.Filter{Terms: []event.Term{{Field: event.BySince, Time: first}}}.String()
	if filter != "" {
		from = filter + " " + from
	}
	count, _, err := question.By(ctx, source, []event.By{by}, from, nil)
	if err != nil {
		return nil, err
	}
	groups, err := count.List(ctx, event.SortKey)
	if err != nil {
		return nil, err
	}
	c := &counts{columns: make([]bucket, s.buckets()), people: -1}
	for i := range c.columns {
		c.columns[i].start = first.Add(time.Duration(i) * width)
	}
	for _, g := range groups {
		at, err := time.Parse(layout, g.Keys[0])
		if i := int(at.Sub(first) / width); err == nil && i >= 0 && i < len(c.columns) {
			c.columns[i].events += int(g.Events)
			c.columns[i].denied += int(g.Denied)
		}
		c.matches += int(g.Events)
		c.downloads += int(g.Releases)
		c.denied += int(g.Denied)
	}
	c.most = slices.MaxFunc(c.columns, func(a, b bucket) int { return a.events - b.events }).events
	return c, nil
}

func (p *Pane) counted(m counted) tea.Cmd {
	if p.counting == nil || m.of != p.counting {
		return nil
	}
	p.counting, p.stopCount = nil, nil
	p.drawn = drawn{}
	if m.err != nil {
		p.countsWrong = p.sentence(m.err)
		return pane.Send(pane.Failed{Err: m.err})
	}
	p.totals, p.everyone, p.countsWrong = m.totals, m.counts, ""
	if p.filter == "" && p.span == lastDay {
		p.counts = p.everyone
	}
	if p.File {
		return nil
	}
	return p.check() // the number of events is known now
}

// nextSpan handles the key of the chart.
func (p *Pane) nextSpan() tea.Cmd {
	p.span = (p.span + 1) % (lastYear + 1)
	return p.chartNow()
}
