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

	"github.com/aws/aws-sdk-go-v2/credentials"

	"usher/backend/demo"
	"usher/backend/event"
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
	server, err := serve.NewOn(t.Context(), serve.Config{
		Organisation: "Elsewhere", Listen: listener.Addr().String(), PublicURL: origin, URLSeconds: s.URLSeconds,
		Region: facts.Region, UserPoolID: facts.UserPoolID, ClientID: facts.ClientID,
		Grants: facts.GrantsFile, Audit: filepath.Join(facts.Dir, "audit.db"),
		S3: serve.S3{ExactKeys: &exact},
	}, serve.Deps{
		Now: time.Now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Log: log,
	}, &serve.Loopback{
		Issuer: facts.Issuer, Cognito: facts.CognitoEndpoint, S3: facts.S3Endpoint, Credentials: keys,
	}, listener)
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
