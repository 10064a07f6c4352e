package fetch

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/download/part"
	"usher/client/download/ticket"
)

// client returns a client with short timeouts and no pauses.
func client(t *testing.T, cfg Config) *Client {
	t.Helper()
	cfg.Timeouts = Timeouts{Idle: 5 * time.Second, RateWindow: time.Minute, MinRate: 1, Margin: time.Second,
		BackoffMin: time.Millisecond, BackoffMax: time.Millisecond, RetryAfter: time.Millisecond,
		Checkpoint: time.Millisecond, Tick: time.Millisecond}
	cfg.Now, cfg.Idle = time.Now, 4
	cfg.Sleep = func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }
	cfg.Connections, cfg.Small = NewConnections(4, 4), NewSemaphore(4, 4)
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// store is a storage of one object. serve, if set, may replace a response: it
// gets the number of the request, from 1, and returns true if it responded.
type store struct {
	data  []byte
	serve func(n int, w http.ResponseWriter) bool
	gets  atomic.Int64
	url   *url.URL

	mu     sync.Mutex
	events []Event
}

func serve(t *testing.T, s *store) *store {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(s.gets.Add(1))
		w.Header().Set("ETag", `"e"`)
		if s.serve == nil || !s.serve(n, w) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.data))
		}
	}))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.url = u
	return s
}

// Ticket makes the store an Owner.
func (s *store) Ticket(context.Context, bool) (*ticket.Ticket, error) {
	return &ticket.Ticket{URL: s.url, Host: s.url.Host, ETag: `"e"`, Size: int64(len(s.data)), Got: time.Now(), Life: time.Minute,
		Header: http.Header{"If-Match": {`"e"`}}}, nil
}

func (s *store) Sized(int64) error { return nil }

func (s *store) Chain() (string, time.Time) { return "", time.Time{} }

func (s *store) Notify(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

// fetchOne fetches the store's object into a part, and returns the part's bytes.
func fetchOne(t *testing.T, c *Client, s *store, sum *api.Checksum) (got []byte, events []Event, p *Progress, err error) {
	t.Helper()
	dir := t.TempDir()
	disk := part.NewDisk(1, part.Options{})
	t.Cleanup(disk.Close)
	folder, err := disk.Folder(dir, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Release()
	file, err := folder.Open(part.Name("b", "k", "e"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	first, _ := s.Ticket(t.Context(), false)
	p = &Progress{}
	_, err = c.Fetch(t.Context(), Job{
		Object: Object{Bucket: "b", Key: "k", ETag: `"e"`, Size: int64(len(s.data)), Checksum: sum, Weight: 1},
		Ticket: first, Owner: s, File: file, Progress: p,
	})
	got, _ = os.ReadFile(filepath.Join(dir, part.Name("b", "k", "e")))
	return got, s.events, p, err
}

// text is n bytes that do not repeat soon.
func text(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.Bytes()[:n]
}

// An object comes over several ranges; a connection that breaks, and a storage
// that requires a lower rate, are overcome. A break of a kept connection may be no retry.
func TestFetch(t *testing.T) {
	cut := func(n int, w http.ResponseWriter) bool {
		switch n {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		case 2:
			panic(http.ErrAbortHandler)
		}
		return false
	}
	for _, row := range []struct {
		name    string
		serve   func(int, http.ResponseWriter) bool
		retries int64
	}{{"at once", nil, 0}, {"with failures", cut, 1}} {
		t.Run(row.name, func(t *testing.T) {
			s := serve(t, &store{data: text(5 << 20), serve: row.serve})
			got, events, p, err := fetchOne(t, client(t, Config{}), s, nil)
			if err != nil || !bytes.Equal(got, s.data) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if p.Done.Load() != int64(len(s.data)) || p.Retries.Load() < row.retries || row.retries == 0 && p.Retries.Load() > 0 {
				t.Errorf("%d bytes are counted, %d retries", p.Done.Load(), p.Retries.Load())
			}
			if last := events[len(events)-1]; last.Kind != Checking || last.Label == "" {
				t.Errorf("the last event is %+v", last)
			}
		})
	}
}

// A wrong checksum removes the part.
func TestMismatch(t *testing.T) {
	s := serve(t, &store{data: text(2 << 20)})
	wrong := &api.Checksum{Algorithm: "CRC64NVME", Type: "FULL_OBJECT", Value: base64.StdEncoding.EncodeToString(make([]byte, 8))}
	got, _, _, err := fetchOne(t, client(t, Config{}), s, wrong)
	if !errors.Is(err, ErrMismatch) || got != nil {
		t.Errorf("%v, %d bytes are left", err, len(got))
	}
	if got, _, _, err := fetchOne(t, client(t, Config{NoVerify: true}), s, wrong); err != nil || !bytes.Equal(got, s.data) {
		t.Errorf("control without the comparison: %v, %d bytes", err, len(got))
	}
}

// Stream writes in order, and resumes inside the object.
func TestStream(t *testing.T) {
	s := serve(t, &store{data: text(1 << 20)})
	var out strings.Builder
	first, _ := s.Ticket(t.Context(), false)
	got, err := client(t, Config{}).Stream(t.Context(), Job{
		Object: Object{Bucket: "b", Key: "k", ETag: `"e"`, Size: int64(len(s.data))},
		Ticket: first, Owner: s, Progress: &Progress{},
	}, &out)
	if err != nil || out.String() != string(s.data) || got.Size != int64(len(s.data)) {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
}

// A stream waits for the network as long as its patience lasts.
func TestStreamWaits(t *testing.T) {
	s := serve(t, &store{data: text(1 << 10)})
	dials := 0
	c := client(t, Config{Patience: time.Hour, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials++; dials < 5 {
			return nil, &net.OpError{Op: "dial", Err: errors.New("down")}
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}})
	first, _ := s.Ticket(t.Context(), false)
	var out strings.Builder
	_, err := c.Stream(t.Context(), Job{Object: Object{Bucket: "b", Key: "k", ETag: `"e"`, Size: int64(len(s.data))},
		Ticket: first, Owner: s, Progress: &Progress{}}, &out)
	if err != nil || out.String() != string(s.data) {
		t.Errorf("after %d connections: %d bytes, %v", dials, out.Len(), err)
	}
}

// A ticket without headers requests whole objects and ranges alike.
func TestNoHeaders(t *testing.T) {
	s := serve(t, &store{data: text(1 << 10)})
	tk, _ := s.Ticket(t.Context(), false)
	tk.Header = nil
	c := client(t, Config{})
	for _, end := range []int64{-1, 100} {
		a, err := c.get(t.Context(), tk, 0, end)
		if err != nil {
			t.Fatalf("up to %d: %v", end, err)
		}
		a.body.Close()
	}
}
