package backend_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/identity"
	"usher/backend/identity/identitytest"
	"usher/backend/serve"
)

// forgedPool is a user pool that accepts any token of ada and counts its calls.
// The test has its signing key.
type forgedPool struct {
	*identitytest.Forge
	clock *stopped
	url   string
	calls atomic.Int64 // API calls, without fetches of the key set
}

const forgedID = "us-east-1_Forged"

func newForgedPool(t *testing.T) *forgedPool {
	t.Helper()
	f := &forgedPool{clock: newStopped()}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		f.calls.Add(1)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		switch _, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); op {
		case "GetUser":
			_, _ = fmt.Fprintf(w, `{"Username":"ada","UserAttributes":[{"Name":"sub","Value":%q}]}`, f.Claims()["sub"])
		case "AdminListGroupsForUser":
			_, _ = io.WriteString(w, `{"Groups":[{"GroupName":"finance-team"}]}`)
		default:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"InvalidAction"}`)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	f.url = server.URL
	f.Forge = identitytest.New(t, server.URL+"/"+forgedID, "client1", "https://files.example.com")
	f.Now = f.clock.Now()
	mux.Handle("GET /"+forgedID+"/.well-known/jwks.json", f.Forge)
	return f
}

func (f *forgedPool) verifier(t *testing.T, issuer string) *identity.Verifier {
	t.Helper()
	keys, err := identity.NewKeySet(f.Issuer, &http.Client{}, f.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	v, err := identity.NewVerifier(identity.VerifierConfig{Issuer: issuer, ClientIDs: []string{f.Client}, Audience: f.Origin, Keys: keys, Now: f.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (f *forgedPool) directory(t *testing.T) *identity.Directory {
	t.Helper()
	pool := cognitoidentityprovider.NewFromConfig(aws.Config{Region: "us-east-1", Credentials: noKeys}, func(o *cognitoidentityprovider.Options) { o.BaseEndpoint = &f.url })
	source, err := identity.NewCognito(pool, forgedID, "", &http.Client{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := identity.NewDirectory(identity.DirectoryConfig{Source: source, Now: f.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var noKeys = credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "an-example", "")

// server starts a real server that trusts this pool. The storage counts its
// calls.
func (f *forgedPool) server(t *testing.T) (origin string, storageCalls *atomic.Int64) {
	t.Helper()
	storageCalls = &atomic.Int64{}
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		storageCalls.Add(1)
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(storage.Close)
	dir := t.TempDir()
	grants := filepath.Join(dir, "grants.yaml")
	if err := os.WriteFile(grants, []byte("grants:\n  - {group: finance-team, bucket: company-reports, prefix: \"\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	origin = "http://" + listener.Addr().String()
	f.Origin = origin
	s, err := serve.NewOn(t.Context(), serve.Config{
		Listen: listener.Addr().String(), PublicURL: origin, Region: "us-east-1", UserPoolID: forgedID, ClientID: f.Client, Grants: grants, Audit: filepath.Join(dir, "audit.db"),
	}, serve.Deps{Now: f.clock.Now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Log: slog.New(slog.DiscardHandler)},
		&serve.Loopback{Issuer: f.Issuer, Cognito: f.url, S3: storage.URL, Credentials: noKeys}, listener)
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("stopping the server: %v", err)
		}
	})
	return origin, storageCalls
}

// bearer posts a body with a token and returns status and error code.
func bearer(t *testing.T, server, path, token, body string) (int, api.Code) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer api.ErrorBody
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatalf("%s: status %d and no JSON: %v", path, res.StatusCode, err)
	}
	return res.StatusCode, answer.Error.Code
}

// Every verb refuses every hostile token, before any call of the pool or the
// storage. The good token is accepted before and after each.
func TestHostileTokensOnEveryVerb(t *testing.T) {
	f := newForgedPool(t)
	server, storage := f.server(t)
	good := f.Token(f.Claims())
	accept := func(when string) {
		t.Helper()
		if status, code := bearer(t, server, "/v1/whoami", good, "{}"); status != http.StatusOK {
			t.Fatalf("the good token is refused %s: %d %s", when, status, code)
		}
	}
	accept("at the start")
	calls, fetches := f.calls.Load(), f.Fetches.Load()
	if calls != 2 || fetches != 1 {
		t.Fatalf("the good token caused %d calls of the pool and %d fetches of its keys, want 2 and 1", calls, fetches)
	}
	verbs := backend.Verbs()
	tokens, requests, accepted := 0, 0, 0
	for name, token := range f.Hostile() {
		if strings.ContainsAny(token, "\r\n") {
			continue // a header cannot contain a line break
		}
		tokens++
		for _, verb := range verbs {
			requests++
			if status, code := bearer(t, server, verb, token, "{}"); status != http.StatusUnauthorized || code != api.Unauthenticated {
				accepted++
				t.Errorf("%s on %s: %d %s, want 401 unauthenticated", name, verb, status, code)
			}
		}
		accept("after " + name)
	}
	// Three more tokens are refused for causes outside the token: the code must not
	// end the sign-in.
	unknown, future, large := f.Refused()
	for name, c := range map[string]struct {
		token string
		code  api.Code
	}{
		"an unknown key right after a fetch": {unknown, api.IdentityUnavailable},
		"a token from the future":            {future, api.ClockSkew},
		"a token of more than 32 KiB":        {large, api.HeaderTooLarge},
	} {
		for _, verb := range verbs {
			requests++
			if status, code := bearer(t, server, verb, c.token, "{}"); code != c.code || status != api.Lookup(c.code).Status {
				t.Errorf("%s on %s: %d %s, want %s", name, verb, status, code, c.code)
			}
		}
	}
	if status, code := bearer(t, server, "/v1/whoami", f.Sized(identity.MaxToken), "{}"); status != http.StatusOK {
		t.Errorf("a token of 32 KiB: %d %s", status, code)
	}
	// Earlier requests do not change a refusal: this token has the jti and
	// origin_jti of the live session and another sub.
	live := f.Claims()
	live["sub"] = "99999999-2222-3333-4444-555555555555"
	payload, err := json.Marshal(live)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	stolen := strings.Join([]string{parts[0], strings.Split(f.Raw(f.Header(), string(payload)), ".")[1], parts[2]}, ".")
	for _, verb := range verbs {
		accept("before the stolen session on " + verb)
		if status, code := bearer(t, server, verb, stolen, "{}"); status != http.StatusUnauthorized || code != api.Unauthenticated {
			accepted++
			t.Errorf("the stolen session on %s: %d %s", verb, status, code)
		}
	}
	t.Logf("TOKEN vectors=%d endpoints=%d requests=%d accepted_bad=%d pool_calls=%d key_fetches=%d s3_calls=%d",
		tokens, len(verbs), requests+len(verbs), accepted, f.calls.Load()-calls, f.Fetches.Load()-fetches, storage.Load())
	if tokens < 64 || len(verbs) < 13 {
		t.Errorf("only %d tokens on %d verbs", tokens, len(verbs))
	}
	if f.calls.Load() != calls || storage.Load() != 0 || f.Fetches.Load() > fetches+1 {
		t.Errorf("hostile tokens caused %d calls of the pool, %d of the storage and %d fetches of keys", f.calls.Load()-calls, storage.Load(), f.Fetches.Load()-fetches)
	}
}

// Invented key ids cannot make the server flood the pool. An outage of the
// pool's keys is no refusal of tokens.
func TestUnknownKeysOverTheWire(t *testing.T) {
	f := newForgedPool(t)
	server, _ := f.server(t)
	good := f.Token(f.Claims())
	parts := strings.Split(good, ".")
	claims, err := json.Marshal(f.Claims())
	if err != nil {
		t.Fatal(err)
	}
	bogus := func(i int) string { // with any signature: the unknown key is found first
		unsigned := f.Raw(fmt.Sprintf(`{"alg":"RS256","kid":"bogus%d"}`, i), string(claims))
		return unsigned[:strings.LastIndexByte(unsigned, '.')+1] + parts[2]
	}
	if status, _ := bearer(t, server, "/v1/whoami", good, "{}"); status != http.StatusOK {
		t.Fatal(status)
	}
	f.clock.Pass(11 * time.Second)
	before, flood := f.Fetches.Load(), 500
	if testing.Short() {
		flood = 50
	}
	refused := map[api.Code]int{}
	for i := range flood {
		if i%50 == 0 {
			f.clock.Pass(900 * time.Millisecond) // 9 s in total
		}
		status, code := bearer(t, server, "/v1/release", bogus(i), "{}")
		if status == http.StatusOK {
			t.Fatalf("bogus key id %d is accepted", i)
		}
		refused[code]++
	}
	// One id was looked up in a fresh key set. The pool may know the others.
	if refused[api.Unauthenticated] != 1 || refused[api.IdentityUnavailable] != flood-1 {
		t.Errorf("refusals: %v", refused)
	}
	t.Logf("KEYS bogus=%d fetches=%d", flood, f.Fetches.Load()-before)
	if n := f.Fetches.Load() - before; n > 1 {
		t.Errorf("%d fetches for %d bogus key ids", n, flood)
	}
	f.Status.Store(http.StatusInternalServerError)
	f.clock.Pass(11 * time.Second)
	if status, code := bearer(t, server, "/v1/whoami", bogus(0), "{}"); status != http.StatusServiceUnavailable || code != api.IdentityUnavailable {
		t.Errorf("an unknown key while the pool's keys cannot be fetched: %d %s, want 503 identity_unavailable", status, code)
	}
	if status, code := bearer(t, server, "/v1/whoami", good, "{}"); status != http.StatusOK {
		t.Errorf("a known key meanwhile: %d %s", status, code)
	}
}
