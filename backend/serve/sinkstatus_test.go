package serve_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/api"
	"usher/backend/demo/demotest"
	"usher/backend/serve"
)

// faultySinks returns receivers with faults. An answer without an end is a failure after
// half a minute; until then its sink is behind.
func faultySinks(t *testing.T) (all []serve.Sink) {
	t.Helper()
	ended := make(chan struct{})
	other := newSIEM(t, 2, 0)
	for name, handler := range map[string]http.HandlerFunc{
		"garbage": func(w http.ResponseWriter, _ *http.Request) {
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_, _ = io.WriteString(c, "garbage\x00\x1b[2J\n")
				_ = c.Close()
			}
		},
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.web.URL+"/0", http.StatusFound)
		},
		"hangs": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-ended:
			case <-r.Context().Done():
			}
		},
		"certificate": func(http.ResponseWriter, *http.Request) {},
	} {
		web := httptest.NewUnstartedServer(handler)
		web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
		web.EnableHTTP2 = false
		web.StartTLS()
		t.Cleanup(web.Close)
		sink := serve.Sink{Name: name, To: web.URL, CA: other.ca}
		if name == "certificate" {
			sink.CA = "" // the system's
		}
		all = append(all, sink)
	}
	t.Cleanup(func() { close(ended) })
	return all
}

// One of the servers that share a log delivers it, and each of them shows the state of
// the sinks: in its health, and to auditors. Releases go on while no sink works.
func TestEachServerShowsTheSinks(t *testing.T) {
	t.Parallel()
	const bucket = "usher-checkpoints"
	s := newSIEM(t, 1, 0)
	faulty := faultySinks(t)
	key := filepath.Join(t.TempDir(), "audit.key")
	f := demotest.StartFleet(t, demotest.FleetOptions{Seed: 3, Size: 2, Owner: true, Config: func(i int, c *serve.Config) {
		c.AuditKey, c.Seal = key, serve.Seal{Bucket: bucket, Settle: 100 * time.Millisecond}
		c.Pace = serve.Pace{Seal: 50 * time.Millisecond, Renew: 50 * time.Millisecond, Lease: time.Minute}
		c.Sinks = append([]serve.Sink{{Name: "siem", To: fmt.Sprintf("%s/%d", s.web.URL, i), CA: s.ca}}, faulty...)
	}})
	if _, err := f.S3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	grace, ada := f.SignIn(t, "grace"), f.SignIn(t, "ada")
	all := func(sinks []api.Sink, ok func(siem api.Sink) bool) bool {
		return len(sinks) == 1+len(faulty) && ok(sinks[0]) && !slices.ContainsFunc(sinks[1:], func(s api.Sink) bool { return s.Delivered > 0 || !s.Stuck && s.Name != "hangs" })
	}
	shown := func(what string, ok func(api.Sink) bool) {
		t.Helper()
		for at, server := range f.Instances() {
			f.Route(server)
			for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
				h, err := healthOf(f.Server + "/healthz")
				summary, serr := grace.AuditSummary(t.Context(), api.AuditSummaryRequest{Hours: 1})
				if err == nil && serr == nil && h.OK && all(h.Sinks, ok) && all(summary.Sinks, ok) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("server %d does not show that the sink %s: health %+v, for auditors %+v (%v, %v)", at, what, h.Sinks, summary.Sinks, err, serr)
				}
			}
		}
	}
	if _, err := ada.Release(t.Context(), objects("sink", 5)); err != nil {
		t.Errorf("no sink works, and a release fails: %v", err)
	}
	shown("is stuck", func(sink api.Sink) bool { return sink.Name == "siem" && sink.Stuck && sink.LastSent == nil })
	s.set(false)
	shown("delivers", func(sink api.Sink) bool { return !sink.Stuck && sink.Delivered > 0 && sink.LastSent != nil })
}
