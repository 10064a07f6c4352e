package serve

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"usher/backend/api"
	"usher/backend/api/shape"
	"usher/backend/audit"
	"usher/backend/event"
	"usher/backend/safetext"
	"usher/backend/sink"
	"usher/backend/sink/ocsf"
)

// Sink is a receiver of the audit log: the configuration's sinks.
type Sink struct {
	Name string `yaml:"name"` // of lower-case letters, digits and dashes
	// To is file:PATH, https://HOST/PATH or syslog+tls://HOST:PORT.
	To        string `yaml:"to"`
	Format    string `yaml:"format"`     // usher (the default) or ocsf
	TokenFile string `yaml:"token_file"` // https: the file with a bearer token
	CA        string `yaml:"ca"`         // file with the certificates that sign the receiver's; empty: the system's
}

// Schemes of a sink.
const (
	toFile   = "file"
	toHTTPS  = "https"
	toSyslog = "syslog+tls"

	formatUsher = "usher"
	formatOCSF  = "ocsf"

	maxSinks = 10
)

var sinkName = shape.NewForm(`^[a-z0-9-]{1,32}$`)

// target returns scheme and address of a sink.
func (s Sink) target() (scheme, address string, err error) {
	scheme, rest, _ := strings.Cut(s.To, ":")
	if scheme == toFile {
		if rest == "" {
			return "", "", errors.New("file: needs a path")
		}
		return scheme, rest, nil
	}
	u, err := url.Parse(s.To)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", "", errors.New("to is file:PATH, https://HOST/PATH or syslog+tls://HOST:PORT, without a password and without a query")
	case u.Scheme == toHTTPS:
		return toHTTPS, s.To, nil
	case u.Scheme == toSyslog && u.Port() != "" && strings.Trim(u.Path, "/") == "":
		return toSyslog, u.Host, nil
	}
	return "", "", errors.New("to is file:PATH, https://HOST/PATH or syslog+tls://HOST:PORT")
}

// checkSinks checks the configured sinks, and makes their paths relative to the
// configuration's folder.
func (c *Config) checkSinks() error {
	switch {
	case len(c.Sinks) == 0:
		return nil
	case len(c.Sinks) > maxSinks:
		return fmt.Errorf("sinks has at most %d entries", maxSinks)
	}
	names := map[string]bool{}
	for i := range c.Sinks {
		s := &c.Sinks[i]
		if !sinkName.Matches(s.Name) || names[s.Name] {
			return fmt.Errorf("sinks: %q is no name of its own, of lower-case letters, digits and dashes", safetext.Line(s.Name))
		}
		names[s.Name] = true
		if s.Format == "" {
			s.Format = formatUsher
		}
		if s.Format != formatUsher && s.Format != formatOCSF {
			return fmt.Errorf("sinks: the format of %s is usher or ocsf", s.Name)
		}
		scheme, _, err := s.target()
		if err != nil {
			return fmt.Errorf("sinks: %s: %w", s.Name, err)
		}
		if s.TokenFile != "" && scheme != toHTTPS {
			return fmt.Errorf("sinks: %s: token_file is for https", s.Name)
		}
		if s.CA != "" && scheme == toFile {
			return fmt.Errorf("sinks: %s: ca is for https and syslog+tls", s.Name)
		}
	}
	return nil
}

// resolve makes the paths of a sink relative to a folder.
func (s *Sink) resolve(dir string) {
	for _, p := range []*string{&s.TokenFile, &s.CA} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	if path, ok := strings.CutPrefix(s.To, toFile+":"); ok && path != "" && !filepath.IsAbs(path) {
		s.To = toFile + ":" + filepath.Join(dir, path)
	}
}

// transport opens the transport of a sink.
func (s Sink) transport() (sink.Transport, error) {
	scheme, address, err := s.target()
	if err != nil {
		return nil, err
	}
	if scheme == toFile {
		return sink.NewFile(address), nil
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		raw, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fmt.Errorf("reading the certificates of sink %s: %w", s.Name, err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("%s has no certificate in PEM", s.CA)
		}
	}
	if scheme == toSyslog {
		if trust.ServerName, _, err = net.SplitHostPort(address); err != nil {
			return nil, err
		}
		return sink.NewSyslog(address, trust), nil
	}
	token := ""
	if s.TokenFile != "" {
		raw, err := os.ReadFile(s.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("reading the token of sink %s: %w", s.Name, err)
		}
		if token = strings.TrimSpace(string(raw)); token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, fmt.Errorf("%s has no token on one line", s.TokenFile)
		}
	}
	return sink.NewHTTPS(address, token, trust), nil
}

