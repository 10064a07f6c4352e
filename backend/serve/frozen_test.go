package serve

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/elapsed/elapsedtest"
	"usher/backend/event"
	"usher/backend/grant"
)

// mortal is a listener whose present connections can end while the client is
// frozen.
type mortal struct {
	net.Listener
	mu    sync.Mutex
	conns []*mortalConn
	asked atomic.Int64 // requests on connections that are silent
}

type mortalConn struct {
	net.Conn
	of     *mortal
	silent atomic.Bool
}

func (m *mortal) Accept() (net.Conn, error) {
	c, err := m.Listener.Accept()
	if err != nil {
		return nil, err
	}
	conn := &mortalConn{Conn: c, of: m}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns = append(m.conns, conn)
	return conn, nil
}

// Read discards the bytes of a silent connection.
func (c *mortalConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.silent.Load() {
			return n, err
		}
		c.of.asked.Add(1)
	}
}

// end ends all present connections: closed by the server, or silent as behind a
// network address translation that forgot them.
func (m *mortal) end(silent bool) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n = len(m.conns)
	for _, c := range m.conns {
		if silent {
			c.silent.Store(true)
		} else {
			_ = c.Close()
		}
	}
	m.conns = nil
	return n
}

func newMortal(t *testing.T, h http.Handler) (*mortal, string) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	m := &mortal{Listener: server.Listener}
	server.Listener = m
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return m, server.URL
}

// An instance was frozen, and its connections to the pool, S3, STS and DynamoDB
// ended meanwhile. The first request succeeds or is refused as unavailable. Each
// URL has its event, each event of a release its URL, and requests succeed again.
//
// The clocks are 11 minutes later: sessions of the role, live checks and the
// clock check are stale. The SDK signs with the machine's own clock, which AWS
// accepts within 15 minutes.
func TestFrozenInstance(t *testing.T) {
	const frozen = 11 * 60
	for _, silent := range []bool{false, true} {
		t.Run(fmt.Sprintf("silent=%v", silent), func(t *testing.T) {
			t.Parallel()
			var later atomic.Int64
			c := newCloudAt(t, func() time.Time {
				if seconds := later.Load(); seconds > 0 {
					return elapsedtest.Thawed(time.Now(), int(seconds))
				}
				return time.Now()
			})
			services := map[string]*mortal{}
			for _, s := range []struct {
				name    string
				handler http.Handler
				address *string
			}{
				{"Cognito", c.Pool, &c.loop.Cognito}, {"S3", c.Objects, &c.loop.S3}, {"STS", c.STS, &c.loop.STS}, {"DynamoDB", c.tables, &c.loop.DynamoDB},
			} {
				services[s.name], *s.address = newMortal(t, s.handler)
			}
			f := c.instance(t, "one", io.Discard)
			c.permit(t, f, grant.Grant{Group: "finance-team", Bucket: "company-reports", Prefix: "quarterly/", Effect: grant.Allow})
			token := c.token(t, "reader", "finance-team")
			var listing api.ListResponse
			status := call(t, f, http.MethodPost, "/v1/list", token, `{"bucket":"company-reports","prefix":"quarterly/","recursive":true}`, &listing)
			if status != http.StatusOK || len(listing.Entries) == 0 {
				t.Fatalf("%d %+v", status, listing)
			}
			key := ""
			for _, e := range listing.Entries {
				if e.Kind == api.KindObject {
					key = "quarterly/" + e.Name
				}
			}
			urls := map[string]bool{}
			release := func() bool { // without an ETag: S3 is called too
				var out struct {
					api.ReleaseResponse
					api.ErrorBody
				}
				status := call(t, f, http.MethodPost, "/v1/release", token, fmt.Sprintf(`{"objects":[{"bucket":"company-reports","key":%q}]}`, key), &out)
				code := out.Error.Code
				for _, item := range out.Items {
					if item.Error != nil {
						code = item.Error.Code
					}
					if item.URL != "" {
						urls[item.Event] = true
					}
				}
				if status != http.StatusOK && status < 500 || code == api.NotFound {
					t.Errorf("%d %+v", status, out)
				}
				return status == http.StatusOK && code == ""
			}
			if !release() {
				t.Fatal("the release before the freeze failed")
			}

			for name, m := range services {
				if silent && name != "DynamoDB" && os.Getenv("USHER_SOAK") == "" {
					continue // the limits of the other services take 20 s
				}
				if m.end(silent) == 0 {
					t.Errorf("%s had no connection", name)
				}
			}
			later.Store(frozen)
			tries := 1
			for end := time.Now().Add(60 * time.Second); !release(); tries++ {
				if time.Now().After(end) {
					t.Fatal("no release after the freeze")
				}
			}
			met := int64(0)
			for _, m := range services {
				met += m.asked.Load()
			}
			t.Logf("released at request %d; %d requests on silent connections", tries, met)
			if silent && met == 0 {
				t.Error("no silent connection was used: the test proves nothing")
			}
			later.Store(frozen + 60) // beyond the lag of the log
			c.checkReleases(t, f, urls)
		})
	}
}

// checkReleases compares the events of releases with the URLs that were received.
func (c *cloud) checkReleases(t *testing.T, f *function, urls map[string]bool) {
	t.Helper()
	filter := event.Filter{Terms: []event.Term{{Field: event.ByAction, Value: event.Download}}}
	var found audit.Result
	for end := time.Now().Add(30 * time.Second); len(found.Events) < len(urls) && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var err error
		if found, err = f.server.parts.shared.log.Query(t.Context(), filter, audit.Page{Limit: 100}); err != nil {
			t.Fatal(err)
		}
	}
	recorded := 0
	for _, e := range found.Events {
		if e.Outcome == event.Allowed {
			recorded++
			if !urls[e.ID] {
				t.Errorf("an event of a release without its URL: %+v", e)
			}
		}
	}
	if recorded != len(urls) {
		t.Errorf("%d events of releases, %d URLs", recorded, len(urls))
	}
}

// Connections that were idle longer than this by the wall clock are not used: an
// instance that was frozen for an hour connects again. net/http compares the wall
// clock for this purpose.
func TestOldConnectionsAreNotUsed(t *testing.T) {
	c := Config{Region: "eu-west-1", S3: S3{Region: "eu-west-1"}}
	sdk, err := awsConfig(t.Context(), c, &Loopback{})
	if err != nil {
		t.Fatal(err)
	}
	client, ok := sdk.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		t.Fatalf("%T", sdk.HTTPClient)
	}
	// SPEC: VPC user guide, "NAT gateway": a connection that is idle for 350 s ends.
	if limit := client.GetTransport().IdleConnTimeout; limit <= 0 || limit >= 350*time.Second {
		t.Errorf("connections are kept for %v", limit)
	}
}
