package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"usher/backend/api"
	"usher/backend/sandbox/cognito"
	"usher/session"
)

// fullRig is a rig whose pool has every native challenge, and a person for each.
// The last message to each person is in mail.
func fullRig(t testing.TB, change func(*cognito.Config)) (*rig, *mailbox) {
	box := &mailbox{}
	r := newRig(t, func(c *cognito.Config) {
		c.UserAuth, c.EmailCodes, c.SMSCodes, c.Required = true, true, true, []string{"given_name"}
		c.Send = box.deliver
		if change != nil {
			change(c)
		}
	})
	r.config.SignIn = r.config.Offer()
	r.config.SignIn.Ways = []api.Way{api.WayPassword, api.WayCode}
	return r, box
}

// fullPeople returns an account for each challenge.
func fullPeople() []cognito.User {
	return []cognito.User{
		{Username: "mail", Email: "mail@example.com", Password: password, EmailMFA: true},
		{Username: "sms", Phone: "+15555550123", Password: password, SMSMFA: true},
		{Username: "both", Email: "both@example.com", Phone: "+15555550124", Password: password, EmailMFA: true, SMSMFA: true},
		{Username: "setup", Password: password, SetUpMFA: true},
		{Username: "nopw", Email: "nopw@example.com", Phone: "+15555550125", Password: password, NoPassword: true},
		{Username: "key", Password: password, NoPassword: true, Passkey: true},
	}
}

type mailbox struct {
	mu   sync.Mutex
	last map[string]cognito.Mail
	n    int
}

func (b *mailbox) deliver(m cognito.Mail) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil {
		b.last = map[string]cognito.Mail{}
	}
	b.last[m.Username], b.n = m, b.n+1
}

func (b *mailbox) code(user string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last[user].Code
}

// walk plays a person: it completes steps until the tokens, or until stop
// returns true.
func (r *rig) walk(s *session.SignIn, box *mailbox, user string, step session.Step, stop func(session.Step) bool) (session.Step, error) {
	secret := totpSecret
	var err error
	for range 20 {
		if err != nil || step.Kind == session.Done || stop != nil && stop(step) {
			return step, err
		}
		switch step.Kind {
		case session.NeedNewPassword:
			attributes := map[string]string{}
			for _, name := range step.Attributes {
				attributes[name] = "Newcomer"
			}
			step, err = s.NewPassword(ctx, []byte("Another-Horse-8"), attributes)
		case session.SetUpCode:
			secret = step.Secret.Reveal()
			code, _ := totp.GenerateCode(secret, r.poolClock.now())
			step, err = s.Code(ctx, code)
		case session.NeedCode:
			code := box.code(user)
			if step.Code.Medium == session.App {
				r.poolClock.add(30 * time.Second)
				code, _ = totp.GenerateCode(secret, r.poolClock.now())
			}
			step, err = s.Code(ctx, code)
		case session.Choose:
			step, err = s.Choose(ctx, step.Choices[0].ID)
		case session.NeedEmail:
			step, err = s.Email(ctx, user+"@example.org")
		case session.NeedPassword:
			step, err = s.PasswordChosen(ctx, []byte(password))
		default:
			return step, fmt.Errorf("no such step: %d", step.Kind)
		}
	}
	return step, errors.New("the sign-in does not end")
}

