package serve_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/event"
	"usher/backend/serve"
)

// logged is a writer that collects the server's log.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// lines returns the entries with this message, oldest first.
func (l *logged) lines(t *testing.T, message string) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []map[string]any
	for lines := bufio.NewScanner(bytes.NewReader(l.buf.Bytes())); lines.Scan(); {
		var entry map[string]any
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			t.Fatal(err)
		}
		if entry["msg"] == message {
			out = append(out, entry)
		}
	}
	return out
}

// running is a server in a proxy's configuration, without signed-in users.
type running struct {
	*serve.Server
	address string
	log     *logged
	config  serve.Config
}

func start(t *testing.T, change func(*serve.Config)) *running {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": filepath.Join(dir, "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "none"),
	} {
		t.Setenv(name, value)
	}
	c := serve.Config{
		Organisation: "Example", Listen: "127.0.0.1:0", PublicURL: "https://files.example.com", TLS: serve.TLS{Proxy: true},
		Region: "eu-west-1", UserPoolID: "eu-west-1_AbCdEfGhI", ClientID: "1example23456789",
		Grants: filepath.Join(dir, "grants.yaml"), Audit: filepath.Join(dir, "audit.db"),
	}
	if err := os.WriteFile(c.Grants, []byte("grants: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&c)
	}
	log := &logged{}
	s, err := serve.New(t.Context(), c, serve.Deps{Now: time.Now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Log: slog.New(slog.NewJSONHandler(log, nil))}, nil)
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
	return &running{Server: s, address: s.Addr().String(), log: log, config: c}
}

// send writes a request without changes and returns the status.
func (r *running) send(t *testing.T, method, path string, header ...string) int {
	t.Helper()
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nConnection: close\r\n%s\r\n\r\n", method, path, strings.Join(header, "\r\n"))
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// recorded sends a request with these X-Forwarded-For lines and returns the
// client address that the server logged.
func (r *running) recorded(t *testing.T, forwarded ...string) string {
	t.Helper()
	header := []string{"Host: files.example.com"}
	for _, f := range forwarded {
		header = append(header, "X-Forwarded-For: "+f)
	}
	before := len(r.log.lines(t, "request"))
	if got := r.send(t, http.MethodGet, "/v1/config", header...); got != http.StatusOK {
		t.Fatalf("X-Forwarded-For %q: %d", forwarded, got)
	}
	ip, _ := r.log.lines(t, "request")[before]["ip"].(string)
	return ip
}

func TestForwardedAddresses(t *testing.T) {
	for name, proxies := range map[string][]string{
		"an address":         {"127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48"},
		"a network":          {"127.0.0.1/8", " 10.1.2.3/8 ", "2001:db8:1::1/48"},
		"mapped, an address": {"::ffff:127.0.0.1", "::ffff:10.0.0.0/104", "2001:db8:1::/48"},
		"mapped, a network":  {"::ffff:127.0.0.0/104", "::ffff:a00:0/104", "2001:db8:1::/48"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(c *serve.Config) { c.Proxies = proxies })
			for _, c := range []struct {
				forwarded []string
				want      string
			}{
				{nil, "127.0.0.1"},
				{[]string{""}, "127.0.0.1"},
				{[]string{"203.0.113.7"}, "203.0.113.7"},
				{[]string{"  203.0.113.7\t"}, "203.0.113.7"},
				{[]string{"203.0.113.7:54321"}, "203.0.113.7"},
				{[]string{"::ffff:203.0.113.7"}, "203.0.113.7"},
				{[]string{"[::ffff:203.0.113.7]:443"}, "203.0.113.7"},
				{[]string{"2001:db8::1"}, "2001:db8::1"},
				{[]string{"[2001:db8::1]"}, "2001:db8::1"},
				{[]string{"[2001:db8::1]:443"}, "2001:db8::1"},
				{[]string{`"[2001:DB8::1]:443"`}, "2001:db8::1"},
				{[]string{"fe80::1%eth0"}, "fe80::1"},
				// The rightmost address that is no proxy, in one line or several.
				{[]string{"192.0.2.1, 203.0.113.7, 127.0.0.1:4444"}, "203.0.113.7"},
				{[]string{"192.0.2.1, 203.0.113.7:1, ::ffff:10.9.9.9, [2001:db8:1::5]:80"}, "203.0.113.7"},
				{[]string{"192.0.2.1", "203.0.113.7", "127.0.0.1"}, "203.0.113.7"},
				{[]string{"garbage, 203.0.113.7"}, "203.0.113.7"},
				{[]string{"203.0.113.7, , "}, "203.0.113.7"},
				{[]string{"10.0.0.2, 10.0.0.1"}, "10.0.0.2"},
				// The entry of the client is no address.
				{[]string{"unknown"}, "invalid"},
				{[]string{"203.0.113.7, unknown"}, "invalid"},
				{[]string{"203.0.113.7, _hidden, 10.0.0.1"}, "invalid"},
				{[]string{"203.0.113.7:99999"}, "invalid"},
				{[]string{"203.0.113.7:"}, "invalid"},
				{[]string{"[203.0.113.7]"}, "invalid"},
				{[]string{"[2001:db8::1"}, "invalid"},
				{[]string{"203.0.113.256"}, "invalid"},
				{[]string{"client.example.com"}, "invalid"},
			} {
				if got := r.recorded(t, c.forwarded...); got != c.want {
					t.Errorf("X-Forwarded-For %q: recorded %s, want %s", c.forwarded, got, c.want)
				}
			}
		})
	}
}

