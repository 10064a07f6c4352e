package demotest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"usher/backend/access"
	"usher/backend/demo"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
	"usher/backend/serve"
	"usher/session"
)

// Fleet is several servers in front of one sandbox that share nothing but
// DynamoDB. Requests to its origin go to servers at random.
type Fleet struct {
	*Demo
	DynamoDB *dynamotest.Server
	Storage  *Requests // to S3

	t      testing.TB
	o      FleetOptions
	front  *httptest.Server
	mu     sync.Mutex
	random *mrand.Rand
	all    []*Instance
	route  *Instance // gets all requests while it lives; nil: the choice is random
}

// FleetOptions are the options of a fleet.
type FleetOptions struct {
	Size int                          // number of servers
	Seed uint64                       // of the choice of servers
	Now  func(i int) func() time.Time // clock of server i; nil: the machine's
	// Wire wraps the connections for the calls of server i; nil: no wrapper.
	Wire func(i int, next http.RoundTripper) http.RoundTripper
	// ReaderRole makes the servers read and sign by sessions of the reader role, and
	// look up the regions of buckets.
	ReaderRole bool
	// Config changes the configuration of server i; nil: no change.
	Config func(i int, c *serve.Config)
	// Owner gives the servers the keys of the buckets' owner, so they can seal the log.
	Owner bool
	// Apart gives each server a state of its own: a control for the tests.
	Apart bool
}

// Requests counts the requests of the servers to one endpoint, before they are sent:
// those of an answered request are all counted. Safe for concurrent use.
type Requests struct {
	host string
	n    atomic.Int64
}

// Count returns the number of requests.
func (r *Requests) Count() int { return int(r.n.Load()) }

func (r *Requests) wrap(next http.RoundTripper) http.RoundTripper { return &counted{r, next} }

type counted struct {
	requests *Requests
	next     http.RoundTripper
}

func (c *counted) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.URL.Host == c.requests.host {
		c.requests.n.Add(1)
	}
	return c.next.RoundTrip(q)
}

// Instance is one server of a fleet.
type Instance struct {
	url   *url.URL
	calls *httptest.Server // its way to DynamoDB
	dead  atomic.Bool
	ended atomic.Bool
	n     atomic.Int64 // calls to DynamoDB
	at    atomic.Int64 // number of the call at which the server is killed; 0: none
	after atomic.Bool  // killed after that call, before its response
	stop  context.CancelFunc
	done  chan error
}

