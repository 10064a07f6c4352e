package serve

import (
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

	"usher/backend"
)

// Limits of the listener. Together they bound the resources that a slow or
// hostile peer can occupy.
const (
	readHeader  = 5 * time.Second
	readAll     = 15 * time.Second
	writeAll    = 30 * time.Second
	idle        = 60 * time.Second
	maxHeader   = backend.MaxHeader + 32<<10 // headers slightly over the limit get an error in JSON
	maxConns    = 12_000
	drainPeriod = 10 * time.Second
	flushEvery  = time.Second
)

// Server is a backend with its listener and its log.
type Server struct {
	listener     net.Listener
	certificates *certificates // nil: plain HTTP
	parts        *parts
	meters       *meters                         // nil: no metrics
	live         atomic.Pointer[backend.Backend] // replaced by a reload
	log          *slog.Logger

	reloading sync.Mutex // guards config, and parts.config
	config    Config
}

// New builds all parts and opens the listener; Run serves requests. loop is nil
// except in the sandbox and in tests.
func New(ctx context.Context, c Config, d Deps, loop *Loopback) (*Server, error) {
	if d.Now == nil || d.Rand == nil || d.NewID == nil || d.Log == nil {
		return nil, errors.New("serve: a clock, randomness, ids and a log are required")
	}
	if err := c.complete(); err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", c.Listen, err)
	}
	return newServer(ctx, c, d, loop, listener)
}

// NewOn is New for an open listener, so the public URL can include its port.
func NewOn(ctx context.Context, c Config, d Deps, loop *Loopback, listener net.Listener) (*Server, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	return newServer(ctx, c, d, loop, listener)
}

func newServer(ctx context.Context, c Config, d Deps, loop *Loopback, listener net.Listener) (*Server, error) {
	s := &Server{config: c, listener: listener, log: d.Log}
	if err := s.build(ctx, d, loop); err != nil {
		if listener != nil {
			err = errors.Join(err, listener.Close())
		}
		return nil, err
	}
	return s, nil
}

func (s *Server) build(ctx context.Context, d Deps, loop *Loopback) (err error) {
	if s.config.TLS.Cert != "" {
		if s.certificates, err = newCertificates(s.config.TLS, d); err != nil {
			return err
		}
	}
	var address net.Addr // nil on AWS Lambda
	if s.listener != nil {
		address = s.listener.Addr()
	}
	if s.parts, err = build(ctx, s.config, d, loop, address); err != nil {
		return err
	}
	if s.certificates != nil {
		s.parts.checker.tls = s.certificates.paths
	}
	if s.parts.shared != nil && s.listener != nil {
		if err := s.parts.shared.ready(ctx); err != nil {
			return err
		}
	}
	if s.meters, err = newMeters(ctx, s.config.Metrics, func() int { return s.live.Load().Bound() }); err != nil {
		return errors.Join(err, s.parts.store.Close())
	}
	if s.meters != nil {
		s.parts.config.Observe = s.meters.observe
	}
	b, err := backend.New(s.parts.config)
	if err != nil {
		return errors.Join(err, s.parts.store.Close())
	}
	s.live.Store(b)
	return nil
}

// MetricsAddr returns the address of the metrics, or nil.
func (s *Server) MetricsAddr() net.Addr {
	if s.meters == nil {
		return nil
	}
	return s.meters.listener.Addr()
}

// Addr returns the listener's address.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Pinned returns the argument of `usher configure` that trusts this server
// without a question: its public URL and the pin of its configuration.
func (s *Server) Pinned(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	public, err := s.live.Load().Public(ctx)
	if err != nil {
		return s.config.PublicURL
	}
	return s.config.PublicURL + "#" + public.Pin()
}

// Try checks everything that the server needs and logs the failures.
func (s *Server) Try(ctx context.Context) { s.parts.health.Ready(ctx) }

// flush records the end of a gap of the log and the counts of suppressed refusals
// every second. After a failure,
// which the health page shows, the counts are kept for the next attempt.
func (s *Server) flush(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.parts.log.Resume(ctx)
			_ = s.live.Load().Flush(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// serve passes a request to the current backend.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) { s.live.Load().ServeHTTP(w, r) }

// Run serves requests until ctx ends, then waits up to ten seconds for requests
// in progress. Start and stop of the service are recorded in the audit log.
func (s *Server) Run(ctx context.Context) error {
	beside, stop := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	defer func() {
		stop()
		tasks.Wait()
		_ = s.parts.store.Close()
	}()
	if err := s.live.Load().Start(ctx); err != nil {
		_ = s.listener.Close()
		return err
	}
	handler := s.withDevices(s.withSignedOut(http.HandlerFunc(s.serve)))
	limited := limitConns(s.listener, maxConns)
	web := &http.Server{
		Handler: limited.track(handler), ConnContext: limited.context,
		ReadHeaderTimeout: readHeader, ReadTimeout: readAll, WriteTimeout: writeAll, IdleTimeout: idle,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	if store, ok := s.parts.store.(verified); ok {
		tasks.Go(func() { s.parts.health.verifyDaily(beside, store) })
	}
	if w := s.parts.witnesses; w != nil {
		tasks.Go(func() { w.run(beside, s.parts.health) })
	}
	if sinks := s.parts.sinks; sinks != nil {
		tasks.Go(func() { s.parts.alone(beside, "sinks", sinks.run) })
	}
	if alerts := s.parts.alerts; alerts != nil {
		tasks.Go(func() { s.parts.alone(beside, "alerts", alerts.Run) })
	}
	if store, ok := s.parts.store.(pruner); ok {
		tasks.Go(func() { s.retain(beside, store) })
	}
	tasks.Go(func() { s.flush(beside) })
	if s.meters != nil {
		tasks.Go(func() { s.meters.serve(beside, s.log) })
	}
	if shared := s.parts.shared; shared != nil {
		tasks.Go(func() { shared.index(beside, s.parts.health.indexed) })
		if shared.sealing != nil {
			tasks.Go(func() { shared.seal(beside, s.parts.health.sealed) })
		}
	}
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
	err := web.Shutdown(drain)
	if serr := s.live.Load().Stop(drain); err == nil {
		err = serr
	}
	if err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	return nil
}
