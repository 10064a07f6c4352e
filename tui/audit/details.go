package audit

import (
	"fmt"
	"strings"
	"time"

	"usher/backend/event"
	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
)

const (
	detailsHeight = 8 // head and seven lines
	detailLabel   = 11
)

// details draws the row under the cursor in detailsHeight lines.
func (p *Pane) details(w int) string {
	if p.drawn.details != "" && p.drawn.detW == w {
		return p.drawn.details
	}
	t := p.Env.Theme
	lines := make([]string, 0, detailsHeight)
	if e := p.entry(p.shown); e == nil {
		lines = append(lines, t.Head("Event", "", w, false))
	} else {
		first := &p.log.facts[e.members[0]]
		title := first.title()
		if n := len(e.members); n > 1 {
			title += " and " + quantity.Count(n-1) + " more"
		}
		lines = append(append(lines, t.Head(title, p.Env.Keys.Shown(keys.Audit, keys.Enter)+" shows all fields", w, false)), p.detailLines(t, e, w)...)
	}
	for i := range lines {
		lines[i] = t.Pad(lines[i], w)
	}
	for len(lines) < detailsHeight {
		lines = append(lines, "")
	}
	p.drawn.details, p.drawn.detW = strings.Join(lines[:detailsHeight], "\n"), w
	return p.drawn.details
}

// title names an event by its number in the log, or else by its ID.
func (f *fact) title() string {
	if f.record > 0 {
		return "Event " + quantity.Count(f.record)
	}
	return "Event " + f.id.String()
}

// person returns the username and the sub, which alone is the identity.
func (f *fact) person() safetext.Text {
	switch {
	case f.sub.IsZero():
		return f.who
	case f.who.IsZero():
		return f.sub
	}
	return safetext.New(f.who.Raw() + ", sub " + f.sub.Raw())
}

// groupsText returns the names of the groups that decided, or their hash.
func (p *Pane) groupsText(f *fact) safetext.Text {
	if names := p.groupsOf(f); !names.IsZero() || f.groups.IsZero() {
		return names
	}
	return safetext.New("hash " + f.groups.Raw())
}

// pair is a label and a function that draws its value in w cells.
type pair struct {
	label string
	value func(w int) string
}

func (p *Pane) detailLines(t *theme.Theme, e *entry, w int) []string {
	f, worst := &p.log.facts[e.members[0]], &p.log.facts[e.worst]
	text := func(s string) func(int) string {
		return func(w int) string { return t.Text.Paint(format.End(s, w, t.Glyphs.Ellipsis)) }
	}
	name := func(x safetext.Text, cut format.Cut) func(int) string {
		return func(w int) string { return pane.Name(t, t.Text, x, w, cut) }
	}
	why, reason := p.reason(worst)
	half := w
	if w >= 110 {
		half = w * 21 / 40
	}
	left := column(t, []pair{
		{"When", text(p.when(f.at))},
		{"Who", name(f.person(), format.End)},
		{"What", name(actionText(f), format.End)},
		{"Outcome", func(int) string { return p.outcome(t, worst) }},
		{"Then", name(p.story(e), format.End)},
	}, half-2)
	if half < w {
		left = beside(t, left, column(t, []pair{
			{"From", name(f.ip, format.End)},
			{"Session", name(f.session, format.End)},
			{"Groups", name(p.groupsText(f), format.End)},
			{"Request", name(f.request, format.End)},
			{"Client", name(f.agent, format.End)},
		}, w-half-1), half)
	}
	return append(left, column(t, []pair{{why, name(reason, format.End)}, {"Path", name(f.path, format.Start)}}, w-2)...)
}

// column draws labels and values in w cells, without those that are empty.
func column(t *theme.Theme, pairs []pair, w int) (lines []string) {
	for _, x := range pairs {
		if v := x.value(w - detailLabel); v != "" {
			lines = append(lines, " "+t.Muted.Paint(format.PadRight(x.label, detailLabel))+v)
		}
	}
	return lines
}

