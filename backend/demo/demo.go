// Package demo runs the sandbox and the real backend together in one process:
// all of usher on a machine that has nothing but Go. `usher demo` and the tests
// that need a whole server start it; nothing else imports the sandbox.
//
// It leaves the AWS-like world to sandbox and the backend to serve: the only
// thing it adds is that the one trusts the other.
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
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"usher/backend/sandbox"
	"usher/backend/serve"
)

// Options of a demo. Only NewID is required.
type Options struct {
	Dir             string // "" makes a temporary directory that Close removes
	NewID           func(time.Time) string
	Now             func() time.Time      // nil: time.Now
	AccessTokenLife time.Duration         // 0: the sandbox's default
	AccessLog       io.Writer             // S3's access log lines; may be nil
	Storage         *Storage              // nil: the sandbox's own S3, with files
	Port            int                   // of the server; S3 and sign-in take the next two. 0: free ports
	KeepPort        bool                  // Dir keeps the port for the next start
	CodeWanted      func(username string) // an account is to give a code now; must not block; may be nil
	AcceptLost      bool                  // start although the audit log has lost records
}

// World is a running demo.
type World struct {
	sandbox.Facts
	Server  string // origin of the backend
	Sandbox *sandbox.Sandbox

	undo  []func() error // in the order in which things were done
	ended func() error
	once  func() error
}

const warmAfter = 700 * time.Millisecond

// Start answers when everything answers. The backend's log is
// <dir>/backend.log, its audit log <dir>/audit.db.
func Start(ctx context.Context, o Options) (*World, error) {
	if o.NewID == nil {
		return nil, errors.New("demo: a source of ids is needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &World{}
	w.once = sync.OnceValue(w.close)
	if err := w.start(ctx, o); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *World) start(ctx context.Context, o Options) error {
	var storage *Storage
	if o.Storage != nil {
		var err error
		if storage, err = usable(*o.Storage); err != nil {
			return err
		}
	}
	dir, err := w.directory(o.Dir)
	if err != nil {
		return err
	}
	logFile, err := os.OpenFile(filepath.Join(dir, "backend.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening the backend's log: %w", err)
	}
	w.undo = append(w.undo, logFile.Close)
	kept := ""
	if o.KeepPort {
		kept = dir
	}
	ports, err := choosePorts(ctx, kept, o.Port)
	if err != nil {
		return err
	}
	box, err := sandbox.Start(ctx, sandbox.Options{
		Dir: dir, Now: o.Now, AccessTokenLife: o.AccessTokenLife, AccessLog: o.AccessLog, Storage: storage,
		S3Port: ports.s3(), CognitoPort: ports.cognito(), CodeWanted: o.CodeWanted,
	})
	if err != nil {
		return ports.explain(err)
	}
	w.Sandbox, w.Facts = box, box.Facts
	w.undo = append(w.undo, box.Close)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ports.server())
	if err != nil {
		return ports.explain(fmt.Errorf("starting usher's server: %w", err))
	}
	if o.KeepPort {
		if err := ports.keep(dir); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	return w.startBackend(ctx, o, listener, slog.New(slog.NewJSONHandler(logFile, nil)))
}

// startBackend runs usher's server on an open listener, which it closes.
func (w *World) startBackend(ctx context.Context, o Options, listener net.Listener, log *slog.Logger) error {
	box := w.Sandbox
	w.Server = "http://" + listener.Addr().String()
	key, secret := box.Credentials()
	objects := serve.S3{Region: box.S3Region}
	if o.Storage == nil {
		exact := true
		objects.ExactKeys = &exact
	}
	server, err := serve.NewOn(ctx, serve.Config{
		Organisation: "Usher Demo", Listen: listener.Addr().String(), PublicURL: w.Server,
		Region: box.Region, UserPoolID: box.UserPoolID, ClientID: box.ClientID,
		Grants: box.GrantsFile, Audit: filepath.Join(box.Dir, "audit.db"), S3: objects, AcceptLost: o.AcceptLost,
	}, serve.World{
		Now: o.Now, Rand: rand.Reader, NewID: o.NewID, Log: log,
	}, &serve.Loopback{
		Issuer: box.Issuer, Cognito: box.CognitoEndpoint, S3: box.S3Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	}, listener)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- server.Run(running) }()
	// The pool's keys cost half a second of one core: after the first frame, and
	// before somebody has typed a password.
	warm := time.AfterFunc(warmAfter, func() { _ = box.Warm() }) // what fails here fails at the sign-in too
	w.undo = append(w.undo, func() error { warm.Stop(); return nil })
	w.ended = sync.OnceValue(func() error {
		if err := <-done; !errors.Is(err, context.Canceled) { // which is how Close ends a start that is under way
			return err
		}
		return nil
	})
	w.undo = append(w.undo, func() error { stop(); return w.ended() })
	return nil
}

func (w *World) directory(dir string) (string, error) {
	if dir == "" {
		made, err := os.MkdirTemp("", "usher-demo-")
		if err != nil {
			return "", fmt.Errorf("making a directory for the demo: %w", err)
		}
		w.undo = append(w.undo, func() error { return os.RemoveAll(made) })
		return made, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the demo's directory: %w", err)
	}
	return filepath.Abs(dir)
}

// Wait returns when the backend has ended.
func (w *World) Wait() error { return w.ended() }

// Close ends everything, in the opposite order, and removes a temporary
// directory. It may be called again.
func (w *World) Close() error { return w.once() }

func (w *World) close() (err error) {
	for i := len(w.undo) - 1; i >= 0; i-- {
		err = errors.Join(err, w.undo[i]())
	}
	return err
}
