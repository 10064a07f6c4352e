package cognito

import (
	"encoding/base64"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func TestTokensHaveCognitosForm(t *testing.T) {
	b := newBench(t, nil)
	sub := b.addUser(User{Username: "ada", Email: "ada@example.com", Groups: []string{"finance-team", "a-team"}})
	b.addUser(User{Username: "nobody-special"})
	tokens := b.signIn("ada", testPassword)
	if tokens.ExpiresIn != 600 || tokens.TokenType != "Bearer" || strings.Count(tokens.RefreshToken, ".") != 4 {
		t.Errorf("result is %d %q, refresh token of %d parts", tokens.ExpiresIn, tokens.TokenType, strings.Count(tokens.RefreshToken, ".")+1)
	}
	access, accessKID := b.claims(tokens.AccessToken)
	id, idKID := b.claims(tokens.IdToken)
	if accessKID == idKID {
		t.Error("access and ID token are signed with one key")
	}
	now := float64(b.clock.now().Unix())
	wantEqual(t, access, map[string]any{"sub": sub, "iss": b.url + "/" + testPool, "client_id": testClient,
		"token_use": "access", "scope": scopeAdmin, "auth_time": now, "iat": now, "exp": now + 600, "username": "ada",
		"cognito:groups": []any{"a-team", "finance-team"}},
		"origin_jti", "event_id", "jti")
	wantEqual(t, id, map[string]any{"sub": sub, "iss": b.url + "/" + testPool, "aud": testClient,
		"token_use": "id", "auth_time": now, "iat": now, "exp": now + 600, "cognito:username": "ada",
		"email": "ada@example.com", "email_verified": true, "cognito:groups": []any{"a-team", "finance-team"}},
		"origin_jti", "event_id", "jti")
	if access["origin_jti"] != id["origin_jti"] || access["jti"] == id["jti"] || access["jti"] == access["origin_jti"] {
		t.Error("the token identifiers have the wrong relations")
	}
	other, _ := b.claims(b.signIn("nobody-special", testPassword).AccessToken)
	if _, there := other["cognito:groups"]; there {
		t.Error("cognito:groups is present for an account without groups")
	}
}

// claims verifies a token with go-jose against the published JWKS.
func (b *bench) claims(token string) (claims map[string]any, kid string) {
	b.t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		b.t.Fatal(err)
	}
	kid = parsed.Headers[0].KeyID
	for _, k := range b.jwks().Key(kid) {
		if err := parsed.Claims(k.Key, &claims); err == nil {
			return claims, kid
		}
	}
	b.t.Fatalf("no published key verifies the token with kid %q", kid)
	return nil, ""
}

// wantEqual compares claims. Those in random must be UUIDs; their values are not
// compared.
func wantEqual(t *testing.T, got, want map[string]any, random ...string) {
	t.Helper()
	got = maps.Clone(got)
	for _, name := range random {
		if s, ok := got[name].(string); !ok || len(s) != 36 {
			t.Errorf("%s is %v, want a UUID", name, got[name])
		}
		delete(got, name)
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("unexpected claim %s = %v", name, got[name])
		}
	}
	for name, v := range want {
		if list, ok := v.([]any); ok {
			other, _ := got[name].([]any)
			if len(list) != len(other) || list[0] != other[0] || list[1] != other[1] {
				t.Errorf("%s is %v, want %v", name, got[name], v)
			}
			continue
		}
		if got[name] != v {
			t.Errorf("%s is %v, want %v", name, got[name], v)
		}
	}
}

func TestSignInByVerifiedEmail(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada", Email: "Ada@Example.com"})
	_, challenge := b.start("ada@example.com")
	if got := challenge.ChallengeParameters["USER_ID_FOR_SRP"]; got != "ada" {
		t.Errorf("USER_ID_FOR_SRP is %q: the proof must contain this name, not the typed one", got)
	}
	b.signIn("ada@example.com", testPassword)
}