// StartFleet runs a fleet until the end of the test. Its grants are those of the
// demo.
func StartFleet(t testing.TB, o FleetOptions) *Fleet {
	t.Helper()
	f := &Fleet{t: t, o: o, random: mrand.New(mrand.NewPCG(o.Seed, 1)), DynamoDB: dynamotest.New(t)}
	f.front = httptest.NewServer(http.HandlerFunc(f.deal))
	base := Start(t, demo.Options{ReaderRole: o.ReaderRole})
	t.Cleanup(f.close)
	endpoint, err := url.Parse(base.S3Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	f.Storage = &Requests{host: endpoint.Host}
	moved := *base.Demo
	moved.Server = f.front.URL
	f.Demo = &Demo{Demo: &moved}
	for i := range max(1, o.Size) {
		if _, err := serve.CreateTables(t.Context(), f.config("127.0.0.1:0", i), f.deps(0), f.loopback(f.DynamoDB.Endpoint())); err != nil {
			t.Fatal(err)
		}
		if !o.Apart {
			break
		}
	}
	for range o.Size {
		f.Add()
	}
	public, err := session.Discover(t.Context(), f.Server)
	if err != nil {
		t.Fatal(err)
	}
	if f.Profile, err = session.NewProfile("demo", f.Server, public); err != nil {
		t.Fatal(err)
	}
	f.applyDemoGrants()
	f.DynamoDB.Reset()
	return f
}

func (f *Fleet) applyDemoGrants() {
	f.t.Helper()
	text, err := os.ReadFile(f.GrantsFile)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, problems, err := access.Parse(text); err != nil || len(problems) > 0 {
		f.t.Fatal(problems, err)
	}
	admin := f.SignIn(f.t, "margaret")
	list, err := admin.GrantsList(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	out, err := admin.GrantsApply(f.t.Context(), list.Version, text)
	if err != nil || len(out.Problems) > 0 || out.Added == 0 {
		f.t.Fatal(out, err)
	}
}

func (f *Fleet) config(listen string, i int) serve.Config {
	exact := true
	state := "dynamodb:usher-state"
	if f.o.Apart {
		state += fmt.Sprint(i)
	}
	c := serve.Config{
		Organisation: "Fleet", Listen: listen, PublicURL: f.front.URL, Region: f.Region, UserPoolID: f.UserPoolID, ClientID: f.ClientID,
		Audit: "dynamodb:usher-log", Grants: "dynamodb:usher-grants", State: state,
		S3: serve.S3{Region: f.S3Region, ExactKeys: &exact, ReaderRole: f.ReaderRole},
	}
	if f.o.Config != nil {
		f.o.Config(i, &c)
	}
	return c
}

func (f *Fleet) deps(i int) serve.Deps {
	now := time.Now
	if f.o.Now != nil {
		now = f.o.Now(i)
	}
	return serve.Deps{Now: now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

func (f *Fleet) loopback(tables string) *serve.Loopback {
	key, secret := f.Sandbox.Credentials()
	if f.o.Owner {
		key, secret = f.S3AccessKey, f.S3SecretKey
	}
	l := &serve.Loopback{
		Issuer: f.Issuer, Cognito: f.CognitoEndpoint, S3: f.S3Endpoint, STS: f.STSEndpoint, DynamoDB: tables,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	}
	if f.o.ReaderRole {
		l.Regions = map[string]string{f.S3Region: f.S3Endpoint}
	}
	return l
}

// wired is loopback for server i.
func (f *Fleet) wired(tables string, i int) *serve.Loopback {
	l := f.loopback(tables)
	if f.o.Wire != nil {
		l.Wire = func(next http.RoundTripper) http.RoundTripper { return f.o.Wire(i, next) }
	}
	return l
}

// Add starts one more server.
func (f *Fleet) Add() *Instance {
	f.t.Helper()
	return f.AddWith(nil)
}

// AddWith starts one more server, with a wrapper for the connections of its calls;
// nil: that of the options.
func (f *Fleet) AddWith(wire func(http.RoundTripper) http.RoundTripper) *Instance {
	f.t.Helper()
	i := &Instance{done: make(chan error, 1)}
	i.calls = httptest.NewServer(i.intercept(f.DynamoDB))
	listener, err := (&net.ListenConfig{}).Listen(f.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	n := len(f.all)
	f.mu.Unlock()
	loop := f.wired(i.calls.URL, n)
	if wire != nil {
		loop.Wire = wire
	}
	wire = loop.Wire
	loop.Wire = func(next http.RoundTripper) http.RoundTripper {
		if wire != nil {
			next = wire(next)
		}
		return f.Storage.wrap(next)
	}
	s, err := serve.NewOn(f.t.Context(), f.config(listener.Addr().String(), n), f.deps(n), loop, listener)
	if err != nil {
		f.t.Fatal(err)
	}
	i.url = &url.URL{Scheme: "http", Host: listener.Addr().String()}
	var running context.Context
	running, i.stop = context.WithCancel(context.WithoutCancel(f.t.Context()))
	go func() { i.done <- s.Run(running) }()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, i)
	return i
}

// intercept passes the calls of one server to DynamoDB until the server is killed.
func (i *Instance) intercept(to http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := i.n.Add(1)
		last := i.at.Load() != 0 && n >= i.at.Load()
		if i.dead.Load() || last && !i.after.Load() {
			i.dead.Store(true)
			hangUp(w)
			return
		}
		if last {
			to.ServeHTTP(httptest.NewRecorder(), r)
			i.dead.Store(true)
			hangUp(w)
			return
		}
		to.ServeHTTP(w, r)
	})
}

// KillAt kills the server at its n-th call to DynamoDB from now: none of its later
// calls and responses arrives. The call itself is applied if after is set.
func (i *Instance) KillAt(n int, after bool) {
	i.after.Store(after)
	i.at.Store(i.n.Load() + int64(n))
}

// Retire kills the server if it still lives, without waiting for its end.
func (i *Instance) Retire() {
	i.dead.Store(true)
	i.stop()
}

// End ends the work of a killed server, without waiting. It returns false after the first
// call.
func (i *Instance) End() bool {
	i.Retire()
	return i.ended.CompareAndSwap(false, true)
}

// Dead reports whether the server is killed.
func (i *Instance) Dead() bool { return i.dead.Load() }

// Calls returns the number of its calls to DynamoDB.
func (i *Instance) Calls() int { return int(i.n.Load()) }

// Route sends all requests to one server while it lives.
func (f *Fleet) Route(i *Instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.route = i
}

// Instances returns the servers.
func (f *Fleet) Instances() []*Instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*Instance(nil), f.all...)
}

// deal passes a request to a server. The response of a killed server is lost.
func (f *Fleet) deal(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	var living []*Instance
	for _, i := range f.all {
		if !i.dead.Load() {
			living = append(living, i)
		}
	}
	if len(living) == 0 {
		f.mu.Unlock()
		hangUp(w)
		return
	}
	i := living[f.random.IntN(len(living))]
	if f.route != nil && !f.route.dead.Load() {
		i = f.route
	}
	f.mu.Unlock()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(i.url)
			p.Out.Host = p.In.Host
		},
		ModifyResponse: func(*http.Response) error {
			if i.dead.Load() {
				return fmt.Errorf("the server is killed")
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { hangUp(w) },
		ErrorLog:     slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	proxy.ServeHTTP(w, r)
}

func hangUp(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			_ = conn.Close()
		}
	}
}

func (f *Fleet) close() {
	var all sync.WaitGroup
	for _, i := range f.Instances() {
		all.Go(func() {
			i.stop()
			<-i.done
			i.calls.CloseClientConnections()
			i.calls.Close()
		})
	}
	all.Wait()
	f.front.CloseClientConnections()
	f.front.Close()
}
