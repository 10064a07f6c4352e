package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"usher/backend/api"
	"usher/backend/sandbox/cognito"
	"usher/session"
)

var ctx = context.Background()

func code(t *testing.T, r *rig, secret string) string {
	t.Helper()
	c, err := totp.GenerateCode(secret, r.poolClock.now())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wantStep(t *testing.T, step session.Step, err error, kind session.StepKind) {
	t.Helper()
	if err != nil || step.Kind != kind {
		t.Fatalf("step %d, %v; want step %d", step.Kind, err, kind)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func TestSignIn(t *testing.T) {
	r := newRig(t, nil)
	for _, name := range []string{"ada", "  ada ", "ada@example.com"} {
		step, err := r.signIn().Password(ctx, name, []byte(password))
		wantStep(t, step, err, session.Done)
	}
	person, groups, ok := r.signedIn("ada").Person()
	if !ok || person.Username != "ada" || person.Email != "ada@example.com" || person.Sub == "" || strings.Join(groups, " ") != "finance-team" {
		t.Errorf("person %+v, groups %v, %v", person, groups, ok)
	}
	if _, err := r.signIn().Password(ctx, "ada", []byte("")); !errors.Is(err, session.ErrNothingTyped) {
		t.Errorf("empty password: %v", err)
	}
}

// No byte that reached the pool is part of the existing password. The new
// password, which must be sent, is the negative control.
func TestExistingPasswordIsNeverSent(t *testing.T) {
	r := newRig(t, nil)
	s := r.signIn()
	step, err := s.Password(ctx, "newcomer", []byte(password))
	wantStep(t, step, err, session.NeedNewPassword)
	const fresh = "Another-Horse-8"
	step, err = s.NewPassword(ctx, []byte(fresh), nil)
	wantStep(t, step, err, session.Done)
	all := strings.Join(r.bodies, "\n")
	if len(r.bodies) < 3 || !strings.Contains(all, fresh) {
		t.Fatalf("the recorder did not see the new password in %d bodies", len(r.bodies))
	}
	if strings.Contains(all, password) || strings.Contains(all, "USER_PASSWORD_AUTH") {
		t.Error("the existing password was sent")
	}
}

// Every refusal has the same sentence, which reveals nothing about the account.
func TestRefusalsReadTheSame(t *testing.T) {
	r := newRig(t, nil)
	r.disable("grace")
	var texts []string
	for _, try := range [][2]string{{"ada", "wrong"}, {"nobody", password}, {"grace", password}, {"grace", "wrong"}} {
		_, err := r.signIn().Password(ctx, try[0], []byte(try[1]))
		wantErr(t, err, session.ErrWrongPassword)
		texts = append(texts, fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err)))
	}
	r.inject(refuse("InitiateAuth", "UserNotFoundException", "User does not exist."))
	_, err := r.signIn().Password(ctx, "nobody", []byte(password))
	texts = append(texts, fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err)))
	for _, text := range texts {
		if text != texts[0] || !strings.HasPrefix(text, "User name or password is incorrect.") {
			t.Errorf("%q differs from %q", text, texts[0])
		}
	}
}

// usher adds no attempts of its own to the person's.
func TestLockout(t *testing.T) {
	r := newRig(t, nil)
	var err error
	tries := 0
	for ; tries < 8 && !errors.Is(err, session.ErrLocked); tries++ {
		_, err = r.signIn().Password(ctx, "ada", []byte("wrong"))
	}
	wantErr(t, err, session.ErrLocked)
	if got := r.count("InitiateAuth"); got != tries || tries != 6 {
		t.Errorf("%d tries made %d calls", tries, got)
	}
	r.pass(16 * time.Minute)
	r.tokens("ada")
}

func TestNewPassword(t *testing.T) {
	r := newRig(t, nil)
	s := r.signIn()
	if _, err := s.NewPassword(ctx, []byte("Another-Horse-8"), nil); !errors.Is(err, session.ErrStartAgain) {
		t.Errorf("without a challenge: %v", err)
	}
	step, err := s.Password(ctx, "newcomer", []byte(password))
	wantStep(t, step, err, session.NeedNewPassword)
	_, err = s.NewPassword(ctx, []byte("short"), nil)
	wantErr(t, err, session.ErrPasswordRules)
	if !strings.Contains(err.Error(), "It lacks an uppercase letter, a digit, a symbol such as ! or # and 3 more characters.") {
		t.Errorf("%q does not have the broken rules", err)
	}
	step, err = s.NewPassword(ctx, []byte("Another-Horse-8"), nil)
	wantStep(t, step, err, session.Done)
	step, err = r.signIn().Password(ctx, "newcomer", []byte("Another-Horse-8"))
	wantStep(t, step, err, session.Done)
}

func TestCode(t *testing.T) {
	r := newRig(t, nil)
	s := r.signIn()
	step, err := s.Password(ctx, "alan", []byte(password))
	wantStep(t, step, err, session.NeedCode)
	before := r.count("RespondToAuthChallenge")
	for _, typed := range []string{"", "12345", "1234567", "12345a", "１２３４５６"} {
		_, err = s.Code(ctx, typed)
		wantErr(t, err, session.ErrCode)
	}
	if got := r.count("RespondToAuthChallenge"); got != before {
		t.Errorf("codes that are none made %d calls", got-before)
	}
	good := code(t, r, totpSecret)
	wrong := "000000"
	if good == wrong {
		wrong = "000001"
	}
	_, err = s.Code(ctx, wrong)
	wantErr(t, err, session.ErrCode)
	step, err = s.Code(ctx, good[:3]+" "+good[3:])
	wantStep(t, step, err, session.Done)

	step, err = s.Password(ctx, "alan", []byte(password))
	wantStep(t, step, err, session.NeedCode)
	if _, err = s.Code(ctx, good); !errors.Is(err, session.ErrCode) {
		t.Errorf("a used code: %v", err)
	}
	r.pass(time.Minute)
	step, err = s.Code(ctx, code(t, r, totpSecret))
	wantStep(t, step, err, session.Done)
}

