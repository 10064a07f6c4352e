package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"usher/backend/safetext"
)

// Unreachable is a host without a usable answer. The error text has no text of
// the host, of a resolver or of a proxy.
type Unreachable struct {
	Host   string // host[:port]
	Reason string // a few words, such as "it took too long"
	Advice string // a sentence
	Cause  error  // for --debug; may have untrusted text
}

const (
	adviceNetwork = "Check your network and the address, then try again."
	adviceTrust   = "Nothing was sent. Check the address and this machine's clock; if your network inspects traffic, its certificate must be installed (SSL_CERT_FILE)."
	adviceSecure  = "Nothing was sent. Check the address; something between you and the server may be at fault."
	adviceProxy   = "Check HTTPS_PROXY, or name this host in NO_PROXY, then try again."
)

func (e *Unreachable) Error() string { return e.sentence() + " " + e.Advice }

// Short returns Error without the general advice to try again, for a page that
// retries automatically.
func (e *Unreachable) Short() string {
	if e.Advice == adviceNetwork {
		return e.sentence()
	}
	return e.Error()
}

func (e *Unreachable) sentence() string {
	return fmt.Sprintf("Can't reach %s (%s).", safetext.Line(e.Host), e.Reason)
}

func (e *Unreachable) Unwrap() error { return e.Cause }

// Exit returns the exit code of a command that ends with this error.
func (e *Unreachable) Exit() int { return ExitUnavailable }

// NewUnreachable classifies a failed exchange with a host. The caller handles a
// canceled context first.
func NewUnreachable(host string, err error) *Unreachable {
	e := &Unreachable{Host: host, Reason: Reason(err), Advice: adviceNetwork, Cause: err}
	var cert *tls.CertificateVerificationError
	switch {
	case throughProxy(err):
		e.Advice = adviceProxy
		if name := proxyOf(host); name != "" {
			e.Reason = "its proxy " + name + ": " + e.Reason
		} else {
			e.Reason = "its proxy: " + e.Reason
		}
	case errors.As(err, &cert):
		e.Advice = adviceTrust
	case insecure(err):
		e.Advice = adviceSecure
	}
	return e
}

// Misspoken returns the error for an answer that is not usher's. problem
// describes the answer without quoting it.
func Misspoken(host, problem string, cause error) *Unreachable {
	return &Unreachable{Host: host, Reason: problem, Advice: adviceNetwork, Cause: cause}
}

// Reason returns the cause of a failed connection in a few words. It never
// quotes the text of the error, which may contain a URL.
func Reason(err error) string {
	var (
		dns     *net.DNSError
		cert    *tls.CertificateVerificationError
		expired x509.CertificateInvalidError
		refused *ProxyRefusal
		op      *net.OpError
	)
	switch {
	case errors.As(err, &refused):
		return refused.Error()
	case errors.As(err, &expired) && expired.Reason == x509.Expired:
		return "its certificate is not valid at this machine's time"
	case errors.As(err, &cert):
		return "its certificate is not trusted"
	case insecure(err):
		return "no secure connection"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "there is no such host"
	case isTimeout(err):
		return "it took too long"
	case errors.As(err, &dns):
		return "its name cannot be looked up"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was cut"
	case errors.As(err, &op) && op.Op == "dial":
		return "no connection"
	}
	return "the connection failed"
}

func insecure(err error) bool {
	var alert tls.AlertError
	var record tls.RecordHeaderError
	return errors.As(err, &alert) || errors.As(err, &record)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// ProxyRefusal is a proxy's answer to CONNECT that is not 200. Transports
// report it through ProxyAnswer; net/http alone keeps only the status text.
type ProxyRefusal struct{ Status int }

func (e *ProxyRefusal) Error() string {
	if e.Status == http.StatusProxyAuthRequired {
		return "it requires a user name and password (HTTP status 407)"
	}
	return fmt.Sprintf("it refused with HTTP status %d", e.Status)
}

// ProxyAnswer is a function for http.Transport.OnProxyConnectResponse.
func ProxyAnswer(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
	if res.StatusCode != http.StatusOK {
		return &ProxyRefusal{Status: res.StatusCode}
	}
	return nil
}

func throughProxy(err error) bool {
	var refused *ProxyRefusal
	var op *net.OpError
	return errors.As(err, &refused) || errors.As(err, &op) && (op.Op == "proxyconnect" || strings.HasPrefix(op.Op, "socks"))
}

// proxyOf returns the address of the environment's proxy for a host, without
// user name and password; "" for none.
func proxyOf(host string) string {
	u, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: host}})
	if err != nil || u == nil {
		return ""
	}
	return safetext.Line(u.Host)
}