// hangs gives the answer of a row under a deadline.
func hangs(limited context.Context, r *rig, s *session.SignIn, box *mailbox, row challengeRow, step session.Step) error {
	var err error
	switch {
	case row.at == 0:
		_, err = s.Password(limited, row.user, []byte(password))
	case step.Kind == session.NeedNewPassword:
		_, err = s.NewPassword(limited, []byte("Another-Horse-8"), map[string]string{"given_name": "New"})
	case step.Kind == session.NeedCode && step.Code.Medium == session.App:
		code, _ := totp.GenerateCode(totpSecret, r.poolClock.now())
		_, err = s.Code(limited, code)
	case step.Kind == session.NeedCode:
		_, err = s.Code(limited, box.code(row.user))
	case step.Kind == session.Choose && (row.operation == "VerifySoftwareToken" || row.name == "MFA_SETUP"):
		var next session.Step
		if next, err = s.Choose(limited, "SOFTWARE_TOKEN_MFA"); err == nil {
			code, _ := totp.GenerateCode(next.Secret.Reveal(), r.poolClock.now())
			_, err = s.Code(limited, code)
		}
	case step.Kind == session.Choose:
		_, err = s.Choose(limited, step.Choices[0].ID)
	case step.Kind == session.NeedEmail:
		_, err = s.Email(limited, "setup@example.org")
	case step.Kind == session.NeedPassword:
		_, err = s.PasswordChosen(limited, []byte(password))
	case step.Kind == session.NeedReset:
		_, err = s.Reset(limited, box.code(row.user), []byte("Another-Horse-8"))
	}
	return err
}

// remember signs a user in and makes the pool remember this machine.
func (r *rig) remember(t testing.TB, box *mailbox, user string) session.Tokens {
	t.Helper()
	s := r.signIn()
	step, err := s.Password(ctx, user, []byte(password))
	if err == nil {
		step, err = r.walk(s, box, user, step, nil)
	}
	if err != nil || !step.Remember {
		t.Fatalf("signing in: %v, remember %t", err, step.Remember)
	}
	if err := s.Remember(ctx, step.Tokens); err != nil {
		t.Fatal(err)
	}
	return step.Tokens
}

// The pool offers no code to an account with a second factor, and none to an
// account of the company. A sign-in with a code then ends with a sentence in place
// of a prompt for the password, unless the server has no form for a password.
func TestNoCodeForThisAccount(t *testing.T) {
	t.Parallel()
	r, _ := fullRig(t, func(c *cognito.Config) { c.EmailCodes, c.SMSCodes = false, false })
	if _, err := r.pool.AddUser(cognito.User{Username: "barbara", Email: "barbara@example.com", External: true}); err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, user := range []string{"alan", "barbara", "nobody"} {
		_, err := r.signIn().WithoutPassword(ctx, user)
		if err == nil {
			t.Fatalf("%s: the password is the next step", user)
		}
		said = append(said, err.Error())
	}
	if said[0] != "This user name cannot sign in with a code. Use another way to sign in." || said[1] != said[0] || said[2] != said[0] {
		t.Errorf("%q", said)
	}
	r.config.SignIn.Ways = []api.Way{api.WayCode}
	if step, err := r.signIn().WithoutPassword(ctx, "alan"); err != nil || step.Kind != session.NeedPassword {
		t.Errorf("%v, step %d", err, step.Kind)
	}
}

