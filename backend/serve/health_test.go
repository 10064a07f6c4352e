package serve_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/backend/serve"
)

func TestHealthFollowsTheLog(t *testing.T) {
	r := start(t, nil)
	page := "http://" + r.address + "/healthz"
	if h, status := healthAt(t, page); !h.OK || status != http.StatusOK {
		t.Fatalf("at first: %d %+v", status, h)
	}
	if err := os.Rename(r.config.Audit, r.config.Audit+".aside"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the lost log is on the page", func() bool {
		h, status := healthAt(t, page)
		return !h.OK && status == http.StatusServiceUnavailable && len(h.Problems) == 1 && h.Problems[0].Part == "log" && strings.Contains(h.Problems[0].Problem, "takes no records")
	})
	if got := r.send(t, http.MethodHead, "/healthz", "Host: 10.0.0.5"); got != http.StatusServiceUnavailable {
		t.Errorf("HEAD: %d", got)
	}
	lines := r.log.lines(t, "check: fails")
	if len(lines) != 1 || lines[0]["part"] != "log" || !strings.Contains(lines[0]["fix"].(string), r.config.Audit) {
		t.Errorf("the server's log has %v", lines)
	}
	if err := os.Rename(r.config.Audit+".aside", r.config.Audit); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the restored log is on the page", func() bool {
		h, status := healthAt(t, page)
		return h.OK && status == http.StatusOK
	})
	if lines := r.log.lines(t, "check: works again"); len(lines) != 1 {
		t.Errorf("the server's log has %v", lines)
	}
}

// setup has the arguments of a server with the pool and the storage of a demo.
type setup struct {
	serve.Config
	serve.Deps
	*serve.Loopback
}

func beside(t *testing.T, w *demotest.Demo) setup {
	t.Helper()
	key, secret := w.Sandbox.Credentials()
	return setup{
		serve.Config{
			Listen: "127.0.0.1:0", PublicURL: "http://127.0.0.1", Region: w.Region, UserPoolID: w.UserPoolID, ClientID: w.ClientID,
			Grants: w.GrantsFile, Audit: filepath.Join(t.TempDir(), "audit.db"),
		},
		serve.Deps{Now: time.Now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Log: slog.New(slog.DiscardHandler)},
		&serve.Loopback{Issuer: w.Issuer, Cognito: w.CognitoEndpoint, S3: w.S3Endpoint, Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")},
	}
}

// unused returns an address without a listener.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return "http://" + l.Addr().String()
}

func grantsIn(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "grants.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheck(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	nowhere := unused(t)
	for _, c := range []struct {
		name   string
		change func(*setup)
		parts  []string // failing parts
		fix    string   // in the first failing part
		exit   int
	}{
		{"nothing fails", func(*setup) {}, nil, "", 0},
		{"beside the running server", func(x *setup) { x.Audit = filepath.Join(w.Dir, "audit.db") }, nil, "", 0},
		{"no pool", func(x *setup) { x.Cognito, x.Issuer = nowhere, nowhere+"/"+w.UserPoolID }, []string{"pool", "directory"}, "user_pool_id", api.ExitUnavailable},
		{"no storage", func(x *setup) { x.Loopback.S3 = nowhere }, []string{"storage", "storage", "storage"}, "check the network path to", api.ExitUnavailable},
		{"a missing bucket", func(x *setup) {
			x.Grants = grantsIn(t, "grants:\n  - {group: g, bucket: no-such-bucket, prefix: \"\"}\n  - {group: g, bucket: company-reports, prefix: \"\"}\n", 0o600)
		}, []string{"storage"}, "there is no bucket no-such-bucket", api.ExitUnavailable},
		{"a refused key", func(x *setup) {
			x.Credentials = credentials.NewStaticCredentialsProvider("AKIAWRONG", "wrong", "")
			x.Grants = grantsIn(t, "grants:\n  - {group: g, bucket: company-reports, prefix: \"\"}\n", 0o600)
		}, []string{"directory", "storage"}, "cred", api.ExitUnavailable},
		{"a session token without an expiry", func(x *setup) {
			x.Credentials = credentials.NewStaticCredentialsProvider("AKIA", "s", "token")
			x.Grants = grantsIn(t, "grants: []\n", 0o600)
		}, []string{"directory", "signer"}, "", api.ExitUnavailable},
		{"a wrong clock", func(x *setup) { x.Now = func() time.Time { return time.Now().Add(-time.Minute) } }, []string{"clock"}, "synchronize", api.ExitUnavailable},
		{"a log without its folder", func(x *setup) { x.Audit = filepath.Join(t.TempDir(), "none", "audit.db") }, []string{"log"}, "permissions", api.ExitDisk},
		{"a log that is a folder", func(x *setup) { x.Audit = t.TempDir() }, []string{"log"}, "", api.ExitDisk},
		{"grants that anyone can write", func(x *setup) { x.Grants = grantsIn(t, "grants: []\n", 0o666) }, []string{"grants"}, "", api.ExitUsage},
		{"grants with a mistake", func(x *setup) { x.Grants = grantsIn(t, "grants:\n", 0o600) }, []string{"grants"}, "", api.ExitUsage},
		{"a sink without a receiver", func(x *setup) {
			x.Sinks = []serve.Sink{{Name: "siem", To: "https" + strings.TrimPrefix(nowhere, "http")}, {Name: "file", To: "file:" + filepath.Join(t.TempDir(), "events.jsonl")}}
		}, []string{"sink"}, "check the address", api.ExitUnavailable},
		{"a sink in a missing folder", func(x *setup) {
			x.Sinks = []serve.Sink{{Name: "file", To: "file:" + filepath.Join(t.TempDir(), "none", "events.jsonl")}}
		}, []string{"sink"}, "create the folder", api.ExitDisk},
		{"a sink with a missing token", func(x *setup) {
			x.Sinks = []serve.Sink{{Name: "siem", To: "https" + strings.TrimPrefix(nowhere, "http"), TokenFile: "none"}}
		}, []string{"sink"}, "token_file", api.ExitUsage},
		{"a missing certificate", func(x *setup) { x.TLS = serve.TLS{Cert: "none.pem", Key: "none.pem"} }, []string{"tls"}, "", api.ExitUsage},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := beside(t, w)
			c.change(&x)
			before := listing(t, filepath.Dir(x.Audit))
			found, err := serve.Check(t.Context(), x.Config, x.Deps, x.Loopback)
			if err != nil {
				t.Fatal(err)
			}
			var failed []serve.Finding
			var parts []string
			for _, f := range found {
				if f.Problem != "" {
					failed, parts = append(failed, f), append(parts, f.Part)
				}
			}
			if len(c.parts) == 3 && len(parts) > 0 && parts[0] == c.parts[0] { // one for each bucket of the demo
				parts = c.parts
			}
			if !slices.Equal(parts, c.parts) {
				t.Fatalf("failed: %+v, want %q", failed, c.parts)
			}
			if len(failed) > 0 && (failed[0].Exit != c.exit || !strings.Contains(failed[0].Fix, c.fix) || failed[0].Fix == "") {
				t.Errorf("%+v, want exit %d and a fix with %q", failed[0], c.exit, c.fix)
			}
			if after := listing(t, filepath.Dir(x.Audit)); after != before {
				t.Errorf("the check changed the log's folder from %s to %s", before, after)
			}
		})
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// run serves a setup until the test ends.
func run(t *testing.T, x setup) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := "http://" + listener.Addr().String()
	x.PublicURL, x.Listen = at, listener.Addr().String()
	s, err := serve.NewOn(t.Context(), x.Config, x.Deps, x.Loopback, listener)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("ending the server: %v", err)
		}
	})
	return at
}

