package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"usher/backend/api"
	"usher/backend/sandbox/cognito"
	"usher/session"
)

// An answer whose headers and body arrive in two packets is read whole.
func TestAnswersInTwoPackets(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, op := range []string{"InitiateAuth", "RespondToAuthChallenge", "GetTokensFromRefreshToken"} {
		r.pool.Break(cognito.FaultTwoPackets, op)
	}
	n := 60
	if testing.Short() {
		n = 15
	}
	for i := range n {
		if step, err := r.signIn().Password(ctx, "ada", []byte(password)); err != nil || step.Kind != session.Done {
			t.Fatalf("sign-in %d: %v", i, err)
		}
	}
	s := r.signedIn("ada")
	for range n {
		r.pass(10 * time.Minute)
		r.poolClock.add(-10 * time.Minute) // the refresh token lives on
		s.Refused(r.token(s))
	}
	t.Logf("TWO-PACKETS sign_ins=%d renewals=%d lost=0", n, n)
}

// Cut answers, a hang and a deadline are errors of the network. They never read
// as an answer of another service, and a proof is never sent twice.
func TestBrokenAnswersAreNetworkErrors(t *testing.T) {
	t.Parallel()
	for _, fault := range []cognito.Fault{cognito.FaultCutBefore, cognito.FaultCutAfter, cognito.FaultCutHalf, cognito.FaultHang} {
		for _, op := range []string{"InitiateAuth", "RespondToAuthChallenge"} {
			r := newRig(t, nil)
			r.inject(nil)
			r.pool.Break(fault, op)
			limited, cancel := context.WithTimeout(ctx, 30*time.Second)
			if fault == cognito.FaultHang {
				cancel()
				limited, cancel = context.WithTimeout(ctx, 3*time.Second) // the steps before the fault need a part of it
			}
			_, err := r.signIn().Password(limited, "ada", []byte(password))
			cancel()
			var network *api.Unreachable
			if !errors.As(err, &network) || !api.Offline(err) || network.Host == "" {
				t.Errorf("%s of %s: %v", fault, op, err)
				continue
			}
			if want := "it took too long"; fault == cognito.FaultHang && network.Reason != want {
				t.Errorf("%s of %s: %s", fault, op, network.Reason)
			}
			if got := r.count(op); got != 1 {
				t.Errorf("%s of %s: %d calls", fault, op, got)
			}
		}
	}
}

// An answer that ends early although its connection ended well.
func TestHalfAnswerWithoutALength(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.inject(func(op string, _ int, w http.ResponseWriter, req *http.Request, pool http.Handler) bool {
		if op != "RespondToAuthChallenge" {
			return false
		}
		answer := httptest.NewRecorder()
		pool.ServeHTTP(answer, req)
		w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		w.Header().Set("Connection", "close")
		w.(http.Flusher).Flush()
		w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
		return true
	})
	_, err := r.signIn().Password(ctx, "ada", []byte(password))
	if !api.Offline(err) {
		t.Errorf("got %v", err)
	}
}

// A pool that remembers devices refuses a renewal without the device's key.
func TestDeviceKeyIsPartOfARenewal(t *testing.T) {
	t.Parallel()
	const key = "eu-central-1_11111111-2222-4333-8444-555555555555"
	for _, rotation := range []bool{true, false} {
		r := newRig(t, func(c *cognito.Config) { c.Rotation = rotation })
		r.inject(func(op string, _ int, w http.ResponseWriter, req *http.Request, pool http.Handler) bool {
			switch op {
			case "RespondToAuthChallenge":
				answer := httptest.NewRecorder()
				pool.ServeHTTP(answer, req)
				var out map[string]any
				if json.Unmarshal(answer.Body.Bytes(), &out) == nil {
					if result, ok := out["AuthenticationResult"].(map[string]any); ok {
						result["NewDeviceMetadata"] = map[string]string{"DeviceKey": key, "DeviceGroupKey": "-group"}
					}
				}
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				json.NewEncoder(w).Encode(out)
				return true
			case "GetTokensFromRefreshToken":
				var in struct{ DeviceKey string }
				json.NewDecoder(req.Body).Decode(&in)
				if in.DeviceKey != key || !rotation {
					return refuse(op, map[bool]string{true: "NotAuthorizedException", false: "UnknownOperationException"}[rotation], "Invalid Refresh Token.")(op, 1, w, req, pool)
				}
				req.Body = http.NoBody
				return false
			case "InitiateAuth":
				var in struct{ AuthParameters map[string]string }
				body := r.bodies[len(r.bodies)-1]
				json.Unmarshal([]byte(body), &in)
				if in.AuthParameters["REFRESH_TOKEN"] != "" && in.AuthParameters["DEVICE_KEY"] != key {
					return refuse(op, "NotAuthorizedException", "Invalid Refresh Token.")(op, 1, w, req, pool)
				}
			}
			return false
		})
		s := r.signedIn("ada")
		data, err := os.ReadFile(r.tokenFile())
		if err != nil || !strings.Contains(string(data), `"device_key":"`+key+`"`) {
			t.Fatalf("the file holds no device key: %v", err)
		}
		if rotation {
			continue // the sandbox's own devices play it (TestRememberedMachine)
		}
		r.pass(10 * time.Minute)
		r.token(s)
		r.pass(10 * time.Minute)
		r.token(r.open()) // from the file
	}
}

