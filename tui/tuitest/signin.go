package tuitest

import (
	"context"
	"strings"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/session"
)

// Account is one person of the fake pool.
type Account struct {
	Password   string
	First      session.StepKind // the step after the password
	Attributes []string         // that NeedNewPassword requires
	Remember   bool             // the pool can remember this machine
}

// Pool is a fake user pool: accounts by name. The code is always 123456.
type Pool map[string]Account

// Flow returns a new attempt.
func (p Pool) Flow() *Flow { return &Flow{pool: p} }

// Flow is one sign-in attempt.
type Flow struct {
	pool    Pool
	account Account
	next    session.StepKind
}

// Password checks the password.
func (f *Flow) Password(_ context.Context, user string, password []byte) (session.Step, error) {
	a, ok := f.pool[user]
	if !ok || a.Password != string(password) {
		return session.Step{}, session.ErrWrongPassword
	}
	f.account, f.next = a, a.First
	return f.step(), nil
}

// WithoutPassword sends a code of eight digits by mail.
func (f *Flow) WithoutPassword(context.Context, string) (session.Step, error) {
	f.next = session.NeedCode
	return session.Step{Kind: f.next, Code: session.Source{Medium: session.Mail, To: safetext.New("a***@e***"), Least: 6, Most: 8}}, nil
}

// PasswordChosen is Password for a choice of it.
func (f *Flow) PasswordChosen(context.Context, []byte) (session.Step, error) {
	f.next = session.Done
	return f.step(), nil
}

// NewCode returns the same step.
func (f *Flow) NewCode(context.Context) (session.Step, error) { return f.step(), nil }

// Choose continues with a code by SMS, or by mail.
func (f *Flow) Choose(_ context.Context, id string) (session.Step, error) {
	f.next = session.NeedCode
	step := session.Step{Kind: f.next, Code: session.Source{Medium: session.SMS, To: safetext.New("+*******0123"), Least: 6, Most: 8}}
	if id == "EMAIL_OTP" {
		step.Code.Medium, step.Code.To = session.Mail, safetext.New("a***@e***")
	}
	return step, nil
}

// Email sends a code by mail.
func (f *Flow) Email(ctx context.Context, address string) (session.Step, error) {
	if !strings.Contains(address, "@") {
		return session.Step{}, session.ErrEmail
	}
	return f.Choose(ctx, "EMAIL_OTP")
}

// Forgot returns the same step for every user.
func (f *Flow) Forgot(context.Context, string) (session.Step, error) {
	f.next = session.NeedReset
	return f.step(), nil
}

// Reset accepts 123456.
func (f *Flow) Reset(ctx context.Context, code string, _ []byte) (session.Step, error) {
	return f.Code(ctx, code)
}

// Remember always succeeds.
func (f *Flow) Remember(context.Context, session.Tokens) error { return nil }

// Close does nothing: the fake holds no password.
func (f *Flow) Close() {}

func (f *Flow) step() session.Step {
	s := session.Step{Kind: f.next, Code: session.Source{Least: 6, Most: 6}, Rules: api.DefaultPasswordRules().String()}
	switch f.next {
	case session.Done:
		s.Remember = f.account.Remember
	case session.NeedNewPassword:
		s.Attributes = f.account.Attributes
	case session.Choose:
		s.Choices = []session.Choice{{ID: "SMS_MFA", Text: "Code by SMS"}, {ID: "EMAIL_OTP", Text: "Code by mail"}}
	case session.NeedReset:
		s.Code = session.Source{Medium: session.Mail, Least: 6, Most: 8}
	}
	if f.next == session.SetUpCode {
		s.Secret = session.NewSecret("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSW")
		s.URI = session.NewSecret("otpauth://totp/usher:ada?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSW&issuer=Example")
	}
	return s
}

// NewPassword accepts any password of eight characters or more.
func (f *Flow) NewPassword(_ context.Context, password []byte, _ map[string]string) (session.Step, error) {
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
