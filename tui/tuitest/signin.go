package tuitest

import (
	"context"

	"usher/session"
)

// Account is one person of the fake pool.
type Account struct {
	Password string
	First    session.StepKind // the step after the password: Done, NeedNewPassword, NeedCode, SetUpCode
}

// Pool is a fake user pool: accounts by name. The code is always 123456.
type Pool map[string]Account

// Flow returns a new attempt.
func (p Pool) Flow() *Flow { return &Flow{pool: p} }

// Flow is one sign-in attempt.
type Flow struct {
	pool Pool
	next session.StepKind
}

// Password checks the password.
func (f *Flow) Password(_ context.Context, user, password string) (session.Step, error) {
	a, ok := f.pool[user]
	if !ok || a.Password != password {
		return session.Step{}, session.ErrWrongPassword
	}
	f.next = a.First
	return f.step(), nil
}

func (f *Flow) step() session.Step {
	s := session.Step{Kind: f.next}
	if f.next == session.SetUpCode {
		s.Secret = session.NewSecret("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSW")
		s.URI = session.NewSecret("otpauth://totp/usher:ada?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSW&issuer=Example")
	}
	return s
}

// NewPassword accepts any password of eight characters or more.
func (f *Flow) NewPassword(_ context.Context, password string) (session.Step, error) {
	if len(password) < 8 {
		return session.Step{}, session.ErrPasswordRules
	}
	f.next = session.SetUpCode
	return f.step(), nil
}

// Code accepts 123456.
func (f *Flow) Code(_ context.Context, code string) (session.Step, error) {
	if code != "123456" {
		return session.Step{}, session.ErrCode
	}
	f.next = session.Done
	return f.step(), nil
}
