package serve

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/device"
	devicedynamo "usher/backend/device/dynamo"
	"usher/backend/safetext"
	"usher/backend/state"
)

// deviceFlow is the device flow of a server. With tables and without cursor_keys
// its key is in the state table, and is read with the first request of a device
// sign-in: a function makes no call before its first request, and its environment
// has no secret.
type deviceFlow struct {
	client string
	open   func(ctx context.Context) (*device.Broker, error)

	mu     sync.Mutex
	broker *device.Broker
}

// get returns the broker. A failure is repeated with the next request.
func (f *deviceFlow) get(ctx context.Context) (*device.Broker, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broker != nil {
		return f.broker, nil
	}
	b, err := f.open(ctx)
	if err == nil {
		f.broker = b
	}
	return b, err
}

// ClientID returns the app client of device sign-ins.
func (f *deviceFlow) ClientID() string { return f.client }

// Claim returns the request of a terminal that a session belongs to.
func (f *deviceFlow) Claim(ctx context.Context, nonce, session string) (device.Opening, error) {
	b, err := f.get(ctx)
	if err != nil {
		return device.Opening{}, err
	}
	return b.Claim(ctx, nonce, session)
}

// Open opens a session.
func (f *deviceFlow) Open(ctx context.Context, session string, until time.Time) error {
	b, err := f.get(ctx)
	if err != nil {
		return err
	}
	return b.Open(ctx, session, until)
}

// Opened reports whether a session is open.
func (f *deviceFlow) Opened(ctx context.Context, session string) (bool, error) {
	b, err := f.get(ctx)
	if err != nil {
		return false, err
	}
	return b.Opened(ctx, session)
}

// newDeviceFlow returns the device flow, or nil where it is not on offer. Its key
// lives as long as its requests.
func newDeviceFlow(c Config, d Deps, log *audit.Log, s *shared) (*deviceFlow, error) {
	offer := c.offer()
	if !offer.Has(api.WayDevice) {
		return nil, nil
	}
	from, err := c.terminals()
	if err != nil {
		return nil, err
	}
	provider := ""
	if len(offer.Providers) == 1 && !offer.Has(api.WayPassword) {
		provider = offer.Providers[0].Name
	}
	public := browserOrigin(c.PublicURL)
	resource := ""
	if strings.HasPrefix(public, "https://") {
		resource = public
	}
	number := c.SignIn.Device.Number
	broker := func(store device.Store, key []byte) (*device.Broker, error) {
		return device.New(device.Config{
			Store: store, Log: log, Key: key, ClientID: offer.Clients.Device, HostedUI: c.HostedUI, Origin: public,
			Resource: resource, Provider: provider, Plain: number != nil && !*number, From: from, Now: d.Now, NewID: d.NewID, Rand: d.Rand,
		})
	}
	f := &deviceFlow{client: offer.Clients.Device}
	if s == nil {
		key := make([]byte, deviceKey)
		if _, err := io.ReadFull(d.Rand, key); err != nil {
			return nil, fmt.Errorf("making a key for device sign-ins: %w", err)
		}
		f.broker, err = broker(device.NewMemory(d.Now), key)
		return f, err
	}
	store, err := devicedynamo.New(s.client, table(c.State), d.Now)
	if err != nil {
		return nil, err
	}
	keys, err := c.cursorKeys()
	if err != nil {
		return nil, err
	}
	if len(keys) > 0 {
		mac := hmac.New(sha256.New, keys[0])
		mac.Write([]byte("usher device key 1"))
		f.broker, err = broker(store, mac.Sum(nil))
		return f, err
	}
	if _, err := broker(store, make([]byte, deviceKey)); err != nil { // the other parts are complete
		return nil, err
	}
	f.open = func(ctx context.Context) (*device.Broker, error) {
		key, err := state.Key(ctx, state.Config{Client: s.client, Table: table(c.State)}, d.Rand, "device")
		if err != nil {
			return nil, err
		}
		return broker(store, key)
	}
	return f, nil
}

const deviceKey = 32 // bytes

// browserOrigin returns an origin as a browser writes it: in lower case, without
// a default port and without a slash.
// SPEC: RFC 6454 §6.2.
func browserOrigin(text string) string {
	u, ok := origin(text)
	if !ok {
		return text
	}
	host := strings.ToLower(u.Host)
	if port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]; port != "" {
		host = strings.TrimSuffix(host, port)
	}
	return u.Scheme + "://" + host
}

// withDevices serves the device flow beside the backend.
func (s *Server) withDevices(next http.Handler) http.Handler {
	flow := s.parts.devices
	if flow == nil {
		return next
	}
	var mu sync.Mutex
	var handler *device.Handler
	open := func(ctx context.Context) (*device.Handler, error) {
		b, err := flow.get(ctx)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		if handler == nil {
			handler, err = device.NewHandler(device.HandlerConfig{
				Broker: b, Organization: s.config.Organisation,
				Hosts:  func() []string { return s.live.Load().Hosts() },
				Source: func(r *http.Request) string { return s.live.Load().Source(r) },
				NewID:  s.parts.deps.NewID, Log: s.log,
			})
		}
		return handler, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !device.Serves(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		h, err := open(r.Context())
		if err != nil {
			s.log.Error("device sign-ins are not available", "error", safetext.New(err.Error()))
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"error":"temporarily_unavailable"}`) // fails only if the caller is gone
			return
		}
		h.ServeHTTP(w, r)
	})
}