// beside draws two columns, the second one at a cell of the line.
func beside(t *theme.Theme, left, right []string, at int) []string {
	for i, l := range right {
		if i == len(left) {
			left = append(left, "")
		}
		left[i] = t.Pad(left[i], at) + strings.TrimPrefix(l, " ")
	}
	return left
}

// when formats a time in UTC and in the local zone, if that differs. The local time
// is first if the page shows local times.
func (p *Pane) when(at time.Time) string {
	s := format.Instant(at) + " UTC"
	if p.Env.Zone == nil {
		return s
	}
	here := at.In(p.Env.Zone)
	switch _, off := here.Zone(); {
	case off == 0:
		return s
	case p.local:
		return here.Format("2006-01-02 15:04:05.000 ") + format.Zone(here) + "  (" + format.Clock(at.UTC()) + " UTC)"
	}
	return s + "  (" + format.Clock(here) + " local)"
}

// actionText returns the action in words.
func actionText(f *fact) safetext.Text {
	parts := []string{act(f).Raw()}
	if f.size != nil {
		parts = append(parts, quantity.Size(*f.size))
	}
	if !f.released && f.action.Raw() == event.Download {
		parts = append(parts, "no URL released")
	}
	if f.count > 0 {
		parts = append(parts, countText(f))
	}
	return safetext.New(strings.Join(parts, ", "))
}

// countText returns the count of an event with its unit, which depends on the action.
func countText(f *fact) string {
	one, many := event.CountWords(f.action.Raw())
	if one == "" { // an action of a newer server
		return "count " + quantity.Count(f.count)
	}
	return quantity.Plural(f.count, one, many)
}

// reason returns the reason of an event's outcome, and its label.
func (p *Pane) reason(f *fact) (label string, text safetext.Text) {
	var parts []string
	if !f.reason.IsZero() {
		parts = append(parts, f.reason.Raw())
	}
	if !f.grant.IsZero() {
		parts = append(parts, "grant: "+f.grant.Raw())
	}
	label = "Why"
	if f.action.Raw() == event.AuditRead {
		label = "Query"
		if len(parts) == 0 {
			parts = []string{"all events"}
		}
	}
	return label, safetext.New(strings.Join(parts, "; "))
}

// story describes the later events of a row.
func (p *Pane) story(e *entry) safetext.Text {
	if len(e.members) == 1 && e.reported < 0 {
		if first := &p.log.facts[e.members[0]]; first.released {
			return safetext.New("no later event matches this filter")
		}
		return safetext.Text{}
	}
	var parts []string
	first, latest := &p.log.facts[e.members[0]], &p.log.facts[e.members[len(e.members)-1]]
	switch {
	case e.urls > 0 && len(e.members) > 1:
		parts = append(parts, quantity.Plural(e.urls, "URL", "URLs"))
	case first.folder:
		parts = append(parts, quantity.Plural(len(e.members), "page", "pages"))
	}
	if d := latest.at.Sub(first.at); d > 0 {
		parts = append(parts, "over "+quantity.Remaining(d))
	}
	if e.refused > 0 && len(e.members) > 1 {
		parts = append(parts, quantity.Count(e.refused)+" denied")
	}
	s := strings.Join(parts, ", ")
	if e.reported >= 0 {
		if s != "" {
			s += "; "
		}
		s += report(&p.log.facts[e.reported])
	}
	return safetext.New(s)
}

// report describes the client's report of a download, raw. It is marked as such.
func report(f *fact) string {
	s := "ended: " + f.reason.Raw()
	if f.bytes != nil {
		s += ", " + quantity.Size(*f.bytes)
	}
	if f.seconds != nil {
		s += " in " + took(*f.seconds)
	}
	if !f.verified.IsZero() {
		s += ", verified by " + f.verified.Raw()
	}
	return s + " (reported by the client)"
}

// took formats a duration in seconds from a client, which may be any number.
func took(s float64) string {
	switch {
	case s < 0 || s > 1e8 || s != s:
		return "?"
	case s < 10:
		return fmt.Sprintf("%.1f s", s)
	}
	return quantity.Remaining(time.Duration(s * float64(time.Second)))
}