// Every invalid proof is refused with the same message. A valid proof, built the
// same way, is accepted.
func TestProofOfPassword(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	wrongByte := func(s string) string {
		raw, _ := base64.StdEncoding.DecodeString(s)
		raw[0] ^= 1
		return base64.StdEncoding.EncodeToString(raw)
	}
	for name, c := range map[string]struct {
		password string
		spoil    func(params)
		good     bool
	}{
		"good":                          {testPassword, func(params) {}, true},
		"wrong password":                {testPassword + "x", func(params) {}, false},
		"empty password":                {"", func(params) {}, false},
		"a signature with a wrong byte": {testPassword, func(p params) { p["PASSWORD_CLAIM_SIGNATURE"] = wrongByte(p["PASSWORD_CLAIM_SIGNATURE"]) }, false},
		"a shorter signature":           {testPassword, func(p params) { p["PASSWORD_CLAIM_SIGNATURE"] = "AAAA" }, false},
		"an invented secret block":      {testPassword, func(p params) { p["PASSWORD_CLAIM_SECRET_BLOCK"] = wrongByte(p["PASSWORD_CLAIM_SECRET_BLOCK"]) }, false},
		"another timestamp":             {testPassword, func(p params) { p["TIMESTAMP"] = "Thu Jan 1 00:00:00 UTC 1970" }, false},
		"another username":              {testPassword, func(p params) { p["USERNAME"] = "grace" }, false},
	} {
		client, challenge := b.start("ada")
		answers, err := client.answer(challenge.ChallengeParameters, c.password, b.clock.now())
		if err != nil {
			t.Fatal(err)
		}
		c.spoil(answers)
		out, failure := b.answer(passwordVerifier, "", answers)
		switch {
		case c.good && (failure != "" || out.AuthenticationResult == nil):
			t.Errorf("%s: %s", name, failure)
		case !c.good && failure != "NotAuthorizedException: Incorrect username or password.":
			t.Errorf("%s: returned %q", name, failure)
		}
		b.pool.mu.Lock()
		b.pool.succeeded("ada") // this test is not about the lockout
		b.pool.mu.Unlock()
	}
	for name, spoil := range map[string]func(params){
		"signature not base64": func(p params) { p["PASSWORD_CLAIM_SIGNATURE"] = "*" },
		"block not base64":     func(p params) { p["PASSWORD_CLAIM_SECRET_BLOCK"] = "*" },
		"no timestamp":         func(p params) { delete(p, "TIMESTAMP") },
		"no username":          func(p params) { delete(p, "USERNAME") },
	} {
		client, challenge := b.start("ada")
		answers, _ := client.answer(challenge.ChallengeParameters, testPassword, b.clock.now())
		spoil(answers)
		if _, failure := b.answer(passwordVerifier, "", answers); !strings.HasPrefix(failure, "InvalidParameterException") {
			t.Errorf("%s: returned %q", name, failure)
		}
	}
}

// The timestamp is signed: another spelling fails. A wrong clock does not.
func TestTimestampSpelling(t *testing.T) {
	for s, want := range map[string]bool{
		"Mon Nov 23 18:40:00 UTC 2026": true, "Thu Nov 5 08:04:05 UTC 2026": true, "Thu Jan 1 00:00:00 UTC 1970": true,
		"Thu Nov 05 08:04:05 UTC 2026": false, "Thu Nov  5 08:04:05 UTC 2026": false, "Fri Nov 5 08:04:05 UTC 2026": false,
		"Thu Nov 5 8:04:05 UTC 2026": false, "Thu Nov 5 08:04:05 GMT 2026": false, "2026-11-05T08:04:05Z": false, "": false,
	} {
		if goodTimestamp(s) != want {
			t.Errorf("%q: %v, want %v", s, !want, want)
		}
	}
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	client, challenge := b.start("ada")
	answers, _ := client.answer(challenge.ChallengeParameters, testPassword, b.clock.now().Add(25*time.Hour))
	if _, failure := b.answer(passwordVerifier, "", answers); failure != "" {
		t.Errorf("a clock one day ahead: %s", failure)
	}
}

