package backend_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	mrand "math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/cursor"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/grant"
	"usher/backend/identity"
)

// wrongGrants is a source of grants with a wrong rule.
type wrongGrants struct {
	backend.Grants
	t      *testing.T
	change func([]grant.Grant) []grant.Grant
}

func (b wrongGrants) Current(ctx context.Context) (*grant.Set, error) {
	set, err := b.Grants.Current(ctx)
	if err != nil {
		return nil, err
	}
	wrong, err := grant.NewSet(b.change(set.Grants()))
	if err != nil {
		b.t.Errorf("the changed grants are no set: %v", err) // every check would fail for this reason
	}
	return wrong, err
}

// withoutDenies drops the denials.
func withoutDenies(all []grant.Grant) []grant.Grant {
	return slices.DeleteFunc(slices.Clone(all), func(g grant.Grant) bool { return g.Effect == grant.Deny })
}

// withoutSlash ignores the slash at the end of a prefix: a/ covers ab/ too.
func withoutSlash(all []grant.Grant) []grant.Grant {
	out := slices.Clone(all)
	for _, g := range all {
		bare, isFolder := strings.CutSuffix(g.Prefix, "/")
		for _, folder := range nearFolders {
			wider := g
			wider.Prefix = folder
			if isFolder && bare != "" && folder != g.Prefix && strings.HasPrefix(folder, bare) && !slices.ContainsFunc(out, func(o grant.Grant) bool { return grant.Same(o, wider) }) {
				out = append(out, wider)
			}
		}
	}
	return out
}

// noLiveness is a directory that accepts ended sessions.
type noLiveness struct {
	backend.Directory
	now func() time.Time
}

func (d noLiveness) ForRelease(ctx context.Context, c identity.Claims) (identity.Standing, error) {
	s, err := d.Directory.ForRelease(ctx, c)
	if err != nil {
		return identity.Standing{Groups: []string{"finance-team"}, CheckedAt: d.now()}, nil
	}
	return s, nil
}

// anyPool verifies signature and claims, and accepts tokens of several issuers.
type anyPool []backend.Verifier

func (a anyPool) VerifyID(ctx context.Context, token, client string) (identity.SignIn, error) {
	return a[0].VerifyID(ctx, token, client)
}

func (a anyPool) Verify(ctx context.Context, token string) (c identity.Claims, err error) {
	for _, v := range a {
		if c, err = v.Verify(ctx, token); err == nil {
			return c, nil
		}
	}
	return c, err
}

// Negative controls: each guard is switched off in its own server, and the check
// of the guard must fail there.
func TestControls(t *testing.T) {
	w := demotest.Start(t, demo.Options{AccessTokenLife: 24 * time.Hour})
	c := &controls{t: t, w: w, wire: newWire(t, w, newStopped(), 3)}
	for _, p := range c.wire.people {
		c.people = append(c.people, p.Actor)
	}
	change := func(f func([]grant.Grant) []grant.Grant) func(*backend.Config) {
		return func(o *backend.Config) { o.Grants = wrongGrants{o.Grants, t, f} }
	}
	forged := newForgedPool(t)
	killed, all := 0, []struct {
		guard string
		check func(off func(*backend.Config)) bool // true: the server is safe
		off   func(*backend.Config)
	}{
		{"the prefix rule", c.grants, change(withoutSlash)},
		{"the deny rule", c.grants, change(withoutDenies)},
		{"the issuer of a token", func(off func(*backend.Config)) bool { return c.issuer(forged, off) }, func(o *backend.Config) {
			o.Verifier = anyPool{o.Verifier, forged.verifier(t, forged.Issuer+"2")}
		}},
		{"liveness", c.liveness, func(o *backend.Config) { o.Directory = noLiveness{o.Directory, o.Now} }},
		{"the seal on cursors", c.cursors, func(o *backend.Config) { o.Cursors = unsealed{} }},
	}
	for _, control := range all {
		if !control.check(func(*backend.Config) {}) {
			t.Errorf("%s: the check fails with the guard on", control.guard)
		}
		if control.check(control.off) {
			t.Errorf("%s: the check passes with the guard off", control.guard)
			continue
		}
		killed++
	}
	t.Logf("controls killed %d/%d", killed, len(all))
}

// controls holds the state of the checks. Each check starts its own server.
type controls struct {
	t      *testing.T
	w      *demotest.Demo
	wire   *wire
	people []demotest.Actor
	gone   int
}

