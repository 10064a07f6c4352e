// Package audit shows the audit log: the filter, the counts over time, the events
// folded into rows, and one event in full.
//
// Every query of the log is an event in the log, so each follows an action of the
// person: one page of events and the counts when the page opens and on ctrl+r, a
// page for a new filter, and the next page near the last row. Nothing polls but
// following, which the person turns on.
//
// The page holds a window of the log (ledger): it drops the far end and reads it
// again later. A filter is checked before it is sent (event.ParseFilter), and a
// mistake is shown below its word. Rows are the groups of event.Fold. The outcome of
// a row is the worst of its events, and a client's report of its own download is
// marked as such.
//
// The command that fetches events converts them to safe text. A response has the
// address of its query, and a response to an earlier query is dropped. Methods do
// no I/O and read no clock.
package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/safetext"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/rows"
)

// Backend is the part of the server that the page uses.
type Backend interface {
	AuditQuery(context.Context, api.AuditQueryRequest) (api.AuditQueryResponse, error)
	AuditSummary(context.Context, api.AuditSummaryRequest) (api.AuditSummaryResponse, error)
	AuditBy(context.Context, api.AuditByRequest) (api.AuditByResponse, error)
}

// Deps is the pane's dependencies. Env, Backend and Now are required.
type Deps struct {
	Env     *pane.Env
	Backend Backend
	Now     func() time.Time // only commands call it
	Server  string           // host, for sentences
	Group   safetext.Text    // of auditors, for sentences
	On      pane.Target      // the page opens with the events of this path; zero: all events
	// Standing returns the last check of the log from this machine. Optional.
	Standing func(context.Context) (Standing, error)
	Exporter *Exporter // optional
	File     bool      // the log is a file, without a server
	// Sent reads the access logs of S3, and returns the bytes that S3 sent for the events
	// of a group, as text. Optional.
	Sent func(ctx context.Context, by []event.By, filter string) (func(keys []string) string, error)
}

const (
	pageSize  = 200                    // events in one query
	near      = 20                     // rows from the end at which the next page is asked for
	keepMost  = 2_000                  // events in the window
	emptyMost = 10                     // pages in a row that may bring nothing
	grace     = 150 * time.Millisecond // before a wait is shown
	settle    = 120 * time.Millisecond // before the details follow the cursor
	askLimit  = 30 * time.Second       // of one call
)

// Pane is the page. See New.
type Pane struct {
	Deps
	start  string // the filter that it opened with
	filter string // the present one, raw
	back   []step

	asked   *query // under way; nil if nothing is
	cancel  context.CancelFunc
	slow    bool // for longer than grace
	problem problem
	log     *ledger
	rowsOf  string    // the filter of log
	empty   int       // pages in a row that brought nothing
	toward  direction // of the last movement: only this end is read on
	own     ownReads
	tail    follower

	counting    *query
	stopCount   context.CancelFunc
	totals      *totals
	everyone    *counts // all events of the last day
	counts      *counts // on the chart
	countsWrong string
	span        span
	charting    *query
	stopChart   context.CancelFunc
	standing    *Standing
	answer      *answer
	grouping    bool // the menu of b is open
	export      *export
	groups      map[string][]string // names by their hash, from lookups

	list    *rows.List
	lines   []line
	local   bool // times as local, not UTC
	cols    columns
	shown   int // entry in the details
	settled uint64
	open    *full

	typing bool
	field  pane.Field
	wrong  *event.FilterError
	hidden bool // the present filter cannot be typed
	drawn  drawn
	w, h   int
}

// direction is an end of the window.
type direction uint8

const (
	down direction = iota // older events
	up                    // newer events
)

// ownReads is the treatment of the person's own reads of the log.
type ownReads uint8

const (
	ownShown ownReads = iota
	ownHidden
)

// drawn is View's cache of lines.
type drawn struct {
	chart, details string
	chartW, detW   int
}

// Messages to the pane from its own commands.
type (
	answered struct {
		of  *query
		log *ledger
		err error
	}
	counted struct {
		of     *query
		totals *totals
		counts *counts
		err    error
	}
	waited  struct{ of *query }
	settles struct{ seq uint64 }
)

// Format keeps untrusted text out of all output.
func (a answered) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "answered: %v", a.log) }

// New returns a page without events. Opened sends the first query.
func New(d Deps) (*Pane, error) {
	switch {
	case d.Env == nil:
		return nil, errors.New("audit: no environment")
	case d.Backend == nil:
		return nil, errors.New("audit: no backend")
	case d.Now == nil:
		return nil, errors.New("audit: no clock")
	}
	p := &Pane{Deps: d, log: &ledger{}, start: filterFor(d.On.Bucket.Raw(), d.On.Key.Raw()), groups: map[string][]string{}}
	if !d.On.Filter.IsZero() {
		p.start = d.On.Filter.Raw()
	}
	p.filter = p.start
	p.field = pane.NewField(0)
	p.list = rows.New(source{p}, rows.Config{Jump: d.Env.Jump})
	p.list.Focus(true)
	return p, nil
}

