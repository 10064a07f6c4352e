// Package signin is the sign-in page: user name and password, then each next step of
// the user pool. A step is a form of fields and rows; a row is another way to
// continue.
//
// A hidden field is one buffer of fixed size that is zeroed after use. No message
// contains it. Each attempt is a new Flow, and a result of a canceled attempt is
// dropped.
//
// Cognito decides on the sign-in. Store stores the tokens.
package signin

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/session"
	"usher/tui/pane"
)

// Flow is one sign-in attempt (*session.SignIn).
type Flow interface {
	Password(ctx context.Context, user string, password []byte) (session.Step, error)
	WithoutPassword(ctx context.Context, user string) (session.Step, error)
	PasswordChosen(ctx context.Context, password []byte) (session.Step, error)
	NewPassword(ctx context.Context, password []byte, attributes map[string]string) (session.Step, error)
	Code(ctx context.Context, code string) (session.Step, error)
	NewCode(ctx context.Context) (session.Step, error)
	Choose(ctx context.Context, id string) (session.Step, error)
	Email(ctx context.Context, address string) (session.Step, error)
	Forgot(ctx context.Context, user string) (session.Step, error)
	Reset(ctx context.Context, code string, password []byte) (session.Step, error)
	Remember(ctx context.Context, tokens session.Tokens) error
	Close() // zeroes the password
}

// Account is a demo account on the screen. Password is "" after the person chose
// another one. Code returns the present code of its second factor, "" without one.
// Only commands call it.
type Account struct {
	User, Password, About string
	Code                  func() string
	Browser               bool // signs in with the company
}

// Deps is the page's dependencies. Demo, User, Organisation, Version, Service,
// Ways, Other and First may be empty.
type Deps struct {
	Env          *pane.Env
	New          func() (Flow, error)
	Store        func(context.Context, session.Step) error // stores the tokens of a Done step
	Server       string
	Service      string // host of the sign-in service, for a call that takes long
	Organisation safetext.Text
	Version      string
	User         string // initial text of the user field
	Demo         []Account
	Ways         []api.Way // on offer; none: the password
	Other        []Way     // ways with a browser
	First        api.Way   // of the last sign-in; its row has the focus
}

// Done is the message to the root after a sign-in, when the tokens are stored.
type Done struct{}

const (
	limit = time.Minute     // of one step
	slow  = 3 * time.Second // after which the page names the host that it waits for
)

// stage is the present step of the sign-in.
type stage int

const (
	askPassword  stage = iota
	askUser            // for a code
	askForgotten       // the user whose password is forgotten
	askNew
	askSetUp
	askCode
	askChoice
	askEmail
	askProof // the password alone
	askReset
	askRemember
	askBrowser
	askNumber // of the browser's page
)

// Page is the sign-in. See New.
type Page struct {
	Deps
	flow    Flow
	gen     uint64
	cancel  context.CancelFunc
	busy    bool
	late    bool // busy for longer than slow
	stage   stage
	focus   int // of the stage: its fields, then its rows
	user    pane.Field
	secret  [2]secret // password, or the new one twice
	code    pane.Field
	plain   []pane.Field // the mail address, or the required attributes
	step    session.Step
	say     string
	good    bool
	shown   Shown   // of askBrowser
	copied  bool    // the address
	browser *visit  // of askBrowser and askNumber
	closed  tea.Cmd // closes the browser of a stage that was left; nil: there is none
	demo    int     // account filled in, -1 for none
	over    bool    // signed in; the root has not handled Done yet
	hint    string  // the demo account's code now
}

// New returns the page at its first stage, the password.
func New(d Deps) (*Page, error) {
	switch {
	case d.Env == nil:
		return nil, errors.New("signin: no environment")
	case d.New == nil:
		return nil, errors.New("signin: nothing to sign in with")
	case d.Store == nil:
		return nil, errors.New("signin: nothing keeps the tokens")
	}
	p := &Page{Deps: d, demo: -1}
	p.user, p.code = pane.NewField(128), pane.NewField(8)
	p.user.Set(d.User)
	p.focus = p.first()
	for i, w := range d.Other {
		if d.First != "" && w.Way == d.First {
			p.focus = len(p.fields()) + i
		}
	}
	return p, nil
}

