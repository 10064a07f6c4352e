package signin

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/session"
)

// row is a way to continue below the fields of a stage.
type row struct {
	label string
	do    func() tea.Cmd
}

// rows returns the rows of the stage.
func (p *Page) rows() []row {
	toPassword := row{"Sign in with your password", func() tea.Cmd { p.leave(); return nil }}
	newCode := row{"Send a new code", p.newCode}
	switch p.stage {
	case askPassword:
		return p.ways()
	case askUser, askForgotten:
		return []row{toPassword}
	case askCode:
		if p.step.Code.Sent() {
			return []row{newCode}
		}
	case askReset:
		return []row{newCode}
	case askChoice:
		return p.choices()
	case askRemember:
		return []row{{"No, ask for the second factor each time", p.done}, {"Yes, remember this machine", p.remember}}
	}
	return nil
}

// ways returns the other ways to sign in, below the password.
func (p *Page) ways() []row {
	var list []row
	for _, w := range p.Other {
		list = append(list, row{w.Label, func() tea.Cmd { return p.begin(w) }})
	}
	for _, w := range p.Ways {
		if w == api.WayCode {
			list = append(list, row{"Sign in with a code by mail or SMS", func() tea.Cmd { return p.turn(askUser) }})
		}
	}
	if !p.native() {
		return list
	}
	return append(list, row{"Forgot your password?", func() tea.Cmd { return p.turn(askForgotten) }})
}

// forgotRow returns the focus of the row for a forgotten password.
func (p *Page) forgotRow() int { return len(p.fields()) + len(p.rows()) - 1 }

// turn opens another stage of the start. A user name that was typed is kept.
func (p *Page) turn(s stage) tea.Cmd {
	p.say = ""
	p.open(s)
	return nil
}

func (p *Page) choices() []row {
	list := make([]row, len(p.step.Choices))
	for i, c := range p.step.Choices {
		list[i] = row{c.Text, func() tea.Cmd {
			flow := p.flow
			return p.call(func(ctx context.Context) (Flow, session.Step, error) {
				s, err := flow.Choose(ctx, c.ID)
				return flow, s, err
			})
		}}
	}
	return list
}

func (p *Page) newCode() tea.Cmd {
	flow := p.flow
	return p.tell("A new code is on its way.", func(ctx context.Context) (Flow, session.Step, error) {
		s, err := flow.NewCode(ctx)
		return flow, s, err
	})
}

// remember lets the pool remember this machine. A failure has no effect on the
// sign-in, which is stored.
func (p *Page) remember() tea.Cmd {
	flow, tokens, gen := p.flow, p.step.Tokens, p.gen
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	p.cancel, p.busy, p.late = cancel, true, false
	return tea.Batch(func() tea.Msg {
		defer cancel()
		return remembered{gen, flow.Remember(ctx, tokens)}
	}, tea.Tick(slow, func(time.Time) tea.Msg { return waited{gen} }))
}

// submit sends the input of the present stage.
func (p *Page) submit() tea.Cmd {
	if p.busy {
		return nil
	}
	if i := p.focus - len(p.fields()); i >= 0 {
		if rows := p.rows(); i < len(rows) {
			return rows[i].do()
		}
		return nil
	}
	switch p.stage {
	case askNumber:
		return p.submitNumber()
	case askPassword:
		return p.submitPassword()
	case askUser, askForgotten:
		return p.submitUser()
	case askNew, askReset:
		return p.submitNew()
	case askEmail:
		flow, address := p.flow, p.plain[0].Value()
		return p.call(func(ctx context.Context) (Flow, session.Step, error) {
			s, err := flow.Email(ctx, address)
			return flow, s, err
		})
	case askProof:
		if p.secret[0].len() == 0 {
			p.say = "Type your password."
			return nil
		}
		flow, pw := p.flow, p.secret[0].take()
		return p.call(func(ctx context.Context) (Flow, session.Step, error) {
			defer clear(pw)
			s, err := flow.PasswordChosen(ctx, pw)
			return flow, s, err
		})
	}
	return p.submitCode()
}

func (p *Page) submitCode() tea.Cmd {
	flow, code, source := p.flow, p.code.Value(), p.step.Code
	if len(code) < source.Least || len(code) > source.Most {
		p.say = fmt.Sprintf("The code has %d digits.", source.Least)
		if source.Most > source.Least {
			p.say = fmt.Sprintf("The code has %d to %d digits.", source.Least, source.Most)
		}
		return nil
	}
	return p.call(func(ctx context.Context) (Flow, session.Step, error) {
		s, err := flow.Code(ctx, code)
		return flow, s, err
	})
}

// submitUser starts a sign-in with a code, or the recovery of a password.
func (p *Page) submitUser() tea.Cmd {
	user, start, forgotten := p.user.Value(), p.New, p.stage == askForgotten
	if user == "" {
		p.say = "Type your user name."
		return nil
	}
	p.demo = p.account(user)
	p.gen++
	say := ""
	if forgotten {
		say = session.ResetSent
	}
	return p.tell(say, func(ctx context.Context) (Flow, session.Step, error) {
		flow, err := start()
		if err != nil {
			return nil, session.Step{}, err
		}
		run := flow.WithoutPassword
		if forgotten {
			run = flow.Forgot
		}
		s, err := run(ctx, user)
		return flow, s, err
	})
}

// submitNew sends a new password, with the required attributes or with the code
// of a forgotten password.
func (p *Page) submitNew() tea.Cmd {
	if n := len(p.fields()); p.focus < n-1 {
		p.focus++
		return nil
	}
	if !p.secret[0].equal(&p.secret[1]) {
		p.say = "The two passwords differ. Type the new password again."
		p.secret[0].zero()
		p.secret[1].zero()
		p.focus = len(p.fields()) - 2
		return nil
	}
	flow, code, attributes := p.flow, p.code.Value(), map[string]string{}
	for i, name := range p.step.Attributes {
		attributes[name] = p.plain[i].Value()
	}
	pw, reset := p.secret[0].take(), p.stage == askReset
	p.secret[1].zero()
	p.focus = 0
	return p.call(func(ctx context.Context) (Flow, session.Step, error) {
		defer clear(pw)
		if reset {
			s, err := flow.Reset(ctx, code, pw)
			return flow, s, err
		}
		s, err := flow.NewPassword(ctx, pw, attributes)
		return flow, s, err
	})
}

func (p *Page) submitPassword() tea.Cmd {
	switch {
	case p.user.Value() == "" && len(p.Demo) > 0 && p.secret[0].len() == 0:
		p.fill(true)
		return nil
	case p.user.Value() == "":
		p.focus = 0
		p.say = "Type your user name and your password."
		return nil
	case p.focus == 0 && p.secret[0].len() == 0:
		p.focus = 1
		return nil
	case p.secret[0].len() == 0:
		p.focus = 1
		p.say = "Type your user name and your password."
		return nil
	}
	p.demo = p.account(p.user.Value())
	if w, ok := p.company(); ok && p.demo >= 0 && p.Demo[p.demo].Browser {
		return p.begin(w)
	}
	p.gen++
	start, user, pw := p.New, p.user.Value(), p.secret[0].take()
	return p.call(func(ctx context.Context) (Flow, session.Step, error) {
		defer clear(pw)
		flow, err := start()
		if err != nil {
			return nil, session.Step{}, err
		}
		s, err := flow.Password(ctx, user, pw)
		return flow, s, err
	})
}
