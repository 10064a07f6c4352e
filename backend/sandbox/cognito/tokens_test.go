package cognito

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func (b *bench) renew(token string) (authResult, string) {
	b.t.Helper()
	var out authOutput
	failure := b.call("GetTokensFromRefreshToken", getTokensInput{token, testClient, ""}, &out)
	if out.AuthenticationResult == nil {
		return authResult{}, failure
	}
	return *out.AuthenticationResult, failure
}

func TestRotation(t *testing.T) {
	b := newBench(t, nil) // grace 10 s, life 12 h
	b.addUser(User{Username: "ada"})
	first := b.signIn("ada", testPassword)
	began, _ := b.claims(first.AccessToken)
	b.clock.advance(time.Hour)
	b.mustCall("CreateGroup", groupInput{UserPoolId: testPool, GroupName: "new-group"}, nil)
	b.mustCall("AdminAddUserToGroup", groupInput{UserPoolId: testPool, GroupName: "new-group", Username: "ada"}, nil)
	second, failure := b.renew(first.RefreshToken)
	if failure != "" || second.RefreshToken == "" || second.RefreshToken == first.RefreshToken {
		t.Fatalf("returned %q, token kept: %v", failure, second.RefreshToken == first.RefreshToken)
	}
	renewed, _ := b.claims(second.AccessToken)
	if renewed["origin_jti"] != began["origin_jti"] || renewed["auth_time"] != began["auth_time"] || renewed["jti"] == began["jti"] {
		t.Error("the renewed token does not belong to its sign-in")
	}
	if renewed["iat"] == began["iat"] || renewed["cognito:groups"] == nil {
		t.Error("the renewed token has the wrong time")
	}
	b.clock.advance(10*time.Second - time.Millisecond)
	third, failure := b.renew(first.RefreshToken)
	if failure != "" || third.RefreshToken == second.RefreshToken {
		t.Errorf("a replaced token within the grace period: %q", failure)
	}
	b.clock.advance(time.Millisecond)
	_, failure = b.renew(first.RefreshToken)
	failsWith(t, failure, "RefreshTokenReuseException", "")
	for name, token := range map[string]string{"second": second.RefreshToken, "third": third.RefreshToken} {
		if _, failure := b.renew(token); failure != "" {
			t.Errorf("the %s token: %s", name, failure)
		}
	}
	failsWith(t, b.call("InitiateAuth", initiateAuthInput{AuthFlow: "REFRESH_TOKEN_AUTH", ClientId: testClient,
		AuthParameters: params{"REFRESH_TOKEN": second.RefreshToken}}, nil), "InvalidParameterException", "REFRESH_TOKEN_AUTH")
}

func TestRotatedTokensExpireWithTheFirst(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	token := b.signIn("ada", testPassword).RefreshToken
	for range 11 {
		b.clock.advance(time.Hour)
		renewed, failure := b.renew(token)
		if failure != "" {
			t.Fatal(failure)
		}
		token = renewed.RefreshToken
	}
	b.clock.advance(time.Hour)
	_, failure := b.renew(token)
	failsWith(t, failure, "NotAuthorizedException", "Refresh Token has expired")
}

func TestWithoutGraceATokenIsValidOnce(t *testing.T) {
	b := newBench(t, func(c *Config) { c.GracePeriod = 0 })
	b.addUser(User{Username: "ada"})
	token := b.signIn("ada", testPassword).RefreshToken
	if _, failure := b.renew(token); failure != "" {
		t.Fatal(failure)
	}
	_, failure := b.renew(token)
	failsWith(t, failure, "RefreshTokenReuseException", "")
}

func TestRefreshWithoutRotation(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Rotation = false })
	b.addUser(User{Username: "ada"})
	token := b.signIn("ada", testPassword).RefreshToken
	for _, flow := range []string{"REFRESH_TOKEN_AUTH", "REFRESH_TOKEN"} {
		var out authOutput
		b.mustCall("InitiateAuth", initiateAuthInput{AuthFlow: flow, ClientId: testClient,
			AuthParameters: params{"REFRESH_TOKEN": token}}, &out)
		if out.AuthenticationResult.RefreshToken != "" || b.alive(out.AuthenticationResult.AccessToken) != "" {
			t.Errorf("%s returned a new refresh token or an invalid access token", flow)
		}
	}
	if renewed, failure := b.renew(token); failure != "" || renewed.RefreshToken != "" {
		t.Errorf("GetTokensFromRefreshToken: %q", failure)
	}
}

