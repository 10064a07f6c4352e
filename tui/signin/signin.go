// Package signin is the sign-in page: user name and password, then the next step of
// the user pool: a new password, with its rules; the set-up of an authenticator app,
// as a QR code and as text; or the six digits of its code.
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
	Password(ctx context.Context, user, password string) (session.Step, error)
	NewPassword(ctx context.Context, password string) (session.Step, error)
	Code(ctx context.Context, code string) (session.Step, error)
}

// Account is a demo account on the screen. Password is "" after the person chose
// another one. Code returns the present six digits of its authenticator, "" without
// one. Only commands call it.
type Account struct {
	User, Password, About string
	Code                  func() string
}

// Deps is the page's dependencies. Demo, User, Organisation and Version may be empty.
type Deps struct {
	Env          *pane.Env
	New          func() (Flow, error)
	Store        func(context.Context, session.Step) error // stores the tokens of a Done step
	Server       string
	Organisation safetext.Text
	Version      string
	User         string // initial text of the user field
	Demo         []Account
}

// Done is the message to the root after a sign-in, when the tokens are stored.
type Done struct{}

const limit = time.Minute // of one step

// stage is the present step of the sign-in.
type stage int

const (
	askPassword stage = iota
	askNew
	askSetUp
	askCode
)

// Page is the sign-in. See New.
type Page struct {
	Deps
	flow   Flow
	gen    uint64
	cancel context.CancelFunc
	busy   bool
	stage  stage
	field  int // of the stage
	user   pane.Field
	secret [2]secret // password, or the new one twice
	code   pane.Field
	step   session.Step // of askSetUp
	say    string
	good   bool
	demo   int    // account filled in, -1 for none
	hint   string // the demo account's code now
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
	p.user, p.code = pane.NewField(128), pane.NewField(6)
	p.user.Set(d.User)
	if d.User != "" {
		p.field = 1
	}
	return p, nil
}

// Again starts over at the password, for the same person, with a sentence about
// the reason.
func (p *Page) Restart(reason safetext.Text) {
	p.leave()
	p.say, p.good = reason.String(), false
	p.field = 0
	if p.user.Value() != "" {
		p.field = 1
	}
}

// User returns the last typed user name.
func (p *Page) User() string { return p.user.Value() }

// leave drops the attempt and zeroes the hidden texts.
func (p *Page) leave() {
	if p.cancel != nil {
		p.cancel()
		p.cancel = nil
	}
	p.gen++
	p.flow, p.busy, p.stage, p.step, p.hint = nil, false, askPassword, session.Step{}, ""
	p.code.Set("")
	for i := range p.secret {
		p.secret[i].zero()
	}
}

// stepped is the result of a step. It holds no typed text.
type stepped struct {
	gen  uint64
	flow Flow
	step session.Step
	err  error
}

// String and GoString keep an attempt out of all output.
func (stepped) String() string   { return "sign-in step" }
func (stepped) GoString() string { return "sign-in step" }

type stored struct {
	gen uint64
	err error
}

type hinted struct {
	gen  uint64
	code string
}

// Handle handles the page's own messages.
func (p *Page) Handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case stepped:
		if m.gen == p.gen {
			return p.stepped(m)
		}
	case stored:
		if m.gen != p.gen {
			return nil
		}
		if m.err != nil {
			p.leave()
			p.say, p.good = pane.Sentence(m.err, p.Server).String(), false
			return nil
		}
		p.leave()
		p.say = ""
		return pane.Send(Done{})
	case hinted:
		if m.gen == p.gen && (p.stage == askCode || p.stage == askSetUp) {
			p.hint = m.code
			gen, code := p.gen, p.Demo[p.demo].Code
			return tea.Tick(2*time.Second, func(time.Time) tea.Msg { return hinted{gen, code()} })
		}
	case tea.PasteMsg:
		p.paste(m.Content)
	}
	return nil
}

func (p *Page) stepped(m stepped) tea.Cmd {
	p.busy = false
	if m.err != nil {
		return p.refused(m)
	}
	p.flow, p.say, p.good = m.flow, "", false
	p.code.Set("")
	p.field = 0
	switch m.step.Kind {
	case session.NeedNewPassword:
		p.stage = askNew
	case session.SetUpCode:
		p.stage, p.step = askSetUp, m.step
		return p.demoCode()
	case session.NeedCode:
		p.stage = askCode
		return p.demoCode()
	case session.Done:
		p.busy, p.say, p.good = true, "Signed in.", true
		step, store, gen := m.step, p.Store, p.gen
		return func() tea.Msg {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			return stored{gen, store(ctx, step)}
		}
	}
	return nil
}

// refused shows the reason of a failed step. The step can be repeated where possible.
func (p *Page) refused(m stepped) tea.Cmd {
	say := pane.Sentence(m.err, p.Server).String()
	again := p.stage != askPassword && (errors.Is(m.err, session.ErrCode) || errors.Is(m.err, session.ErrPasswordRules) || api.Offline(m.err))
	p.code.Set("")
	if !again {
		p.leave()
		p.field = 1
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

// submit sends the input of the present stage.
func (p *Page) submit() tea.Cmd {
	if p.busy {
		return nil
	}
	switch p.stage {
	case askPassword:
		return p.submitPassword()
	case askNew:
		if p.field == 0 {
			p.field = 1
			return nil
		}
		if !p.secret[0].equal(&p.secret[1]) {
			p.say = "The two passwords differ. Type the new password again."
			p.secret[0].zero()
			p.secret[1].zero()
			p.field = 0
			return nil
		}
		flow, pw := p.flow, p.secret[0].take()
		p.secret[1].zero()
		p.field = 0
		return p.call(func(ctx context.Context) (Flow, session.Step, error) {
			defer clear(pw)
			s, err := flow.NewPassword(ctx, string(pw))
			return flow, s, err
		})
	}
	flow, code := p.flow, p.code.Value()
	if len(code) != 6 {
		p.say = "The code has 6 digits."
		return nil
	}
	return p.call(func(ctx context.Context) (Flow, session.Step, error) {
		s, err := flow.Code(ctx, code)
		return flow, s, err
	})
}

func (p *Page) submitPassword() tea.Cmd {
	switch {
	case p.user.Value() == "" && len(p.Demo) > 0 && p.secret[0].len() == 0:
		p.fill(true)
		return nil
	case p.user.Value() == "":
		p.field = 0
		p.say = "Type your user name and your password."
		return nil
	case p.field == 0 && p.secret[0].len() == 0:
		p.field = 1
		return nil
	case p.secret[0].len() == 0:
		p.field = 1
		p.say = "Type your user name and your password."
		return nil
	}
	p.demo = p.account(p.user.Value())
	p.gen++
	start, user, pw := p.New, p.user.Value(), p.secret[0].take()
	return p.call(func(ctx context.Context) (Flow, session.Step, error) {
		defer clear(pw)
		flow, err := start()
		if err != nil {
			return nil, session.Step{}, err
		}
		s, err := flow.Password(ctx, user, string(pw))
		return flow, s, err
	})
}

func (p *Page) call(do func(context.Context) (Flow, session.Step, error)) tea.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	p.cancel, p.busy, p.say = cancel, true, ""
	gen := p.gen
	return func() tea.Msg {
		defer cancel()
		flow, step, err := do(ctx)
		return stepped{gen, flow, step, err}
	}
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