// A finished sign-in is stored although another process holds the lock of
// renewals and does not finish.
func TestFinishedSignInIsAlwaysStored(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	s := r.signedIn("ada")
	for _, suffix := range []string{".lock", ".write.lock"} {
		l := flock.New(r.tokenFile() + suffix)
		if err := l.Lock(); err != nil {
			t.Fatal(err)
		}
		defer l.Unlock()
	}
	next := r.tokens("ada")
	if err := s.Adopt(next); err != nil {
		t.Fatal(err)
	}
	if got := r.token(r.open()); got != next.Access.Reveal() {
		t.Error("the sign-in is not on the disk")
	}
	// A session that waits for the lock adopts the sign-in.
	other := r.open()
	r.pass(10 * time.Minute)
	result := make(chan error, 1)
	go func() { _, err := other.Token(ctx); result <- err }()
	if err := s.Adopt(r.tokens("ada")); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Errorf("the waiting session: %v", err)
	}
}

// A renewal that ends after a new sign-in adopts it, and does not overwrite it.
// After another person's sign-in, or a sign-out, the renewed tokens are revoked
// and nothing is written.
func TestRenewalComparesBeforeItWrites(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meanwhile func(*rig) string // returns the expected access token
		problem   error
	}{
		"same person": {func(r *rig) string {
			next := r.tokens("ada")
			if err := r.open().Adopt(next); err != nil {
				t.Error(err)
			}
			return next.Access.Reveal()
		}, nil},
		"another person": {func(r *rig) string {
			next := r.tokens("grace")
			if err := r.open().Adopt(next); err != nil {
				t.Error(err)
			}
			return next.Access.Reveal()
		}, session.ErrSignedOut},
		"signed out": {func(r *rig) string {
			if err := r.open().SignOut(ctx, session.Ending{}); err != nil {
				t.Error(err)
			}
			return ""
		}, session.ErrSignedOut},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			s := r.signedIn("ada")
			r.pass(10 * time.Minute)
			want := ""
			r.inject(func(op string, n int, w http.ResponseWriter, req *http.Request, pool http.Handler) bool {
				if op != "GetTokensFromRefreshToken" || n > 1 {
					return false
				}
				pool.ServeHTTP(w, req)
				want = c.meanwhile(r)
				return true
			})
			token, err := s.Token(ctx)
			if c.problem == nil {
				if err != nil || token != want {
					t.Errorf("the renewal did not adopt the sign-in: %v", err)
				}
			} else {
				wantErr(t, err, c.problem)
				if r.count("RevokeToken") == 0 {
					t.Error("the renewed tokens are not revoked")
				}
			}
			if _, err := os.Stat(r.tokenFile()); want == "" {
				if !errors.Is(err, fs.ErrNotExist) {
					t.Error("the renewal undid the sign-out")
				}
				return
			}
			data, err := os.ReadFile(r.tokenFile())
			if err != nil || !strings.Contains(string(data), want) {
				t.Error("the renewal overwrote the sign-in")
			}
		})
	}
}

// A sign-out removes the tokens before its first call, and an interrupted one
// has its own sentence and exit code.
func TestSignOutWipesFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	s := r.signedIn("ada")
	stopped, stop := context.WithCancel(ctx)
	told := false
	err := s.SignOut(stopped, session.Ending{Tell: func(context.Context, string) error {
		_, err := os.Stat(r.tokenFile())
		told = errors.Is(err, fs.ErrNotExist)
		stop()
		return nil
	}})
	if !told {
		t.Error("the server was told before the tokens were removed")
	}
	var half *session.SignOutError
	if !errors.As(err, &half) || half.Exit() != api.ExitInterrupted || strings.Contains(err.Error(), "context") ||
		!strings.HasPrefix(err.Error(), "You are signed out on this machine, but") {
		t.Errorf("interrupted: %v", err)
	}

	// A stopped process that holds the locks does not keep the tokens.
	s = r.signedIn("ada")
	l := flock.New(r.tokenFile() + ".write.lock")
	if err := l.Lock(); err != nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	if err := s.SignOut(ctx, session.Ending{}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(r.tokenFile()); !errors.Is(err, fs.ErrNotExist) {
		t.Error("tokens are still on the disk")
	}
}

// Refusals with their own sentence. Before the proof of the password, an account
// that is disabled reads like a wrong password.
func TestRefusalsWithTheirOwnSentence(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	fails := func(name, user, pass string, want error) {
		t.Helper()
		if _, err := r.signIn().Password(ctx, user, []byte(pass)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	r.pool.Break(cognito.FaultTemporaryOld, "")
	fails("temporary password expired", "newcomer", password, session.ErrTemporaryExpired)
	fails("the same, wrong password", "newcomer", "Wrong-Horse-7", session.ErrWrongPassword)
	r.pool.Mend()
	r.disable("ada")
	fails("disabled before the proof", "ada", password, session.ErrWrongPassword)
	r.pool.Break(cognito.FaultLateDisabled, "")
	fails("disabled after the proof", "ada", password, session.ErrDisabled)
	fails("disabled, wrong password", "ada", "Wrong-Horse-7", session.ErrWrongPassword)
	r.pool.Mend()
	r.pool.Break(cognito.FaultClientSecret, "")
	fails("client with a secret", "grace", password, session.ErrClientSecret)
	r.pool.Mend()
	// The markers in an answer before the proof do not change the sentence.
	for _, message := range []string{"User is disabled.", "Temporary password has expired and must be reset by an administrator."} {
		r.inject(refuse("InitiateAuth", "NotAuthorizedException", message))
		fails(message, "grace", password, session.ErrWrongPassword)
	}
}
