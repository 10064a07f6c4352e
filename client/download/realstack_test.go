package download

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/api"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox"
	"usher/client"
)

// realStack is a stack of real servers: a backend with its audit log, a user
// pool, and an S3 server. Only the fault proxy before S3 is part of the tests.
// All testbeds share the servers; each has a prefix of its own.
type realStack struct {
	t     testing.TB
	kind  string
	usher *demotest.Demo
	store *store
	proxy *httptest.Server
	ada   demotest.Actor // the user of every testbed without an exclusive user
	count atomic.Int64   // testbeds so far

	mu       sync.Mutex
	testbeds map[string]*testbed // by root
	events   map[string]bool     // audit events in the URLs of GETs
}

// The sandbox grants testRoot, "bucket/prefix/", to group.
const (
	testRoot = "company-reports/quarterly/"
	group    = "finance-team"
)

// newRealStack starts a backend whose URLs name the proxy. behind starts the S3
// server and returns its address and its owner's keys.
func newRealStack(t testing.TB, kind string, behind func(*sandbox.Sandbox) (address string, s demotest.Storage)) *realStack {
	v := &realStack{t: t, kind: kind, testbeds: map[string]*testbed{}, events: map[string]bool{}}
	v.proxy = httptest.NewServer(v)
	t.Cleanup(v.proxy.Close)
	var address string
	v.usher = demotest.StartOn(t, func(box *sandbox.Sandbox) demotest.Storage {
		var s demotest.Storage
		address, s = behind(box)
		s.Endpoint = v.proxy.URL
		return s
	})
	v.store = newStore(t, address, v.usher)
	v.ada = v.usher.SignIn(t, "ada")
	return v
}

func (v *realStack) name() string { return v.kind }

func (v *realStack) testbed(t testing.TB, opts userOptions) *testbed {
	n := v.count.Add(1)
	w := &testbed{t: t, objects: map[string]*object{}, url: v.proxy.URL, origin: v, root: fmt.Sprintf("%stest-%d/", testRoot, n)}
	m := &realUser{Actor: v.ada, v: v, t: t, w: w}
	if opts.exclusive {
		m.name = fmt.Sprintf("user-%d", n)
		if opts.now == nil {
			opts.now = time.Now
		}
		m.Actor = v.usher.AddPersonAt(t, opts.now, m.name, group)
	}
	w.user = m
	w.close = func() {
		v.mu.Lock()
		delete(v.testbeds, w.root)
		v.mu.Unlock()
		w.mu.Lock()
		paths := slices.Collect(maps.Keys(w.objects))
		w.mu.Unlock()
		for _, path := range paths {
			v.remove(path)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.testbeds[w.root] = w
	return w
}

// ServeHTTP is the proxy. It does not change Host or path: they are signed.
// Presigned GETs go to their testbed, which injects faults. The backend's own
// requests pass without faults.
func (v *realStack) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := v.testbedOf(strings.TrimPrefix(r.URL.Path, "/"))
	switch {
	case w == nil:
		w = &testbed{t: v.t, origin: v, objects: map[string]*object{}}
		w.pass(rw, r)
	case r.Method == http.MethodGet && r.URL.Query().Has("X-Amz-Signature"):
		w.ServeHTTP(rw, r)
	default:
		w.pass(rw, r)
	}
}

func (v *realStack) testbedOf(path string) *testbed {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, testRoot), "/")
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.testbeds[testRoot+name+"/"]
}

func (v *realStack) answer(r *http.Request) (*http.Response, error) {
	if id := r.URL.Query().Get("x-usher-event"); id != "" {
		v.mu.Lock()
		v.events[id] = true
		v.mu.Unlock()
	}
	return v.store.forward(r)
}

func (v *realStack) put(path string, data []byte, checksum string) *object {
	return v.store.put(v.t, path, data, checksum)
}

func (v *realStack) remove(path string) { v.store.remove(v.t, path) }

