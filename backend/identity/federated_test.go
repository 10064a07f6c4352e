package identity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/backend/federation"
)

func allowed(t *testing.T) *federation.Allow {
	t.Helper()
	a, err := federation.NewAllow([]string{"finance-*", "engineering"}, []string{"usher-admins"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// companyDirectory returns a directory of a pool with a company.
func companyDirectory(t *testing.T, p *fakePool, unstamped bool, now func() time.Time) *Directory {
	t.Helper()
	source, err := NewCompany(p, &Federated{Attribute: DefaultAttribute, Allow: allowed(t), Unstamped: unstamped}, now)
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDirectory(DirectoryConfig{Source: source, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The groups of a company count in a browser's session, if their stamp is not
// older than the session.
func TestFederatedGroups(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	signedIn := now.Add(-time.Hour)
	groups := []string{"finance-team", "usher-admins", "engineering"}
	for name, row := range map[string]struct {
		value     string
		browser   bool
		unstamped bool
		want      string
	}{
		"stamped at the sign-in": {federation.Format(signedIn, groups), true, false, "pool engineering finance-team"},
		"a second before":        {federation.Format(signedIn.Add(-time.Second), groups), true, false, "pool engineering finance-team"},
		"a minute before":        {federation.Format(signedIn.Add(-time.Minute), groups), true, false, "pool"},
		"a later sign-in":        {federation.Format(now, groups), true, false, "pool engineering finance-team"},
		"the future":             {federation.Format(now.Add(time.Hour), groups), true, false, "pool"},
		"no groups":              {federation.Format(signedIn, nil), true, false, "pool"},
		"no attribute":           {"", true, false, "pool"},
		"no stamp":               {"[finance-team]", true, false, "pool"},
		"no stamp, accepted":     {"[finance-team,usher-admins]", true, true, "pool finance-team"},
		"an old stamp, unstamped accepted": {federation.Format(signedIn.Add(-time.Minute), groups), true, true,
			"pool"},
		"a password's session": {federation.Format(signedIn, groups), false, false, "pool"},
	} {
		p := newFakePool()
		p.groups["ada"], p.values["ada"] = []string{"pool"}, row.value
		d := companyDirectory(t, p, row.unstamped, func() time.Time { return now })
		c := claimsOf("ada")
		c.Browser, c.SignedIn = row.browser, signedIn
		for _, query := range []func(context.Context, Claims) (Standing, error){d.ForRelease, d.ForListing} {
			s, err := query(t.Context(), c)
			if got := strings.Join(s.Groups, " "); err != nil || got != row.want {
				t.Errorf("%s: %q, %v, want %q", name, got, err, row.want)
			}
		}
		if n := p.attributes.Load(); n > 1 || n == 1 && !row.browser {
			t.Errorf("%s: %d queries of the attribute", name, n)
		}
	}
}

// A change of the attribute takes effect like a change of the groups, and a
// second sign-in of the same person does not use the groups of the first one.
func TestFederatedGroupsFollowThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFakePool()
		d := companyDirectory(t, p, false, time.Now)
		ctx := context.Background()
		first := claimsOf("ada")
		first.Browser, first.SignedIn = true, time.Now()
		p.set(func(p *fakePool) { p.values["ada"] = federation.Format(time.Now(), []string{"finance-team"}) })
		if s, err := d.ForRelease(ctx, first); err != nil || !slices.Equal(s.Groups, []string{"finance-team"}) {
			t.Fatalf("%v %v", s.Groups, err)
		}
		time.Sleep(time.Minute)
		second := first
		second.Session, second.SignedIn = "second", time.Now()
		if s, err := d.ForRelease(ctx, second); err != nil || len(s.Groups) != 0 {
			t.Errorf("the second session has %v, %v", s.Groups, err)
		}
		if s, err := d.ForRelease(ctx, first); err != nil || len(s.Groups) != 1 {
			t.Errorf("the first session has %v, %v", s.Groups, err)
		}
		// A new session does not use the value of a moment before its sign-in.
		p.set(func(p *fakePool) { p.values["ada"] = federation.Format(time.Now(), []string{"engineering"}) })
		third := second
		third.Session, third.SignedIn = "third", time.Now()
		if s, err := d.ForListing(ctx, third); err != nil || !slices.Equal(s.Groups, []string{"engineering"}) {
			t.Errorf("the third session has %v, %v", s.Groups, err)
		}
		p.set(func(p *fakePool) { p.values["ada"] = federation.Format(time.Now(), nil) })
		time.Sleep(6 * time.Second)
		if s, err := d.ForRelease(ctx, first); err != nil || len(s.Groups) != 0 {
			t.Errorf("after the removal: %v, %v", s.Groups, err)
		}
		p.set(func(p *fakePool) { p.down = true })
		time.Sleep(6 * time.Second)
		if _, err := d.ForRelease(ctx, first); !errors.Is(err, ErrUnavailable) {
			t.Errorf("during an outage: %v", err)
		}
	})
}

// Tokens of a browser's client have other rules than those of a password.
func TestBrowserTokens(t *testing.T) {
	f := newForge(t)
	v, err := NewVerifier(VerifierConfig{
		Issuer: testIssuer, ClientIDs: []string{testClient}, BrowserClients: []string{"sso", "device"}, Audience: testOrigin,
		Keys: f.keys, Now: func() time.Time { return f.Now },
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		change map[string]any // nil removes a claim
		want   error
	}{
		"sso":               {map[string]any{"client_id": "sso", "scope": "openid email"}, nil},
		"device":            {map[string]any{"client_id": "device", "scope": "openid email"}, nil},
		"aud":               {map[string]any{"client_id": "sso", "scope": "openid email", "aud": testOrigin}, nil},
		"without aud":       {map[string]any{"client_id": "sso", "scope": "openid email", "aud": nil}, nil},
		"another aud":       {map[string]any{"client_id": "sso", "scope": "openid email", "aud": "https://other.example.com"}, ErrToken},
		"self-service":      {map[string]any{"client_id": "sso", "scope": "openid aws.cognito.signin.user.admin"}, ErrToken},
		"self-service only": {map[string]any{"client_id": "device", "scope": "aws.cognito.signin.user.admin"}, ErrToken},
		"no openid":         {map[string]any{"client_id": "sso", "scope": "email"}, ErrToken},
		"no auth_time":      {map[string]any{"client_id": "sso", "scope": "openid", "auth_time": nil}, ErrToken},
		"another client":    {map[string]any{"client_id": "other", "scope": "openid"}, ErrToken},
		"11 hours": {map[string]any{"client_id": "sso", "scope": "openid", "auth_time": f.Now.Add(-11 * time.Hour).Unix()},
			nil},
		"13 hours": {map[string]any{"client_id": "sso", "scope": "openid", "auth_time": f.Now.Add(-13 * time.Hour).Unix()},
			ErrExpired},
		"13 hours, a password": {map[string]any{"auth_time": f.Now.Add(-13 * time.Hour).Unix()}, nil},
	} {
		claims := f.Claims()
		for claim, value := range row.change {
			claims[claim] = value
			if value == nil {
				delete(claims, claim)
			}
		}
		c, err := v.Verify(t.Context(), f.Token(claims))
		if row.want == nil && err != nil || row.want != nil && !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
		if err == nil && c.Browser != (row.change["client_id"] != nil) {
			t.Errorf("%s: Browser is %t", name, c.Browser)
		}
	}
}
