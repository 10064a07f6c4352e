package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

// The rows of the table of challenges: the steps to a challenge, its right and
// its wrong answer, and the sentence after the wrong one.
type challengeRow struct {
	name, user string
	start      func(*rig, *session.SignIn) (session.Step, error)
	at         session.StepKind // the step of the challenge
	right      func(*rig, *session.SignIn, *mailbox, session.Step) (session.Step, error)
	wrong      func(*rig, *session.SignIn, session.Step) (session.Step, error)
	refusal    error // after the wrong answer; nil: there is none
	operation  string
	devices    bool
}

func byPassword(user string) func(*rig, *session.SignIn) (session.Step, error) {
	return func(_ *rig, s *session.SignIn) (session.Step, error) { return s.Password(ctx, user, []byte(password)) }
}

func byChoice(user, choice string) func(*rig, *session.SignIn) (session.Step, error) {
	return func(_ *rig, s *session.SignIn) (session.Step, error) {
		step, err := s.WithoutPassword(ctx, user)
		if err == nil && step.Kind == session.Choose && choice != "" {
			step, err = s.Choose(ctx, choice)
		}
		return step, err
	}
}

func codeOf(user string) func(*rig, *session.SignIn, *mailbox, session.Step) (session.Step, error) {
	return func(_ *rig, s *session.SignIn, box *mailbox, _ session.Step) (session.Step, error) {
		return s.Code(ctx, box.code(user))
	}
}

func wrongCode(_ *rig, s *session.SignIn, _ session.Step) (session.Step, error) {
	return s.Code(ctx, "000000")
}

func totpCode(r *rig, s *session.SignIn, _ *mailbox, step session.Step) (session.Step, error) {
	secret := totpSecret
	if step.Kind == session.SetUpCode {
		secret = step.Secret.Reveal()
	}
	code, _ := totp.GenerateCode(secret, r.poolClock.now())
	return s.Code(ctx, code)
}

func choose(id string) func(*rig, *session.SignIn, *mailbox, session.Step) (session.Step, error) {
	return func(_ *rig, s *session.SignIn, _ *mailbox, _ session.Step) (session.Step, error) {
		return s.Choose(ctx, id)
	}
}

