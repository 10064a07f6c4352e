package audit

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/tui/pane"
)

// count requests the counts of the chart.
func (p *Pane) count() tea.Cmd {
	if p.stopCount != nil {
		p.stopCount()
	}
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	q := &query{}
	p.counting, p.stopCount = q, cancel
	backend := p.Backend
	return func() tea.Msg {
		defer cancel()
		r, err := backend.AuditSummary(ctx, api.AuditSummaryRequest{Hours: chartSpan})
		if err != nil {
			return counted{of: q, err: err}
		}
		return counted{of: q, counts: newCounts(r)}
	}
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
	p.counts, p.countsWrong = m.counts, ""
	return nil
}
