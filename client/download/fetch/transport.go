package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"usher/client/download/h1"
)

// Transport carries requests to S3, over HTTP/1.1 and nothing else: under
// HTTP/2 a gateway would turn 64 connections into one flow. It keeps
// connections alive, takes no compression, follows no redirect and holds no
// cookie; no credential but the presigned URL ever passes here.
type Transport struct {
	straight *h1.Transport
	proxied  *http.Transport // where the environment names a proxy
}

// Dial opens a connection to an address.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// NewTransport returns a transport without connections. dial may be nil, for TCP
// with the limits of idle.
func NewTransport(dial Dial, roots *x509.CertPool, idle time.Duration, most int) *Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	// Before the watchdog cuts: no connection is the network's fault, and
	// waited for, while a stalled connection ends the attempt after some tries.
	if dial == nil {
		dial = (&net.Dialer{Timeout: idle / 2, KeepAlive: 15 * time.Second}).DialContext
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	return &Transport{
		straight: h1.New(h1.Config{Dial: dial, TLS: trust, MaxIdle: most, Idle: idleConn, Opening: idle / 2}),
		proxied: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dial,
			TLSClientConfig:        trust,
			TLSHandshakeTimeout:    idle,
			Protocols:              protocols,
			TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{},
			DisableCompression:     true, // the bytes are the object's, as stored
			MaxIdleConns:           most,
			MaxIdleConnsPerHost:    most,
			IdleConnTimeout:        idleConn,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
}

// idleConn is how long a connection is kept for the next request.
const idleConn = 15 * time.Second

// RoundTrip makes it an http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if via, err := http.ProxyFromEnvironment(req); via != nil || err != nil {
		return t.proxied.RoundTrip(req)
	}
	return t.straight.RoundTrip(req)
}

// warm opens connections ahead of the requests that will need them.
func (t *Transport) warm(ctx context.Context, origin *url.URL, n int) {
	if via, err := http.ProxyFromEnvironment(&http.Request{URL: origin}); via == nil && err == nil {
		t.straight.Warm(ctx, origin.String(), n)
	}
}

func (t *Transport) close() {
	t.straight.Close()
	t.proxied.CloseIdleConnections()
}

// unreachable reports whether an error means that no connection came about, as
// opposed to one that broke.
func unreachable(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// untrusted reports whether an error is about the server's certificate. It is
// never overruled: no request is sent over such a connection.
func untrusted(err error) bool {
	var cert *tls.CertificateVerificationError
	return errors.As(err, &cert)
}
