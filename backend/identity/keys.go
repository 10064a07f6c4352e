package identity

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"usher/backend/elapsed"
)

const (
	fetchPause = 10 * time.Second // least time between two fetches
	clockLife  = time.Minute      // lifetime of one clock comparison
	keysLife   = 24 * time.Hour   // lifetime of a good set while fetches fail
	maxKeySet  = 64 << 10         // bytes
	maxKeys    = 16
)

// KeySet holds a pool's public signing keys. An unknown key id causes at most
// one fetch in ten seconds, so that invented ids cannot make the backend flood
// the pool. Safe for concurrent use.
type KeySet struct {
	url    string
	client *http.Client
	now    func() time.Time

	mu      sync.Mutex
	keys    map[string]*rsa.PublicKey
	fetched time.Time     // last successful fetch
	tried   time.Time     // last fetch
	failed  error         // error of the last fetch
	fetches int           // number of fetches
	flight  chan struct{} // closed when the running fetch ends; nil: none runs

	behind   time.Duration // lag of this machine's clock, by the pool's last Date header
	compared time.Time
}

// NewKeySet returns the key set at issuer + "/.well-known/jwks.json". It uses a
// copy of client that follows no redirects and times out after 5 s at most.
func NewKeySet(issuer string, client *http.Client, now func() time.Time) (*KeySet, error) {
	if issuer == "" || client == nil || now == nil {
		return nil, fmt.Errorf("key set: issuer, client and clock are all needed")
	}
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if c.Timeout == 0 || c.Timeout > 5*time.Second {
		c.Timeout = 5 * time.Second
	}
	return &KeySet{url: issuer + "/.well-known/jwks.json", client: &c, now: now}, nil
}

// Key returns the key of an id. It fails with ErrToken when a fetch during this
// call does not contain the id. It fails with ErrUnavailable when no fetch is
// possible now: a client must not discard its tokens because of an outage, or
// because the keys rotated after the last fetch.
func (k *KeySet) Key(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	k.mu.Lock()
	before := k.fetches
	k.mu.Unlock()
	for {
		k.mu.Lock()
		fresh := elapsed.Since(k.now(), k.fetched) < keysLife
		key, asked := k.keys[kid], k.fetches > before && k.failed == nil && k.flight == nil
		k.mu.Unlock()
		switch {
		case key != nil && fresh:
			return key, nil
		case fresh && asked:
			return nil, fmt.Errorf("unknown key id: %w", ErrToken)
		}
		if err := k.update(ctx); err != nil {
			return nil, err
		}
	}
}

// Behind returns the lag of this machine's clock behind the pool's (negative:
// ahead). It returns false when the pool cannot be reached now.
func (k *KeySet) Behind(ctx context.Context) (time.Duration, bool) {
	for {
		k.mu.Lock()
		behind, since := k.behind, elapsed.Since(k.now(), k.compared)
		known := !k.compared.IsZero() && since >= 0 && since < clockLife
		k.mu.Unlock()
		if known {
			return behind, true
		}
		if err := k.update(ctx); err != nil {
			return 0, false
		}
	}
}

// update fetches the set, or waits for the running fetch. It fails with
// ErrUnavailable within fetchPause of the last fetch.
func (k *KeySet) update(ctx context.Context) error {
	k.mu.Lock()
	if wait := k.flight; wait != nil {
		k.mu.Unlock()
		select {
		case <-wait:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("waiting for signing keys: %w: %w", ErrUnavailable, ctx.Err())
		}
	}
	now := k.now()
	if since := elapsed.Since(now, k.tried); !k.tried.IsZero() && since >= 0 && since < fetchPause {
		err := k.failed
		k.mu.Unlock()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return fmt.Errorf("signing keys were fetched %s ago: %w", since.Round(time.Second), ErrUnavailable)
	}
	k.tried, k.flight = now, make(chan struct{})
	k.fetches++
	k.mu.Unlock()

	// Other callers wait for the fetch: it outlives the caller that started it.
	keys, date, err := k.fetch(context.WithoutCancel(ctx))

	k.mu.Lock()
	defer k.mu.Unlock()
	k.failed = err
	if err == nil {
		k.keys, k.fetched = keys, now
	}
	if !date.IsZero() {
		k.compared = k.now()
		k.behind = date.Sub(k.compared.Truncate(time.Second))
	}
	close(k.flight)
	k.flight = nil
	return nil
}

// fetch returns the keys and the Date header of the response (zero if absent).
func (k *KeySet) fetch(ctx context.Context) (keys map[string]*rsa.PublicKey, date time.Time, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, date, err
	}
	res, err := k.client.Do(req)
	if err != nil {
		return nil, date, fmt.Errorf("fetching signing keys: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if at, perr := http.ParseTime(res.Header.Get("Date")); perr == nil {
		date = at
	}
	if res.StatusCode != http.StatusOK {
		return nil, date, fmt.Errorf("fetching signing keys: status %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKeySet+1))
	if err != nil {
		return nil, date, fmt.Errorf("fetching signing keys: %w", err)
	}
	if len(body) > maxKeySet {
		return nil, date, fmt.Errorf("fetching signing keys: over %d bytes", maxKeySet)
	}
	keys, err = parseKeys(body)
	return keys, date, err
}

// parseKeys returns the keys of the form that Cognito publishes: RSA of 2048
// bits or more, for RS256 signatures. It drops all others.
func parseKeys(body []byte) (map[string]*rsa.PublicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("reading signing keys: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("reading signing keys: more than %d", maxKeys)
	}
	keys := map[string]*rsa.PublicKey{}
	for _, raw := range set.Keys {
		var j jose.JSONWebKey
		if err := json.Unmarshal(raw, &j); err != nil {
			continue
		}
		pub, ok := j.Key.(*rsa.PublicKey)
		if !ok || j.Use != "sig" || j.Algorithm != string(jose.RS256) || j.KeyID == "" ||
			pub.N.BitLen() < 2048 || pub.E < 3 || pub.E%2 == 0 {
			continue
		}
		keys[j.KeyID] = pub
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("reading signing keys: none is an RS256 key")
	}
	return keys, nil
}