// Restart starts over at the password, for the same person, with a sentence about
// the reason.
func (p *Page) Restart(reason safetext.Text) {
	p.leave()
	p.say, p.good = reason.String(), false
}

// User returns the last typed user name.
func (p *Page) User() string { return p.user.Value() }

// first returns the focus of a stage: its first empty field.
func (p *Page) first() int {
	if p.stage == askPassword && p.user.Value() != "" {
		return 1
	}
	return 0
}

// leave drops the attempt and zeroes the hidden texts.
func (p *Page) leave() {
	if p.cancel != nil {
		p.cancel()
		p.cancel = nil
	}
	if p.flow != nil {
		p.flow.Close()
	}
	p.gen++
	p.flow, p.busy, p.late, p.over, p.step, p.hint, p.plain = nil, false, false, false, session.Step{}, "", nil
	if p.stage == askNumber { // before, the command that waits for the browser closes it
		p.closed = closing(p.browser)
	}
	p.shown, p.copied, p.browser = Shown{}, false, nil
	p.open(askPassword)
}

// open begins a stage with empty fields.
func (p *Page) open(s stage) {
	p.stage = s
	p.code.Set("")
	for i := range p.secret {
		p.secret[i].zero()
	}
	p.focus = p.first()
}

// stepped is the result of a step. It holds no typed text.
type stepped struct {
	gen  uint64
	flow Flow
	step session.Step
	say  string // of a success
	err  error
}

// String and GoString keep an attempt out of all output.
func (stepped) String() string   { return "sign-in step" }
func (stepped) GoString() string { return "sign-in step" }

type stored struct {
	gen uint64
	err error
}

type remembered struct {
	gen uint64
	err error
}

type hinted struct {
	gen  uint64
	code string
}

// waited reports that a call takes long.
type waited struct{ gen uint64 }

// Handle handles the page's own messages.
func (p *Page) Handle(msg tea.Msg) tea.Cmd { return p.and(p.handle(msg)) }

// and adds the end of a browser that was left to a command.
func (p *Page) and(cmd tea.Cmd) tea.Cmd {
	if p.closed == nil {
		return cmd
	}
	closed := p.closed
	p.closed = nil
	return tea.Batch(cmd, closed)
}

func (p *Page) handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case stepped:
		if m.gen == p.gen {
			return p.stepped(m)
		}
	case begun:
		return p.begun(m)
	case waited:
		p.late = p.late || m.gen == p.gen && p.busy
	case stored:
		if m.gen == p.gen {
			return p.stored(m)
		}
	case remembered:
		if m.gen == p.gen {
			return p.done()
		}
	case hinted:
		if m.gen == p.gen && p.hinting() {
			p.hint = m.code
			gen, code := p.gen, p.Demo[p.demo].Code
			return tea.Tick(2*time.Second, func(time.Time) tea.Msg { return hinted{gen, code()} })
		}
	case tea.PasteMsg:
		p.paste(m.Content)
	}
	return nil
}

func (p *Page) hinting() bool {
	return p.demo >= 0 && (p.stage == askCode || p.stage == askSetUp || p.stage == askReset)
}

// stored ends a sign-in whose tokens are stored, or opens the question about this machine.
func (p *Page) stored(m stored) tea.Cmd {
	p.busy, p.late = false, false
	switch {
	case m.err != nil:
		p.leave()
		p.say, p.good = pane.Sentence(m.err, p.Server).String(), false
		return nil
	case p.step.Remember:
		p.say = ""
		p.open(askRemember)
		return nil
	}
	return p.done()
}

