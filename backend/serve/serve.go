package serve

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
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
	flushEvery  = time.Second
)

// shortest is the size in bytes from which an answer is sent compressed, to
// whoever accepts that: a page of a listing, or 250 URLs, is ten times as long
// otherwise, and on a far link takes four round trips instead of one.
const shortest = 2 << 10

// Server is a backend with its listener and its log.
type Server struct {
	listener     net.Listener
	certificates *certificates // nil: plain HTTP
	made         *made
	live         atomic.Pointer[backend.Backend] // exchanged by a reload
	log          *slog.Logger

	reloading sync.Mutex // guards config, and made.config
	config    Config
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
	s := &Server{config: c, listener: listener, log: w.Log}
	if err := s.build(ctx, w, loop); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return s, nil
}

func (s *Server) build(ctx context.Context, w World, loop *Loopback) (err error) {
	if s.config.TLS.Cert != "" {
		if s.certificates, err = newCertificates(s.config.TLS, w); err != nil {
			return err
		}
	}
	if s.made, err = build(ctx, s.config, w, loop, s.listener.Addr()); err != nil {
		return err
	}
	if s.certificates != nil {
		s.made.reach.tls = s.certificates.paths
	}
	b, err := backend.New(s.made.config)
	if err != nil {
		return errors.Join(err, s.made.store.Close())
	}
	s.live.Store(b)
	return nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Try tries everything that the server needs, and writes what fails to its log.
func (s *Server) Try(ctx context.Context) { s.made.vitals.Ready(ctx) }

// flush records refusals that were held back, each second. A failure is on the
// health page, and the counts stay for the next second.
func (s *Server) flush(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = s.live.Load().Flush(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// serve answers with the backend in force.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) { s.live.Load().ServeHTTP(w, r) }

// Run answers until ctx ends, then lets requests under way finish for ten
// seconds. The log says when the service starts and stops.
func (s *Server) Run(ctx context.Context) error {
	beside, stop := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	defer func() {
		stop()
		tasks.Wait()
		_ = s.made.store.Close()
	}()
	// What is secret in an answer (URLs) differs each time that it is asked
	// for, so that its length under compression tells nobody anything.
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(shortest), gzhttp.CompressionLevel(gzip.BestSpeed))
	if err != nil {
		_ = s.listener.Close()
		return fmt.Errorf("preparing compression: %w", err)
	}
	if err := s.live.Load().Start(ctx); err != nil {
		_ = s.listener.Close()
		return err
	}
	limited := limitConns(s.listener, maxConns)
	web := &http.Server{
		Handler: limited.track(compress(http.HandlerFunc(s.serve))), ConnContext: limited.context,
		ReadHeaderTimeout: readHeader, ReadTimeout: readAll, WriteTimeout: writeAll, IdleTimeout: idle,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	tasks.Go(func() { s.made.vitals.verify(beside, s.made.store) })
	tasks.Go(func() { s.flush(beside) })
	failed := make(chan error, 1)
	go func() {
		if s.certificates != nil {
			web.TLSConfig = &tls.Config{GetCertificate: s.certificates.get, MinVersion: tls.VersionTLS12}
			failed <- web.ServeTLS(limited, "", "")
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
	if serr := s.live.Load().Stop(drain); err == nil {
		err = serr
	}
	if err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	return nil
}