// The X-Forwarded-For header of a peer that is no configured proxy is ignored.
func TestForwardedByAnUnknownPeerIsIgnored(t *testing.T) {
	for name, proxies := range map[string][]string{
		"no proxy":      nil,
		"another proxy": {"10.0.0.0/8", "::1", "::ffff:192.0.2.0/120"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(c *serve.Config) { c.Proxies = proxies })
			for _, forwarded := range []string{"203.0.113.7", "203.0.113.7, 10.0.0.1", "10.0.0.1", "unknown"} {
				if got := r.recorded(t, forwarded); got != "127.0.0.1" {
					t.Errorf("X-Forwarded-For %q: recorded %s, want the peer's 127.0.0.1", forwarded, got)
				}
			}
		})
	}
}

func TestAcceptedHosts(t *testing.T) {
	for _, c := range []struct {
		public     string
		good, evil []string
	}{
		{"https://files.example.com", []string{"files.example.com", "files.example.com:443", "FILES.Example.com:443"}, []string{"files.example.com:80", "files.example.com:8443", "example.com", "10.0.0.5"}},
		{"https://files.example.com:443", []string{"files.example.com", "files.example.com:443"}, []string{"files.example.com:80"}},
		{"https://files.example.com:8443", []string{"files.example.com:8443"}, []string{"files.example.com", "files.example.com:443"}},
		{"http://localhost", []string{"localhost", "localhost:80"}, []string{"localhost:443"}},
		{"https://[2001:db8::1]", []string{"[2001:db8::1]", "[2001:db8::1]:443"}, []string{"[2001:db8::1]:80", "2001:db8::1"}},
	} {
		r := start(t, func(s *serve.Config) { s.PublicURL = c.public })
		for _, host := range c.good {
			if got := r.send(t, http.MethodGet, "/v1/config", "Host: "+host); got != http.StatusOK {
				t.Errorf("%s: Host %s is %d", c.public, host, got)
			}
		}
		for _, host := range c.evil {
			if got := r.send(t, http.MethodGet, "/v1/config", "Host: "+host); got != http.StatusMisdirectedRequest && got != http.StatusBadRequest {
				t.Errorf("%s: Host %s is %d", c.public, host, got)
			}
		}
	}
}

// Load balancers check health by GET or HEAD. Their Host is the target's address
// or empty.
func TestHealthCheckersAreServed(t *testing.T) {
	r := start(t, nil)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for _, host := range []string{"files.example.com", "10.0.0.5:8443", "10.0.0.5", "[2001:db8::1]:8443", "ip-10-0-0-5.internal", ""} {
			if got := r.send(t, method, "/healthz", "Host: "+host); got != http.StatusOK {
				t.Errorf("%s /healthz, Host %q: %d", method, host, got)
			}
		}
	}
	if got := r.send(t, http.MethodHead, "/v1/config", "Host: files.example.com"); got != http.StatusOK {
		t.Errorf("HEAD /v1/config: %d", got)
	}
	for _, c := range []struct{ method, path, header string }{
		{http.MethodHead, "/v1/config", "Host: 10.0.0.5"},
		{http.MethodGet, "/healthz/x", "Host: 10.0.0.5"},
		{http.MethodPost, "/healthz", "Host: 10.0.0.5"},
		{http.MethodGet, "/healthz", "Host: 10.0.0.5\r\nOrigin: https://evil.example.com"},
	} {
		if got := r.send(t, c.method, c.path, c.header); got != http.StatusMisdirectedRequest {
			t.Errorf("%s %s with %q: %d, want 421", c.method, c.path, c.header, got)
		}
	}
}

func TestProxiesThatCoverTooMuch(t *testing.T) {
	for _, bad := range []string{"::ffff:0.0.0.0/95", "::ffff:10.0.0.0/8", "10.0.0.0/33", "proxy"} {
		if _, _, err := load(t, map[string]string{"trusted_proxies": `["` + bad + `"]`}); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