func TestCodeThreeTimesWrong(t *testing.T) {
	r := newRig(t, nil)
	s := r.signIn()
	step, err := s.Password(ctx, "alan", []byte(password))
	wantStep(t, step, err, session.NeedCode)
	for range 5 {
		wrong := "000000"
		if code(t, r, totpSecret) == wrong {
			wrong = "000001"
		}
		if _, err = s.Code(ctx, wrong); !errors.Is(err, session.ErrCode) {
			break
		}
	}
	if !errors.Is(err, session.ErrStartAgain) && !errors.Is(err, session.ErrLocked) {
		t.Errorf("after the last try: %v", err)
	}
}

func TestSetUpCode(t *testing.T) {
	r := newRig(t, func(c *cognito.Config) { c.MFA = cognito.MFARequired })
	s := r.signIn()
	step, err := s.Password(ctx, "ada", []byte(password))
	wantStep(t, step, err, session.SetUpCode)
	u, perr := url.Parse(step.URI.Reveal())
	if perr != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Query().Get("secret") != step.Secret.Reveal() || u.Path != "/Example:ada" {
		t.Errorf("otpauth address: %v, path %q", perr, u.Path)
	}
	if n := len(step.URI.Reveal()); n > 106 {
		t.Errorf("otpauth address of %d bytes", n)
	}
	good := code(t, r, step.Secret.Reveal())
	wrong := "000000"
	if good == wrong {
		wrong = "000001"
	}
	_, err = s.Code(ctx, wrong)
	wantErr(t, err, session.ErrCode)
	// The last answer is lost: the same step completes without a second code.
	r.inject(func(op string, n int, w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		if op == "RespondToAuthChallenge" && n == 1 {
			cut(w)
			return true
		}
		return false
	})
	var network *api.Unreachable
	if _, err = s.Code(ctx, good); !errors.As(err, &network) {
		t.Fatalf("cut connection: %v", err)
	}
	step, err = s.Code(ctx, good)
	wantStep(t, step, err, session.Done)
	if got := r.count("VerifySoftwareToken"); got != 1 {
		t.Errorf("the code was handed in %d times", got)
	}
}

func TestChallengeRunsOut(t *testing.T) {
	r := newRig(t, nil)
	s := r.signIn()
	step, err := s.Password(ctx, "alan", []byte(password))
	wantStep(t, step, err, session.NeedCode)
	r.pass(4 * time.Minute)
	_, err = s.Code(ctx, code(t, r, totpSecret))
	wantErr(t, err, session.ErrStartAgain)
	before := r.count("RespondToAuthChallenge")
	_, err = s.Code(ctx, "123456")
	wantErr(t, err, session.ErrStartAgain)
	if r.count("RespondToAuthChallenge") != before {
		t.Error("a spent challenge was answered again")
	}
	step, err = s.Password(ctx, "alan", []byte(password))
	wantStep(t, step, err, session.NeedCode)
}

// Each of the four messages of SRP is cut off. No message is repeated
// automatically, and the next attempt succeeds.
func TestCutConnection(t *testing.T) {
	r := newRig(t, nil)
	for _, op := range []string{"InitiateAuth", "RespondToAuthChallenge"} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, answer lost %v", op, after), func(t *testing.T) {
				r.inject(func(o string, n int, w http.ResponseWriter, req *http.Request, pool http.Handler) bool {
					if o != op || n > 1 {
						return false
					}
					if after {
						pool.ServeHTTP(httptest.NewRecorder(), req)
					}
					cut(w)
					return true
				})
				s := r.signIn()
				_, err := s.Password(ctx, "ada", []byte(password))
				var network *api.Unreachable
				if !errors.As(err, &network) || !strings.Contains(err.Error(), "Can't reach 127.0.0.1:") {
					t.Fatalf("got %v", err)
				}
				if n := r.count(op); n != 1 {
					t.Errorf("%s was sent %d times", op, n)
				}
				step, err := s.Password(ctx, "ada", []byte(password))
				wantStep(t, step, err, session.Done)
			})
		}
	}
}

func TestThrottled(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	busy := refuse("InitiateAuth", "TooManyRequestsException", "Rate exceeded")
	r.inject(func(op string, n int, w http.ResponseWriter, req *http.Request, pool http.Handler) bool {
		return n == 1 && busy(op, n, w, req, pool)
	})
	r.tokens("ada")
	if n := r.count("InitiateAuth"); n != 2 {
		t.Errorf("%d calls, want one repeat", n)
	}
	r.inject(busy)
	_, err := r.signIn().Password(ctx, "ada", []byte(password))
	wantErr(t, err, session.ErrThrottled)
	if n := r.count("InitiateAuth"); n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
}

func TestConnectionRefused(t *testing.T) {
	r := newRig(t, nil)
	s := r.signIn()
	r.server.Close()
	_, err := s.Password(ctx, "ada", []byte(password))
	var network *api.Unreachable
	if !errors.As(err, &network) || network.Reason != "nothing listens there" || network.Exit() != api.ExitUnavailable {
		t.Errorf("got %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Password(cancelled, "ada", []byte(password)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