// grants is a short form of TestGrantsOverTheWire.
func (c *controls) grants(off func(*backend.Config)) bool {
	c.wire.wrong = nil
	for i, p := range c.wire.people {
		p.Actor = c.people[i]
	}
	server, _ := rebuilt(c.t, c.w, c.wire.clock.Now, off)
	c.wire.on(server)
	for range 12 {
		all := c.wire.draw()
		c.wire.put(all)
		c.wire.compare(all)
		if len(c.wire.wrong) > 0 {
			return false
		}
	}
	return true
}

// issuer sends a token with the pool's signature and another pool's issuer.
func (c *controls) issuer(f *forgedPool, off func(*backend.Config)) bool {
	server, _ := rebuilt(c.t, c.w, f.clock.Now, func(o *backend.Config) {
		o.Verifier, o.Directory = f.verifier(c.t, f.Issuer), f.directory(c.t)
		off(o)
	})
	if status, _ := bearer(c.t, server, "/v1/whoami", f.Token(f.Claims()), "{}"); status != http.StatusOK {
		c.t.Fatalf("the good token: %d", status)
	}
	status, _ := bearer(c.t, server, "/v1/whoami", f.With("iss", f.Issuer+"2"), "{}")
	return status == http.StatusUnauthorized
}

// liveness is TestRemovalTakesEffect for one disabled person.
func (c *controls) liveness(off func(*backend.Config)) bool {
	now := &clock{}
	replace(c.t, c.w.GrantsFile, "grants:\n  - {group: finance-team, bucket: company-reports, prefix: annual/}\n", now.Now())
	server, _ := rebuilt(c.t, c.w, now.Now, off)
	c.gone++
	name := fmt.Sprintf("leaver-%d", c.gone)
	token, err := c.w.AddPerson(c.t, name, "finance-team").Session.Token(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	const body = `{"objects":[{"bucket":"company-reports","key":"annual/x","etag":"\"0\""}]}`
	if status, code := bearer(c.t, server, "/v1/release", token, body); status != http.StatusOK {
		c.t.Fatalf("before: %d %s", status, code)
	}
	if _, err := c.w.Admin().AdminDisableUser(c.t.Context(), &cognitoidentityprovider.AdminDisableUserInput{UserPoolId: &c.w.UserPoolID, Username: &name}); err != nil {
		c.t.Fatal(err)
	}
	now.Pass(5*time.Second + time.Millisecond)
	status, code := bearer(c.t, server, "/v1/release", token, body)
	if status != http.StatusOK && code != api.SessionRevoked {
		c.t.Fatalf("after: %d %s", status, code)
	}
	return code == api.SessionRevoked
}

// cursors is a short form of TestFlippedCursors with the sealer of a server.
func (c *controls) cursors(off func(*backend.Config)) bool {
	var sealer backend.Cursors
	rebuilt(c.t, c.w, time.Now, func(o *backend.Config) { off(o); sealer = o.Cursors })
	accepted, err := flipped(sealer, 2000)
	if err != nil {
		c.t.Fatal(err)
	}
	return accepted == 0
}

// unsealed is a sealer that leaves cursors in clear text.
type unsealed struct{}

func (unsealed) Seal(c cursor.Cursor) (string, error) {
	plain, err := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(plain), err
}

func (unsealed) Marks(time.Time) (cursor.Marks, error) { return nil, cursor.ErrRefused }

func (unsealed) Open(text string, want cursor.Cursor, _ time.Time) (cursor.Cursor, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return cursor.Cursor{}, err
	}
	var c cursor.Cursor
	if err := json.Unmarshal(raw, &c); err != nil || c.Verb != want.Verb || c.Sub != want.Sub {
		return cursor.Cursor{}, cursor.ErrRefused
	}
	return c, nil
}

// flipped seals cursors, flips one random bit of each, and returns the number
// that still open.
func flipped(s backend.Cursors, n int) (accepted int, err error) {
	rng := mrand.New(mrand.NewPCG(8, 2))
	now := time.Now()
	query := cursor.Cursor{Verb: "list", Sub: "ada", Bucket: "company-reports", Prefix: "annual/audited/", Token: strings.Repeat("t", 40), Expires: now.Add(cursor.Life)}
	for range n {
		text, err := s.Seal(query)
		if err != nil {
			return 0, err
		}
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			return 0, err
		}
		raw[rng.IntN(len(raw))] ^= byte(1) << rng.IntN(8)
		if _, err := s.Open(base64.RawURLEncoding.EncodeToString(raw), query, now); err == nil {
			accepted++
		}
	}
	return accepted, nil
}