func challengeRows() []challengeRow {
	respond := "RespondToAuthChallenge"
	return []challengeRow{
		{name: "PASSWORD_VERIFIER", user: "ada", operation: respond, refusal: session.ErrWrongPassword,
			start: func(*rig, *session.SignIn) (session.Step, error) { return session.Step{}, nil },
			right: func(r *rig, s *session.SignIn, _ *mailbox, _ session.Step) (session.Step, error) {
				return byPassword("ada")(r, s)
			},
			wrong: func(_ *rig, s *session.SignIn, _ session.Step) (session.Step, error) {
				return s.Password(ctx, "ada", []byte("Wrong-Horse-7"))
			}},
		{name: "InitiateAuth", user: "ada", operation: "InitiateAuth", refusal: session.ErrWrongPassword,
			start: func(*rig, *session.SignIn) (session.Step, error) { return session.Step{}, nil },
			right: func(r *rig, s *session.SignIn, _ *mailbox, _ session.Step) (session.Step, error) {
				return byPassword("ada")(r, s)
			},
			wrong: func(_ *rig, s *session.SignIn, _ session.Step) (session.Step, error) {
				return s.Password(ctx, "nobody", []byte(password))
			}},
		{name: "NEW_PASSWORD_REQUIRED", user: "newcomer", operation: respond, refusal: session.ErrPasswordRules,
			start: byPassword("newcomer"), at: session.NeedNewPassword,
			right: func(_ *rig, s *session.SignIn, _ *mailbox, _ session.Step) (session.Step, error) {
				return s.NewPassword(ctx, []byte("Another-Horse-8"), map[string]string{"given_name": "New"})
			},
			wrong: func(_ *rig, s *session.SignIn, _ session.Step) (session.Step, error) {
				return s.NewPassword(ctx, []byte("short"), map[string]string{"given_name": "New"})
			}},
		{name: "NEW_PASSWORD_REQUIRED, attributes", user: "newcomer", operation: respond, refusal: session.ErrAttributes,
			start: byPassword("newcomer"), at: session.NeedNewPassword,
			right: func(_ *rig, s *session.SignIn, _ *mailbox, _ session.Step) (session.Step, error) {
				return s.NewPassword(ctx, []byte("Another-Horse-8"), map[string]string{"given_name": "New"})
			},
			wrong: func(_ *rig, s *session.SignIn, _ session.Step) (session.Step, error) {
				return s.NewPassword(ctx, []byte("Another-Horse-8"), nil)
			}},
		{name: "SOFTWARE_TOKEN_MFA", user: "alan", operation: respond, refusal: session.ErrCode, start: byPassword("alan"), at: session.NeedCode, right: totpCode, wrong: wrongCode},
		{name: "SMS_MFA", user: "sms", operation: respond, refusal: session.ErrCode, start: byPassword("sms"), at: session.NeedCode, right: codeOf("sms"), wrong: wrongCode},
		{name: "EMAIL_OTP, second factor", user: "mail", operation: respond, refusal: session.ErrCode, start: byPassword("mail"), at: session.NeedCode, right: codeOf("mail"), wrong: wrongCode},
		{name: "EMAIL_OTP, first factor", user: "nopw", operation: respond, refusal: session.ErrCode, start: byChoice("nopw", "EMAIL_OTP"), at: session.NeedCode, right: codeOf("nopw"), wrong: wrongCode},
		{name: "SMS_OTP", user: "nopw", operation: respond, refusal: session.ErrCode, start: byChoice("nopw", "SMS_OTP"), at: session.NeedCode, right: codeOf("nopw"), wrong: wrongCode},
		{name: "SELECT_MFA_TYPE", user: "both", operation: respond, start: byPassword("both"), at: session.Choose, right: choose("SMS_MFA")},
		{name: "MFA_SETUP", user: "setup", operation: respond, start: byPassword("setup"), at: session.Choose, right: func(r *rig, s *session.SignIn, b *mailbox, _ session.Step) (session.Step, error) {
			step, err := s.Choose(ctx, "SOFTWARE_TOKEN_MFA")
			if err != nil {
				return step, err
			}
			return totpCode(r, s, b, step)
		}, refusal: session.ErrCode, wrong: func(_ *rig, s *session.SignIn, _ session.Step) (session.Step, error) {
			if _, err := s.Choose(ctx, "SOFTWARE_TOKEN_MFA"); err != nil {
				return session.Step{}, err
			}
			return s.Code(ctx, "000000")
		}},
		{name: "MFA_SETUP, VerifySoftwareToken", user: "setup", operation: "VerifySoftwareToken", start: byPassword("setup"), at: session.Choose, right: func(r *rig, s *session.SignIn, b *mailbox, _ session.Step) (session.Step, error) {
			step, err := s.Choose(ctx, "SOFTWARE_TOKEN_MFA")
			if err != nil {
				return step, err
			}
			return totpCode(r, s, b, step)
		}},
		{name: "MFA_SETUP, AssociateSoftwareToken", user: "setup", operation: "AssociateSoftwareToken", start: byPassword("setup"), at: session.Choose, right: choose("SOFTWARE_TOKEN_MFA")},
		{name: "MFA_SETUP by mail", user: "setup", operation: respond, refusal: session.ErrEmail, start: func(r *rig, s *session.SignIn) (session.Step, error) {
			step, err := byPassword("setup")(r, s)
			if err == nil {
				step, err = s.Choose(ctx, "EMAIL_OTP")
			}
			return step, err
		}, at: session.NeedEmail, right: func(_ *rig, s *session.SignIn, _ *mailbox, _ session.Step) (session.Step, error) {
			return s.Email(ctx, "setup@example.org")
		}, wrong: func(_ *rig, s *session.SignIn, _ session.Step) (session.Step, error) { return s.Email(ctx, "nothing") }},
		{name: "SELECT_CHALLENGE", user: "nopw", operation: respond, start: byChoice("nopw", ""), at: session.Choose, right: choose("EMAIL_OTP")},
		{name: "PASSWORD_SRP", user: "ada", operation: respond, refusal: session.ErrWrongPassword, start: byChoice("ada", "PASSWORD_SRP"), at: session.NeedPassword, right: func(_ *rig, s *session.SignIn, _ *mailbox, _ session.Step) (session.Step, error) {
			return s.PasswordChosen(ctx, []byte(password))
		}, wrong: func(_ *rig, s *session.SignIn, _ session.Step) (session.Step, error) {
			return s.PasswordChosen(ctx, []byte("Wrong-Horse-7"))
		}},
		{name: "DEVICE_SRP_AUTH and DEVICE_PASSWORD_VERIFIER", user: "mail", operation: respond, devices: true,
			start: func(*rig, *session.SignIn) (session.Step, error) { return session.Step{}, nil },
			right: func(r *rig, s *session.SignIn, _ *mailbox, _ session.Step) (session.Step, error) {
				return byPassword("mail")(r, s)
			}},
		{name: "ForgotPassword", user: "ada", operation: "ConfirmForgotPassword", refusal: session.ErrCode,
			start: func(_ *rig, s *session.SignIn) (session.Step, error) { return s.Forgot(ctx, "ada") }, at: session.NeedReset,
			right: func(_ *rig, s *session.SignIn, box *mailbox, _ session.Step) (session.Step, error) {
				return s.Reset(ctx, box.code("ada"), []byte("Another-Horse-8"))
			},
			wrong: func(_ *rig, s *session.SignIn, _ session.Step) (session.Step, error) {
				return s.Reset(ctx, "000000", []byte("Another-Horse-8"))
			}},
	}
}

