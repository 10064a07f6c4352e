package backend_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// accessLog collects the lines of S3's access log.
type accessLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *accessLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.Split(strings.TrimSpace(string(p)), "\n")...)
	return len(p), nil
}

func (l *accessLog) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines)
}

// clock is real time plus an offset that the test increases.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

func codeOf(err error) api.Code {
	var e *api.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func names(t *testing.T, a demotest.Actor, bucket, prefix string) []string {
	t.Helper()
	var out []string
	cursor := ""
	for {
		page, err := a.List(t.Context(), api.ListRequest{Bucket: bucket, Prefix: prefix, Cursor: cursor})
		if err != nil {
			t.Fatalf("listing %s/%s: %v", bucket, prefix, err)
		}
		for _, e := range page.Entries {
			out = append(out, e.Name)
		}
		if cursor = page.Cursor; cursor == "" {
			return out
		}
	}
}

func releaseOne(ctx context.Context, a demotest.Actor, bucket, key string) (api.ReleaseItem, error) {
	out, err := a.Release(ctx, api.ReleaseRequest{Objects: []api.ReleaseObject{{Bucket: bucket, Key: key}}})
	if err != nil {
		return api.ReleaseItem{}, err
	}
	if e := out.Items[0].Error; e != nil {
		return out.Items[0], &api.Error{Code: e.Code}
	}
	return out.Items[0], nil
}

func get(t *testing.T, item api.ReleaseItem, change func(r *http.Request)) (int, string) {
	t.Helper()
	got := demotest.Get(t, item, change)
	return got.Status, string(got.Body)
}

func query(t *testing.T, auditor demotest.Actor, filter string) []event.Event {
	t.Helper()
	out, err := auditor.AuditQuery(t.Context(), api.AuditQueryRequest{Filter: filter, Limit: 1000})
	if err != nil {
		t.Fatalf("querying %q: %v", filter, err)
	}
	return out.Events
}

// raw posts bytes as a person and returns the response, without the request id
// and the date.
func raw(t *testing.T, w *demotest.Demo, a demotest.Actor, verb, body string) (int, http.Header, string) {
	t.Helper()
	token, err := a.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.Server+"/v1/"+verb, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res := demotest.Do(t, req)
	id := res.Header.Get("X-Request-Id")
	res.Header.Del("X-Request-Id")
	res.Header.Del("Date")
	return res.Status, res.Header, strings.ReplaceAll(string(res.Body), id, "ID")
}

func equalHeader(a, b http.Header) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

func tokenOf(t *testing.T, a demotest.Actor) string {
	t.Helper()
	token, err := a.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token
}
