package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"usher/backend/api"
	"usher/backend/audit/tiles"
	"usher/backend/elapsed"
)

// learnEvery is the time between two looks for a key that does not exist yet.
const learnEvery = 10 * time.Second

// configPath is the path of the configuration for clients.
const configPath = "/v1/config"

// learning gives a function the public key of its sealed log. The sealer stores it
// beside the log at its first step, which can be later than the start of the
// function. It is read for the requests that show it, so no other request waits.
type learning struct {
	server *Server

	mu    sync.Mutex
	known bool
	tried time.Time
}

// wants reports whether a payload can be a request that shows the key.
func (l *learning) wants(payload []byte) bool {
	return bytes.Contains(payload, []byte(configPath)) || bytes.Contains(payload, []byte(api.VerbCheckpoint.Path()))
}

// learn reads the key, unless it is known or was missing a moment ago.
func (l *learning) learn(ctx context.Context) error {
	s := l.server
	sealing := s.parts.shared.sealing
	if sealing == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := s.parts.deps.Now()
	if l.known || !l.tried.IsZero() && elapsed.Since(now, l.tried) < learnEvery {
		return nil
	}
	l.tried = now
	key, err := sealing.vault.Get(ctx, tiles.Key)
	if errors.Is(err, tiles.ErrMissing) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the public key of the audit log: %w", err)
	}
	if err := s.prove(ctx, strings.TrimSpace(string(key))); err != nil {
		return err
	}
	l.known = true
	return nil
}

// prove lets clients check the log with a public key.
func (s *Server) prove(ctx context.Context, key string) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	p, next := s.parts, s.config
	next.Seal.PublicKey = key
	if err := next.Seal.check(next); err != nil {
		return err
	}
	p.shared.sealing.c.Seal.PublicKey = key
	store, err := p.shared.sealing.sealed(ctx)
	if err != nil {
		return err
	}
	before := p.config
	p.store = store
	if proved, ok := store.(proved); ok {
		p.config.Checkpoints = proved
	}
	if all, ok := recordsOf(store); ok {
		p.config.Records = all
	}
	if err := p.setReloadable(next); err != nil {
		p.config = before
		return err
	}
	b, err := s.live.Load().With(p.config)
	if err != nil {
		p.config = before
		return fmt.Errorf("taking the public key of the audit log: %w", err)
	}
	s.live.Store(b)
	s.config = next
	return nil
}
