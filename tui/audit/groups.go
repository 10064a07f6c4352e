package audit

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/safetext"
)

// An event has a hash of the groups that decided. Their names are in the events
// session-start and membership-changed of the person.

// namesKept bounds the looked-up names.
const namesKept = 200

// named is the message with the names of groups.
type named struct {
	names map[string][]string
	err   error
}

// Format keeps untrusted text out of all output.
func (n named) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "%d sets of groups", len(n.names)) }

// groupsOf returns the names of the groups that decided an event, the zero Text if
// they are not known.
func (p *Pane) groupsOf(f *fact) safetext.Text {
	hash := f.groups.Raw()
	names, ok := p.log.groups[hash]
	if !ok {
		names = p.groups[hash]
	}
	return safetext.New(strings.Join(names, ", "))
}

// lookUp requests the names of the groups of an event, if they are not known.
func (p *Pane) lookUp(f *fact) tea.Cmd {
	if f.groups.IsZero() || f.sub.IsZero() || !p.groupsOf(f).IsZero() {
		return nil
	}
	in := api.AuditQueryRequest{Limit: 50, Filter: event.Filter{Terms: []event.Term{
		{Field: event.ByWho, Value: f.sub.Raw()}, {Field: event.ByAction, Value: event.SessionStart},
		{Field: event.ByAction, Value: event.MembershipChanged}, {Field: event.ByUntil, Time: f.at.Add(time.Millisecond)},
	}}.String()}
	backend := p.Backend
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), askLimit)
		defer cancel()
		r, err := backend.AuditQuery(ctx, in)
		return named{namesOf(r.Events), err}
	}
}

// named handles the names of groups. Without them the page shows their hash.
func (p *Pane) named(m named) {
	if m.err != nil {
		return
	}
	if len(p.groups) > namesKept {
		clear(p.groups)
	}
	for hash, names := range m.names {
		p.groups[hash] = names
	}
	p.dirty()
}
