package identity

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	testIssuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Test"
	testClient = "client1"
	testOrigin = "https://files.example.com"
)

// forge signs tokens as the pool would, and as it never would.
type forge struct {
	key     *rsa.PrivateKey
	kid     string
	now     time.Time
	fetches atomic.Int64
	status  atomic.Int64
	server  *httptest.Server
	keys    *KeySet
}

func newForge(t testing.TB) *forge {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	f := &forge{key: key, kid: "key1=", now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	f.status.Store(http.StatusOK)
	f.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		f.fetches.Add(1)
		if s := f.status.Load(); s != http.StatusOK {
			w.WriteHeader(int(s))
			return
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
			{Key: &f.key.PublicKey, KeyID: f.kid, Algorithm: "RS256", Use: "sig"},
		}})
	}))
	t.Cleanup(f.server.Close)
	if f.keys, err = NewKeySet(f.server.URL, f.server.Client(), func() time.Time { return f.now }); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *forge) verifier(t testing.TB) *Verifier {
	t.Helper()
	v, err := NewVerifier(VerifierConfig{
		Issuer: testIssuer, ClientIDs: []string{testClient}, Audience: testOrigin,
		Keys: f.keys, Now: func() time.Time { return f.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (f *forge) claims() map[string]any {
	return map[string]any{
		"sub": "11111111-2222-3333-4444-555555555555", "username": "ada", "client_id": testClient,
		"iss": testIssuer, "token_use": "access", "scope": scopeSelf, "jti": "jti1", "origin_jti": "origin1",
		"auth_time": f.now.Unix() - 10, "iat": f.now.Unix() - 10, "exp": f.now.Unix() + 600,
		"cognito:groups": []string{"finance-team"},
	}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// raw signs exactly these bytes with RS256.
func (f *forge) raw(header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	sum := sha256.Sum256([]byte(input))
	sig, err := rsa.SignPKCS1v15(nil, f.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return input + "." + b64(sig)
}

func (f *forge) header() string { return fmt.Sprintf(`{"alg":"RS256","kid":%q}`, f.kid) }

func (f *forge) token(claims map[string]any) string {
	raw, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return f.raw(f.header(), string(raw))
}

// with changes or (nil) removes one claim.
func (f *forge) with(name string, value any) string {
	c := f.claims()
	if value == nil {
		delete(c, name)
	} else {
		c[name] = value
	}
	return f.token(c)
}

// hostile are the named tokens that must not be let in.
func (f *forge) hostile() map[string]string {
	good := f.token(f.claims())
	parts := strings.Split(good, ".")
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	pub, _ := x509.MarshalPKIXPublicKey(&f.key.PublicKey)
	hs := func(key []byte) string {
		input := b64([]byte(`{"alg":"HS256","kid":"`+f.kid+`"}`)) + "." + parts[1]
		m := hmac.New(sha256.New, key)
		m.Write([]byte(input))
		return input + "." + b64(m.Sum(nil))
	}
	other := func(alg jose.SignatureAlgorithm) string {
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: f.key, KeyID: f.kid}}, nil)
		if err != nil {
			panic(err)
		}
		o, err := s.Sign(payload)
		if err != nil {
			panic(err)
		}
		out, _ := o.CompactSerialize()
		return out
	}
	last := good[len(good)-1:]
	spelling := map[string]string{"A": "B", "Q": "R", "g": "h", "w": "x"}[last]
	stolen := f.claims()
	stolen["sub"] = "99999999-2222-3333-4444-555555555555"
	stolenRaw, _ := json.Marshal(stolen)
	h := func(extra string) string {
		return f.raw(fmt.Sprintf(`{"alg":"RS256","kid":%q,%s}`, f.kid, extra), string(payload))
	}
	kid := func(k string) string { return f.raw(`{"alg":"RS256","kid":`+k+`}`, string(payload)) }
	dup := func(extra string) string {
		return f.raw(f.header(), strings.TrimSuffix(string(payload), "}")+","+extra+"}")
	}
	set := map[string]string{
		"empty": "", "one part": parts[0], "two parts": parts[0] + "." + parts[1], "four parts": good + ".x",
		"alg none":         b64([]byte(`{"alg":"none","kid":"`+f.kid+`"}`)) + "." + parts[1] + ".",
		"alg None, signed": f.raw(`{"alg":"None","kid":"`+f.kid+`"}`, string(payload)),
		"alg nOnE":         f.raw(`{"alg":"nOnE","kid":"`+f.kid+`"}`, string(payload)),
		"empty signature":  parts[0] + "." + parts[1] + ".", "no alg": f.raw(`{"kid":"`+f.kid+`"}`, string(payload)),
		"alg twice":                 f.raw(`{"alg":"RS256","alg":"none","kid":"`+f.kid+`"}`, string(payload)),
		"alg a number":              f.raw(`{"alg":256,"kid":"`+f.kid+`"}`, string(payload)),
		"HS256 with the key as DER": hs(pub), "HS256 with the key as PEM": hs(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})),
		"HS256 with an empty key": hs(nil), "PS256": other(jose.PS256), "RS512": other(jose.RS512), "RS384": other(jose.RS384),
		"crit": h(`"crit":["exp"]`), "crit b64": h(`"crit":["b64"],"b64":false`), "cty JWT": h(`"cty":"JWT"`), "zip": h(`"zip":"DEF"`), "unknown header": h(`"x":1`),
		"no kid": f.raw(`{"alg":"RS256"}`, string(payload)), "kid a number": kid(`1`), "kid null": kid(`null`), "kid long": kid(`"` + strings.Repeat("k", 129) + `"`),
		"kid a path": kid(`"../../key1="`), "kid SQL": kid(`"' or 1=1 --"`), "kid unknown": kid(`"other="`), "kid twice": f.raw(`{"alg":"RS256","kid":"x","kid":"`+f.kid+`"}`, string(payload)),
		"other pool": f.with("iss", testIssuer+"2"), "other region": f.with("iss", strings.ReplaceAll(testIssuer, "us-east-1", "eu-west-1")),
		"http issuer": f.with("iss", strings.Replace(testIssuer, "https", "http", 1)), "issuer with a slash": f.with("iss", testIssuer+"/"),
		"issuer in capitals": f.with("iss", strings.ToUpper(testIssuer)), "no issuer": f.with("iss", nil), "the pool's other issuer form": f.with("iss", "https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_Test"),
		"issuer of a sandbox": f.with("iss", "http://127.0.0.1:9/us-east-1_Test"),
		"other client":        f.with("client_id", "client2"), "no client": f.with("client_id", nil), "client as a list": f.with("client_id", []string{testClient}),
		"an id token": f.with("token_use", "id"), "no token_use": f.with("token_use", nil), "other audience": f.with("aud", "https://other.example.com"),
		"audience as a list": f.with("aud", []string{testOrigin}), "client credentials": f.with("username", nil), "no sub": f.with("sub", nil),
		"sub of control characters": f.with("sub", "a\nb"), "long sub": f.with("sub", strings.Repeat("s", 129)), "sub a number": f.with("sub", 7),
		"no jti": f.with("jti", nil), "no origin_jti": f.with("origin_jti", nil), "no scope": f.with("scope", nil), "foreign scope": f.with("scope", "email"),
		"no exp": f.with("exp", nil), "exp null": dup(`"x":1`)[:0] + f.raw(f.header(), strings.Replace(string(payload), fmt.Sprintf(`"exp":%d`, f.now.Unix()+600), `"exp":null`, 1)),
		"exp a string": f.with("exp", fmt.Sprint(f.now.Unix()+600)), "exp a float": f.raw(f.header(), strings.Replace(string(payload), fmt.Sprint(f.now.Unix()+600), fmt.Sprintf("%d.5", f.now.Unix()+600), 1)),
		"exp negative": f.with("exp", -1), "exp 1e300": f.raw(f.header(), strings.Replace(string(payload), fmt.Sprint(f.now.Unix()+600), "1e300", 1)),
		"exp in 25 hours": f.with("exp", f.now.Unix()+25*3600), "no iat": f.with("iat", nil), "iat in a minute": f.with("iat", f.now.Unix()+60), "nbf in a minute": f.with("nbf", f.now.Unix()+60),
		"sub twice": dup(`"sub":"other"`), "claims in another case": dup(`"Sub":"other"`), "claims a list": f.raw(f.header(), `["sub"]`), "claims null": f.raw(f.header(), `null`),
		"padding": parts[0] + "=." + parts[1] + "." + parts[2], "newline inside": parts[0] + ".\n" + parts[1] + "." + parts[2], "newline at the end": good + "\n",
		"space": " " + good, "another spelling of the last character": good[:len(good)-1] + spelling,
		"JSON serialisation": `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"over 8 KiB":         f.with("x", strings.Repeat("x", 9000)), "payload of another": parts[0] + "." + b64(stolenRaw) + "." + parts[2],
	}
	return set
}

func TestHostileTokens(t *testing.T) {
	f := newForge(t)
	v := f.verifier(t)
	ctx := context.Background()
	set := f.hostile()
	if len(set) < 64 {
		t.Fatalf("only %d hostile tokens", len(set))
	}
	good := f.token(f.claims())
	for name, token := range set {
		if c, err := v.Verify(ctx, token); err == nil {
			t.Errorf("%s: let in as %s", name, c.Sub)
		} else if !errors.Is(err, ErrToken) {
			t.Errorf("%s: %v, want ErrToken", name, err)
		} else if strings.Contains(err.Error(), "eyJ") {
			t.Errorf("%s: the error quotes the token", name)
		}
		// The good one is taken right before and after: nothing is remembered.
		if _, err := v.Verify(ctx, good); err != nil {
			t.Fatalf("after %s the good token is refused: %v", name, err)
		}
	}
}

// The negative control: without the check, the tokens that differ in just that
// claim get in, so the test above does test it.
func TestHostileTokensNeedTheChecks(t *testing.T) {
	f := newForge(t)
	loose, err := NewVerifier(VerifierConfig{Issuer: testIssuer + "2", ClientIDs: []string{"client2"}, Keys: f.keys, Now: func() time.Time { return f.now }})
	if err != nil {
		t.Fatal(err)
	}
	c := f.claims()
	c["iss"], c["client_id"] = testIssuer+"2", "client2"
	if _, err := loose.Verify(context.Background(), f.token(c)); err != nil {
		t.Fatalf("the control token is refused for another reason: %v", err)
	}
}

func TestExpiryAndLeeway(t *testing.T) {
	f := newForge(t)
	v := f.verifier(t)
	token := f.token(f.claims())
	end := f.now.Add(600 * time.Second)
	for after, want := range map[time.Duration]error{29 * time.Second: nil, 30 * time.Second: nil, 31 * time.Second: ErrExpired, 48 * time.Hour: ErrExpired} {
		f.now = end.Add(after)
		if _, err := v.Verify(context.Background(), token); !errors.Is(err, want) {
			t.Errorf("%v after its end: %v, want %v", after, err, want)
		}
		f.now = end.Add(-600 * time.Second)
	}
}

func TestMutatedTokens(t *testing.T) {
	f := newForge(t)
	v := f.verifier(t)
	ctx := context.Background()
	good := f.token(f.claims())
	rng := mrand.New(mrand.NewPCG(1, 2))
	n := 200_000
	if testing.Short() {
		n = 5_000
	}
	accepted := 0
	buf := []byte(good)
	for range n {
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
	t.Logf("TOKEN mutations=%d accepted_bad=%d", n, accepted)
	if accepted != 0 {
		t.Errorf("%d of %d mutated tokens were let in", accepted, n)
	}
	if _, err := v.Verify(ctx, good); err != nil {
		t.Errorf("the good token is refused: %v", err)
	}
}

func TestUnknownKeysCauseOneFetch(t *testing.T) {
	f := newForge(t)
	v := f.verifier(t)
	ctx := context.Background()
	payload, _ := json.Marshal(f.claims())
	if _, err := v.Verify(ctx, f.token(f.claims())); err != nil {
		t.Fatal(err)
	}
	before := f.fetches.Load()
	for i := range 500 {
		if i%50 == 0 {
			f.now = f.now.Add(time.Second) // ten seconds in all, but for the last
		}
		if _, err := v.Verify(ctx, f.raw(fmt.Sprintf(`{"alg":"RS256","kid":"bogus%d"}`, i), string(payload))); err == nil {
			t.Fatal("a bogus key id was let in")
		}
	}
	if got := f.fetches.Load() - before; got > 1 {
		t.Errorf("%d fetches for 500 bogus key ids", got)
	}
}

func TestKeyRotationAndOutage(t *testing.T) {
	f := newForge(t)
	v := f.verifier(t)
	ctx := context.Background()
	old := f.token(f.claims())
	if _, err := v.Verify(ctx, old); err != nil {
		t.Fatal(err)
	}
	// An outage: the known key serves on, an unknown one is not a refusal.
	f.now = f.now.Add(11 * time.Second)
	f.status.Store(http.StatusInternalServerError)
	payload, _ := json.Marshal(f.claims())
	fresh := f.raw(`{"alg":"RS256","kid":"key2="}`, string(payload))
	if _, err := v.Verify(ctx, fresh); !errors.Is(err, ErrUnavailable) {
		t.Errorf("unknown key during an outage: %v, want ErrUnavailable", err)
	}
	if _, err := v.Verify(ctx, old); err != nil {
		t.Errorf("known key during an outage: %v", err)
	}
	// The new key is there: one round trip.
	f.now = f.now.Add(11 * time.Second)
	f.kid = "key2="
	f.status.Store(http.StatusOK)
	if _, err := v.Verify(ctx, fresh); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
	if _, err := v.Verify(ctx, old); err == nil {
		t.Error("a key that left the set still counts")
	}
}

func TestTokenIsNeverPrinted(t *testing.T) {
	f := newForge(t)
	c, err := f.verifier(t).Verify(context.Background(), f.token(f.claims()))
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
	token := f.token(f.claims())
	for b.Loop() {
		if _, err := v.Verify(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyFloor is the RSA check alone.
func BenchmarkVerifyFloor(b *testing.B) {
	f := newForge(b)
	token := f.token(f.claims())
	i := strings.LastIndex(token, ".")
	sig, _ := base64.RawURLEncoding.DecodeString(token[i+1:])
	for b.Loop() {
		sum := sha256.Sum256([]byte(token[:i]))
		if err := rsa.VerifyPKCS1v15(&f.key.PublicKey, crypto.SHA256, sum[:], sig); err != nil {
			b.Fatal(err)
		}
	}
}
