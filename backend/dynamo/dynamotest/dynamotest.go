// Package dynamotest runs a DynamoDB in the process of a test (minidyn), behind
// a real HTTP connection. It counts calls and write units, refuses items that
// are too large, and plays faults.
package dynamotest

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"usher/backend/dynamo"
	"usher/backend/sandbox/tables"
)

// Fault is the outcome of one call.
type Fault int

// The faults. Each but Pass is an outcome that AWS documents or a connection can
// have.
const (
	Pass     Fault = iota
	Throttle       // refused because of the rate
	Down           // the connection closes, and nothing happened
	Error500       // an internal error, and nothing happened
	Slow           // no response until the caller gives up, and nothing happened
	Landed         // the call is applied, and its response is lost
)

// Server is one DynamoDB. Safe for concurrent use.
type Server struct {
	*tables.Server

	web *httptest.Server
	now func() time.Time

	mu    sync.Mutex
	calls map[string]int
	units int
	n     int
	fault func(op string, n int, body []byte) Fault
}

// New starts a server with the machine's clock, until the test ends.
func New(t testing.TB) *Server { return NewAt(t, time.Now) }

// NewAt starts a server with a clock of its own.
func NewAt(t testing.TB, now func() time.Time) *Server {
	t.Helper()
	return NewOf(t, tables.Config{Now: now})
}

// NewOf starts a server with streams or signatures.
func NewOf(t testing.TB, c tables.Config) *Server {
	t.Helper()
	inner, err := tables.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Server: inner, now: c.Now, calls: map[string]int{}}
	s.web = httptest.NewServer(s)
	t.Cleanup(func() {
		s.web.CloseClientConnections()
		s.web.Close()
	})
	return s
}

// Endpoint returns the URL of the server.
func (s *Server) Endpoint() string { return s.web.URL }

// AWS returns a configuration with credentials that the server accepts.
func AWS() aws.Config {
	return aws.Config{Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", "")}
}

// Client returns a new client with the machine's clock.
func (s *Server) Client(t testing.TB) *dynamo.Client { return s.ClientAt(t, time.Now) }

// ClientAt returns a new client of a machine with another clock.
func (s *Server) ClientAt(t testing.TB, now func() time.Time) *dynamo.Client {
	t.Helper()
	c, err := dynamo.New(dynamo.Config{AWS: AWS(), Endpoint: s.Endpoint(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Table creates a table and returns its name.
func (s *Server) Table(t testing.TB, name string) string {
	t.Helper()
	if err := s.Client(t).CreateTable(context.Background(), name); err != nil {
		t.Fatal(err)
	}
	s.Reset()
	return name
}

// Calls returns the number of calls since the last Reset, by operation.
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// WriteUnits returns the write units of the puts and transactions since the last
// Reset. Other writes count as one unit.
func (s *Server) WriteUnits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.units
}

// Reset sets the counts to zero.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.calls)
	s.units, s.n = 0, 0
}

// Fault sets the function that chooses the outcome of each call; n counts from 1
// since the last Reset. nil ends all faults.
func (s *Server) Fault(choose func(op string, n int, body []byte) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = choose
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	s.mu.Lock()
	s.n++
	s.calls[op]++
	choose, n := s.fault, s.n
	s.mu.Unlock()
	fault := Pass
	if choose != nil {
		fault = choose(op, n, raw)
	}
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	switch fault {
	case Throttle:
		tables.Refusal(http.StatusBadRequest, "ProvisionedThroughputExceededException", "the rate").Write(w)
	case Error500:
		tables.Refusal(http.StatusInternalServerError, "InternalServerError", "an internal error").Write(w)
	case Down:
		hangUp(w)
	case Slow:
		<-r.Context().Done()
	case Landed:
		s.run(r, raw)
		hangUp(w)
	case Pass:
		s.run(r, raw).Write(w)
	}
}

// run applies one call.
func (s *Server) run(r *http.Request, raw []byte) tables.Answer {
	a := s.Apply(r.Header.Get("X-Amz-Target"), raw)
	s.mu.Lock()
	s.units += a.Units
	s.mu.Unlock()
	return a
}

// hangUp closes the connection without a response.
func hangUp(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			_ = conn.Close()
		}
	}
}
