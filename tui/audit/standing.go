package audit

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/theme"
)

// Standing is the last check of the log from this machine: the signed checkpoint that
// continues the one before it.
type Standing struct {
	Events  int64 // of the checkpoint
	At      time.Time
	Finding safetext.Text // the log does not continue the one that this machine knows, or the file has a fault; the zero Text: none
	Text    safetext.Text // of a file: the result of its verification

	tail int64 // events after the checkpoint, at the time of the check
}

// stood is the message with a check of the log.
type stood struct {
	standing Standing
	err      error
}

// check requests the state of the log. It is no read of events, so the log has no
// event of it.
func (p *Pane) check() tea.Cmd {
	standing := p.Standing
	if standing == nil {
		return nil
	}
	limit := askLimit
	if p.File {
		limit = answerLimit
	}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		s, err := standing(ctx)
		return stood{s, err}
	}
}

// stood handles a check. A failed one leaves the last state: the root reports a
// server that is away.
func (p *Pane) stood(m stood) {
	if m.err == nil {
		m.standing.tail = p.size() - m.standing.Events
		p.standing = &m.standing
		p.drawn = drawn{}
	}
}

// part is a piece of the line of states.
type part struct {
	text  string
	style theme.Style
}

// states returns the state of the log, of its receivers and of its reviews.
func (p *Pane) states() []part {
	var parts []part
	if s := p.logState(); s.text != "" {
		parts = append(parts, s)
	}
	return append(parts, p.receivers()...)
}

// logState describes the last checks of the log.
func (p *Pane) logState() part {
	t, s := p.Env.Theme, p.standing
	switch {
	case s == nil && p.File:
		return part{"verifying the file" + t.Glyphs.Ellipsis, t.Muted}
	case s == nil:
		return part{}
	case p.File && !s.Finding.IsZero():
		return part{s.Finding.String(), t.Bad.Bold()}
	case !s.Text.IsZero():
		return part{s.Text.String(), t.OK}
	case !s.Finding.IsZero():
		return part{"the log is not whole, " + p.Env.Keys.Shown(keys.Audit, keys.OpenProof) + " shows why", t.Bad.Bold()}
	case s.Events == 0:
		return part{"the log has no checkpoints", t.Warn}
	}
	text, newer, verified := "log whole up to event "+quantity.Count(s.Events), " newer not signed yet", ", verified "
	if p.w < 110 {
		text, newer, verified = "log whole to event "+quantity.Count(s.Events), " not signed yet", ", "
	}
	if s.tail > 0 {
		text += ", " + quantity.Count(s.tail) + newer
	}
	return part{text + verified + p.clock(s.At), t.OK}
}

// size returns the number of events of the log, as far as it is known.
func (p *Pane) size() (n int64) {
	if p.totals != nil {
		n = p.totals.events
	}
	if len(p.log.facts) > 0 {
		n = max(n, p.log.facts[0].record)
	}
	return n
}

// clock formats a time of the last day as hours and minutes, an earlier one with its
// date.
func (p *Pane) clock(at time.Time) string {
	zone := " UTC"
	if p.local {
		zone = ""
	}
	at = p.zoned(at)
	if p.standing != nil && p.zoned(p.standing.At).Sub(at) < 24*time.Hour {
		return at.Format("15:04") + zone
	}
	return at.Format("2006-01-02 15:04") + zone
}

// receivers describes overdue reviews, and the receivers of the log.
func (p *Pane) receivers() []part {
	if p.totals == nil {
		return nil
	}
	t := p.Env.Theme
	var parts []part
	if n := len(p.totals.reviews); n > 0 {
		v := p.totals.reviews[0]
		text := "review " + v.name.String() + " overdue since " + v.due.Format(time.DateOnly)
		if n > 1 {
			text = quantity.Plural(n, "review", "reviews") + " overdue, " + v.name.String() + " since " + v.due.Format(time.DateOnly)
		}
		parts = append(parts, part{text, t.Warn})
	}
	late := false
	for _, s := range p.totals.sinks {
		lag := quantity.Remaining(s.lag)
		switch {
		case s.stuck:
			late = true
			parts = append(parts, part{"sink " + s.name.String() + " is stuck, " + lag + " behind", t.Bad})
		case s.lag >= sinkLate:
			late = true
			parts = append(parts, part{"sink " + s.name.String() + " " + lag + " behind", t.Warn})
		}
	}
	if n := len(p.totals.sinks); n > 0 && !late {
		most := time.Duration(0)
		for _, s := range p.totals.sinks {
			most = max(most, s.lag)
		}
		text := quantity.Plural(n, "sink", "sinks") + " up to date"
		if most > 0 {
			text = quantity.Plural(n, "sink", "sinks") + " at most " + quantity.Remaining(most) + " behind"
		}
		parts = append(parts, part{text, t.Muted})
	}
	return parts
}

// sinkLate is the lag from which on a sink has a warning.
const sinkLate = time.Minute

// sink is a receiver of the log.
type sink struct {
	name  safetext.Text
	lag   time.Duration
	stuck bool
}

// review is an overdue review of the log.
type review struct {
	name safetext.Text
	due  time.Time
}

// joined draws as many parts as fit in w cells. The first one is cut.
func (p *Pane) joined(parts []part, w int) string {
	var out []string
	room := w
	for i, x := range parts {
		n := format.Width(x.text)
		if i > 0 {
			n += 3
		}
		if n > room && i > 0 {
			continue
		}
		out = append(out, x.style.Paint(format.End(x.text, max(1, room), p.Env.Theme.Glyphs.Ellipsis)))
		room -= n
	}
	return strings.Join(out, "   ")
}
