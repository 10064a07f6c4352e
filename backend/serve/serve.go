package serve

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"usher/backend"
)

// Limits of the listener. Together they bound what a slow or hostile peer can
// hold on to.
const (
	readHeader  = 5 * time.Second
	readAll     = 15 * time.Second
	writeAll    = 30 * time.Second
	idle        = 60 * time.Second
	maxHeader   = backend.MaxHeader + 32<<10 // a little more than is taken gets an answer in JSON
	maxConns    = 12_000
	drainPeriod = 10 * time.Second
)

// shortest is the size in bytes from which an answer is sent compressed, to
// whoever accepts that: a page of a listing, or 250 URLs, is ten times as long
// otherwise, and on a far link takes four round trips instead of one.
const shortest = 2 << 10

// Server is a backend with its listener and its log.
type Server struct {
	config   Config
	listener net.Listener
	backend  *backend.Backend
	store    io.Closer
	log      *slog.Logger
}

// New builds everything and opens the listener, but answers nothing yet. loop
// is nil but for the sandbox and tests.
func New(ctx context.Context, c Config, w World, loop *Loopback) (*Server, error) {
	if w.Now == nil || w.Rand == nil || w.NewID == nil || w.Log == nil {
		return nil, errors.New("serve: clock, randomness, ids and log are needed")
	}
	if err := c.complete(); err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", c.Listen, err)
	}
	return on(ctx, c, w, loop, listener)
}

// NewOn is New for a listener that is open already; the public URL may name
// its port.
func NewOn(ctx context.Context, c Config, w World, loop *Loopback, listener net.Listener) (*Server, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	return on(ctx, c, w, loop, listener)
}

func on(ctx context.Context, c Config, w World, loop *Loopback, listener net.Listener) (*Server, error) {
	b, store, err := build(ctx, c, w, loop, listener.Addr())
	if err != nil {
		_ = listener.Close()
		if store != nil {
			_ = store.Close()
		}
		return nil, err
	}
	return &Server{config: c, listener: listener, backend: b, store: store, log: w.Log}, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run answers until ctx ends, then lets requests under way finish for ten
// seconds. The log says when the service starts and stops.
func (s *Server) Run(ctx context.Context) error {
	defer func() { _ = s.store.Close() }()
	// What is secret in an answer (URLs) differs each time that it is asked
	// for, so that its length under compression tells nobody anything.
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(shortest), gzhttp.CompressionLevel(gzip.BestSpeed))
	if err != nil {
		_ = s.listener.Close()
		return fmt.Errorf("preparing compression: %w", err)
	}
	if err := s.backend.Start(ctx); err != nil {
		_ = s.listener.Close()
		return err
	}
	limited := limitConns(s.listener, maxConns)
	web := &http.Server{
		Handler: limited.track(compress(s.backend)), ConnContext: limited.context,
		ReadHeaderTimeout: readHeader, ReadTimeout: readAll, WriteTimeout: writeAll, IdleTimeout: idle,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() {
		if s.config.TLS.Cert != "" {
			failed <- web.ServeTLS(limited, s.config.TLS.Cert, s.config.TLS.Key)
			return
		}
		failed <- web.Serve(limited)
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainPeriod)
	defer cancel()
	err = web.Shutdown(drain)
	if stop := s.backend.Stop(drain); err == nil {
		err = stop
	}
	if err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	return nil
}
