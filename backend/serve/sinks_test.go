package serve

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/sandbox"
)

// The log of a server reaches its sinks in both formats, and goes on after a
// restart without a gap. A sink that fails shows in /healthz, which stays ok.
func TestSinks(t *testing.T) {
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
	plain, schema := filepath.Join(dir, "events.jsonl"), filepath.Join(dir, "ocsf.jsonl")
	run := func(condition func(h api.Health) bool) {
		t.Helper()
		s, err := New(t.Context(), Config{
			Listen: "127.0.0.1:0", PublicURL: "http://127.0.0.1:1", Region: box.Region, UserPoolID: box.UserPoolID, ClientID: box.ClientID,
			Grants: filepath.Join(dir, "grants.yaml"), Audit: filepath.Join(dir, "audit.db"),
			Sinks: []Sink{{Name: "plain", To: "file:" + plain}, {Name: "schema", To: "file:" + schema, Format: formatOCSF}, {Name: "down", To: "syslog+tls://127.0.0.1:1"}},
		}, Deps{Now: time.Now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Log: slog.New(slog.DiscardHandler)}, &Loopback{
			Issuer: box.Issuer, Cognito: box.CognitoEndpoint, S3: box.S3Endpoint, Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		for end := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			h, err := healthOf(t, "http://"+s.Addr().String()+"/healthz")
			if err == nil && h.OK && condition(h) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("health %+v, %v", h, err)
			}
		}
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	stuck := func(h api.Health) bool { return len(h.Sinks) == 3 && h.Sinks[2].Stuck && h.Sinks[2].Delivered == 0 }
	run(func(h api.Health) bool { return stuck(h) && h.Sinks[0].Delivered == 1 && h.Sinks[1].Delivered == 1 })
	// The stop of the first run is delivered by the second one.
	run(func(h api.Health) bool { return stuck(h) && h.Sinks[0].Delivered >= 3 && h.Sinks[1].Delivered >= 3 })
	var actions []string
	for _, line := range strings.Split(strings.TrimSpace(read(t, plain)), "\n") {
		e, err := event.Parse([]byte(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		actions = append(actions, e.Action)
	}
	if got := strings.Join(actions[:3], " "); got != event.ServiceStart+" "+event.ServiceStop+" "+event.ServiceStart {
		t.Errorf("the sink has %s", got)
	}
	var first struct {
		Type int `json:"type_uid"`
	}
	if line, _, _ := strings.Cut(read(t, schema), "\n"); json.Unmarshal([]byte(line), &first) != nil || first.Type != 600203 {
		t.Errorf("in OCSF: %s", line)
	}
}

func healthOf(t *testing.T, url string) (h api.Health, err error) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		return h, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return h, err
	}
	return h, json.Unmarshal(raw, &h)
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