func TestBadRefreshTokens(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	tokens := b.signIn("ada", testPassword)
	for name, token := range map[string]string{"invented": "x", "with a wrong letter": tokens.RefreshToken[:len(tokens.RefreshToken)-1] + "!",
		"an access token": tokens.AccessToken} {
		if _, failure := b.renew(token); failure != "NotAuthorizedException: Invalid Refresh Token" {
			t.Errorf("%s: %q", name, failure)
		}
	}
	failsWith(t, b.call("GetTokensFromRefreshToken", getTokensInput{tokens.RefreshToken, "other", ""}, nil), "ResourceNotFoundException", "other")
}

// After each way to end a session, GetUser refuses its tokens at once. The
// signature still verifies: only a call to the pool detects the end.
func TestEndedSessionsAreRefusedAtOnce(t *testing.T) {
	const revoked = "NotAuthorizedException: Access Token has been revoked"
	for _, c := range []struct {
		name  string
		end   func(b *bench, mine authResult)
		mine  string // exception of GetUser for the ended session
		other string // exception of GetUser for the person's other session
		renew string // exception of refreshing the ended session
	}{
		{"nothing", func(*bench, authResult) {}, "", "", ""},
		{"RevokeToken", func(b *bench, mine authResult) {
			b.mustCall("RevokeToken", revokeTokenInput{mine.RefreshToken, testClient}, nil)
		}, revoked, "", "NotAuthorizedException: Refresh Token has been revoked"},
		{"GlobalSignOut", func(b *bench, mine authResult) {
			b.mustCall("GlobalSignOut", accessTokenInput{mine.AccessToken}, nil)
		}, revoked, revoked, "NotAuthorizedException: Refresh Token has been revoked"},
		{"AdminUserGlobalSignOut", func(b *bench, _ authResult) {
			b.mustCall("AdminUserGlobalSignOut", adminInput{testPool, "ada"}, nil)
		}, revoked, revoked, "NotAuthorizedException: Refresh Token has been revoked"},
		{"AdminDisableUser", func(b *bench, _ authResult) {
			b.mustCall("AdminDisableUser", adminInput{testPool, "ada"}, nil)
		}, "NotAuthorizedException: User is disabled.", "NotAuthorizedException: User is disabled.", "NotAuthorizedException: User is disabled."},
		{"disabled and enabled again", func(b *bench, _ authResult) {
			b.mustCall("AdminDisableUser", adminInput{testPool, "ada"}, nil)
			b.mustCall("AdminEnableUser", adminInput{testPool, "ada"}, nil)
		}, revoked, revoked, "NotAuthorizedException: Refresh Token has been revoked"},
		{"AdminDeleteUser", func(b *bench, _ authResult) {
			b.mustCall("AdminDeleteUser", adminInput{testPool, "ada"}, nil)
		}, "UserNotFoundException: User does not exist.", "UserNotFoundException: User does not exist.", "NotAuthorizedException: Invalid Refresh Token"},
		{"deleted and made again", func(b *bench, _ authResult) {
			b.mustCall("AdminDeleteUser", adminInput{testPool, "ada"}, nil)
			b.addUser(User{Username: "ada"})
		}, "UserNotFoundException: User does not exist.", "UserNotFoundException: User does not exist.", "NotAuthorizedException: Invalid Refresh Token"},
		{"expiry", func(b *bench, _ authResult) { b.clock.advance(10 * time.Minute) },
			"NotAuthorizedException: Access Token has expired", "NotAuthorizedException: Access Token has expired", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.addUser(User{Username: "ada"})
			b.addUser(User{Username: "grace"})
			mine, other, bystander := b.signIn("ada", testPassword), b.signIn("ada", testPassword), b.signIn("grace", testPassword)
			c.end(b, mine)
			if got := b.alive(mine.AccessToken); got != c.mine {
				t.Errorf("the session: %q, want %q", got, c.mine)
			}
			if got := b.alive(other.AccessToken); got != c.other {
				t.Errorf("the other session: %q, want %q", got, c.other)
			}
			if c.name != "expiry" {
				if got := b.alive(bystander.AccessToken); got != "" {
					t.Errorf("another person's session: %q", got)
				}
			}
			b.claims(mine.AccessToken) // the signature still verifies
			if _, got := b.renew(mine.RefreshToken); got != c.renew {
				t.Errorf("refreshing: %q, want %q", got, c.renew)
			}
			if c.name == "AdminDisableUser" {
				_, failure := b.tryStart("ada")
				failsWith(t, failure, "NotAuthorizedException", "User is disabled.")
			}
		})
	}
}

func (b *bench) tryStart(username string) (*authOutput, string) {
	b.t.Helper()
	out := &authOutput{}
	return out, b.call("InitiateAuth", initiateAuthInput{AuthFlow: "USER_SRP_AUTH", ClientId: testClient,
		AuthParameters: params{"USERNAME": username, "SRP_A": "2"}}, out)
}

