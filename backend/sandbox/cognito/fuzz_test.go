package cognito

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// fuzzPool returns a pool with one account. It has no socket, because the fuzzer
// calls the handler a million times.
func fuzzPool(f *testing.F) (*Pool, Tokens) {
	f.Helper()
	p, err := New(testConfig(time.Now))
	if err != nil {
		f.Fatal(err)
	}
	p.keys.access, p.keys.id = sharedKeys().access, sharedKeys().id
	if _, err := p.AddUser(User{Username: "ada", Password: testPassword, TOTPSecret: testTOTPSecret}); err != nil {
		f.Fatal(err)
	}
	tokens, err := p.SignIn("ada")
	if err != nil {
		f.Fatal(err)
	}
	return p, tokens
}

// Every body gets a JSON response with a known status. No unsigned owner's call
// and no sign-in without a proof succeeds.
func FuzzCalls(f *testing.F) {
	p, tokens := fuzzPool(f)
	for _, seed := range []struct{ operation, body string }{
		{"InitiateAuth", `{"AuthFlow":"USER_SRP_AUTH","ClientId":"` + testClient + `","AuthParameters":{"USERNAME":"ada","SRP_A":"ff"}}`},
		{"InitiateAuth", `{"AuthFlow":"USER_SRP_AUTH","ClientId":"` + testClient + `","AuthParameters":{"USERNAME":"ada","SRP_A":"-1"}}`},
		{"InitiateAuth", `{"AuthFlow":"REFRESH_TOKEN_AUTH","ClientId":"` + testClient + `","AuthParameters":{"REFRESH_TOKEN":"x"}}`},
		{"RespondToAuthChallenge", `{"ChallengeName":"PASSWORD_VERIFIER","ClientId":"` + testClient + `","ChallengeResponses":{"USERNAME":"ada",` +
			`"PASSWORD_CLAIM_SECRET_BLOCK":"AAAA","PASSWORD_CLAIM_SIGNATURE":"AAAA","TIMESTAMP":"Mon Nov 23 18:40:00 UTC 2026"}}`},
		{"RespondToAuthChallenge", `{"ChallengeName":"SOFTWARE_TOKEN_MFA","ClientId":"` + testClient + `","Session":"x","ChallengeResponses":{"USERNAME":"ada"}}`},
		{"GetUser", `{"AccessToken":"` + tokens.ID + `"}`},
		{"VerifySoftwareToken", `{"Session":"x","UserCode":"123456"}`},
		{"RevokeToken", `{"Token":"x","ClientId":"` + testClient + `"}`},
		{"AdminDisableUser", `{"UserPoolId":"` + testPool + `","Username":"ada"}`},
		{"ListUsers", `{"UserPoolId":"` + testPool + `","Filter":"username ^= \"a\"","Limit":-1}`},
		{"GetUser", `{"AccessToken":"\ud800","x":[[[[{}]]]]}`}, {"GetUser", "\x00"}, {"", "null"},
	} {
		f.Add(seed.operation, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, operation string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", contentType)
		r.Header["X-Amz-Target"] = []string{targetPrefix + operation}
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if !slices.Contains([]int{200, 400, 413}, w.Code) || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%q returned %d %q", operation, w.Code, w.Body)
		}
		if w.Code == 200 && (p.ops[operation].signed || strings.Contains(w.Body.String(), "AccessToken")) {
			t.Fatalf("%q passed: %s", operation, w.Body)
		}
		if strings.Contains(w.Body.String(), testTOTPSecret) {
			t.Fatalf("%q disclosed the secret", operation)
		}
	})
}

// An access token is valid in its original spelling only.
func FuzzAccessToken(f *testing.F) {
	p, tokens := fuzzPool(f)
	f.Add(tokens.Access)
	f.Add(tokens.ID)
	f.Add(tokens.Access + "=")
	f.Add(tokens.Access[:len(tokens.Access)-1])
	f.Add(strings.Replace(tokens.Access, ".", ".\n", 1))
	last := tokens.Access[len(tokens.Access)-1]
	f.Add(tokens.Access[:len(tokens.Access)-1] + string(last+1))
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := p.readAccess(token); (err == nil) != (token == tokens.Access) {
			t.Fatalf("%q: %v", token, err)
		}
	})
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{`username = "ada"`, `status ^= "Dis"`, `"email"="\""`, `=`, `x = "`, ``} {
		f.Add(s)
	}
	u := &user{Username: "ada", Attributes: map[string]string{"email": "ada@example.com"}}
	f.Fuzz(func(t *testing.T, s string) {
		if match, err := parseFilter(s); err == nil {
			match(u)
		}
	})
}
