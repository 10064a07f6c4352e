// Package audit shows the audit log: the filter, the counts of the last day, the
// events folded into rows, and one event in full.
//
// Every query of the log is an event in the log, so each follows an action of the
// person: one page of events and the counts when the page opens and on ctrl+r, a
// page for a new filter, and the next page near the last row. Nothing polls.
//
// A filter is checked before it is sent (event.ParseFilter), and a mistake is shown
// below its word. Rows are the groups of event.Fold. The outcome of a row is the
// worst of its events, and a client's report of its own download is marked as such.
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
}

// Deps is the pane's dependencies. Env and Backend are required.
type Deps struct {
	Env     *pane.Env
	Backend Backend
	Server  string        // host, for sentences
	Group   safetext.Text // of auditors, for sentences
	On      pane.Target   // the page opens with the events of this path; zero: all events
}

const (
	pageSize  = 200                    // events in one query
	near      = 20                     // rows from the end at which the next page is asked for
	keepMost  = 20_000                 // events kept; older ones need a narrower filter
	emptyMost = 10                     // pages in a row that may bring nothing
	grace     = 150 * time.Millisecond // before a wait is shown
	settle    = 120 * time.Millisecond // before the details follow the cursor
	askLimit  = 30 * time.Second       // of one call
	chartSpan = 24                     // hours
)

// Pane is the page. See New.
type Pane struct {
	Deps
	start  string // the filter that it opened with
	filter string // the present one, raw
	back   []string

	asked   *query // under way; nil if nothing is
	cancel  context.CancelFunc
	slow    bool // for longer than grace
	problem problem
	log     *ledger
	empty   int // pages in a row that brought nothing

	counting    *query
	stopCount   context.CancelFunc
	counts      *counts
	countsWrong string

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

// drawn is View's cache of lines.
type drawn struct {
	chart, details string
	chartW, detW   int
}

// query is one call to the log. Its address identifies its response.
type query struct {
	filter safetext.Text
	cursor safetext.Text // empty for the newest page
	fresh  bool          // the filter differs from the one on the screen
}

// problem is the failure of a query.
type problem struct {
	text string
	code api.Code
	next bool // it was a further page
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
	}
	p := &Pane{Deps: d, log: &ledger{}, start: filterFor(d.On.Bucket.Raw(), d.On.Key.Raw())}
	p.filter = p.start
	p.field = pane.NewField(0)
	p.list = rows.New(source{p}, rows.Config{Jump: d.Env.Jump})
	p.list.Focus(true)
	return p, nil
}

// filterFor returns the filter for the events of a path: of one object exactly, of
// a folder with all paths below it.
func filterFor(bucket, key string) string {
	if bucket == "" {
		return ""
	}
	at := api.Path{Bucket: bucket, Key: key}
	terms := []event.Term{{Field: event.ByPath, Exact: !at.IsFolder(), Value: at.String()}}
	if !at.IsFolder() { // listings of its folder include it
		terms = append(terms, event.Term{Field: event.ByPath, Exact: true, Value: at.Parent().String()})
	}
	return event.Filter{Terms: terms}.String()
}

// Opened requests the first page and the counts.
func (p *Pane) Opened() tea.Cmd { return tea.Batch(p.ask(true, ""), p.count()) }

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
		if p.typing {
			p.field.Take(m)
			p.typed()
		}
	}
	return nil
}

// again repeats the calls that failed.
func (p *Pane) again() tea.Cmd {
	var cmds []tea.Cmd
	switch {
	case p.problem.text == "":
	case p.problem.next && p.problem.code != api.BadCursor:
		cmds = append(cmds, p.ask(false, p.log.next))
	default:
		cmds = append(cmds, p.ask(false, ""))
	}
	if p.countsWrong != "" {
		cmds = append(cmds, p.count())
	}
	return tea.Batch(cmds...)
}

// paused reports whether the search stopped before the end of the log, after
// emptyMost pages without an event.
func (p *Pane) paused() bool { return p.empty >= emptyMost && p.log.next != "" }

// reload handles ctrl+r: it repeats the failed calls, or all. It continues a
// paused search that has found nothing yet.
func (p *Pane) reload() tea.Cmd {
	if p.paused() && len(p.lines) == 0 && p.problem.text == "" && p.asked == nil {
		p.empty = 0
		return p.ask(false, p.log.next)
	}
	if p.problem.next && p.problem.code != api.BadCursor {
		return p.again()
	}
	return tea.Batch(p.ask(false, ""), p.count())
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

// newest returns the ID of the newest event of line i.
func (p *Pane) newest(i int) string {
	e := p.entry(i)
	if e == nil {
		return ""
	}
	return p.log.facts[e.members[len(e.members)-1]].id.Raw()
}

// find returns the line with a newest event, else the first.
func (p *Pane) find(newest string) int {
	if newest == "" {
		return 0
	}
	for i := range p.lines {
		if p.newest(i) == newest {
			return i
		}
	}
	return 0
}

// moved follows a movement of the cursor.
func (p *Pane) moved() tea.Cmd {
	p.settled++
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
}

// Context returns the active bindings.
func (p *Pane) Context() keys.Context {
	if p.open != nil {
		return keys.Event
	}
	return keys.Audit
}

var _ pane.Pane = (*Pane)(nil)