// check reaches the receiver, and sends no event.
func (s Sink) check(ctx context.Context) Finding {
	t, err := s.transport()
	if err != nil {
		return finding(partSink, s.Name, api.ExitUsage, err, "name readable files in ca and token_file")
	}
	defer func() { _ = t.Close() }()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err = t.Check(ctx)
	if scheme, _, _ := s.target(); scheme == toFile {
		return finding(partSink, s.Name, api.ExitDisk, err, "create the folder, and let the server write to the file")
	}
	return finding(partSink, s.Name, api.ExitUnavailable, err, "check the address, the receiver's certificate (ca has the certificates that sign it), the token, and the network path")
}

// checkReceivers checks all sinks, at once.
func checkReceivers(ctx context.Context, all []Sink) []Finding {
	out := make([]Finding, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() { out[i] = s.check(ctx) })
	}
	wg.Wait()
	return out
}

// encode returns the encoding of a format.
func encode(format string) func(sink.Record) ([]byte, error) {
	if format == formatOCSF {
		return func(r sink.Record) ([]byte, error) { return ocsf.Encode(r.Index, r.Canonical, r.Event) }
	}
	return func(r sink.Record) ([]byte, error) { return r.Canonical, nil }
}

// sinks are the feeders of a server. It implements backend.Sinks.
type sinks struct {
	feeders []*sink.Feeder
	shared  *sharedSinks // nil: a log of one server
	every   time.Duration
	now     func() time.Time
	running atomic.Bool // of the servers that share a log, one delivers
}

// newSinks returns the feeders of a configuration, or nil.
func (p *parts) newSinks(c Config, log *audit.Log) (*sinks, error) {
	if len(c.Sinks) == 0 {
		return nil, nil
	}
	all, ok := recordsOf(p.store)
	if !ok {
		return nil, errors.New("sinks needs an audit log in a file, or one that is sealed")
	}
	feeders := &sinks{shared: p.shareSinks(c), every: cmp.Or(c.Pace.Renew, workRenew), now: p.deps.Now}
	for _, s := range c.Sinks {
		transport, err := s.transport()
		if err != nil {
			return nil, err
		}
		f, err := sink.NewFeeder(sink.FeederConfig{
			Name: s.Name, Records: all, Position: p.place(c, "sink-"+s.Name, p.logName()),
			Transport: transport, Encode: encode(s.Format), Now: p.deps.Now, Log: p.deps.Log, Alarm: alarm(log, s.Name),
		})
		if err != nil {
			return nil, err
		}
		feeders.feeders = append(feeders.feeders, f)
	}
	return feeders, nil
}

// alarm records that a sink is late. The event reaches the sink too, later.
func alarm(log *audit.Log, name string) func(context.Context, time.Time, error) {
	return func(ctx context.Context, since time.Time, cause error) {
		reason := "sink " + name + " delivers, and is late: events wait since " + since.UTC().Format(time.RFC3339)
		if cause != nil {
			reason = "sink " + name + " has not delivered events since " + since.UTC().Format(time.RFC3339) + ": " + safetext.Line(cause.Error())
		}
		_ = log.Record(ctx, event.Event{Action: event.Alarm, Outcome: event.Failed, Reason: reason})
	}
}

// states returns the states of the feeders.
func (s *sinks) states() []sinkState {
	all := make([]sinkState, len(s.feeders))
	for i, f := range s.feeders {
		all[i] = stateOf(f.Status())
	}
	return all
}

// Sinks implements backend.Sinks. A server that does not deliver answers with the states
// that the delivering one published.
func (s *sinks) Sinks(ctx context.Context) []api.Sink {
	var states []sinkState
	switch {
	case s.running.Load():
		states = s.states()
	case s.shared != nil:
		states = s.shared.load(ctx)
	}
	all := make([]api.Sink, len(states))
	for i, state := range states {
		all[i] = state.answer(s.now())
	}
	return all
}

// run delivers until ctx ends.
func (s *sinks) run(ctx context.Context) {
	s.running.Store(true)
	defer s.running.Store(false)
	var feeders sync.WaitGroup
	for _, f := range s.feeders {
		feeders.Go(func() { f.Run(ctx) })
	}
	if s.shared != nil {
		s.publish(ctx)
	}
	feeders.Wait()
}

// publish publishes changed states until ctx ends. A failure is repeated at the next
// tick.
func (s *sinks) publish(ctx context.Context) {
	var last []sinkState
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if states := s.states(); !slices.Equal(states, last) && s.shared.store(ctx, states) == nil {
			last = states
		}
	}
}
