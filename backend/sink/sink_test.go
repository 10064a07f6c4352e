package sink

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/event"
)

var start = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// records is a log of n events.
type records int64

func (n records) After(_ context.Context, from int64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for i := from; i < int64(n); i++ {
			e := event.Event{ID: fmt.Sprintf("%026d", i), Time: start.Add(time.Duration(i) * time.Second), Action: event.Download, Outcome: event.Allowed, Key: "a\nb \x1b[2J"}
			if !yield(Record{Index: i, Canonical: event.Canonical(e), Event: e}, nil) {
				return
			}
		}
	}
}

// feeder returns a Feeder with defaults for the parts that c lacks.
func feeder(t *testing.T, c FeederConfig) *Feeder {
	t.Helper()
	c.Name = "siem"
	if c.Position == nil {
		c.Position = File{filepath.Join(t.TempDir(), "position"), "log"}
	}
	if c.Encode == nil {
		c.Encode = func(r Record) ([]byte, error) { return r.Canonical, nil }
	}
	if c.Now == nil {
		c.Now = func() time.Time { return start }
	}
	if c.Alarm == nil {
		c.Alarm = func(context.Context, time.Time, error) {}
	}
	f, err := NewFeeder(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// received collects the ids of events, in the order of arrival.
type received struct {
	mu  sync.Mutex
	ids []string
}

func (r *received) add(t *testing.T, line []byte) {
	var e event.Event
	if err := json.Unmarshal(line, &e); err != nil {
		t.Errorf("a line is not an event: %v", err)
	}
	r.mu.Lock()
	r.ids = append(r.ids, e.ID)
	r.mu.Unlock()
}

// complete checks that all events arrived, and that each first arrival is in
// order.
func (r *received) complete(t *testing.T, n int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	next := 0
	for _, id := range r.ids {
		i, err := strconv.Atoi(strings.TrimLeft(id[:25], "0") + id[25:])
		switch {
		case err != nil || i > next:
			t.Fatalf("event %s arrived after event %d", id, next-1)
		case i == next:
			next++
		}
	}
	t.Logf("%d events, %d arrivals", next, len(r.ids))
	if next != n {
		t.Errorf("%d events arrived, want %d", next, n)
	}
}

// receiver is a server with its certificate.
func receiver(t *testing.T, handle http.HandlerFunc) (url string, trust *tls.Config) {
	t.Helper()
	s := httptest.NewUnstartedServer(handle)
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s.URL, &tls.Config{RootCAs: pool}
}

// dying is a Position whose process ends before some of the writes.
type dying struct {
	Position
	random *rand.Rand
}

func (d dying) Store(ctx context.Context, n int64) error {
	if d.random.IntN(4) == 0 {
		return errors.New("killed")
	}
	return d.Position.Store(ctx, n)
}

// A sink that fails in every way receives all events, while the feeder is killed
// 50 times and more.
func TestNothingIsLost(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 1_000
	}
	kinds := map[string]func(*testing.T, *rand.Rand, *received) func() Transport{
		"https": unreliableHTTPS, "syslog": unreliableSyslog, "file": unreliableFile,
	}
	for name, begin := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, 7))
			parts := 40
			if name == "syslog" { // each batch waits for the end of the connection
				parts = 4
			}
			got := &received{}
			transport := begin(t, r, got)
			position := File{filepath.Join(t.TempDir(), "position"), "log"}
			kills := 0
			for delivered := int64(0); delivered < int64(n); kills++ {
				tr := transport()
				f := feeder(t, FeederConfig{Records: records(n), Position: dying{position, r}, Transport: tr})
				for range 5 {
					if _, err := f.Step(t.Context(), 1+r.IntN(n/parts)); err != nil {
						break
					}
				}
				_ = tr.Close()
				delivered, _ = position.Load(t.Context())
			}
			if f, ok := transport().(*fileSink); ok {
				if err := f.Send(t.Context(), nil); err != nil { // removes an incomplete line
					t.Fatal(err)
				}
				raw, err := os.ReadFile(f.path)
				if err != nil {
					t.Fatal(err)
				}
				for line := range bytes.Lines(raw) {
					got.add(t, bytes.TrimSpace(line))
				}
			}
			got.complete(t, n)
			t.Logf("%d kills", kills)
		})
	}
}

