// Package access is the page that answers an admin's questions about grants:
// the readers of a place, the reason for which a person can or cannot read a
// file, the places of a person, and the grants in force.
//
// Every question is an event in the audit log. So each one follows a key press
// and nothing else: nothing polls, and nothing is sent ahead. Facts that are in
// an answer already (the grants by which a person reaches a folder) are shown
// without a question. One without an answer, because the network or the
// sign-in was gone, is sent once more when they are back.
//
// The page is a stack of views: esc goes back by one and closes the page
// below the last. An answer carries the question it answers, and one to a
// question that was given up is dropped. Answers are turned into safe text by
// the command that fetched them. No method does I/O or reads a clock.
//
// The page decides nothing: the server answers members of the admins' group
// only, and to anyone else nothing is there.
package access

import (
	"context"
	"errors"
	"fmt"
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
}

// Deps is the parts of a Pane. Env, Backend and Now must be set.
type Deps struct {
	Env     *pane.Env
	Backend Backend
	Now     func() time.Time // called from commands only; decides which grants are out of their time
	Server  string           // host, for sentences
	Group   safetext.Text    // of admins, for sentences
	// On is the place whose readers the page opens with; the zero Place means
	// all grants.
	On pane.Target
	// Mine makes the page open with the reason for which the person can read
	// On, an object.
	Mine bool
}

const (
	grace    = 150 * time.Millisecond // before a wait is shown
	askLimit = 30 * time.Second       // for an answer
	deepest  = 50                     // views that esc goes back through
)

// Pane is the page. See New.
type Pane struct {
	Deps
	stack []*view

	asked  *question // under way; nil if nothing is
	cancel context.CancelFunc
	slow   bool // for longer than grace

	typing bool
	field  pane.Field
	wrong  string // the mistake in the typed text

	w, h  int
	drawn drawn
}

// question is one call to the server. Answers are told apart by its address.
type question struct{ view *view }

// Messages to the pane from its own commands.
type (
	answered struct {
		of  *question
		ans *answer
		err error
	}
	waited struct{ of *question }
)

// Format keeps untrusted text out of any print.
func (a answered) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "answered, failed: %t", a.err != nil)
}

// New makes a page that has sent no question yet; Opened sends the first.
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

// Opened sends the first question.
func (p *Pane) Opened() tea.Cmd {
	switch {
	case p.Mine:
		return p.ask(p.view(why, p.On, p.Env.Me.Name))
	case p.On.Bucket.IsZero():
		return p.ask(p.view(grants, pane.Target{}, safetext.Text{}))
	}
	return p.ask(p.view(who, p.On, safetext.Text{}))
}

// ask requests the content of a view; the question before is given up.
func (p *Pane) ask(v *view) tea.Cmd {
	p.stop()
	if len(p.stack) == 0 {
		p.push(v)
	}
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	q := &question{v}
	p.asked, p.cancel = q, cancel
	p.dirty()
	f := fetch{p.Backend, p.Now, v.kind, v.at, v.user}
	return tea.Batch(
		tea.Tick(grace, func(time.Time) tea.Msg { return waited{q} }),
		func() tea.Msg {
			defer cancel()
			ans, err := f.do(ctx)
			return answered{q, ans, err}
		})
}

// stop gives up the question under way: an answer to it will be dropped, and a
// view that has only it goes.
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

// top is the view on the screen, nil if there is none.
func (p *Pane) top() *view {
	if n := len(p.stack); n > 0 {
		return p.stack[n-1]
	}
	return nil
}

// push brings a view to the front, if it is not there already.
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
	v.fill(m.ans)
	return pane.Send(pane.Answered{})
}

// sentence is the text of an error for the person.
func (p *Pane) sentence(err error, of *view) string {
	switch pane.Code(err) {
	case api.NotFound:
		// To anyone but admins no question exists; of a person whom the
		// server does not know the answer is the same.
		s := "This page needs group " + p.Group.String() + ". Ask your administrator."
		if !of.user.IsZero() && of.kind != who {
			s = "There is no such person, or this page is not open to you: it needs group " + p.Group.String() + "."
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

// Context is the bindings in force.
func (p *Pane) Context() keys.Context {
	v := p.top()
	switch {
	case v == nil || v.kind == who:
		return keys.Access
	case v.list != nil:
		return keys.Places
	}
	return keys.Because
}

var _ pane.Pane = (*Pane)(nil)
