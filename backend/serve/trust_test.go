package serve_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/backend/sandbox"
	"usher/backend/serve"
)

// localOnly is a transport that passes requests to loopback. It records all
// others and fails them like a missing network.
type localOnly struct {
	next    http.RoundTripper
	mu      sync.Mutex
	blocked []string
}

func (o *localOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if ip := net.ParseIP(r.URL.Hostname()); ip != nil && ip.IsLoopback() {
		return o.next.RoundTrip(r)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.blocked = append(o.blocked, r.URL.String())
	return nil, &net.OpError{Op: "dial", Err: net.UnknownNetworkError("none in this test")}
}

// blockNetwork replaces the default transport by a localOnly.
func blockNetwork(t *testing.T) *localOnly {
	t.Helper()
	before := http.DefaultTransport
	o := &localOnly{next: before}
	http.DefaultTransport = o
	t.Cleanup(func() { http.DefaultTransport = before })
	return o
}

// decoy starts a server that counts its requests, and sets it as the AWS endpoint
// in the environment.
func decoy(t *testing.T) *atomic.Int64 {
	t.Helper()
	hits := &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(server.Close)
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": server.URL, "AWS_ENDPOINT_URL_COGNITO_IDENTITY": server.URL,
		"AWS_ENDPOINT_URL_STS": server.URL, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true",
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	return hits
}

// atAWS runs a server for a pool at AWS, without a Loopback.
func atAWS(t *testing.T, w *demotest.Demo) string {
	t.Helper()
	key, secret := w.Sandbox.Credentials()
	t.Setenv("AWS_ACCESS_KEY_ID", key)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := "http://" + listener.Addr().String()
	s, err := serve.NewOn(t.Context(), serve.Config{
		Listen: listener.Addr().String(), PublicURL: at, Region: w.Region, UserPoolID: w.UserPoolID, ClientID: w.ClientID,
		Grants: w.GrantsFile, Audit: filepath.Join(t.TempDir(), "audit.db"), S3: serve.S3{Endpoint: w.S3Endpoint, PathStyle: true},
	}, serve.Deps{Now: time.Now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Log: slog.New(slog.DiscardHandler)}, nil, listener)
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("ending the server: %v", err)
		}
	})
	return at
}

func call(t *testing.T, method, address, token string, into any) int {
	t.Helper()
	body := ""
	if method == http.MethodPost {
		body = `{}`
	}
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

// A server for a pool at AWS accepts no token of a sandbox, even with the same
// names, and fetches keys only from AWS, regardless of the environment.
func TestARealPoolTrustsNoSandbox(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	hits, network := decoy(t), blockNetwork(t)
	server := atAWS(t, w)
	const issuer = "https://cognito-idp." + sandbox.Region + ".amazonaws.com/"

	var public api.Config
	if status := call(t, http.MethodGet, server+"/v1/config", "", &public); status != http.StatusOK {
		t.Fatal(status)
	}
	s3, err := url.Parse(w.S3Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	if public.Issuer != issuer+w.UserPoolID || public.CognitoEndpoint != "" || public.Region != w.Region || !slices.Equal(public.S3Hosts, []string{s3.Host}) {
		t.Errorf("the public configuration: %+v", public)
	}

	ada := w.SignIn(t, "ada")
	token, err := ada.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var answer api.ErrorBody
	for _, verb := range []string{"whoami", "list", "stat", "release", "complete", "signout", "audit/query", "access/can", "grants/list"} {
		if status := call(t, http.MethodPost, server+"/v1/"+verb, token, &answer); status != http.StatusUnauthorized || answer.Error.Code != api.Unauthenticated {
			t.Errorf("a sandbox token on %s: %d %s, want 401 unauthenticated", verb, status, answer.Error.Code)
		}
	}
	if len(network.blocked) > 0 {
		t.Errorf("a sandbox token made the server call %q", network.blocked)
	}
	// The token is valid at its own server.
	var me api.Whoami
	if status := call(t, http.MethodPost, w.Server+"/v1/whoami", token, &me); status != http.StatusOK {
		t.Errorf("the sandbox token on its own server: %d", status)
	}

	// A token with AWS's issuer needs a key of AWS, which is fetched only there.
	forged, err := w.Sandbox.Pool.SignAccess(map[string]any{
		"iss": issuer + w.UserPoolID, "sub": me.Person.Sub, "username": "ada", "client_id": w.ClientID, "token_use": "access", "scope": "aws.cognito.signin.user.admin",
		"jti": "j", "origin_jti": "o", "auth_time": time.Now().Unix(), "iat": time.Now().Unix(), "exp": time.Now().Unix() + 300,
	})
	if err != nil {
		t.Fatal(err)
	}
	if status := call(t, http.MethodPost, server+"/v1/whoami", forged, &answer); status != http.StatusServiceUnavailable || answer.Error.Code != api.IdentityUnavailable {
		t.Errorf("a sandbox token with AWS's issuer: %d %s, want 503 identity_unavailable", status, answer.Error.Code)
	}
	if want := []string{issuer + w.UserPoolID + "/.well-known/jwks.json"}; !slices.Equal(network.blocked, want) {
		t.Errorf("keys fetched from %q, want %q", network.blocked, want)
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("the decoy got %d requests", n)
	}
	// The decoy is reachable.
	res, err := http.Get(os.Getenv("AWS_ENDPOINT_URL"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusTeapot || hits.Load() != 1 {
		t.Errorf("the decoy returns %d, %d hits", res.StatusCode, hits.Load())
	}
}