// Each challenge with a right, a wrong and a late answer, and with each fault of
// the connection. Every failure has its own sentence and exit code, without text
// of the pool, and no proof of a password is sent twice.
func TestTableOfChallenges(t *testing.T) {
	t.Parallel()
	faults := map[string]struct {
		fault cognito.Fault
		check func(error) bool
	}{
		"cut before":  {cognito.FaultCutBefore, api.Offline},
		"cut after":   {cognito.FaultCutAfter, api.Offline},
		"cut half":    {cognito.FaultCutHalf, api.Offline},
		"throttled":   {cognito.FaultThrottled, func(err error) bool { return errors.Is(err, session.ErrThrottled) }},
		"two packets": {cognito.FaultTwoPackets, nil},
	}
	cells := 0
	for _, row := range challengeRows() {
		prepare := func(t *testing.T) (*rig, *session.SignIn, *mailbox, session.Step) {
			r, box := fullRig(t, func(c *cognito.Config) {
				if row.devices {
					c.Devices = cognito.DevicesAlways
				}
			})
			if row.devices {
				r.remember(t, box, row.user)
			}
			s := r.signIn()
			step, err := row.start(r, s)
			if err != nil || step.Kind != row.at {
				t.Fatalf("%s: %v, step %d, want %d", row.name, err, step.Kind, row.at)
			}
			r.inject(nil)
			return r, s, box, step
		}
		plain := func(t *testing.T, err error) {
			t.Helper()
			var failing api.Failing
			if !errors.As(err, &failing) || failing.Exit() == api.ExitBug || failing.Exit() == 0 {
				t.Errorf("%v has no exit code", err)
			}
			for _, raw := range []string{"Exception", "https response", "operation error", "StatusCode", "context ", "EOF"} {
				if strings.Contains(err.Error(), raw) {
					t.Errorf("raw text: %v", err)
				}
			}
		}
		t.Run(row.name+"/right", func(t *testing.T) {
			r, s, box, step := prepare(t)
			next, err := row.right(r, s, box, step)
			if err == nil {
				next, err = r.walk(s, box, row.user, next, nil)
			}
			if err != nil || next.Kind != session.Done {
				t.Errorf("%v, step %d", err, next.Kind)
			}
			cells++
		})
		t.Run(row.name+"/wrong", func(t *testing.T) {
			if row.wrong == nil {
				return
			}
			r, s, _, step := prepare(t)
			_, err := row.wrong(r, s, step)
			if !errors.Is(err, row.refusal) {
				t.Errorf("%v, want %v", err, row.refusal)
			}
			plain(t, err)
			cells++
		})
		t.Run(row.name+"/expired", func(t *testing.T) {
			if row.at == 0 || row.at == session.NeedReset {
				return
			}
			r, s, box, step := prepare(t)
			r.poolClock.add(4 * time.Minute)
			_, err := row.right(r, s, box, step)
			if !errors.Is(err, session.ErrStartAgain) && !errors.Is(err, session.ErrWrongPassword) {
				t.Errorf("%v", err)
			}
			plain(t, err)
			cells++
		})
		for name, f := range faults {
			if testing.Short() && f.fault != cognito.FaultCutAfter {
				continue
			}
			t.Run(row.name+"/"+name, func(t *testing.T) {
				r, s, box, step := prepare(t)
				r.pool.Break(f.fault, row.operation)
				next, err := row.right(r, s, box, step)
				cells++
				if f.check == nil {
					r.pool.Mend()
					if err == nil {
						next, err = r.walk(s, box, row.user, next, nil)
					}
					if err != nil || next.Kind != session.Done {
						t.Errorf("%v, step %d", err, next.Kind)
					}
					return
				}
				if !f.check(err) {
					t.Errorf("%v", err)
				}
				plain(t, err)
				most := 1
				if f.fault == cognito.FaultThrottled {
					most = 3 // refused without an effect
				}
				if got := r.count(row.operation); got > most {
					t.Errorf("%d calls of %s", got, row.operation)
				}
			})
		}
		t.Run(row.name+"/hang", func(t *testing.T) {
			r, s, box, step := prepare(t)
			r.pool.Break(cognito.FaultHang, row.operation)
			limited, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			defer cancel()
			result := make(chan error, 1)
			go func() { result <- hangs(limited, r, s, box, row, step) }()
			select {
			case err := <-result:
				if !api.Offline(err) {
					t.Errorf("%v", err)
				}
				plain(t, err)
			case <-time.After(30 * time.Second):
				t.Error("the deadline has no effect")
			}
			cells++
		})
	}
	t.Logf("CHALLENGES rows=%d cells=%d", len(challengeRows()), cells)
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
	made, err := r.signIn().WithoutPassword(ctx, "nobody-at-all")
	if err != nil || made.Kind == 0 {
		t.Errorf("an unknown name: %v", err)
	}
	_, err = r.signIn().WithoutPassword(ctx, "key")
	wantErr(t, err, session.ErrPasskey)
	_ = box
}