// A person can sign in again in the second of a global sign-out.
func TestSignInRightAfterGlobalSignOut(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	b.mustCall("GlobalSignOut", accessTokenInput{b.signIn("ada", testPassword).AccessToken}, nil)
	if got := b.alive(b.signIn("ada", testPassword).AccessToken); got != "" {
		t.Error(got)
	}
}

func TestRevokeTokenAcceptsOnlyRefreshTokens(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	tokens := b.signIn("ada", testPassword)
	failsWith(t, b.call("RevokeToken", revokeTokenInput{tokens.AccessToken, testClient}, nil), "UnsupportedTokenTypeException", "")
	b.mustCall("RevokeToken", revokeTokenInput{"unknown", testClient}, nil)
	failsWith(t, b.call("RevokeToken", revokeTokenInput{tokens.RefreshToken, "other"}, nil), "ResourceNotFoundException", "")
	if got := b.alive(tokens.AccessToken); got != "" {
		t.Error(got)
	}
	b.mustCall("RevokeToken", revokeTokenInput{tokens.RefreshToken, testClient}, nil)
	b.mustCall("RevokeToken", revokeTokenInput{tokens.RefreshToken, testClient}, nil) // a second revocation is not an error
}

func TestForgedAccessTokens(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	tokens := b.signIn("ada", testPassword)
	claims, _ := b.claims(tokens.AccessToken)
	signed := func(change func(map[string]any)) string {
		copied := map[string]any{}
		for k, v := range claims {
			copied[k] = v
		}
		change(copied)
		token, err := b.pool.SignAccess(copied)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	if got := b.alive(signed(func(map[string]any) {})); got != "" {
		t.Fatalf("the unchanged claims: %s", got)
	}
	parts := strings.Split(tokens.AccessToken, ".")
	header, _ := json.Marshal(map[string]string{"alg": "none"})
	for name, token := range map[string]string{
		"an ID token":         tokens.IdToken,
		"no signature":        parts[0] + "." + parts[1] + ".",
		"alg none":            base64.RawURLEncoding.EncodeToString(header) + "." + parts[1] + ".",
		"another signature":   parts[0] + "." + parts[1] + "." + strings.Split(tokens.IdToken, ".")[2],
		"a changed payload":   parts[0] + "." + parts[1][:len(parts[1])-4] + "AAAA." + parts[2],
		"a line break inside": parts[0] + "." + parts[1] + "\n." + parts[2],
		"two parts":           parts[0] + "." + parts[1],
		"nothing":             "..",
		"use of an ID token":  signed(func(c map[string]any) { c["token_use"] = "id" }),
		"claims of one type":  signed(func(c map[string]any) { c["exp"] = "soon" }),
	} {
		if got := b.alive(token); got != "NotAuthorizedException: Invalid Access Token" {
			t.Errorf("%s: %q", name, got)
		}
	}
	failsWith(t, b.alive(signed(func(c map[string]any) { c["origin_jti"] = "11111111-2222-4333-8444-555555555555" })), "NotAuthorizedException", "revoked")
	failsWith(t, b.alive(signed(func(c map[string]any) { c["sub"] = "other" })), "UserNotFoundException", "")
	failsWith(t, b.alive(signed(func(c map[string]any) { c["scope"] = "openid" })), "NotAuthorizedException", "scopes")
	failsWith(t, b.alive(signed(func(c map[string]any) { delete(c, "exp") })), "NotAuthorizedException", "expired")
}

func TestKeyRotation(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	before := b.signIn("ada", testPassword)
	_, oldKID := b.claims(before.AccessToken)
	if n := len(b.jwks().Keys); n != 2 {
		t.Fatalf("%d keys published, want one for each kind of token", n)
	}
	if err := b.pool.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	after := b.signIn("ada", testPassword)
	if _, kid := b.claims(after.AccessToken); kid == oldKID {
		t.Error("the previous key still signs")
	}
	if n := len(b.jwks().Keys); n != 4 {
		t.Errorf("%d keys published, want the previous ones too", n)
	}
	if got := b.alive(before.AccessToken); got != "" {
		t.Errorf("a token of the previous key: %s", got)
	}
	if err := b.pool.ForgetOldKeys(); err != nil {
		t.Fatal(err)
	}
	failsWith(t, b.alive(before.AccessToken), "NotAuthorizedException", "Invalid Access Token")
	if got := b.alive(after.AccessToken); got != "" {
		t.Error(got)
	}
	for _, k := range b.jwks().Keys {
		if k.KeyID == oldKID || k.Algorithm != "RS256" || k.Use != "sig" || !k.Valid() {
			t.Errorf("key %q: %s %s", k.KeyID, k.Algorithm, k.Use)
		}
	}
}
