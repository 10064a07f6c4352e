package serve

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/backend/event"
	"usher/backend/sandbox"

	"log/slog"

	"github.com/aws/aws-sdk-go-v2/credentials"
)

// The metrics are on a listener of their own, count requests by verb and code, and
// contain neither people nor paths.
func TestMetrics(t *testing.T) {
	box, err := sandbox.Start(t.Context(), sandbox.Options{Dir: t.TempDir(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = box.Close() }()
	key, secret := box.Credentials()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "grants.yaml"), []byte("grants: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), Config{
		Listen: "127.0.0.1:0", Metrics: "localhost:0", PublicURL: "http://127.0.0.1:1", Region: box.Region, UserPoolID: box.UserPoolID, ClientID: box.ClientID,
		Grants: filepath.Join(dir, "grants.yaml"), Audit: filepath.Join(dir, "audit.db"),
	}, Deps{Now: time.Now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Log: slog.New(slog.DiscardHandler)}, &Loopback{
		Issuer: box.Issuer, Cognito: box.CognitoEndpoint, S3: box.S3Endpoint, Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	get := func(method, url string) (int, string) {
		t.Helper()
		var last error
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if method == http.MethodPost {
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Authorization", "Bearer secret.secret.secret")
			}
			res, err := http.DefaultClient.Do(req)
			if last = err; err != nil {
				continue
			}
			body, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			return res.StatusCode, string(body)
		}
		t.Fatal(last)
		return 0, ""
	}
	origin := fmt.Sprintf("http://%s", s.Addr())
	get(http.MethodGet, origin+"/v1/config")
	get(http.MethodGet, origin+"/v1/config")
	get(http.MethodPost, origin+"/v1/list")
	get(http.MethodGet, origin+"/secret-path")
	if status, _ := get(http.MethodGet, origin+"/metrics"); status != http.StatusNotFound {
		t.Errorf("the API's listener responds to /metrics: %d", status)
	}
	metrics := fmt.Sprintf("http://%s", s.MetricsAddr())
	status, text := get(http.MethodGet, metrics+"/metrics")
	for _, want := range []string{
		`usher_requests_total{verb="config",code="ok"} 2`, `usher_requests_total{verb="list",code="unauthenticated"} 1`,
		`usher_requests_total{verb="unknown",code="not_found"} 2`, `usher_request_duration_seconds_bucket{verb="config",le="`, "usher_bound_seconds 65", "go_goroutines",
	} {
		if status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%d: no %s", status, want)
		}
	}
	for _, secret := range []string{"secret", "Bearer", key} {
		if strings.Contains(text, secret) {
			t.Errorf("the metrics contain %q", secret)
		}
	}
	if status, _ := get(http.MethodGet, metrics+"/v1/config"); status != http.StatusNotFound {
		t.Errorf("the metrics' listener serves the API: %d", status)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