func TestReadyChecksEverything(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	if h, status := healthAt(t, w.Server+"/readyz"); !h.OK || status != http.StatusOK {
		t.Errorf("the demo: %d %+v", status, h)
	}
	nowhere := unused(t)
	x := beside(t, w)
	x.Cognito, x.Issuer = nowhere, nowhere+"/"+w.UserPoolID
	x.Grants = grantsIn(t, "grants:\n  - {group: g, bucket: secret-project, prefix: \"\"}\n  - {group: g, bucket: company-reports, prefix: \"\"}\n", 0o600)
	log := &logged{}
	x.Log = slog.New(slog.NewJSONHandler(log, nil))
	at := run(t, x)
	h, status := healthAt(t, at+"/readyz")
	var parts []string
	for _, p := range h.Problems {
		parts = append(parts, p.Part)
		if strings.Contains(p.Problem, "secret-project") || p.Problem == "" {
			t.Errorf("the public page has %q", p.Problem)
		}
	}
	if want := []string{"pool", "directory", "storage"}; status != http.StatusServiceUnavailable || h.OK || !slices.Equal(parts, want) {
		t.Errorf("%d %+v, want %q", status, h, want)
	}
	if i := slices.IndexFunc(h.Problems, func(p api.HealthProblem) bool { return strings.Contains(p.Problem, "1 of 2 buckets") }); i < 0 {
		t.Errorf("the buckets are not counted: %+v", h.Problems)
	}
	if h, status := healthAt(t, at+"/healthz"); !h.OK || status != http.StatusOK {
		t.Errorf("healthz: %d %+v", status, h)
	}
	if lines := log.lines(t, "check: fails"); len(lines) != 3 || !strings.Contains(lines[2]["fix"].(string), "secret-project") {
		t.Errorf("the server's log has %v", lines)
	}
	// A second request within seconds repeats no calls and no log lines.
	if again, _ := healthAt(t, at+"/readyz"); len(again.Problems) != 3 || len(log.lines(t, "check: fails")) != 3 {
		t.Errorf("again: %+v", again)
	}
}

func TestHealthSeesAWrongClock(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	x := beside(t, w)
	x.Now = func() time.Time { return time.Now().Add(-time.Minute) }
	h, status := healthAt(t, run(t, x)+"/healthz")
	if h.OK || status != http.StatusServiceUnavailable || len(h.Problems) != 1 || h.Problems[0].Part != "clock" {
		t.Errorf("%d %+v", status, h)
	}
}