// A remembered machine needs no second factor, its key is in every renewal, and
// a machine that the pool forgot is removed with its own sentence.
func TestRememberedMachine(t *testing.T) {
	t.Parallel()
	for _, mode := range []cognito.DeviceTracking{cognito.DevicesAlways, cognito.DevicesOptIn} {
		t.Run(string(mode), func(t *testing.T) {
			r, box := fullRig(t, func(c *cognito.Config) { c.Devices = mode })
			first := r.signIn()
			step, err := first.Password(ctx, "mail", []byte(password))
			if err == nil {
				step, err = r.walk(first, box, "mail", step, nil)
			}
			if err != nil || !step.Remember || step.Tokens.DeviceKey == "" {
				t.Fatalf("%v %+v", err, step)
			}
			// Not remembered: the key is in the renewals all the same.
			s := r.open()
			if err := s.Adopt(step.Tokens); err != nil {
				t.Fatal(err)
			}
			r.pass(10 * time.Minute)
			r.token(s)
			tokens := r.remember(t, box, "mail")
			file := filepath.Join(r.folders.State, "devices", "test.json")
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info, err)
			}
			r.inject(nil)
			again := r.signIn()
			step, err = again.Password(ctx, "mail", []byte(password))
			if err != nil || step.Kind != session.Done || step.Remember || step.Tokens.DeviceKey != tokens.DeviceKey {
				t.Fatalf("%v, step %d", err, step.Kind)
			}
			if err := s.Adopt(step.Tokens); err != nil {
				t.Fatal(err)
			}
			r.pass(10 * time.Minute)
			r.token(s)
			r.token(r.open())
			// Another person of this machine has a second factor.
			if step, err := r.signIn().Password(ctx, "sms", []byte(password)); err != nil || step.Kind != session.NeedCode {
				t.Errorf("another person: %v, step %d", err, step.Kind)
			}
			if err := s.SignOut(ctx, session.Ending{Forget: true}); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
				t.Error("the machine is still remembered here")
			}
			if step, err := r.signIn().Password(ctx, "mail", []byte(password)); err != nil || step.Kind != session.NeedCode {
				t.Errorf("a forgotten machine: %v, step %d", err, step.Kind)
			}
		})
	}
	// Without a session of the remembered machine, its secret is deleted here.
	t.Run("forgotten after a sign-out", func(t *testing.T) {
		r, box := fullRig(t, func(c *cognito.Config) { c.Devices = cognito.DevicesAlways })
		tokens := r.remember(t, box, "mail")
		s := r.open()
		if err := s.Adopt(tokens); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(r.folders.State, "devices", "test.json")
		for _, forget := range []bool{false, true} {
			if err := s.SignOut(ctx, session.Ending{Forget: forget}); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) != forget {
				t.Errorf("forget %t: the file of the machine: %v", forget, err)
			}
		}
	})
	t.Run("unknown to the pool", func(t *testing.T) {
		r, box := fullRig(t, func(c *cognito.Config) { c.Devices = cognito.DevicesAlways })
		r.remember(t, box, "mail")
		r.inject(func(op string, n int, w http.ResponseWriter, req *http.Request, pool http.Handler) bool {
			return n == 2 && refuse("RespondToAuthChallenge", "ResourceNotFoundException", "Device does not exist.")(op, n, w, req, pool)
		})
		_, err := r.signIn().Password(ctx, "mail", []byte(password))
		wantErr(t, err, session.ErrDeviceForgotten)
		r.inject(nil)
		if step, err := r.signIn().Password(ctx, "mail", []byte(password)); err != nil || step.Kind != session.NeedCode {
			t.Errorf("the sign-in after it: %v, step %d", err, step.Kind)
		}
	})
}

// A new code needs no second typing of the password, whose bytes are zeroed at
// the end and after three minutes.
func TestNewCode(t *testing.T) {
	t.Parallel()
	r, box := fullRig(t, nil)
	for _, user := range []string{"mail", "sms", "both"} {
		s := r.signIn()
		step, err := s.Password(ctx, user, []byte(password))
		if err == nil && step.Kind == session.Choose {
			step, err = s.Choose(ctx, "SMS_MFA")
		}
		if err != nil || step.Kind != session.NeedCode {
			t.Fatalf("%v, step %d", err, step.Kind)
		}
		old := box.code(user)
		next, err := s.NewCode(ctx)
		if err != nil || next.Kind != session.NeedCode || next.Code.Medium != step.Code.Medium || box.code(user) == old {
			t.Fatalf("%s: %v, step %d, another code %t", user, err, next.Kind, box.code(user) != old)
		}
		if _, err := s.Code(ctx, old); !errors.Is(err, session.ErrCode) {
			t.Errorf("the old code: %v", err)
		}
		if step, err = s.Code(ctx, box.code(user)); err != nil || step.Kind != session.Done {
			t.Errorf("the new code: %v", err)
		}
		if _, err := s.NewCode(ctx); !errors.Is(err, session.ErrStartAgain) {
			t.Errorf("after the end: %v", err)
		}
	}
	s := r.signIn()
	if _, err := byChoice("nopw", "EMAIL_OTP")(r, s); err != nil {
		t.Fatal(err)
	}
	old := box.code("nopw")
	if step, err := s.NewCode(ctx); err != nil || step.Kind != session.NeedCode || box.code("nopw") == old {
		t.Errorf("without a password: %v", err)
	}
	if step, err := s.Code(ctx, box.code("nopw")); err != nil || step.Kind != session.Done || len(box.code("nopw")) != 8 {
		t.Errorf("a code of eight digits: %v", err)
	}
}

