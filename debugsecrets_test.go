//go:build !nosandbox

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// heard records the tokens and the signatures of URLs that pass a proxy.
type heard struct {
	mu      sync.Mutex
	secrets map[string]string
}

func (h *heard) add(kind, value string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secrets[fmt.Sprintf("%s %d", kind, len(h.secrets))] = value
}

// count returns the number of secrets of a kind.
func (h *heard) count(kind string) (n int) {
	for name := range h.secrets {
		if strings.HasPrefix(name, kind) {
			n++
		}
	}
	return n
}

var urlSignature = regexp.MustCompile(`X-Amz-Signature=([0-9a-f]{64})`)

// listen returns the address of a proxy for a server.
func (h *heard) listen(t *testing.T, server string) string {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = to.Host
			r.Out.Header.Del("Accept-Encoding")
			if token, ok := strings.CutPrefix(r.In.Header.Get("Authorization"), "Bearer "); ok {
				h.add("token", token[max(0, len(token)-60):]) // the end is the signature
			}
		},
		ModifyResponse: func(res *http.Response) error {
			raw, err := io.ReadAll(res.Body)
			if err != nil {
				return err
			}
			for _, found := range urlSignature.FindAllSubmatch(raw, -1) {
				h.add("signature", string(found[1]))
			}
			res.Body = io.NopCloser(bytes.NewReader(raw))
			return nil
		},
	})
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// The output of --debug during a sign-in with a code, a get, a sync and a url has the
// calls of Cognito, of the server and of S3. It has no password, no code, no TOTP
// secret, no token and no signature of a URL.
func TestDebugHasNoSecret(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	h := &heard{secrets: map[string]string{}}
	c := commands{t: t, home: t.TempDir(), server: h.listen(t, w.Server)}
	s := &sinks{content: map[string][]byte{}}
	run := func(stdin string, args ...string) (out string) {
		t.Helper()
		out, errs := c.run(stdin, append([]string{"--debug"}, args...)...)
		if strings.Contains(errs, "\nusher: ") || !strings.Contains(errs, "debug: ") {
			t.Fatalf("usher %q: %s", args, errs)
		}
		s.add("usher "+args[0], []byte(errs))
		return out
	}
	for _, p := range w.People {
		if p.Username == "alan" {
			code := demotest.Code(t, p.TOTPSecret)
			h.add("password", p.Password)
			h.add("TOTP secret", p.TOTPSecret)
			h.add("code", code)
			run(p.Password+"\n"+code+"\n", "login", "--username", "alan", "--password-stdin", "--code-stdin")
		}
	}
	files, err := filepath.Glob(filepath.Join(c.home, ".local", "state", "usher", "tokens", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	var stored struct {
		Refresh string `json:"refresh_token"`
	}
	if readJSON(t, files[0], &stored); len(stored.Refresh) < 20 {
		t.Fatal("the refresh token is missing")
	}
	h.add("refresh token", stored.Refresh)
	run("", "get", "builds/logs/", "-o", "got")
	run("", "get", "builds/README.md", "-o", "readme.md")
	run("", "sync", "builds/logs/", "synced")
	if link := run("", "url", "builds/README.md"); len(urlSignature.FindStringSubmatch(link)) == 0 {
		t.Errorf("no link: %s", link)
	} else if found := (&sinks{content: map[string][]byte{"stdout": []byte(link)}}).find(h.secrets); len(found) == 0 {
		t.Error("the signature of a printed link is not found") // the control: the link is on stdout
	}
	if found := s.find(h.secrets); len(found) > 0 {
		t.Errorf("%q", found)
	}
	if h.count("token") == 0 || h.count("signature") < 3 {
		t.Errorf("%d tokens, %d signatures", h.count("token"), h.count("signature"))
	}
	storage := strings.TrimPrefix(w.S3Endpoint, "http://")
	for sink, call := range map[string]string{
		"usher login": "debug: InitiateAuth ", "usher get": "debug: GET /builds/README.md " + storage, "usher sync": "debug: POST /v1/list ", "usher url": "debug: POST /v1/release ",
	} {
		if !bytes.Contains(s.content[sink], []byte(call)) {
			t.Errorf("%s does not show %q: %s", sink, call, s.content[sink])
		}
	}
	// Controls: each planted secret is found.
	for name, value := range h.secrets {
		planted := &sinks{content: map[string][]byte{"planted": []byte("debug: x " + value + "\n")}}
		if len(planted.find(map[string]string{name: value})) != 1 {
			t.Errorf("the planted %s is not found", name)
		}
	}
	t.Logf("SECRETS of --debug: secrets=%d found=0", len(h.secrets))
}
