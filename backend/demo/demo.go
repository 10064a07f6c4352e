// Package demo runs the sandbox and the real backend in one process: all of
// usher on a machine with nothing but Go. `usher demo` and the tests of a whole
// server start it; nothing else in production imports the sandbox.
//
// Package sandbox provides the AWS-like services, and package serve the
// backend. This package configures the backend to trust the sandbox.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"usher/backend/api"
	"usher/backend/audit/sqlite"
	"usher/backend/safetext"
	"usher/backend/sandbox"
	"usher/backend/serve"
)

// Options of a demo. Only NewID is required.
type Options struct {
	Dir             string // "" makes a temporary directory that Close removes
	NewID           func(time.Time) string
	Now             func() time.Time      // nil: time.Now
	AccessTokenLife time.Duration         // 0: the sandbox's default
	AccessLog       io.Writer             // S3's access log lines; nil: <dir>/s3-access.log, or the folder <dir>/access-log of a stack
	Storage         *Storage              // nil: the sandbox's own S3, with files
	Port            int                   // of the server; S3 and sign-in take the next two. 0: free ports
	KeepPort        bool                  // Dir keeps the port for the next start
	CodeWanted      func(username string) // called when a sign-in needs a TOTP code; must not block; may be nil
	Elsewhere       string                // see sandbox.Options
	Versions        bool                  // see sandbox.Options; not with a Storage
	Packed          func(string) int      // see sandbox.Options; may be nil
	ReaderRole      bool                  // URLs are signed by sessions of a reader role
	AcceptLost      bool                  // start although the audit log has lost records
	CallbackPorts   []int                 // of the browser's return; nil: the registered ones of a deployment
	Faults          []string              // switches of the user pool; see sandbox.Options
	TLS             serve.TLS             // of the server; zero: plain HTTP on loopback
	PlainDevice     bool                  // sign-ins on another device need no number: plain RFC 8628
	Witnesses       string                // file with the policy of the log's witnesses; "": none
	Stack           bool                  // usher runs as the functions of a deployed stack; not with a Storage
}

