package backend_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox"
	"usher/backend/serve"
)

// lockedBuffer is a buffer for several writers.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// faultySinks returns sinks of a configuration, each with a receiver of another fault,
// and the cause of it in the server's log. The last one has none.
func faultySinks(t *testing.T, file string) (sinks []serve.Sink, causes map[string]string) {
	t.Helper()
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("secret-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	add := func(name, cause string, trusted bool, scheme string, handle http.HandlerFunc) {
		s := httptest.NewUnstartedServer(handle)
		s.Config.ErrorLog = nil
		s.StartTLS()
		t.Cleanup(func() {
			s.CloseClientConnections()
			s.Close()
		})
		sink := serve.Sink{Name: name, To: scheme + s.Listener.Addr().String()}
		if trusted {
			sink.CA = filepath.Join(dir, name+".pem")
			text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
			if err := os.WriteFile(sink.CA, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if scheme == "https://" {
			sink.TokenFile = token
		}
		sinks, causes[name] = append(sinks, sink), cause
	}
	causes = map[string]string{}
	none := func(http.ResponseWriter, *http.Request) {}
	add("stranger", "certificate", false, "https://", none)
	add("stranger-syslog", "certificate", false, "syslog+tls://", none)
	add("moved", "redirects", true, "https://", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://192.0.2.1/", http.StatusFound)
	})
	add("garbage", "status 500", true, "https://", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, "\x1b[2Jgarbage")
	})
	add("hanging", "deadline", true, "https://", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // a return would be an answer, which can arrive
	})
	return append(sinks, serve.Sink{Name: "file", To: "file:" + file}), causes
}

// Receivers of the log with any fault stop no release, and lose no event of a receiver
// without one. The health page stays ok and shows each of them as stuck, and so does the
// auditor's page; the server's log has the cause.
func TestReleasesWithFaultySinks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "events.jsonl")
	sinks, causes := faultySinks(t, file)
	log := &lockedBuffer{}
	w := demotest.StartOn(t, func(box *sandbox.Sandbox) demotest.Storage {
		return demotest.Storage{Endpoint: box.Facts.S3Endpoint, Log: log, Sinks: sinks}
	})
	w.Put(t, "company-reports", "annual/one.csv", "one")
	ada, grace := w.SignIn(t, "ada"), w.SignIn(t, "grace")
	released := 0
	release := func() {
		t.Helper()
		out, err := ada.Release(t.Context(), api.ReleaseRequest{Objects: []api.ReleaseObject{{Bucket: "company-reports", Key: "annual/one.csv"}}})
		if err != nil || len(out.Items) != 1 || out.Items[0].URL == "" {
			t.Fatalf("a release: %+v %v", out, err)
		}
		released++
	}
	// stuck returns the number of stuck sinks of a list, and false for a wrong one.
	stuck := func(all []api.Sink) (n int, right bool) {
		for _, s := range all {
			if _, faulty := causes[s.Name]; s.Stuck && !faulty || faulty && s.Delivered > 0 {
				return n, false
			}
			if s.Stuck {
				n++
			}
		}
		return n, len(all) == len(sinks)
	}
	var health api.Health
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(time.Second) {
		release()
		if err := json.Unmarshal(page(t, w.Server+"/healthz"), &health); err != nil || !health.OK {
			t.Fatalf("the health page: %+v %v", health, err)
		}
		n, right := stuck(health.Sinks)
		if !right {
			t.Fatalf("the sinks of the health page: %+v", health.Sinks)
		}
		if n == len(causes) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d sinks are stuck: %+v", n, health.Sinks)
		}
	}
	release()
	summary, err := grace.AuditSummary(t.Context(), api.AuditSummaryRequest{Hours: 1})
	if n, right := stuck(summary.Sinks); err != nil || n != len(causes) || !right {
		t.Errorf("the auditor's sinks: %+v %v", summary.Sinks, err)
	}
	for name, cause := range causes {
		line := ""
		for l := range strings.Lines(log.String()) {
			if strings.Contains(l, `"sink":"`+name+`"`) && strings.Contains(l, "releases are not affected") {
				line = l
			}
		}
		if !strings.Contains(line, cause) {
			t.Errorf("the cause of %s in the server's log is %q, want one with %q", name, line, cause)
		}
	}
	if text := log.String(); strings.Contains(text, "secret-token") || strings.Contains(text, "\x1b") {
		t.Error("the server's log has the token or the answer of a receiver")
	}
	events := query(t, grace, "who:ada action:download outcome:allowed")
	if len(events) != released {
		t.Errorf("%d events of %d releases", len(events), released)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		raw, err := os.ReadFile(file)
		if err == nil && bytes.Count(raw, []byte(`"action":"download"`)) == released {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the file has %d of %d releases, %v", bytes.Count(raw, []byte(`"action":"download"`)), released, err)
		}
	}
}

// page returns a page of the server that needs no token.
func page(t *testing.T, url string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return demotest.Do(t, req).Body
}
