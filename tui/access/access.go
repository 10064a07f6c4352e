package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/keys"
	"usher/tui/pane"
)

// Backend is the part of the server that the page uses.
type Backend interface {
	Explain(context.Context, api.ExplainRequest) (api.ExplainResponse, error)
	Who(context.Context, api.WhoRequest) (api.WhoResponse, error)
	Can(context.Context, api.CanRequest) (api.CanResponse, error)
	GrantsList(context.Context) (api.GrantsListResponse, error)
	Asking(context.Context, api.AskingRequest) (api.AskingResponse, error)
	Answer(context.Context, api.AnswerRequest) (api.AnswerResponse, error)
}

// Deps is the pane's dependencies. Env, Backend and Now are required.
type Deps struct {
	Env     *pane.Env
	Backend Backend
	Now     func() time.Time // only commands call it; for the time windows of grants
	Server  string           // host, for sentences
	Group   safetext.Text    // of admins; the list of all grants and the requests are theirs alone
	Or      safetext.Text    // of auditors, for sentences
	// On is the path whose readers are the first view. With the zero Target the
	// first view is all grants, or for an auditor the person's own paths.
	On pane.Target
	// Mine makes the first view the explanation of the person's own access to On,
	// an object.
	Mine bool
}

const (
	grace    = 150 * time.Millisecond // before a wait is shown
	askLimit = 30 * time.Second       // of one call
	deepest  = 50                     // views on the stack
)

// Pane is the page. See New.
type Pane struct {
	Deps
	stack []*view

	asked  *query // under way; nil if nothing is
	cancel context.CancelFunc
	slow   bool // for longer than grace

	typing bool
	field  pane.Field
	wrong  string // the mistake in the typed text

	w, h  int
	drawn drawn
}

// query is one call to the server. Its address identifies its response.
type query struct {
	view *view
	more bool // for the page of requests behind those of the view
}

// Messages to the pane from its own commands.
type (
	answered struct {
		of  *query
		ans *answer
		err error
	}
	waited struct{ of *query }
)

// Format keeps untrusted text out of all output.
func (a answered) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "answered, failed: %t", a.err != nil)
}

// New returns a page without a view. Opened sends the first query.
func New(d Deps) (*Pane, error) {
	switch {
	case d.Env == nil:
		return nil, errors.New("access: no environment")
	case d.Backend == nil:
		return nil, errors.New("access: no backend")
	case d.Now == nil:
		return nil, errors.New("access: no clock")
	case d.Mine && d.On.Key.IsZero():
		return nil, errors.New("access: no object to explain")
	}
	p := &Pane{Deps: d}
	p.field = pane.NewField(0)
	return p, nil
}

// Opened sends the first query.
func (p *Pane) Opened() tea.Cmd {
	switch {
	case p.Mine:
		return p.ask(p.view(why, p.On, p.Env.Me.Name))
	case p.On.Bucket.IsZero() && !p.Env.Me.In(p.Group):
		return p.ask(p.view(can, pane.Target{}, p.Env.Me.Name))
	case p.On.Bucket.IsZero():
		return p.ask(p.view(grants, pane.Target{}, safetext.Text{}))
	}
	return p.ask(p.view(who, p.On, safetext.Text{}))
}

// ask requests the content of a view, and cancels the pending query.
func (p *Pane) ask(v *view) tea.Cmd {
	return p.send(&query{view: v}, fetch{p.Backend, p.Now, v.kind, v.at, v.user, ""})
}

// askMore requests the requests behind those of a view, if there are any.
func (p *Pane) askMore(v *view) tea.Cmd {
	after := v.next()
	if after == "" || p.asked != nil {
		return nil
	}
	return p.send(&query{v, true}, fetch{p.Backend, p.Now, v.kind, v.at, v.user, after})
}

