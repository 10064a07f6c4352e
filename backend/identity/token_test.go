package identity

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"usher/backend/identity/identitytest"
)

const (
	testIssuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Test"
	testClient = "client1"
	testOrigin = "https://files.example.com"
)

type forge struct {
	*identitytest.Forge
	keys *KeySet
}

func newForge(t testing.TB) *forge {
	t.Helper()
	f := &forge{Forge: identitytest.New(t, testIssuer, testClient, testOrigin)}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	var err error
	if f.keys, err = NewKeySet(server.URL, server.Client(), func() time.Time { return f.Now }); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *forge) verifier(t testing.TB) *Verifier {
	t.Helper()
	v, err := NewVerifier(VerifierConfig{
		Issuer: testIssuer, ClientIDs: []string{testClient}, Audience: testOrigin,
		Keys: f.keys, Now: func() time.Time { return f.Now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestHostileTokens(t *testing.T) {
	f := newForge(t)
	v := f.verifier(t)
	ctx := context.Background()
	set := f.Hostile()
	if len(set) < 64 {
		t.Fatalf("only %d hostile tokens", len(set))
	}
	good := f.Token(f.Claims())
	for name, token := range set {
		if c, err := v.Verify(ctx, token); err == nil {
			t.Errorf("%s: accepted as %s", name, c.Sub)
		} else if !errors.Is(err, ErrToken) {
			t.Errorf("%s: %v, want ErrToken", name, err)
		} else if strings.Contains(err.Error(), "eyJ") {
			t.Errorf("%s: the error quotes the token", name)
		}
		// A hostile token does not change the result for a good token.
		if _, err := v.Verify(ctx, good); err != nil {
			t.Fatalf("after %s the good token is refused: %v", name, err)
		}
	}
}

// A token refused for a cause outside the token has its own error: the client
// keeps the sign-in.
func TestRefusalsForCausesOutsideTheToken(t *testing.T) {
	unknown := func(f *forge) string { kid, _, _ := f.Refused(); return kid }
	for name, c := range map[string]struct {
		token func(f *forge) string
		again bool // verified a second time
		want  error
	}{
		"an unknown key after a fetch":   {unknown, false, ErrToken},
		"the same key without a fetch":   {unknown, true, ErrUnavailable},
		"issued a minute in the future":  {func(f *forge) string { _, future, _ := f.Refused(); return future }, false, ErrClock},
		"issued beyond the leeway":       {func(f *forge) string { return f.With("iat", f.Now.Add(leeway+time.Second).Unix()) }, false, ErrClock},
		"issued as far ahead as allowed": {func(f *forge) string { return f.With("iat", f.Now.Add(leeway).Unix()) }, false, nil},
		"not valid yet":                  {func(f *forge) string { return f.With("nbf", f.Now.Add(leeway+time.Second).Unix()) }, false, ErrToken},
		"one byte too many":              {func(f *forge) string { _, _, large := f.Refused(); return large }, false, ErrTooLarge},
		"the maximum size":               {func(f *forge) string { return f.Sized(MaxToken) }, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newForge(t)
			v := f.verifier(t)
			token := c.token(f)
			if token == "" {
				t.Fatal("no token has this size")
			}
			_, err := v.Verify(context.Background(), token)
			if c.again {
				_, err = v.Verify(context.Background(), token)
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// A key set from before a rotation does not prove that a new key is unknown.
func TestRotationRightAfterAFetch(t *testing.T) {
	f := newForge(t)
	v := f.verifier(t)
	ctx := context.Background()
	if _, err := v.Verify(ctx, f.Token(f.Claims())); err != nil {
		t.Fatal(err)
	}
	f.KID = "key2="
	rotated := f.Token(f.Claims())
	f.Now = f.Now.Add(time.Second)
	if _, err := v.Verify(ctx, rotated); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrToken) {
		t.Errorf("a second after the fetch: %v, want ErrUnavailable", err)
	}
	f.Now = f.Now.Add(fetchPause)
	if _, err := v.Verify(ctx, rotated); err != nil {
		t.Errorf("ten seconds later: %v", err)
	}
}

// A server clock ahead of the pool by more than a token's life expires every
// token: the error is ErrClock. With a smaller lead, a new token is valid.
func TestServerAheadOfThePool(t *testing.T) {
	for name, c := range map[string]struct {
		ahead time.Duration
		want  error
	}{
		"two minutes":      {2 * time.Minute, nil},
		"behind":           {-2 * time.Minute, ErrClock},
		"a token's life":   {610 * time.Second, ErrExpired},
		"more than a life": {time.Hour, ErrClock},
		"a whole year":     {365 * 24 * time.Hour, ErrClock},
	} {
		t.Run(name, func(t *testing.T) {
			f := newForge(t)
			v, err := NewVerifier(VerifierConfig{
				Issuer: testIssuer, ClientIDs: []string{testClient}, Keys: f.keys, Now: func() time.Time { return f.Now.Add(c.ahead) },
			})
			if err != nil {
				t.Fatal(err)
			}
			f.keys.now = v.c.Now
			token := f.Token(f.Claims())
			if c.want == ErrExpired {
				f.Now = f.Now.Add(time.Minute)
			}
			if _, err := v.Verify(context.Background(), token); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// Negative control of TestHostileTokens: a verifier for another issuer and
// client accepts a token with exactly these claims.
func TestHostileTokensNeedTheChecks(t *testing.T) {
	f := newForge(t)
	loose, err := NewVerifier(VerifierConfig{Issuer: testIssuer + "2", ClientIDs: []string{"client2"}, Keys: f.keys, Now: func() time.Time { return f.Now }})
	if err != nil {
		t.Fatal(err)
	}
	c := f.Claims()
	c["iss"], c["client_id"] = testIssuer+"2", "client2"
	if _, err := loose.Verify(context.Background(), f.Token(c)); err != nil {
		t.Fatalf("the control token is refused: %v", err)
	}
}

func TestExpiryAndLeeway(t *testing.T) {
	f := newForge(t)
	v := f.verifier(t)
	token := f.Token(f.Claims())
	end := f.Now.Add(600 * time.Second)
	for after, want := range map[time.Duration]error{29 * time.Second: nil, 30 * time.Second: nil, 31 * time.Second: ErrExpired, 48 * time.Hour: ErrExpired} {
		f.Now = end.Add(after)
		if _, err := v.Verify(context.Background(), token); !errors.Is(err, want) {
			t.Errorf("%v after expiry: %v, want %v", after, err, want)
		}
		f.Now = end.Add(-600 * time.Second)
	}
}

func TestMutatedTokens(t *testing.T) {
	f := newForge(t)
	v := f.verifier(t)
	ctx := context.Background()
	good := f.Token(f.Claims())
	rng := mrand.New(mrand.NewPCG(1, 2))
	n := 200_000
	if testing.Short() {
		n = 5_000
	}
	accepted, rejected := 0, 0
	buf := []byte(good)
	for k := range n {
		if k%100 == 0 { // the token itself, between its mutations
			if _, err := v.Verify(ctx, good); err != nil {
				rejected++
			}
		}
		i := rng.IntN(len(buf))
		old := buf[i]
		buf[i] = byte(rng.IntN(256))
		if !bytes.Equal(buf, []byte(good)) {
			if _, err := v.Verify(ctx, string(buf)); err == nil {
				accepted++
			}
		}
		buf[i] = old
	}
	t.Logf("TOKEN mutations=%d accepted_bad=%d rejected_good=%d", n, accepted, rejected)
	if accepted != 0 || rejected != 0 {
		t.Errorf("%d of %d mutated tokens were accepted, and the good token was refused %d times", accepted, n, rejected)
	}
	if _, err := v.Verify(ctx, good); err != nil {
		t.Errorf("the good token is refused: %v", err)
	}
}

func TestUnknownKeysCauseOneFetch(t *testing.T) {
	f := newForge(t)
	v := f.verifier(t)
	ctx := context.Background()
	payload, _ := json.Marshal(f.Claims())
	if _, err := v.Verify(ctx, f.Token(f.Claims())); err != nil {
		t.Fatal(err)
	}
	before := f.Fetches.Load()
	for i := range 500 {
		if i%50 == 0 {
			f.Now = f.Now.Add(time.Second) // 10 s in total
		}
		if _, err := v.Verify(ctx, f.Raw(fmt.Sprintf(`{"alg":"RS256","kid":"bogus%d"}`, i), string(payload))); err == nil {
			t.Fatal("a bogus key id was accepted")
		}
	}
	if got := f.Fetches.Load() - before; got > 1 {
		t.Errorf("%d fetches for 500 bogus key ids", got)
	}
}

func TestKeyRotationAndOutage(t *testing.T) {
	f := newForge(t)
	v := f.verifier(t)
	ctx := context.Background()
	old := f.Token(f.Claims())
	if _, err := v.Verify(ctx, old); err != nil {
		t.Fatal(err)
	}
	// During an outage a known key stays valid, and an unknown key is no refusal
	// of the token.
	f.Now = f.Now.Add(11 * time.Second)
	f.Status.Store(http.StatusInternalServerError)
	payload, _ := json.Marshal(f.Claims())
	fresh := f.Raw(`{"alg":"RS256","kid":"key2="}`, string(payload))
	if _, err := v.Verify(ctx, fresh); !errors.Is(err, ErrUnavailable) {
		t.Errorf("unknown key during an outage: %v, want ErrUnavailable", err)
	}
	if _, err := v.Verify(ctx, old); err != nil {
		t.Errorf("known key during an outage: %v", err)
	}
	// After the rotation one fetch finds the new key.
	f.Now = f.Now.Add(11 * time.Second)
	f.KID = "key2="
	f.Status.Store(http.StatusOK)
	if _, err := v.Verify(ctx, fresh); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
	if _, err := v.Verify(ctx, old); err == nil {
		t.Error("a key that was removed from the set is still accepted")
	}
}

func TestTokenIsNeverPrinted(t *testing.T) {
	f := newForge(t)
	c, err := f.verifier(t).Verify(context.Background(), f.Token(f.Claims()))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{c, &c, []Claims{c}, struct{ c Claims }{c}} {
			if out := fmt.Sprintf(verb, v); strings.Contains(out, c.token.reveal()[:20]) || strings.Contains(out, fmt.Sprintf("%x", c.token.reveal()[:20])) {
				t.Errorf("%s of %T shows the token", verb, v)
			}
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	f := newForge(b)
	v := f.verifier(b)
	token := f.Token(f.Claims())
	for b.Loop() {
		if _, err := v.Verify(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyFloor is the RSA check alone.
func BenchmarkVerifyFloor(b *testing.B) {
	f := newForge(b)
	token := f.Token(f.Claims())
	i := strings.LastIndex(token, ".")
	sig, _ := base64.RawURLEncoding.DecodeString(token[i+1:])
	for b.Loop() {
		sum := sha256.Sum256([]byte(token[:i]))
		if err := rsa.VerifyPKCS1v15(&f.Key.PublicKey, crypto.SHA256, sum[:], sig); err != nil {
			b.Fatal(err)
		}
	}
}