// The account of a forgotten password cannot be told from one that is not there.
func TestForgotPassword(t *testing.T) {
	t.Parallel()
	r, box := fullRig(t, nil)
	r.disable("grace")
	var first string
	for _, user := range []string{"ada", "nobody", "alan", "grace", "newcomer", "mail"} {
		step, err := r.signIn().Forgot(ctx, user)
		if err != nil {
			t.Fatalf("%s: %v", user, err)
		}
		got := fmt.Sprintf("%+v", step)
		if first == "" {
			first = got
		} else if got != first {
			t.Errorf("%s: %s, want %s", user, got, first)
		}
	}
	s := r.signIn()
	if _, err := s.Forgot(ctx, "ada"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reset(ctx, "000000", []byte("Another-Horse-8")); !errors.Is(err, session.ErrCode) {
		t.Errorf("a wrong code: %v", err)
	}
	if _, err := s.Reset(ctx, box.code("ada"), []byte("short")); !errors.Is(err, session.ErrPasswordRules) {
		t.Errorf("a weak password: %v", err)
	}
	old := box.code("ada")
	if _, err := s.NewCode(ctx); err != nil || box.code("ada") == old {
		t.Errorf("a new code: %v", err)
	}
	step, err := s.Reset(ctx, box.code("ada"), []byte("Another-Horse-8"))
	if err != nil || step.Kind != session.Done {
		t.Fatalf("%v, step %d", err, step.Kind)
	}
	if _, err := r.signIn().Password(ctx, "ada", []byte(password)); !errors.Is(err, session.ErrWrongPassword) {
		t.Errorf("the old password: %v", err)
	}
	for range 12 {
		_, err = r.signIn().Forgot(ctx, "nobody")
	}
	wantErr(t, err, session.ErrLocked)
}

// A person without a password never sends one, and an unknown name has choices.
func TestWithoutPassword(t *testing.T) {
	t.Parallel()
	r, box := fullRig(t, nil)
	step, err := r.signIn().WithoutPassword(ctx, "ada")
	if err != nil || step.Kind != session.Choose || slices.ContainsFunc(step.Choices, func(c session.Choice) bool { return c.ID == "PASSWORD" }) {
		t.Errorf("%v %+v", err, step)
	}
	s := r.signIn()
	step, err = s.WithoutPassword(ctx, "ada")
	if err == nil {
		step, err = s.Choose(ctx, "PASSWORD_SRP")
	}
	if err == nil {
		step, err = s.PasswordChosen(ctx, []byte(password))
	}
	if err != nil || step.Kind != session.Done || step.Tokens.Way != api.WayCode {
		t.Errorf("%v %+v", err, step)
	}
	if body := strings.Join(r.bodies, ""); strings.Contains(body, password) {
		t.Error("the password was sent")
	}
	// The pool simulates codes for three of four unknown names.
	var codes, none bool
	for i := 0; i < 64 && !(codes && none); i++ {
		made, err := r.signIn().WithoutPassword(ctx, fmt.Sprint("nobody-", i))
		switch {
		case err == nil && made.Kind != 0:
			codes = true
		case errors.Is(err, session.ErrWrongPassword):
			none = true
		default:
			t.Errorf("an unknown name: %v, step %d", err, made.Kind)
		}
	}
	if !codes || !none {
		t.Errorf("unknown names: with codes %t, without %t", codes, none)
	}
	_, err = r.signIn().WithoutPassword(ctx, "key")
	wantErr(t, err, session.ErrPasskey)
	_ = box
}
