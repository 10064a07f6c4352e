package backend_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/backend/serve"
)

// withClock runs a second complete server with its own clock, on the pool and
// the storage of a demo.
func withClock(t *testing.T, w *demotest.Demo, now func() time.Time) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	origin := "http://" + listener.Addr().String()
	key, secret := w.Sandbox.Credentials()
	s, err := serve.NewOn(t.Context(), serve.Config{
		Listen: listener.Addr().String(), PublicURL: origin, Region: w.Region, UserPoolID: w.UserPoolID, ClientID: w.ClientID,
		Grants: w.GrantsFile, Audit: filepath.Join(t.TempDir(), "audit.db"),
	}, serve.Deps{Now: now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Log: slog.New(slog.DiscardHandler)},
		&serve.Loopback{Issuer: w.Issuer, Cognito: w.CognitoEndpoint, S3: w.S3Endpoint, Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")}, listener)
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
	return origin
}

// A server with a wrong clock reports clock_skew. It signs nobody out: a new
// sign-in would fail in the same way, in a loop.
func TestWrongServerClockIsReported(t *testing.T) {
	w := demotest.Start(t, demo.Options{AccessTokenLife: 5 * time.Minute})
	w.Put(t, "company-reports", "annual/one.csv", "one")
	token, err := w.SignIn(t, "ada").Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const releaseBody = `{"objects":[{"bucket":"company-reports","key":"annual/one.csv"}]}`
	for name, c := range map[string]struct {
		off             time.Duration
		whoami, release api.Code
	}{
		"right":              {0, "", ""},
		"two minutes behind": {-2 * time.Minute, api.ClockSkew, api.ClockSkew},
		"a year behind":      {-365 * 24 * time.Hour, api.ClockSkew, api.ClockSkew},
		"two minutes ahead":  {2 * time.Minute, "", api.ClockSkew},
		"ten minutes ahead":  {10 * time.Minute, api.ClockSkew, api.ClockSkew},
	} {
		t.Run(name, func(t *testing.T) {
			server := withClock(t, w, func() time.Time { return time.Now().Add(c.off) })
			for path, want := range map[string]api.Code{"/v1/whoami": c.whoami, "/v1/release": c.release} {
				body := "{}"
				if path == "/v1/release" {
					body = releaseBody
				}
				status, code := bearer(t, server, path, token, body)
				if code != want || (want == "" && status != http.StatusOK) {
					t.Errorf("%s: %d %q, want %q", path, status, code, want)
				}
			}
		})
	}
}
