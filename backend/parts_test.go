package backend_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend"
	"usher/backend/access"
	requestfile "usher/backend/accessrequest/file"
	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/cursor"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/backend/grant/file"
	"usher/backend/identity"
	"usher/backend/object"
	"usher/client"
)

// stopped is a clock that only the test moves. Both sides of a comparison get the
// same instant.
type stopped struct {
	mu  sync.Mutex
	now time.Time
}

func newStopped() *stopped { return &stopped{now: time.Now().UTC().Truncate(time.Second)} }

func (c *stopped) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stopped) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// rebuilt runs a second backend on the pool and the storage of a demo. change can
// replace parts, for example to switch a guard off. The log is in memory and the
// directory has no budget: tests wait for neither.
func rebuilt(t testing.TB, w *demotest.Demo, now func() time.Time, change func(*backend.Config)) (string, *backend.Backend) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	key, secret := w.Sandbox.Credentials()
	return rebuiltOn(t, listener, w.Demo, credentials.NewStaticCredentialsProvider(key, secret, ""), now, change)
}

// rebuiltOn is rebuilt on an open listener, for a demo that may be in another
// process: it uses the demo's facts alone.
func rebuiltOn(t testing.TB, listener net.Listener, w *demo.Demo, keyPair aws.CredentialsProvider, now func() time.Time, change func(*backend.Config)) (string, *backend.Backend) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	sdk := aws.Config{Region: w.Region, Credentials: keyPair}
	origin := "http://" + listener.Addr().String()
	keys, err := identity.NewKeySet(w.Issuer, &http.Client{}, now)
	must(err)
	verifier, err := identity.NewVerifier(identity.VerifierConfig{Issuer: w.Issuer, ClientIDs: []string{w.ClientID}, Audience: origin, Keys: keys, Now: now})
	must(err)
	pool := cognitoidentityprovider.NewFromConfig(sdk, func(o *cognitoidentityprovider.Options) { o.BaseEndpoint = aws.String(w.CognitoEndpoint) })
	source, err := identity.NewCognito(pool, w.UserPoolID, "", &http.Client{})
	must(err)
	reports, err := access.New(source)
	must(err)
	directory, err := identity.NewDirectory(identity.DirectoryConfig{Source: source, Now: now, AliveRate: 1e6, GroupsRate: 1e6})
	must(err)
	quiet := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	grants, err := file.Open(file.Config{Path: w.GrantsFile, Now: now, Log: quiet, Changed: func(context.Context, file.Change) error { return nil }})
	must(err)
	ids := event.IDs(rand.Reader)
	log, err := audit.New(audit.Config{Store: audittest.NewMemory(), Now: now, NewID: ids})
	must(err)
	buckets := s3.NewFromConfig(sdk, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String(w.S3Endpoint), true })
	objects, err := object.NewStore(object.StoreConfig{Client: buckets, Log: quiet, Now: now})
	must(err)
	presigner, err := object.NewPresigner(object.PresignerConfig{
		Region: w.Region, Endpoint: w.S3Endpoint, PathStyle: true, Credentials: sdk.Credentials, CheckAge: directory.InForce, Now: now,
	})
	must(err)
	secretKey := make([]byte, 32)
	_, _ = rand.Read(secretKey)
	sealer, err := cursor.NewSealer(rand.Reader, secretKey)
	must(err)
	s3URL, err := url.Parse(w.S3Endpoint)
	must(err)
	ender, err := identity.NewEnder(pool, w.UserPoolID)
	must(err)
	requests, err := requestfile.New(filepath.Join(t.TempDir(), "requests"), now)
	must(err)
	config := backend.Config{
		Public: api.Config{
			Organisation: "test", Region: w.Region, UserPoolID: w.UserPoolID, ClientID: w.ClientID, Issuer: w.Issuer, S3Hosts: []string{s3URL.Host},
			AuditorsGroup: "usher-auditors", AdminsGroup: "usher-admins",
		},
		Verifier: verifier, Directory: directory, Ender: ender, Grants: grants, Objects: objects, Signer: presigner, Clock: sameClock{}, Audit: log, Access: reports, Requests: requests, Health: healthy{},
		Cursors: sealer, URLLife: object.DefaultLife, Hosts: []string{listener.Addr().String()}, Now: now, NewID: ids, Log: quiet,
	}
	if change != nil {
		change(&config)
	}
	b, err := backend.New(config)
	must(err)
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: b, ReadHeaderTimeout: 5 * time.Second}}
	server.Start()
	t.Cleanup(server.Close)
	return origin, b
}

// sameClock is a storage with this machine's time.
type sameClock struct{}

func (sameClock) Check(context.Context, string) error { return nil }
func (sameClock) Difference() (time.Duration, bool)   { return 0, true }

// at returns a signed-in person as a client of another server.
func at(t *testing.T, a demotest.Actor, server string) demotest.Actor {
	t.Helper()
	c, err := client.New(client.Config{Server: server, Tokens: a.Session, UserAgent: "usher-test/1"})
	if err != nil {
		t.Fatal(err)
	}
	return demotest.Actor{Client: c, Session: a.Session}
}

// healthy is a Health without problems.
type healthy struct{}

func (healthy) Alive(context.Context) []api.HealthProblem { return nil }
func (healthy) Ready(context.Context) []api.HealthProblem { return nil }