func (p *Pane) send(q *query, f fetch) tea.Cmd {
	p.stop()
	if len(p.stack) == 0 {
		p.push(q.view)
	}
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	p.asked, p.cancel = q, cancel
	p.dirty()
	return tea.Batch(
		tea.Tick(grace, func(time.Time) tea.Msg { return waited{q} }),
		func() tea.Msg {
			defer cancel()
			ans, err := f.do(ctx)
			return answered{q, ans, err}
		})
}

// stop cancels the pending query. Its response will be dropped, and its view closes
// if it is still empty.
func (p *Pane) stop() {
	if p.cancel != nil {
		p.cancel()
	}
	q := p.asked
	p.asked, p.cancel, p.slow = nil, nil, false
	if q != nil && q.view == p.top() && q.view.ans == nil && q.view.problem == "" {
		p.pop()
	}
}

// top returns the view on the screen, nil without one.
func (p *Pane) top() *view {
	if n := len(p.stack); n > 0 {
		return p.stack[n-1]
	}
	return nil
}

// push adds a view to the stack, unless it is the top.
func (p *Pane) push(v *view) {
	if p.top() == v {
		return
	}
	p.stack = append(p.stack, v)
	if len(p.stack) > deepest {
		p.stack = p.stack[1:]
	}
	p.dirty()
}

func (p *Pane) pop() {
	if n := len(p.stack); n > 0 {
		p.stack = p.stack[:n-1]
	}
	p.dirty()
}

// Handle takes the page's own messages and ignores all others.
func (p *Pane) Handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case answered:
		return p.answered(m)
	case waited:
		if m.of == p.asked {
			p.slow = true
			p.push(m.of.view)
			p.dirty()
		}
	case closed:
		p.closed(m)
	case pane.Restyled:
		p.dirty()
	case pane.Retry:
		if v := p.top(); v != nil && v.lost && !v.retried && p.asked == nil {
			v.retried = true
			return p.ask(v)
		}
	case tea.PasteMsg:
		if p.typing {
			p.field.Take(m)
			p.wrong = ""
		}
	}
	return nil
}

func (p *Pane) answered(m answered) tea.Cmd {
	if m.of != p.asked {
		return nil
	}
	v := m.of.view
	p.push(v)
	p.asked, p.cancel, p.slow = nil, nil, false
	p.dirty()
	if m.err != nil {
		v.problem, v.lost = p.sentence(m.err, v), api.SignedOut(m.err) || api.Offline(m.err)
		return pane.Send(pane.Failed{Err: m.err})
	}
	if m.of.more {
		m.ans.requests = append(slices.Clone(v.ans.requests), m.ans.requests...)
	}
	v.fill(m.ans)
	return pane.Send(pane.Answered{})
}

// sentence returns the text of an error for the person.
func (p *Pane) sentence(err error, of *view) string {
	switch pane.Code(err) {
	case api.NotFound:
		// The server returns the same for a caller outside the admins group and for an
		// unknown person.
		group := p.Group.String()
		if of.kind != grants && of.kind != requests && !p.Or.IsZero() {
			group += " or " + p.Or.String()
		}
		s := "This page needs group " + group + ". Ask your administrator."
		if !of.user.IsZero() && of.kind != who {
			s = "There is no such person, or this page is not open to you: it needs group " + group + "."
		}
		var answer *api.Error
		if errors.As(err, &answer) && answer.RequestID != "" {
			s += " (request " + safetext.Line(answer.RequestID) + ")"
		}
		return s
	case api.TooLarge:
		return "These groups have too many people. Type the name of one person."
	}
	return pane.Sentence(err, p.Server).String()
}

// dirty drops the drawn lines.
func (p *Pane) dirty() {
	p.drawn = drawn{}
	if v := p.top(); v != nil {
		v.portW = 0
		if v.list != nil {
			v.list.Changed()
		}
	}
}

// Context returns the active bindings.
func (p *Pane) Context() keys.Context {
	v := p.top()
	switch {
	case v == nil || v.kind == who:
		return keys.Access
	case v.kind == requests || v.of.request != nil:
		return keys.Requests
	case v.list != nil:
		return keys.Places
	}
	return keys.Because
}

var _ pane.Pane = (*Pane)(nil)
