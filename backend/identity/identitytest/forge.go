// Package identitytest signs tokens for tests: good ones, as a user pool signs
// them, and hostile ones.
package identitytest

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Forge signs tokens with a pool's key. It is the http.Handler of the JWKS.
type Forge struct {
	Key     *rsa.PrivateKey
	KID     string
	Issuer  string
	Client  string
	Origin  string // origin of the API, for aud
	Now     time.Time
	Fetches atomic.Int64 // number of requests for the JWKS
	Status  atomic.Int64 // HTTP status of the JWKS; 0 means 200
}

// New returns a Forge with a new RSA key of 2,048 bits.
func New(t testing.TB, issuer, client, origin string) *Forge {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &Forge{Key: key, KID: "key1=", Issuer: issuer, Client: client, Origin: origin, Now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
}

// ServeHTTP serves the JWKS.
func (f *Forge) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	f.Fetches.Add(1)
	w.Header().Set("Date", f.Now.UTC().Format(http.TimeFormat))
	if s := f.Status.Load(); s != 0 && s != http.StatusOK {
		w.WriteHeader(int(s))
		return
	}
	_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: &f.Key.PublicKey, KeyID: f.KID, Algorithm: "RS256", Use: "sig"},
	}})
}

// Claims returns the claims of a good access token for the user ada.
func (f *Forge) Claims() map[string]any {
	return map[string]any{
		"sub": "11111111-2222-3333-4444-555555555555", "username": "ada", "client_id": f.Client,
		"iss": f.Issuer, "token_use": "access", "scope": "aws.cognito.signin.user.admin", "jti": "jti1", "origin_jti": "origin1",
		"auth_time": f.Now.Unix() - 10, "iat": f.Now.Unix() - 10, "exp": f.Now.Unix() + 600,
		"cognito:groups": []string{"finance-team"},
	}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// Raw signs exactly the given bytes with RS256.
func (f *Forge) Raw(header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	sum := sha256.Sum256([]byte(input))
	sig, err := rsa.SignPKCS1v15(nil, f.Key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return input + "." + b64(sig)
}

// Header returns the header of a good token.
func (f *Forge) Header() string { return fmt.Sprintf(`{"alg":"RS256","kid":%q}`, f.KID) }

// Token signs claims with a good header.
func (f *Forge) Token(claims map[string]any) string {
	raw, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return f.Raw(f.Header(), string(raw))
}

// With returns a token with one claim changed, or removed if value is nil.
func (f *Forge) With(name string, value any) string {
	c := f.Claims()
	if value == nil {
		delete(c, name)
	} else {
		c[name] = value
	}
	return f.Token(c)
}

// Hostile returns tokens that must be refused, by name.
func (f *Forge) Hostile() map[string]string {
	good := f.Token(f.Claims())
	parts := strings.Split(good, ".")
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	pub, _ := x509.MarshalPKIXPublicKey(&f.Key.PublicKey)
	hs := func(key []byte) string {
		input := b64([]byte(`{"alg":"HS256","kid":"`+f.KID+`"}`)) + "." + parts[1]
		m := hmac.New(sha256.New, key)
		m.Write([]byte(input))
		return input + "." + b64(m.Sum(nil))
	}
	other := func(alg jose.SignatureAlgorithm) string {
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: f.Key, KeyID: f.KID}}, nil)
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
	stolen := f.Claims()
	stolen["sub"] = "99999999-2222-3333-4444-555555555555"
	stolenRaw, _ := json.Marshal(stolen)
	h := func(extra string) string {
		return f.Raw(fmt.Sprintf(`{"alg":"RS256","kid":%q,%s}`, f.KID, extra), string(payload))
	}
	kid := func(k string) string { return f.Raw(`{"alg":"RS256","kid":`+k+`}`, string(payload)) }
	dup := func(extra string) string {
		return f.Raw(f.Header(), strings.TrimSuffix(string(payload), "}")+","+extra+"}")
	}
	set := map[string]string{
		"empty": "", "one part": parts[0], "two parts": parts[0] + "." + parts[1], "four parts": good + ".x",
		"alg none":         b64([]byte(`{"alg":"none","kid":"`+f.KID+`"}`)) + "." + parts[1] + ".",
		"alg None, signed": f.Raw(`{"alg":"None","kid":"`+f.KID+`"}`, string(payload)),
		"alg nOnE":         f.Raw(`{"alg":"nOnE","kid":"`+f.KID+`"}`, string(payload)),
		"empty signature":  parts[0] + "." + parts[1] + ".", "no alg": f.Raw(`{"kid":"`+f.KID+`"}`, string(payload)),
		"alg twice":                 f.Raw(`{"alg":"RS256","alg":"none","kid":"`+f.KID+`"}`, string(payload)),
		"alg a number":              f.Raw(`{"alg":256,"kid":"`+f.KID+`"}`, string(payload)),
		"HS256 with the key as DER": hs(pub), "HS256 with the key as PEM": hs(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})),
		"HS256 with an empty key": hs(nil), "PS256": other(jose.PS256), "RS512": other(jose.RS512), "RS384": other(jose.RS384),
		"crit": h(`"crit":["exp"]`), "crit b64": h(`"crit":["b64"],"b64":false`), "cty JWT": h(`"cty":"JWT"`), "zip": h(`"zip":"DEF"`), "unknown header": h(`"x":1`),
		"no kid": f.Raw(`{"alg":"RS256"}`, string(payload)), "kid a number": kid(`1`), "kid null": kid(`null`), "kid long": kid(`"` + strings.Repeat("k", 129) + `"`),
		"kid a path": kid(`"../../key1="`), "kid SQL": kid(`"' or 1=1 --"`), "kid twice": f.Raw(`{"alg":"RS256","kid":"x","kid":"`+f.KID+`"}`, string(payload)),
		"other pool": f.With("iss", f.Issuer+"2"), "other region": f.With("iss", strings.ReplaceAll(f.Issuer, "us-east-1", "eu-west-1")+"x"),
		"http issuer": f.With("iss", strings.Replace(f.Issuer, "http", "ftp", 1)), "issuer with a slash": f.With("iss", f.Issuer+"/"),
		"issuer in capitals": f.With("iss", strings.ToUpper(f.Issuer)), "no issuer": f.With("iss", nil), "the pool's other issuer form": f.With("iss", strings.Replace(f.Issuer, "://", "://issuer-", 1)),
		"issuer of a sandbox": f.With("iss", "http://127.0.0.1:9/us-east-1_Other"),
		"other client":        f.With("client_id", "client2"), "no client": f.With("client_id", nil), "client as a list": f.With("client_id", []string{f.Client}),
		"an id token": f.With("token_use", "id"), "no token_use": f.With("token_use", nil), "other audience": f.With("aud", "https://other.example.com"),
		"audience as a list": f.With("aud", []string{f.Origin}), "client credentials": f.With("username", nil), "no sub": f.With("sub", nil),
		"sub of control characters": f.With("sub", "a\nb"), "long sub": f.With("sub", strings.Repeat("s", 129)), "sub a number": f.With("sub", 7),
		"no jti": f.With("jti", nil), "no origin_jti": f.With("origin_jti", nil), "no scope": f.With("scope", nil), "foreign scope": f.With("scope", "email"),
		"no exp": f.With("exp", nil), "exp null": dup(`"x":1`)[:0] + f.Raw(f.Header(), strings.Replace(string(payload), fmt.Sprintf(`"exp":%d`, f.Now.Unix()+600), `"exp":null`, 1)),
		"exp a string": f.With("exp", fmt.Sprint(f.Now.Unix()+600)), "exp a float": f.Raw(f.Header(), strings.Replace(string(payload), fmt.Sprint(f.Now.Unix()+600), fmt.Sprintf("%d.5", f.Now.Unix()+600), 1)),
		"exp negative": f.With("exp", -1), "exp 1e300": f.Raw(f.Header(), strings.Replace(string(payload), fmt.Sprint(f.Now.Unix()+600), "1e300", 1)),
		"exp in 25 hours": f.With("exp", f.Now.Unix()+25*3600), "no iat": f.With("iat", nil), "nbf in a minute": f.With("nbf", f.Now.Unix()+60),
		"sub twice": dup(`"sub":"other"`), "claims in another case": dup(`"Sub":"other"`), "claims a list": f.Raw(f.Header(), `["sub"]`), "claims null": f.Raw(f.Header(), `null`),
		"padding": parts[0] + "=." + parts[1] + "." + parts[2], "newline inside": parts[0] + ".\n" + parts[1] + "." + parts[2], "newline at the end": good + "\n",
		"space": " " + good, "another spelling of the last character": good[:len(good)-1] + spelling,
		"JSON serialization": `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"payload of another": parts[0] + "." + b64(stolenRaw) + "." + parts[2],
	}
	return set
}

// Refused returns tokens that are refused for a cause outside the token. The
// person's sign-in must be kept.
func (f *Forge) Refused() (unknownKey, fromTheFuture, tooLarge string) {
	payload, err := json.Marshal(f.Claims())
	if err != nil {
		panic(err)
	}
	return f.Raw(`{"alg":"RS256","kid":"other="}`, string(payload)), f.With("iat", f.Now.Unix()+60), f.Sized(32<<10 + 1)
}

// Sized returns a good token of exactly n bytes, or "" if none exists.
func (f *Forge) Sized(n int) string {
	for typ := range 4 { // base64 skips some lengths; a longer header reaches them
		header := fmt.Sprintf(`{"alg":"RS256","kid":%q,"typ":%q}`, f.KID, strings.Repeat("J", typ))
		token := func(pad int) string {
			c := f.Claims()
			c["x"] = strings.Repeat("x", pad)
			raw, err := json.Marshal(c)
			if err != nil {
				panic(err)
			}
			return f.Raw(header, string(raw))
		}
		near := (n - len(token(0))) * 3 / 4
		for pad := max(near-2, 0); pad <= near+2; pad++ {
			if t := token(pad); len(t) == n {
				return t
			}
		}
	}
	return ""
}
