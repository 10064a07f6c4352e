package backend_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// countingStore counts the durable writes and their events.
type countingStore struct {
	audit.Store
	writes, events atomic.Int64
	fails          atomic.Bool
	after          func() // called after each write
}

func (s *countingStore) Append(ctx context.Context, events []event.Event) error {
	if s.fails.Load() {
		return fmt.Errorf("the disk is full")
	}
	s.writes.Add(1)
	s.events.Add(int64(len(events)))
	err := s.Store.Append(ctx, events)
	if s.after != nil {
		s.after()
	}
	return err
}

// pageWorld is a backend with a counted log and a folder of small objects.
type pageWorld struct {
	*demotest.Demo
	store  *countingStore
	now    *stopped
	server string // the backend with the counted log
	ada    demotest.Actor
}

func newPageWorld(t *testing.T, objects int, change func(*backend.Config)) *pageWorld {
	t.Helper()
	now := newStopped()
	w := &pageWorld{Demo: demotest.Start(t, demo.Options{Now: now.Now}), store: &countingStore{Store: audittest.NewMemory()}, now: now}
	w.fill(t, "quarterly/many/", objects)
	log, err := audit.New(audit.Config{Store: w.store, Now: now.Now, NewID: event.IDs(rand.Reader)})
	if err != nil {
		t.Fatal(err)
	}
	w.server, _ = rebuilt(t, w.Demo, now.Now, func(c *backend.Config) {
		c.Audit = log
		if change != nil {
			change(c)
		}
	})
	w.ada = at(t, w.SignIn(t, "ada"), w.server)
	if _, err := w.ada.Whoami(t.Context()); err != nil { // records the session's start
		t.Fatal(err)
	}
	return w
}

// fill puts objects named 0000 and so on, each with its own content.
func (w *pageWorld) fill(t *testing.T, prefix string, objects int) {
	t.Helper()
	var work sync.WaitGroup
	for part := range 8 {
		work.Go(func() {
			for i := part; i < objects; i += 8 {
				w.Put(t, "company-reports", fmt.Sprintf("%s%04d", prefix, i), fmt.Sprintf("content %d", i))
			}
		})
	}
	work.Wait()
}

func (w *pageWorld) page(t *testing.T, urls int) api.ListResponse {
	t.Helper()
	page, err := w.ada.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: "quarterly/many/", Recursive: true, URLs: urls})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func released(page api.ListResponse) (n int) {
	for _, e := range page.Entries {
		if e.Release != nil {
			n++
		}
	}
	return n
}

// One request returns a page of a thousand objects with a thousand URLs: one live
// check, and one durable write of one event for each URL and one for the listing.
func TestPageWithURLs(t *testing.T) {
	const n = 1000
	w := newPageWorld(t, n, nil)
	w.now.Pass(time.Minute) // the checks of the sign-in are old
	calls, writes, events := w.Sandbox.Pool.Calls(), w.store.writes.Load(), w.store.events.Load()
	page := w.page(t, n)
	after := w.Sandbox.Pool.Calls()
	if got := released(page); got != n || len(page.Entries) != n {
		t.Fatalf("%d entries with %d URLs, want %d", len(page.Entries), got, n)
	}
	if got := after["GetUser"] - calls["GetUser"]; got != 1 {
		t.Errorf("%d live checks, want 1", got)
	}
	if got := w.store.writes.Load() - writes; got != 1 {
		t.Errorf("%d durable writes, want 1", got)
	}
	if got := w.store.events.Load() - events; got != n+1 {
		t.Errorf("%d events, want %d", got, n+1)
	}
	known := map[string]bool{}
	for i, e := range page.Entries {
		item := e.Release
		u, err := url.Parse(item.URL)
		if err != nil {
			t.Fatal(err)
		}
		if id := u.Query().Get("x-usher-event"); id != item.Event || known[id] {
			t.Errorf("%s: the URL of event %q has %q", e.Name, item.Event, id)
		}
		known[item.Event] = true
		if item.ETag != e.ETag || item.Headers["if-match"] != e.ETag || item.Life != 60 || item.Error != nil {
			t.Errorf("%s: %+v", e.Name, item)
		}
		if i%100 == 0 {
			if status, body := get(t, *item, nil); status != http.StatusOK || body != fmt.Sprintf("content %d", i) {
				t.Errorf("%s: status %d, body %q", e.Name, status, body)
			}
			logged, err := w.store.Get(t.Context(), []string{item.Event})
			if err != nil || len(logged) != 1 {
				t.Fatalf("%d events with id %s, error %v", len(logged), item.Event, err)
			}
			if got := logged[0]; got.Action != event.Download || got.Outcome != event.Allowed || got.Key != "quarterly/many/"+e.Name || got.ETag != e.ETag || got.Grant == "" || got.Purpose != api.PurposeDownload {
				t.Errorf("%s: event %+v", e.Name, got)
			}
		}
	}
	if got := released(w.page(t, 7)); got != 7 {
		t.Errorf("%d URLs, want the 7 that the caller can use", got)
	}
	if got := released(w.page(t, 0)); got != 0 {
		t.Errorf("%d URLs that were not requested", got)
	}
}

// A URL is pinned to the content that the page shows.
func TestPageURLsArePinned(t *testing.T) {
	w := newPageWorld(t, 1, nil)
	page := w.page(t, 1)
	w.Put(t, "company-reports", "quarterly/many/0000", "other content")
	if status, _ := get(t, *page.Entries[0].Release, nil); status != http.StatusPreconditionFailed {
		t.Errorf("another content over the same URL: status %d", status)
	}
}

// Without a durable record, the whole page fails and contains no URL.
func TestPageWithoutLog(t *testing.T) {
	w := newPageWorld(t, 3, nil)
	w.store.fails.Store(true)
	token, err := w.ada.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	status, body := post(t, w.server, api.VerbList, token, `{"bucket":"company-reports","prefix":"quarterly/many/","recursive":true,"urls":3}`)
	if status != http.StatusServiceUnavailable || strings.Contains(body, "http") || strings.Contains(body, "0000") {
		t.Errorf("status %d, body %s", status, body)
	}
}
