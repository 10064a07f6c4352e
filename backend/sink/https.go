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
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, &lines)
	if err != nil {
		return errors.New("the URL of the sink is not valid")
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	res, err := s.client.Do(req)
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		return failed.Err // without the URL
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	_ = res.Body.Close()
	switch {
	case res.StatusCode == http.StatusRequestEntityTooLarge:
		return ErrTooLarge
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return fmt.Errorf("the receiver redirects (status %d); name its final address", res.StatusCode)
	case res.StatusCode < 200 || res.StatusCode >= 300:
		return fmt.Errorf("the receiver answered with status %d", res.StatusCode)
	}
	return err
}

func (s *httpsSink) Close() error {
	s.client.CloseIdleConnections()
	return nil
}
