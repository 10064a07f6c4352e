package session_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/backend/sandbox/cognito"
	"usher/session"
)

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