// unaudited returns the events of GETs that the audit log does not record as
// released, and the number of all events of GETs.
func (v *realStack) unaudited(t testing.TB) (missing []string, total int) {
	t.Helper()
	grace := v.usher.SignIn(t, "grace")
	recorded := map[string]bool{}
	in := api.AuditQueryRequest{Filter: "action:download outcome:allowed", Limit: api.MaxAuditPage}
	for {
		page, err := grace.AuditQuery(t.Context(), in)
		if err != nil {
			t.Fatalf("reading the audit log: %v", err)
		}
		for _, e := range page.Events {
			recorded[e.ID] = true
		}
		if in.Cursor = page.Cursor; in.Cursor == "" {
			break
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for id := range v.events {
		if !recorded[id] {
			missing = append(missing, id)
		}
	}
	slices.Sort(missing)
	return missing, len(v.events)
}

// realUser is a signed-in user of the stack with a client of their own.
type realUser struct {
	demotest.Actor
	v    *realStack
	t    testing.TB
	w    *testbed
	name string // "": shared with other testbeds, so that no session may be ended
}

// ownName returns the name of an exclusive user.

func (m *realUser) ownName() string {
	if m.name == "" {
		panic("this row needs an exclusive user")
	}
	return m.name
}

// revoke signs the user out everywhere, as an administrator does.
func (m *realUser) revoke() {
	name := m.ownName()
	token := m.token()
	_, err := m.v.usher.Admin().AdminUserGlobalSignOut(m.t.Context(),
		&cognitoidentityprovider.AdminUserGlobalSignOutInput{UserPoolId: &m.v.usher.UserPoolID, Username: &name})
	must(m.t, err)
	m.until(token, "the end of the session", m.w.folder()+"absent", func(_ api.ReleaseResponse, err error) bool { return err != nil })
}

func (m *realUser) signIn() { m.v.usher.SignInAgain(m.t, m.Actor, m.ownName()) }

// withdraw removes the user from the group.
func (m *realUser) withdraw(path string) {
	name := m.ownName()
	_, err := m.v.usher.Admin().AdminRemoveUserFromGroup(m.t.Context(), &cognitoidentityprovider.AdminRemoveUserFromGroupInput{
		UserPoolId: &m.v.usher.UserPoolID, Username: &name, GroupName: aws.String(group)})
	must(m.t, err)
	_, key, _ := strings.Cut(path, "/")
	m.until(m.token(), "the loss of access", key, func(r api.ReleaseResponse, err error) bool {
		return err == nil && r.Items[0].Error != nil
	})
}

func (m *realUser) token() string {
	token, err := m.Session.Token(m.t.Context())
	must(m.t, err)
	return token
}

// until calls Release with a separate client until ok accepts the result: the
// backend caches the pool's answers for some seconds.
func (m *realUser) until(token, change, key string, ok func(api.ReleaseResponse, error) bool) {
	separate, err := client.New(client.Config{Server: m.v.usher.Server, Tokens: fixedToken(token), UserAgent: "usher-test/1 (until)"})
	must(m.t, err)
	req := api.ReleaseRequest{Objects: []api.ReleaseObject{{Bucket: m.w.bucket(), Key: key}}}
	for deadline := time.Now().Add(patience); !ok(separate.Release(context.Background(), req)); <-time.After(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Errorf("%s was not noticed by the backend", change)
			return
		}
	}
}

func (m *realUser) env() []string {
	return []string{"USHER_TEST_CHILD_SERVER=" + m.v.usher.Server, "USHER_TEST_CHILD_TOKEN=" + m.token()}
}

// store is the S3 server behind the proxy, with its owner's client.
type store struct {
	at     *url.URL
	owner  *s3.Client
	direct *http.Transport
}

func newStore(t testing.TB, address string, u *demotest.Demo) *store {
	at, err := url.Parse(address)
	must(t, err)
	s := &store{at: at, direct: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: smallSlots}}
	t.Cleanup(s.direct.CloseIdleConnections)
	s.owner = s3.New(s3.Options{Region: u.Region, BaseEndpoint: &address, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(u.S3AccessKey, u.S3SecretKey, "")})
	return s
}

// forward sends the request to the server unchanged: it is signed.
func (s *store) forward(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host, out.Host = s.at.Scheme, s.at.Host, r.Host
	out.Header.Del("Connection")
	return s.direct.RoundTrip(out)
}
