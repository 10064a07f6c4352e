package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"usher/backend/api"
	"usher/backend/sandbox/cognito"
	"usher/session"
)

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
