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
)

const (
	penalty    = 10 * time.Second // between two fetches, whatever is asked
	keysExpire = 24 * time.Hour   // how long a good set serves while fetches fail
	maxKeySet  = 64 << 10         // bytes
	maxKeys    = 16
)

// KeySet holds a pool's public signing keys. An unknown key id causes a fetch
// at most once in ten seconds, so that made-up ids cannot turn the backend
// against the pool. Safe for concurrent use.
type KeySet struct {
	url    string
	client *http.Client
	now    func() time.Time

	mu      sync.Mutex
	keys    map[string]*rsa.PublicKey
	fetched time.Time // last good answer
	tried   time.Time // last fetch, good or not
	failed  error     // of the last fetch
	flight  chan struct{}
}

// NewKeySet serves the keys at issuer + "/.well-known/jwks.json". The client
// must not follow redirects; NewKeySet makes sure of it.
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

// Key finds the key of an id. It fails with ErrToken when the pool does not
// know the id, and with ErrUnavailable when the pool could not be asked: a
// client must not throw its tokens away because of an outage.
func (k *KeySet) Key(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	for {
		k.mu.Lock()
		now := k.now()
		fresh := now.Sub(k.fetched) < keysExpire
		if key := k.keys[kid]; key != nil && fresh {
			k.mu.Unlock()
			return key, nil
		}
		if wait := k.flight; wait != nil {
			k.mu.Unlock()
			select {
			case <-wait:
				continue
			case <-ctx.Done():
				return nil, fmt.Errorf("waiting for signing keys: %w: %w", ErrUnavailable, ctx.Err())
			}
		}
		if !k.tried.IsZero() && now.Sub(k.tried) >= 0 && now.Sub(k.tried) < penalty {
			err := k.failed
			k.mu.Unlock()
			if err != nil || !fresh {
				return nil, fmt.Errorf("signing keys: %w", ErrUnavailable)
			}
			return nil, fmt.Errorf("unknown key id: %w", ErrToken)
		}
		k.tried = now
		k.flight = make(chan struct{})
		k.mu.Unlock()

		// The fetch outlives the caller that happened to start it.
		keys, err := k.fetch(context.WithoutCancel(ctx))

		k.mu.Lock()
		k.failed = err
		if err == nil {
			k.keys, k.fetched = keys, now
		}
		close(k.flight)
		k.flight = nil
		k.mu.Unlock()
	}
}

func (k *KeySet) fetch(ctx context.Context) (map[string]*rsa.PublicKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, err
	}
	res, err := k.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetching signing keys: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetching signing keys: status %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKeySet+1))
	if err != nil {
		return nil, fmt.Errorf("fetching signing keys: %w", err)
	}
	if len(body) > maxKeySet {
		return nil, fmt.Errorf("fetching signing keys: over %d bytes", maxKeySet)
	}
	return parseKeys(body)
}

// parseKeys takes the keys that are what Cognito publishes (RSA, RS256, for
// signatures, 2048 bits or more) and drops every other one.
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
