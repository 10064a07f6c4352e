package demotest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/demo"
	"usher/backend/dynamo"
	"usher/backend/event"
	grantdynamo "usher/backend/grant/dynamo"
	"usher/backend/grant/file"
	"usher/backend/sandbox"
	"usher/backend/serve"
	"usher/session"
)

// Storage is an S3 address other than the sandbox's own: a proxy of the test or
// another server.
type Storage struct {
	Endpoint    string
	Key, Secret string    // of owner and backend; "": the sandbox's own pairs
	FileKeys    bool      // the server stores objects as files
	URLSeconds  int       // life of a URL; 0: the default
	Log         io.Writer // the server's log, JSON lines; nil: dropped

	Sinks []serve.Sink // receivers of the audit log

	AuditKey      string // file of the log's key; "": a new one
	RetentionDays int
	Holds         []string

	// DynamoDB is the endpoint for a server with its log, grants and state in the
	// new tables log, grants and state; "": files.
	DynamoDB string
}

// StartOn runs a whole usher with the sandbox's pool and people, and with
// objects at the returned storage, whose address the URLs contain.
func StartOn(t testing.TB, storage func(*sandbox.Sandbox) Storage) *Demo {
	t.Helper()
	box, err := sandbox.Start(t.Context(), sandbox.Options{Dir: t.TempDir(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Errorf("closing the sandbox: %v", err)
		}
	})
	s := storage(box)
	facts := box.Facts
	facts.S3Endpoint = s.Endpoint
	key, secret := box.Credentials()
	if s.Key != "" {
		key, secret = s.Key, s.Secret
		facts.S3AccessKey, facts.S3SecretKey = key, secret
	}
	server := startBackend(t, facts, s, credentials.NewStaticCredentialsProvider(key, secret, ""))
	config, err := session.Discover(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := session.NewProfile("elsewhere", server, config)
	if err != nil {
		t.Fatal(err)
	}
	return &Demo{Demo: &demo.Demo{Facts: facts, Server: server, Sandbox: box}, Profile: profile}
}

// startBackend runs the real backend on these facts and returns its origin.
func startBackend(t testing.TB, facts sandbox.Facts, s Storage, keys credentials.StaticCredentialsProvider) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	origin := "http://" + listener.Addr().String()
	exact := !s.FileKeys
	log := slog.New(slog.DiscardHandler)
	if s.Log != nil {
		log = slog.New(slog.NewJSONHandler(s.Log, nil))
	}
	c := serve.Config{
		Organisation: "Elsewhere", Listen: listener.Addr().String(), PublicURL: origin, URLSeconds: s.URLSeconds,
		Region: facts.Region, UserPoolID: facts.UserPoolID, ClientID: facts.ClientID,
		Grants: facts.GrantsFile, Audit: filepath.Join(facts.Dir, "audit.db"),
		S3: serve.S3{ExactKeys: &exact}, Sinks: s.Sinks,
		AuditKey: s.AuditKey, RetentionDays: s.RetentionDays, Holds: s.Holds,
	}
	d := serve.Deps{Now: time.Now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Log: log}
	loop := &serve.Loopback{
		Issuer: facts.Issuer, Cognito: facts.CognitoEndpoint, S3: facts.S3Endpoint, DynamoDB: s.DynamoDB, Credentials: keys,
	}
	if s.DynamoDB != "" {
		c.Audit, c.Grants, c.State = "dynamodb:log", "dynamodb:grants", "dynamodb:state"
		fillTables(t, c, d, loop, facts.GrantsFile)
	}
	server, err := serve.NewOn(t.Context(), c, d, loop, listener)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("stopping the backend: %v", err)
		}
	})
	return origin
}

// fillTables creates the tables of a configuration, and puts the grants of a file
// in force.
func fillTables(t testing.TB, c serve.Config, d serve.Deps, loop *serve.Loopback, grants string) {
	t.Helper()
	if _, err := serve.CreateTables(t.Context(), c, d, loop); err != nil {
		t.Fatal(err)
	}
	set, err := file.Read(grants)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamo.New(dynamo.Config{
		AWS: aws.Config{Region: c.Region, Credentials: loop.Credentials}, Endpoint: loop.DynamoDB, Now: d.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	reader, err := dynamo.NewReader(client, d.Now)
	if err != nil {
		t.Fatal(err)
	}
	log, err := auditdynamo.New(auditdynamo.Config{DB: client, Log: "log", Now: d.Now, Rand: d.Rand})
	if err != nil {
		t.Fatal(err)
	}
	store, err := grantdynamo.New(grantdynamo.Config{Client: client, Reader: reader, Table: "grants", Now: d.Now, Log: d.Log, Writes: log.Writes})
	if err != nil {
		t.Fatal(err)
	}
	before, err := store.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := d.Now()
	e := event.Event{ID: d.NewID(now), Time: now, Action: event.GrantsChanged, Outcome: event.Allowed, GrantsVersion: set.Version()}
	if err := store.Apply(t.Context(), before.Version(), set, event.Clean(e)); err != nil {
		t.Fatal(err)
	}
}

// LockLog blocks every write to the audit log, like a stalled disk, until
// unlock is called.
func (d *Demo) LockLog(t testing.TB) (unlock func()) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(d.Dir, "audit.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	conn, err := db.Conn(t.Context())
	if err == nil {
		_, err = conn.ExecContext(t.Context(), "PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE") // a write lock; reads are not blocked
	}
	if err != nil {
		t.Fatalf("locking the log: %v", err)
	}
	return func() {
		if _, err := conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
			t.Errorf("unlocking the log: %v", err)
		}
	}
}
