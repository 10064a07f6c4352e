package sink

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// maxAnswer is the part of a receiver's answer that is read, in bytes.
const maxAnswer = 64 << 10

// NewHTTPS returns a transport that posts lines (application/x-ndjson) to a URL.
// token, if not empty, is sent as a bearer token. Redirects are refused: a token
// and a log go only to the configured receiver.
func NewHTTPS(to, token string, trust *tls.Config) Transport {
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true, MaxIdleConns: 1, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &httpsSink{url: to, token: token, client: client}
}

type httpsSink struct {
	url, token string
	client     *http.Client
}

// Send returns nil for an answer of 200 to 299.
func (s *httpsSink) Send(ctx context.Context, messages []Message) error {
	var lines bytes.Buffer
	for _, m := range messages {
		lines.Write(m.Text)
		lines.WriteByte('\n')
	}
	status, err := s.request(ctx, http.MethodPost, &lines)
	switch {
	case status == http.StatusRequestEntityTooLarge:
		return ErrTooLarge
	case status != 0 && (status < 200 || status >= 300):
		return refused(status)
	}
	return err
}

// Check sends a HEAD request. A receiver that has none for this address answers it in any
// way, but for a redirect or a refusal of the token.
func (s *httpsSink) Check(ctx context.Context) error {
	status, err := s.request(ctx, http.MethodHead, http.NoBody)
	if status == http.StatusUnauthorized || status >= 300 && status < 400 {
		return refused(status)
	}
	return err
}

// refused is the error of an answer.
func refused(status int) error {
	if status >= 300 && status < 400 {
		return fmt.Errorf("the receiver redirects (status %d); name its final address", status)
	}
	return fmt.Errorf("the receiver answered with status %d", status)
}

// request returns the status of an answer; 0 without one.
func (s *httpsSink) request(ctx context.Context, method string, body io.Reader) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, s.url, body)
	if err != nil {
		return 0, errors.New("the URL of the sink is not valid")
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-ndjson")
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	res, err := s.client.Do(req)
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		return 0, failed.Err // without the URL
	}
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	_ = res.Body.Close()
	return res.StatusCode, err
}

func (s *httpsSink) Close() error {
	s.client.CloseIdleConnections()
	return nil
}