func (p *Page) done() tea.Cmd {
	p.leave()
	p.say, p.over = "", true
	return pane.Send(Done{})
}

// storing reports whether a completed sign-in is being stored. It can no longer be
// left: its tokens would be on the disk all the same.
func (p *Page) storing() bool { return p.busy && p.step.Kind == session.Done && p.stage != askRemember }

func (p *Page) stepped(m stepped) tea.Cmd {
	p.busy, p.late = false, false
	if m.err != nil {
		return p.refused(m)
	}
	if m.flow != nil {
		p.flow = m.flow
	}
	p.step, p.say, p.good = m.step, m.say, m.say != ""
	stages := map[session.StepKind]stage{
		session.NeedNewPassword: askNew, session.SetUpCode: askSetUp, session.NeedCode: askCode, session.Choose: askChoice,
		session.NeedEmail: askEmail, session.NeedPassword: askProof, session.NeedReset: askReset,
		session.NeedNumber: askNumber,
	}
	if m.step.Kind == session.Done {
		p.busy, p.say, p.good = true, "Signed in.", true
		step, store, gen := m.step, p.Store, p.gen
		return func() tea.Msg {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			return stored{gen, store(ctx, step)}
		}
	}
	p.plain = nil
	switch m.step.Kind {
	case session.NeedNewPassword:
		for range m.step.Attributes {
			p.plain = append(p.plain, pane.NewField(256))
		}
	case session.NeedEmail:
		p.plain = []pane.Field{pane.NewField(256)}
	}
	p.open(stages[m.step.Kind])
	if p.hinting() {
		return p.demoCode()
	}
	return nil
}

// refused shows the reason of a failed step. The step can be repeated where possible.
func (p *Page) refused(m stepped) tea.Cmd {
	say := pane.Sentence(m.err, p.Server).String()
	again := (p.flow != nil || p.stage == askNumber) && (api.Offline(m.err) || errors.Is(m.err, session.ErrThrottled))
	for _, repeatable := range []error{session.ErrCode, session.ErrPasswordRules, session.ErrEmail, session.ErrAttributes} {
		again = again || p.flow != nil && errors.Is(m.err, repeatable)
	}
	again = again || p.stage == askNumber && (errors.Is(m.err, session.ErrDeviceNumber) || errors.Is(m.err, session.ErrDeviceDown))
	p.code.Set("")
	switch {
	case errors.Is(m.err, session.ErrPasswordReset):
		p.leave()
		p.focus = p.forgotRow()
	case !again && p.stage == askUser || !again && p.stage == askForgotten:
	case !again:
		p.leave()
	case p.focus >= len(p.fields()):
		p.focus = 0
	}
	p.say, p.good = say, false
	return nil
}

func (p *Page) demoCode() tea.Cmd {
	if p.demo < 0 || p.Demo[p.demo].Code == nil || p.Demo[p.demo].User != p.user.Value() {
		return nil
	}
	gen, code := p.gen, p.Demo[p.demo].Code
	return func() tea.Msg { return hinted{gen, code()} }
}

// call runs one step, and reports after slow that it takes long.
func (p *Page) call(do func(context.Context) (Flow, session.Step, error)) tea.Cmd {
	return p.tell("", do)
}

// tell is call with a sentence about its success.
func (p *Page) tell(say string, do func(context.Context) (Flow, session.Step, error)) tea.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	p.cancel, p.busy, p.late, p.say = cancel, true, false, ""
	gen := p.gen
	return tea.Batch(func() tea.Msg {
		defer cancel()
		flow, step, err := do(ctx)
		return stepped{gen, flow, step, say, err}
	}, tea.Tick(slow, func(time.Time) tea.Msg { return waited{gen} }))
}

// account returns the index of a demo account, or -1.
func (p *Page) account(user string) int {
	for i, a := range p.Demo {
		if a.User == user {
			return i
		}
	}
	return -1
}