func TestSecretBlockIsValidOnceAndExpires(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	client, challenge := b.start("ada")
	answers, _ := client.answer(challenge.ChallengeParameters, testPassword, b.clock.now())
	if _, failure := b.answer(passwordVerifier, "", answers); failure != "" {
		t.Fatal(failure)
	}
	_, failure := b.answer(passwordVerifier, "", answers)
	failsWith(t, failure, "NotAuthorizedException", "Incorrect username or password.")

	for _, c := range []struct {
		wait time.Duration
		good bool
	}{{3*time.Minute - time.Second, true}, {3 * time.Minute, false}} {
		client, challenge := b.start("ada")
		b.clock.advance(c.wait)
		answers, _ := client.answer(challenge.ChallengeParameters, testPassword, b.clock.now())
		if _, failure := b.answer(passwordVerifier, "", answers); (failure == "") != c.good {
			t.Errorf("after %v: returned %q", c.wait, failure)
		}
	}
}

func TestUnknownUsernameGetsAChallengeAndNoTokens(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	_, known := b.start("ada")
	_, first := b.start("mallory")
	_, second := b.start("mallory")
	_, third := b.start("trudy")
	for name := range known.ChallengeParameters {
		if first.ChallengeParameters[name] == "" {
			t.Errorf("%s is missing for an unknown username", name)
		}
	}
	for _, name := range []string{"SALT", "USER_ID_FOR_SRP"} {
		if first.ChallengeParameters[name] != second.ChallengeParameters[name] {
			t.Errorf("%s of an unknown username changes", name)
		}
		if first.ChallengeParameters[name] == third.ChallengeParameters[name] {
			t.Errorf("%s of two unknown usernames is the same", name)
		}
	}
	if first.ChallengeParameters["SRP_B"] == second.ChallengeParameters["SRP_B"] {
		t.Error("SRP_B is the same twice")
	}
	_, failure := b.prove("mallory", testPassword)
	_, wrong := b.prove("ada", testPassword+"x")
	if failure != wrong || failure == "" {
		t.Errorf("an unknown username gets %q, a wrong password %q", failure, wrong)
	}
	// A sub is not valid for a sign-in.
	if _, failure := b.prove(b.pool.users["ada"].Sub, testPassword); failure != wrong {
		t.Errorf("signing in by sub: %q", failure)
	}
}

func TestPlainPasswordIsRefusedUnlessEnabled(t *testing.T) {
	in := initiateAuthInput{AuthFlow: "USER_PASSWORD_AUTH", ClientId: testClient,
		AuthParameters: params{"USERNAME": "ada", "PASSWORD": testPassword}}
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	failsWith(t, b.call("InitiateAuth", in, nil), "InvalidParameterException", "USER_PASSWORD_AUTH flow not enabled")

	b = newBench(t, func(c *Config) { c.PasswordAuth = true })
	b.addUser(User{Username: "ada"})
	var out authOutput
	b.mustCall("InitiateAuth", in, &out)
	if out.AuthenticationResult == nil {
		t.Error("no tokens")
	}
	in.AuthParameters["PASSWORD"] += "x"
	failsWith(t, b.call("InitiateAuth", in, nil), "NotAuthorizedException", "Incorrect username or password.")
	in.AuthParameters["USERNAME"] = "nobody"
	failsWith(t, b.call("InitiateAuth", in, nil), "NotAuthorizedException", "Incorrect username or password.")
}