func TestSyslogLine(t *testing.T) {
	var got []byte
	done := make(chan struct{})
	address, trust := syslogServer(t, func(conn net.Conn, _ int) {
		got, _ = frame(bufio.NewReader(conn))
		close(done)
		_, _ = conn.Read(make([]byte, 1))
	})
	s := NewSyslog(address, trust)
	defer func() { _ = s.Close() }()
	e := event.Event{Time: start, Action: event.List, Outcome: event.Denied}
	if err := s.Send(t.Context(), []Message{{e, []byte(`{"a":1}`)}}); err != nil {
		t.Fatal(err)
	}
	<-done
	host, _ := os.Hostname()
	if want := "<109>1 2026-11-02T09:00:00.000Z " + host + ` usher - list - {"a":1}`; string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A receiver with a fault makes the sink stuck, with the cause, and the secret is
// in no error.
func TestFaultyReceivers(t *testing.T) {
	answers := func(status int, header, value, body string) func(*testing.T) Transport {
		return func(t *testing.T) Transport {
			url, trust := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
				if header != "" {
					w.Header().Set(header, value)
				}
				w.WriteHeader(status)
				fmt.Fprint(w, body)
			})
			return NewHTTPS(url, "secret-token", trust)
		}
	}
	tests := []struct {
		name  string
		begin func(*testing.T) Transport
		want  string
	}{
		{"a redirect", answers(302, "Location", "https://192.0.2.1/", ""), "redirects"},
		{"not authorized", answers(401, "", "", "\x1b[2Jgarbage"), "status 401"},
		{"an answer without an end", func(t *testing.T) Transport {
			url, trust := receiver(t, func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
				panic(http.ErrAbortHandler) // a return would be an answer, which can arrive
			})
			return NewHTTPS(url, "secret-token", trust)
		}, "deadline"},
		{"no HTTP", func(t *testing.T) Transport {
			address, trust := syslogServer(t, func(c net.Conn, _ int) {
				// An answer before the request is another error: unsolicited.
				_, _ = http.ReadRequest(bufio.NewReader(c))
				_, _ = io.WriteString(c, "garbage\x00\x1b[2J\n")
				_ = c.Close()
			})
			return NewHTTPS("https://"+address, "secret-token", trust)
		}, "malformed HTTP"},
		{"another certificate", func(t *testing.T) Transport {
			url, _ := receiver(t, func(http.ResponseWriter, *http.Request) {})
			return NewHTTPS(url, "secret-token", &tls.Config{RootCAs: x509.NewCertPool()})
		}, "certificate"},
		{"syslog with another certificate", func(t *testing.T) Transport {
			address, _ := syslogServer(t, func(c net.Conn, _ int) { _, _ = io.Copy(io.Discard, c) })
			return NewSyslog(address, &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"})
		}, "certificate"},
		{"syslog that answers", func(t *testing.T) Transport {
			address, trust := syslogServer(t, func(c net.Conn, _ int) {
				_, _ = io.WriteString(c, "HTTP/1.1 400\r\n")
				_, _ = io.Copy(io.Discard, c)
			})
			return NewSyslog(address, trust)
		}, "no syslog server"},
		{"no receiver", func(*testing.T) Transport { return NewSyslog("127.0.0.1:1", nil) }, "refused"},
		{"no folder", func(t *testing.T) Transport { return NewFile(filepath.Join(t.TempDir(), "none", "x")) }, "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := feeder(t, FeederConfig{Records: records(3), Transport: tt.begin(t)})
			limit := 30 * time.Second
			if tt.want == "deadline" {
				limit = time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			_, err := f.Step(ctx, 10)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Fatalf("the error is %v, want one with %q", err, tt.want)
			}
			if s := f.Status(); s.Stuck == nil || s.Delivered != 0 {
				t.Errorf("status %+v", s)
			}
			probe := tt.begin(t)
			defer func() { _ = probe.Close() }()
			ctx2, cancel2 := context.WithTimeout(t.Context(), limit)
			defer cancel2()
			if err := probe.Check(ctx2); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("the check finds %v, want %q", err, tt.want)
			}
		})
	}
}

// The check of a receiver that works finds nothing, and sends and creates nothing.
func TestCheckSendsNothing(t *testing.T) {
	var posts atomic.Int64
	url, trust := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			posts.Add(1)
		}
		w.WriteHeader(http.StatusMethodNotAllowed)
	})
	var bytes atomic.Int64
	address, trusted := syslogServer(t, func(c net.Conn, _ int) {
		n, _ := io.Copy(io.Discard, c)
		bytes.Add(n)
	})
	dir := t.TempDir()
	for name, transport := range map[string]Transport{
		"https": NewHTTPS(url, "secret-token", trust), "syslog": NewSyslog(address, trusted), "file": NewFile(filepath.Join(dir, "events.jsonl")),
	} {
		if err := transport.Check(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := transport.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) > 0 || posts.Load() > 0 || bytes.Load() > 0 {
		t.Errorf("%d posts, %d bytes of syslog, files %v (%v)", posts.Load(), bytes.Load(), files, err)
	}
}