// filterFor returns the filter for the events of a path: of one object with the
// listings that showed it, of a folder with all paths below it.
func filterFor(bucket, key string) string {
	if bucket == "" {
		return ""
	}
	at := api.Path{Bucket: bucket, Key: key}
	term := event.Term{Field: event.ByTouched, Value: at.String()}
	if at.IsFolder() {
		term.Field = event.ByPath
	}
	return event.Filter{Terms: []event.Term{term}}.String()
}

// Opened requests the first page, the counts and the state of the log.
func (p *Pane) Opened() tea.Cmd {
	cmds := []tea.Cmd{p.ask(newest, true), p.count(), p.chartNow()}
	if p.File {
		cmds = append(cmds, p.check()) // once, and at once: it does not need the counts
	}
	return tea.Batch(cmds...)
}

// step is a place that esc returns to: a filter, with an answer over it or without.
type step struct {
	filter string
	answer *answer
}

func after(d time.Duration, m tea.Msg) tea.Cmd {
	return tea.Tick(d, func(time.Time) tea.Msg { return m })
}

// Handle takes the page's own messages and ignores all others.
func (p *Pane) Handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case answered:
		return p.answered(m)
	case counted:
		return p.counted(m)
	case charted:
		return p.charted(m)
	case replied:
		return p.replied(m)
	case ticked:
		return p.ticked(m)
	case namedFile:
		m.of.named(m.path)
	case exported:
		return p.exported(m)
	case stood:
		p.stood(m)
	case named:
		p.named(m)
	case polls:
		return p.poll(m)
	case waited:
		if p.asked != nil && m.of == p.asked {
			p.slow = true
			if m.of.fresh {
				p.show(&ledger{})
			}
		}
	case settles:
		if m.seq == p.settled {
			p.follow()
		}
	case pane.Restyled:
		p.dirty()
	case pane.Retry:
		return p.again()
	case tea.PasteMsg:
		switch {
		case p.export != nil:
			p.export.field.Take(m)
		case p.typing:
			p.field.Take(m)
			p.typed()
		}
	}
	return nil
}

// ticked redraws the progress of the answer or the export under way.
func (p *Pane) ticked(m ticked) tea.Cmd {
	if p.answer != nil && m.of == any(p.answer) && p.answer.cancel != nil || p.export != nil && m.of == any(p.export) && p.export.cancel != nil {
		return after(tickEvery, m)
	}
	return nil
}

// entry returns the row on line i, nil for a day.
func (p *Pane) entry(i int) *entry {
	if i < 0 || i >= len(p.lines) || p.lines[i].entry < 0 {
		return nil
	}
	return &p.log.entries[p.lines[i].entry]
}

// current returns the row under the cursor.
func (p *Pane) current() *entry { return p.entry(p.list.Cursor()) }

// ids returns the IDs of the events of line i, the newest first.
func (p *Pane) ids(i int) []string {
	e := p.entry(i)
	if e == nil {
		return nil
	}
	out := make([]string, 0, len(e.members))
	for j := len(e.members) - 1; j >= 0; j-- {
		out = append(out, p.log.facts[e.members[j]].id.Raw())
	}
	return out
}

// find returns the line with any of these events, else the first line.
func (p *Pane) find(ids []string) int {
	if len(ids) == 0 {
		return 0
	}
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	for i := range p.lines {
		if e := p.entry(i); e != nil {
			for _, m := range e.members {
				if wanted[p.log.facts[m].id.Raw()] {
					return i
				}
			}
		}
	}
	return 0
}

// keep runs a change of the lines. The cursor stays on its event, and on its line of
// the window.
func (p *Pane) keep(change func()) {
	at := p.list.Cursor()
	ids, below := p.ids(at), at-p.list.Top()
	change()
	now := p.find(ids)
	p.list.SetTop(now - below)
	p.list.SetCursor(now)
	p.follow()
}

// moved follows a movement of the cursor.
func (p *Pane) moved(to direction) tea.Cmd {
	p.settled++
	p.toward = to
	if p.empty >= emptyMost {
		p.empty = 0
	}
	return tea.Batch(p.more(), after(settle, settles{p.settled}))
}

// follow updates the details to the row under the cursor.
func (p *Pane) follow() {
	p.shown = p.list.Cursor()
	p.drawn.details = ""
}

// dirty drops the drawn lines.
func (p *Pane) dirty() {
	p.list.Changed()
	p.drawn = drawn{}
	if p.open != nil {
		p.open.w = 0
	}
	if p.answer != nil {
		p.answer.list.Changed()
	}
}

// Context returns the active bindings.
func (p *Pane) Context() keys.Context {
	switch {
	case p.open != nil:
		return keys.Event
	case p.export != nil:
		return keys.Export
	case p.grouping:
		return keys.Grouping
	case p.answer != nil:
		return keys.Answer
	}
	return keys.Audit
}

var _ pane.Pane = (*Pane)(nil)