// Chains of up to six challenges in any order end in tokens. The control leaves
// out one handler at a time: its chain then fails.
func TestRandomChains(t *testing.T) {
	t.Parallel()
	r, box := fullRig(t, nil)
	n := 200
	if testing.Short() {
		n = 40
	}
	kinds := []string{"SMS_MFA", "EMAIL_OTP", "EMAIL_MFA", "SMS_OTP", "SOFTWARE_TOKEN_MFA", "NEW_PASSWORD_REQUIRED", "SELECT_MFA_TYPE", "MFA_SETUP", "MFA_SETUP_MAIL"}
	random := rand.New(rand.NewPCG(1, 2))
	play := func(chain []string) (session.Step, error) {
		at := -1
		next := func(w http.ResponseWriter, req *http.Request, pool http.Handler) {
			at++
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			if at == len(chain) {
				tokens, err := r.pool.SignIn("ada")
				if err != nil {
					t.Error(err)
				}
				fmt.Fprintf(w, `{"AuthenticationResult":{"AccessToken":%q,"IdToken":%q,"RefreshToken":%q,"ExpiresIn":600}}`, tokens.Access, tokens.ID, tokens.Refresh)
				return
			}
			name, params := chain[at], map[string]string{"CODE_DELIVERY_DESTINATION": "a***@e***"}
			switch name {
			case "SELECT_MFA_TYPE":
				params["MFAS_CAN_SELECT"] = `["SMS_MFA","EMAIL_OTP"]`
			case "MFA_SETUP":
				params["MFAS_CAN_SETUP"] = `["SOFTWARE_TOKEN_MFA"]`
			case "MFA_SETUP_MAIL":
				name, params["MFAS_CAN_SETUP"] = "MFA_SETUP", `["EMAIL_OTP","SMS_MFA"]`
			case "NEW_PASSWORD_REQUIRED":
				params["requiredAttributes"] = `["userAttributes.given_name"]`
			}
			json.NewEncoder(w).Encode(map[string]any{"ChallengeName": name, "ChallengeParameters": params, "Session": fmt.Sprintf("session-%d", at)})
		}
		r.inject(func(op string, _ int, w http.ResponseWriter, req *http.Request, pool http.Handler) bool {
			switch op {
			case "RespondToAuthChallenge":
				next(w, req, pool)
			case "AssociateSoftwareToken":
				fmt.Fprintf(w, `{"SecretCode":%q,"Session":"s"}`, totpSecret)
			case "VerifySoftwareToken":
				fmt.Fprint(w, `{"Status":"SUCCESS","Session":"s"}`)
			default:
				return false
			}
			return true
		})
		box.deliver(cognito.Mail{Username: "ada", Code: "123456"})
		s := r.signIn()
		step, err := s.Password(ctx, "ada", []byte(password))
		if err != nil {
			return step, err
		}
		return r.walk(s, box, "ada", step, nil)
	}
	for i := range n {
		chain := make([]string, 1+random.IntN(6))
		for j := range chain {
			chain[j] = kinds[random.IntN(len(kinds))]
		}
		if step, err := play(chain); err != nil || step.Kind != session.Done {
			t.Fatalf("chain %d %v: %v, step %d", i, chain, err, step.Kind)
		}
	}
	// Control: a challenge without a handler ends its chain.
	if _, err := play([]string{"SMS_MFA", "DANCE", "EMAIL_OTP"}); !errors.Is(err, session.ErrUnknownStep) {
		t.Errorf("the control: %v", err)
	}
	t.Logf("CHAINS n=%d tokens=%d", n, n)
}

// The held password is gone after three minutes, although the sign-in is open.
func TestHeldPasswordEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := session.NewHeld([]byte("Correct-Horse-7"))
		if string(h.Take()) != "Correct-Horse-7" {
			t.Fatal("nothing is held")
		}
		raw := h.Bytes()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if h.Take() != nil && len(h.Take()) > 0 || strings.Trim(string(raw), "\x00") != "" {
			t.Errorf("after three minutes: %q", raw)
		}
	})
}
