package serve

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/device"
	devicedynamo "usher/backend/device/dynamo"
)

// newBroker returns the broker of device sign-ins, or nil where they are not on
// offer. Its key lives as long as its requests.
func newBroker(c Config, d Deps, log *audit.Log, s *shared) (*device.Broker, error) {
	offer := c.offer()
	if !offer.Has(api.WayDevice) {
		return nil, nil
	}
	from, err := c.terminals()
	if err != nil {
		return nil, err
	}
	store, key, err := deviceStore(c, d, s)
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
	return device.New(device.Config{
		Store: store, Log: log, Key: key, ClientID: offer.Clients.Device, HostedUI: c.HostedUI, Origin: public,
		Resource: resource, Provider: provider, Plain: number != nil && !*number, From: from, Now: d.Now, NewID: d.NewID, Rand: d.Rand,
	})
}

// deviceStore returns the requests of the device flow and the key of their codes:
// in memory, or those of all instances.
func deviceStore(c Config, d Deps, s *shared) (device.Store, []byte, error) {
	if s != nil {
		keys, err := c.cursorKeys()
		if err != nil {
			return nil, nil, err
		}
		mac := hmac.New(sha256.New, keys[0]) // trust requires a key
		mac.Write([]byte("usher device key 1"))
		store, err := devicedynamo.New(s.client, table(c.State), d.Now)
		return store, mac.Sum(nil), err
	}
	key := make([]byte, 32)
	if _, err := io.ReadFull(d.Rand, key); err != nil {
		return nil, nil, fmt.Errorf("making a key for device sign-ins: %w", err)
	}
	return device.NewMemory(d.Now), key, nil
}

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
func (s *Server) withDevices(next http.Handler) (http.Handler, error) {
	if s.parts.broker == nil {
		return next, nil
	}
	h, err := device.NewHandler(device.HandlerConfig{
		Broker: s.parts.broker, Organization: s.config.Organisation,
		Hosts:  func() []string { return s.live.Load().Hosts() },
		Source: func(r *http.Request) string { return s.live.Load().Source(r) },
		NewID:  s.parts.deps.NewID, Log: s.log,
	})
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if device.Serves(r.URL.Path) {
			h.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	}), nil
}