// origin returns the server's origin.
func (o Options) origin(l net.Listener) string {
	if o.TLS.Cert != "" {
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

// Demo is a running demo.
type Demo struct {
	sandbox.Facts
	Server  string // origin of the backend
	Pin     string // hash of its pinned configuration (api.Config.Pin)
	Sandbox *sandbox.Sandbox
	// AccessLog is the file of S3's access log, or the folder of a stack's; "" with a
	// writer or a storage of the caller.
	AccessLog string
	// StackConfig is the configuration of a stack's log, for usher audit verify; ""
	// without Options.Stack.
	StackConfig string

	cleanup   []func() error // run in reverse order
	wait      func() error   // blocks until the backend has stopped
	closeOnce func() error
}

// warmAfter is longer than the client needs for its first frame.
const warmAfter = 700 * time.Millisecond

// Start returns when every service accepts requests. The backend's log is
// <dir>/backend.log, its audit log <dir>/audit.db.
func Start(ctx context.Context, o Options) (*Demo, error) {
	if o.NewID == nil {
		return nil, errors.New("demo: a source of ids is needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	d := &Demo{}
	d.closeOnce = sync.OnceValue(d.close)
	if err := d.start(ctx, o); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Demo) start(ctx context.Context, o Options) error {
	var storage *Storage
	if o.Storage != nil {
		var err error
		if storage, err = usable(*o.Storage); err != nil {
			return err
		}
	}
	dir, err := d.directory(o.Dir)
	if err != nil {
		return err
	}
	logFile, err := os.OpenFile(filepath.Join(dir, "backend.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening the backend's log: %w", err)
	}
	d.cleanup = append(d.cleanup, logFile.Close)
	if o.AccessLog == nil {
		name, accessLog, err := openAccessLog(dir, o.Stack, o.Now)
		if err != nil {
			return err
		}
		d.cleanup = append(d.cleanup, accessLog.Close)
		d.AccessLog, o.AccessLog = name, accessLog
	}
	portDir := ""
	if o.KeepPort {
		portDir = dir
	}
	if o.Stack {
		if o.Storage != nil {
			return errors.New("a stack on this machine has its own storage: leave out the S3 endpoint")
		}
		o.ReaderRole = true
	}
	ports, err := choosePorts(ctx, portDir, o.Port)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(logFile, nil))
	inbound, err := trigger(ctx, serve.Deps{Now: o.Now, Rand: rand.Reader, NewID: o.NewID, Log: log})
	if err != nil {
		return err
	}
	// The app clients of the pool are registered with the server's address.
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ports.server())
	if err != nil {
		return ports.explain(fmt.Errorf("starting usher's server: %w", err))
	}
	box, err := sandbox.Start(ctx, sandbox.Options{
		Dir: dir, Now: o.Now, AccessTokenLife: o.AccessTokenLife, AccessLog: o.AccessLog, Storage: storage, ReaderRole: o.ReaderRole, Packed: o.Packed, Elsewhere: o.Elsewhere, Versions: o.Versions,
		S3Port: ports.s3(), CognitoPort: ports.cognito(), CodeWanted: o.CodeWanted,
		Server: o.origin(listener), Inbound: inbound, CallbackPorts: o.CallbackPorts, Faults: o.Faults, Stack: o.Stack,
	})
	if err != nil {
		return errors.Join(ports.explain(err), listener.Close())
	}
	d.Sandbox, d.Facts = box, box.Facts
	d.cleanup = append(d.cleanup, box.Close)
	if o.KeepPort {
		if err := ports.store(dir); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	if o.Stack {
		return d.startStack(ctx, o, listener, log)
	}
	return d.startBackend(ctx, o, listener, log)
}

// startBackend runs usher's server on an open listener, which it closes.
func (d *Demo) startBackend(ctx context.Context, o Options, listener net.Listener, log *slog.Logger) error {
	box := d.Sandbox
	d.Server = o.origin(listener)
	number := !o.PlainDevice
	key, secret := box.Credentials()
	objects := serve.S3{Region: box.S3Region, ReaderRole: box.ReaderRole}
	signer := "" // of another storage
	if o.Storage == nil {
		exact := true
		objects.ExactKeys, signer = &exact, box.BackendUser
	}
	var regions map[string]string
	if o.Elsewhere != "" {
		regions = map[string]string{box.S3Region: box.S3Endpoint, o.Elsewhere: box.Facts.Elsewhere}
	}
	server, err := serve.NewOn(ctx, serve.Config{
		Organisation: "Usher Demo", Listen: listener.Addr().String(), PublicURL: d.Server, TLS: o.TLS,
		Region: box.Region, UserPoolID: box.UserPoolID, ClientID: box.ClientID,
		Grants: box.GrantsFile, Audit: filepath.Join(box.Dir, "audit.db"), S3: objects, AcceptLost: o.AcceptLost, Witnesses: o.Witnesses,
		HostedUI: box.HostedUI,
		SignIn: serve.SignIn{
			Ways:        []api.Way{api.WayPassword, api.WayCode, api.WaySSO, api.WayDevice},
			SSOClientID: box.SSOClientID, DeviceClient: box.DeviceClientID, CallbackPorts: o.CallbackPorts,
			Providers: []serve.Provider{{Name: box.Provider, Label: "Usher Demo company"}}, Device: serve.Device{Number: &number},
		},
		GroupsAttribute: "stamped", FederatedGroups: federatedGroups(), Reviews: reviews(),
	}, serve.Deps{
		Now: o.Now, Rand: rand.Reader, NewID: o.NewID, Log: log,
	}, &serve.Loopback{
		Issuer: box.Issuer, Cognito: box.CognitoEndpoint, S3: box.S3Endpoint, STS: box.STSEndpoint, Regions: regions, Signer: signer,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	}, listener)
	if errors.Is(err, sqlite.ErrOlder) || errors.Is(err, sqlite.ErrNewer) {
		return &foreignDir{box.Dir, err}
	}
	if err != nil {
		return err
	}
	_, d.Pin, _ = strings.Cut(server.Pinned(ctx), "#")
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- server.Run(running) }()
	// Signing keys cost half a second of one core. They are generated after the
	// first frame and before the first password is typed.
	warmed := make(chan struct{})
	warm := time.AfterFunc(warmAfter, func() {
		defer close(warmed)
		_ = box.Warm() // a failure occurs again at the sign-in
	})
	d.cleanup = append(d.cleanup, func() error {
		if !warm.Stop() {
			<-warmed // it writes a file into the directory, which is removed next
		}
		return nil
	})
	d.wait = sync.OnceValue(func() error {
		if err := <-done; !errors.Is(err, context.Canceled) { // Close during a start cancels Run
			return err
		}
		return nil
	})
	d.cleanup = append(d.cleanup, func() error { stop(); return d.wait() })
	return nil
}

// reviews are the required reviews of a demo.
func reviews() []serve.Review {
	return []serve.Review{{Name: "denials", Query: "outcome:denied", Days: 7}, {Name: "exports", Query: "action:audit-export", Days: 90}}
}

// foreignDir means that a directory has the demo of another version of usher.
type foreignDir struct {
	dir   string
	cause error
}

func (e *foreignDir) Error() string {
	return fmt.Sprintf("%s holds a demo of another version of usher. Remove this folder, or choose another one with --dir.", safetext.New(e.dir))
}

func (e *foreignDir) Unwrap() error { return e.cause }

func (d *Demo) directory(dir string) (string, error) {
	if dir == "" {
		made, err := os.MkdirTemp("", "usher-demo-")
		if err != nil {
			return "", fmt.Errorf("making a directory for the demo: %w", err)
		}
		d.cleanup = append(d.cleanup, func() error { return os.RemoveAll(made) })
		return made, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the demo's directory: %w", err)
	}
	return filepath.Abs(dir)
}

// Wait blocks until the backend has stopped, and returns its error.
func (d *Demo) Wait() error { return d.wait() }

// Close stops the services in reverse order of their start, and removes a
// temporary directory. A second call has no effect.
func (d *Demo) Close() error { return d.closeOnce() }

func (d *Demo) close() (err error) {
	for i := len(d.cleanup) - 1; i >= 0; i-- {
		err = errors.Join(err, d.cleanup[i]())
	}
	return err
}