// A receiver with a small limit gets smaller batches.
func TestTooLarge(t *testing.T) {
	got := &received{}
	url, trust := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bytes.Count(body, []byte("\n")) > 10 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		for line := range bytes.Lines(body) {
			got.add(t, bytes.TrimSpace(line))
		}
	})
	f := feeder(t, FeederConfig{Records: records(50), Transport: NewHTTPS(url, "", trust)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { f.Run(ctx); close(ended) }()
	for deadline := time.Now().Add(30 * time.Second); f.Status().Delivered < 50; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("status %+v", f.Status())
		}
	}
	cancel()
	<-ended
	got.complete(t, 50)
}

// failing is a transport that fails while broken.
type failing struct{ broken bool }

func (f *failing) Send(context.Context, []Message) error {
	if f.broken {
		return errors.New("down")
	}
	return nil
}
func (*failing) Check(context.Context) error { return nil }
func (*failing) Close() error                { return nil }

// A sink that delivers, and whose next events have waited for more than five minutes
// after a delivery, is an alarm. One batch that waited, such as after a stop, is none.
func TestASlowSinkIsLate(t *testing.T) {
	for n, want := range map[int]int32{maxBatch / 2: 0, 3 * maxBatch: 1} {
		var alarms atomic.Int32
		f := feeder(t, FeederConfig{
			Records: records(n), Transport: &failing{}, Now: func() time.Time { return start.Add(24 * time.Hour) },
			Alarm: func(_ context.Context, since time.Time, cause error) {
				if alarms.Add(1); cause != nil || since.IsZero() {
					t.Errorf("an alarm since %v: %v", since, cause)
				}
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { f.Run(ctx); close(ended) }()
		for deadline := time.Now().Add(30 * time.Second); f.Status().Delivered < int64(n); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("status %+v", f.Status())
			}
		}
		cancel()
		<-ended
		if got := alarms.Load(); got != want {
			t.Errorf("%d alarms for %d events, want %d", got, n, want)
		}
	}
}

// Five minutes without a delivery are an alarm, once for each failure.
func TestAlarm(t *testing.T) {
	now := start
	transport := &failing{broken: true}
	alarms := 0
	f := feeder(t, FeederConfig{
		Records: records(1000), Transport: transport, Now: func() time.Time { return now },
		Alarm: func(_ context.Context, since time.Time, cause error) {
			if alarms++; cause == nil || since.IsZero() {
				t.Errorf("an alarm since %v: %v", since, cause)
			}
		},
	})
	step := func(late bool) {
		t.Helper()
		_, _ = f.Step(t.Context(), 10)
		f.late(t.Context())
		if f.Status().Late() != late {
			t.Errorf("at %v late is %v", now.Sub(start), !late)
		}
	}
	step(false)
	now = start.Add(LateAfter)
	step(false)
	now = now.Add(time.Second)
	step(true)
	step(true)
	if alarms != 1 {
		t.Fatalf("%d alarms, want 1", alarms)
	}
	transport.broken = false
	for f.Status().Delivered < 1000 {
		_, _ = f.Step(t.Context(), 500)
	}
	_, _ = f.Step(t.Context(), 500)
	if s := f.Status(); s.Late() || s.Stuck != nil || s.Lag != 0 {
		t.Errorf("status after the delivery %+v", s)
	}
	if f.alarm {
		t.Error("the alarm is still raised")
	}
}

func TestPosition(t *testing.T) {
	dir := t.TempDir()
	p := File{filepath.Join(dir, "p"), "log+1 x"}
	if n, err := p.Load(t.Context()); n != 0 || err != nil {
		t.Errorf("without a file: %d, %v", n, err)
	}
	if err := p.Store(t.Context(), 42); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Load(t.Context()); n != 42 || err != nil {
		t.Errorf("stored: %d, %v", n, err)
	}
	if n, _ := (File{p.Path, "log+2"}).Load(t.Context()); n != 0 {
		t.Errorf("another log begins at %d", n)
	}
	for _, broken := range []string{"", "x y", "-1 log+1 x"} {
		if err := os.WriteFile(p.Path, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Load(t.Context()); err == nil {
			t.Errorf("%q is a position", broken)
		}
	}
	if err := (File{filepath.Join(dir, "none", "p"), "x"}).Store(t.Context(), 1); err == nil {
		t.Error("stored without a folder")
	}
}