func TestNewPasswordRequired(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "newbie", Email: "n@example.com", Temporary: true})
	out, failure := b.prove("newbie", testPassword)
	if failure != "" || out.ChallengeName != newPasswordRequired || len(out.Session) < 20 || len(out.Session) > 2048 {
		t.Fatalf("returned %q, challenge %q, session of %d", failure, out.ChallengeName, len(out.Session))
	}
	if got := out.ChallengeParameters["userAttributes"]; got != `{"email":"n@example.com","email_verified":"true"}` {
		t.Errorf("userAttributes is %s", got)
	}
	session, name := out.Session, params{"USERNAME": "newbie", "NEW_PASSWORD": "short"}
	_, failure = b.answer(newPasswordRequired, session, name)
	failsWith(t, failure, "InvalidPasswordException", "not long enough")
	name["NEW_PASSWORD"] = "Brand-new-8"
	_, failure = b.answer(softwareTokenMFA, session, params{"USERNAME": "newbie", "SOFTWARE_TOKEN_MFA_CODE": "123456"})
	failsWith(t, failure, "NotAuthorizedException", "Invalid session") // a session is valid for its own challenge only
	_, failure = b.answer(newPasswordRequired, session, params{"USERNAME": "ada", "NEW_PASSWORD": "Brand-new-8"})
	failsWith(t, failure, "NotAuthorizedException", "Invalid session")
	out, failure = b.answer(newPasswordRequired, session, name)
	if failure != "" || out.AuthenticationResult == nil {
		t.Fatalf("returned %q", failure)
	}
	_, failure = b.answer(newPasswordRequired, session, name)
	failsWith(t, failure, "NotAuthorizedException", "can only be used once")
	b.signIn("newbie", "Brand-new-8")
	if _, failure := b.prove("newbie", testPassword); failure == "" {
		t.Error("the temporary password still works")
	}
}

func TestTemporaryPasswordsAndSessionsExpire(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "newbie", Temporary: true})
	out, _ := b.prove("newbie", testPassword)
	b.clock.advance(3 * time.Minute)
	_, failure := b.answer(newPasswordRequired, out.Session, params{"USERNAME": "newbie", "NEW_PASSWORD": "Brand-new-8"})
	failsWith(t, failure, "NotAuthorizedException", "session is expired")
	_, failure = b.answer(newPasswordRequired, "invented-but-long-enough", params{"USERNAME": "newbie", "NEW_PASSWORD": "Brand-new-8"})
	failsWith(t, failure, "NotAuthorizedException", "Invalid session for the user.")
	b.clock.advance(7 * 24 * time.Hour)
	_, failure = b.prove("newbie", testPassword)
	failsWith(t, failure, "NotAuthorizedException", "Temporary password has expired")
}

func TestReplacedAccountRefusesTheEarlierChallenge(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	client, challenge := b.start("ada")
	b.mustCall("AdminDeleteUser", adminInput{testPool, "ada"}, nil)
	b.addUser(User{Username: "ada", Password: "Another-one-9"})
	answers, _ := client.answer(challenge.ChallengeParameters, testPassword, b.clock.now())
	_, failure := b.answer(passwordVerifier, "", answers)
	failsWith(t, failure, "NotAuthorizedException", "Incorrect username or password.")

	client, challenge = b.start("ada")
	b.mustCall("AdminSetUserPassword", adminSetUserPasswordInput{testPool, "ada", "A-third-one-3", true}, nil)
	answers, _ = client.answer(challenge.ChallengeParameters, "Another-one-9", b.clock.now())
	_, failure = b.answer(passwordVerifier, "", answers)
	failsWith(t, failure, "NotAuthorizedException", "Incorrect username or password.")
}

func TestUnknownClientFlowAndChallenge(t *testing.T) {
	b := newBench(t, nil)
	failsWith(t, b.call("InitiateAuth", initiateAuthInput{AuthFlow: "USER_SRP_AUTH", ClientId: "other"}, nil), "ResourceNotFoundException", "other")
	failsWith(t, b.call("InitiateAuth", initiateAuthInput{AuthFlow: "USER_SRP_AUTH"}, nil), "InvalidParameterException", "clientId")
	failsWith(t, b.call("InitiateAuth", initiateAuthInput{AuthFlow: "CUSTOM_AUTH", ClientId: testClient}, nil), "InvalidParameterException", "not supported")
	failsWith(t, b.call("InitiateAuth", initiateAuthInput{AuthFlow: "USER_SRP_AUTH", ClientId: testClient,
		AuthParameters: params{"USERNAME": "ada", "SRP_A": "0"}}, nil), "InvalidParameterException", "SRP_A")
	_, failure := b.answer("CUSTOM_CHALLENGE", "s", params{"USERNAME": "ada"})
	failsWith(t, failure, "InvalidParameterException", "Unknown challenge")
}
