package api_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"usher/backend/api"
)

// A row of the table is an answer, so it is never Offline. It is SignedOut
// exactly if its exit code is ExitSignedOut.
func TestAnswersAreNotOffline(t *testing.T) {
	for _, row := range api.Failures() {
		err := fmt.Errorf("listing: %w", &api.Error{Code: row.Code})
		if api.Offline(err) {
			t.Errorf("%s counts as offline", row.Code)
		}
		if api.SignedOut(err) != (row.Exit == api.ExitSignedOut) {
			t.Errorf("SignedOut(%s) = %v", row.Code, api.SignedOut(err))
		}
	}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"nothing":     {nil, false},
		"unreachable": {fmt.Errorf("listing: %w", api.Misspoken("h", "it fell asleep", nil)), true},
		"timeout":     {context.DeadlineExceeded, true},
		"canceled":    {context.Canceled, false},
		"a bug":       {errors.New("a bug"), false},
		"a bad path":  {&api.PathError{}, false},
	} {
		if got := api.Offline(c.err); got != c.want || api.SignedOut(c.err) {
			t.Errorf("%s: Offline is %v, SignedOut is %v", name, got, api.SignedOut(c.err))
		}
	}
}

// The message names the cause once, in these words, without the error's text.
func TestUnreachable(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://user:secret@proxy.example.com:3128")
	dial := func(err error) error {
		return &url.Error{Op: "Post", URL: "https://h/secret", Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
	}
	proxy := func(err error) error { return &net.OpError{Op: "proxyconnect", Net: "tcp", Err: err} }
	for want, err := range map[string]error{
		"(there is no such host). Check your network":                                     dial(&net.DNSError{Name: "secret", IsNotFound: true}),
		"(its name cannot be looked up)":                                                  dial(&net.DNSError{Name: "secret", Err: "secret"}),
		"(nothing listens there)":                                                         dial(syscall.ECONNREFUSED),
		"(no connection)":                                                                 dial(syscall.ENETUNREACH),
		"(it took too long)":                                                              &url.Error{Op: "Post", URL: "https://h/secret", Err: context.DeadlineExceeded},
		"(the connection was cut)":                                                        &url.Error{Op: "Post", URL: "https://h/secret", Err: io.ErrUnexpectedEOF},
		"(no secure connection). Nothing was sent.":                                       dial(tls.AlertError(40)),
		"(its certificate is not trusted). Nothing was sent.":                             &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
		"(its certificate is not valid at this machine's time). Nothing was sent.":        &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}},
		"(its proxy proxy.example.com:3128: nothing listens there). Check HTTPS_PROXY":    proxy(dial(syscall.ECONNREFUSED)),
		"(its proxy proxy.example.com:3128: there is no such host). Check HTTPS_PROXY":    proxy(dial(&net.DNSError{IsNotFound: true})),
		"(its proxy proxy.example.com:3128: it refused with HTTP status 403)":             &url.Error{Op: "Post", URL: "https://h/secret", Err: &api.ProxyRefusal{Status: 403}},
		"(its proxy proxy.example.com:3128: it requires a user name and password (HTTP s": &api.ProxyRefusal{Status: 407},
		"(the connection failed)":                                                         errors.New("secret"),
	} {
		t.Run(want, func(t *testing.T) {
			e := api.NewUnreachable("files.example.com", err)
			if got := e.Error(); !strings.Contains(got, want) || !strings.HasPrefix(got, "Can't reach files.example.com (") || strings.Contains(got, "secret") {
				t.Error(got)
			}
			if e.Exit() != api.ExitUnavailable || !errors.Is(e, err) {
				t.Errorf("exit %d, cause %v", e.Exit(), errors.Unwrap(e))
			}
		})
	}
}
