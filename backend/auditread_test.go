package backend_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// slowLog is a log with searches that end when the test closes end.
type slowLog struct {
	backend.Log
	end      chan struct{}
	searches atomic.Int64 // running searches
}

func (l *slowLog) Query(ctx context.Context, filter event.Filter, page audit.Page) (audit.Result, error) {
	l.searches.Add(1)
	defer l.searches.Add(-1)
	select {
	case <-l.end:
	case <-ctx.Done():
	}
	return l.Log.Query(ctx, filter, page)
}

// Slow searches of one auditor use only that person's slots. They delay neither
// another auditor nor a download. Negative control: without shares
// (Backend.WithoutShares) one auditor uses all search slots.
func TestOneAuditorsSearchesLeaveSlotsToOthers(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	w.Put(t, "company-reports", "annual/one.csv", "one")
	grace, ada := w.SignIn(t, "grace"), w.SignIn(t, "ada")
	other := w.AddPerson(t, "second", "usher-auditors")
	for _, shares := range []bool{true, false} {
		t.Run(fmt.Sprintf("shares %v", shares), func(t *testing.T) {
			log := &slowLog{end: make(chan struct{})}
			server, b := rebuilt(t, w, time.Now, func(c *backend.Config) { log.Log = c.Audit; c.Audit = log })
			if !shares {
				b.WithoutShares()
			}
			var wait sync.WaitGroup
			search := func(a demotest.Actor) {
				wait.Go(func() { _, _ = at(t, a, server).AuditQuery(t.Context(), api.AuditQueryRequest{}) })
			}
			for range 16 {
				search(grace)
			}
			want := int64(2)
			if !shares {
				want = 8
			}
			until(t, "the searches are running", func() bool { return log.searches.Load() == want })
			search(other)
			if shares {
				until(t, "another auditor's search is running", func() bool { return log.searches.Load() == want+1 })
			}
			for range 20 {
				if _, err := releaseOne(t.Context(), at(t, ada, server), "company-reports", "annual/one.csv"); err != nil {
					t.Errorf("a download during the searches: %v", err)
				}
			}
			close(log.end)
			wait.Wait()
		})
	}
}

// tooSlow is a log with searches that exceed their time limit.
type tooSlow struct{ backend.Log }

func (l tooSlow) Query(ctx context.Context, filter event.Filter, page audit.Page) (audit.Result, error) {
	return audit.Result{}, fmt.Errorf("reading the audit log: %w", audit.ErrTooSlow)
}

func (l tooSlow) Summary(context.Context, int) (audit.Summary, error) {
	return audit.Summary{}, fmt.Errorf("reading the audit log: %w", audit.ErrTooSlow)
}

// A slow search has its own error code. It must not read as a failure to record,
// which would stop downloads.
func TestSlowSearchHasItsOwnCode(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	token, err := w.SignIn(t, "grace").Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server, _ := rebuilt(t, w, time.Now, func(c *backend.Config) { c.Audit = tooSlow{c.Audit} })
	for path, body := range map[string]string{"/v1/audit/query": `{"filter":""}`, "/v1/audit/summary": `{"hours":1}`} {
		if status, code := bearer(t, server, path, token, body); status != http.StatusServiceUnavailable || code != api.SlowQuery {
			t.Errorf("%s: %d %s, want 503 slow_query", path, status, code)
		}
	}
}

// A reader follows the log: pages after an event, the oldest first, continued by
// cursor. A cursor of one order does not continue the other.
func TestFollowingTheLog(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	grace := w.SignIn(t, "grace")
	query := func(in api.AuditQueryRequest) api.AuditQueryResponse {
		t.Helper()
		in.Filter, in.Limit = "who:grace", 2
		out, err := grace.AuditQuery(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for range 4 { // each query is an event
		query(api.AuditQueryRequest{})
	}
	newest, err := grace.AuditQuery(t.Context(), api.AuditQueryRequest{Filter: "who:grace"})
	if err != nil || len(newest.Events) < 5 || newest.LagSeconds != 0 {
		t.Fatalf("%d events, lag %d s: %v", len(newest.Events), newest.LagSeconds, err)
	}
	want := newest.Events
	slices.Reverse(want)
	var got []event.Event
	for in := (api.AuditQueryRequest{After: want[0].ID}); len(got) < len(want)-1; in = (api.AuditQueryRequest{Cursor: in.Cursor}) {
		out := query(in)
		if got = append(got, out.Events...); out.Cursor == "" {
			break
		}
		in.Cursor = out.Cursor
	}
	if len(got) < len(want)-1 {
		t.Fatalf("%d events of %d", len(got), len(want)-1)
	}
	for i, e := range want[1:] {
		if got[i].ID != e.ID {
			t.Errorf("event %d is %s, want %s", i, got[i].ID, e.ID)
		}
	}
}

// A reader starts at the first event of the log, or before any event. Each event has
// its number in the log.
func TestReadingFromBothEnds(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	grace := w.SignIn(t, "grace")
	read := func(in api.AuditQueryRequest) (ids []string) {
		t.Helper()
		for in.Filter, in.Limit = "who:grace", 2; ; in.Before, in.Oldest = "", false {
			out, err := grace.AuditQuery(t.Context(), in)
			if err != nil || len(out.Records) != len(out.Events) {
				t.Fatalf("%d events, %d numbers: %v", len(out.Events), len(out.Records), err)
			}
			for i, e := range out.Events {
				if ids = append(ids, e.ID); out.Records[i] < 1 {
					t.Errorf("event %s has number %d", e.ID, out.Records[i])
				}
			}
			if in.Cursor = out.Cursor; in.Cursor == "" || len(ids) >= 6 {
				return ids
			}
		}
	}
	for range 6 {
		read(api.AuditQueryRequest{})
	}
	all, err := grace.AuditQuery(t.Context(), api.AuditQueryRequest{Filter: "who:grace"})
	if err != nil {
		t.Fatal(err)
	}
	want := ids(all.Events)
	if got := read(api.AuditQueryRequest{Before: want[1]}); !slices.Equal(got[:6], want[2:8]) {
		t.Errorf("before an event: %q, want %q", got, want[2:8])
	}
	slices.Reverse(want)
	if got := read(api.AuditQueryRequest{Oldest: true}); !slices.Equal(got[:6], want[:6]) {
		t.Errorf("from the first event: %q, want %q", got, want[:6])
	}
	if all.Records[0] <= all.Records[1] {
		t.Errorf("the numbers are %d, %d, newest first", all.Records[0], all.Records[1])
	}
	token, err := grace.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{"filter":"","before":"` + want[0] + `","after":"` + want[0] + `"}`, `{"filter":"","before":"no id"}`,
		`{"filter":"","oldest":true,"after":"` + want[0] + `"}`} {
		if status, code := bearer(t, w.Profile.Server, "/v1/audit/query", token, body); status != http.StatusBadRequest || code != api.BadRequest {
			t.Errorf("%s: %d %s", body, status, code)
		}
	}
}

func ids(events []event.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.ID
	}
	return out
}
