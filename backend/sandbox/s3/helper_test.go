package s3

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	region = "eu-central-1"
	keyID  = "AKIAUSHERSANDBOX0001"
	secret = "not-a-secret-but-long-enough-for-this"
)

// clock is the server's clock. Tests advance it.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// rig is a server on loopback with an SDK client.
type rig struct {
	t      testing.TB
	srv    *Server
	keys   *Keyring
	clock  *clock
	url    string
	client *awss3.Client
	log    *syncBuffer
	dir    string
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newRig(t testing.TB) *rig { return newRigOn(t, httptest.NewServer) }

func newRigOn(t testing.TB, listen func(http.Handler) *httptest.Server) *rig {
	t.Helper()
	r := &rig{t: t, keys: new(Keyring), clock: &clock{t: time.Now().Truncate(time.Second)}, log: new(syncBuffer), dir: t.TempDir()}
	r.keys.Put(keyID, Credential{Secret: secret})
	srv, err := New(Config{Region: region, Keys: r.keys, Now: r.clock.Now, Dir: r.dir, AccessLog: r.log})
	if err != nil {
		t.Fatal(err)
	}
	r.srv = srv
	ts := listen(srv)
	t.Cleanup(func() { ts.Close(); _ = srv.Close() })
	r.url = ts.URL
	r.client = r.as(keyID, secret, "", ts.Client())
	if err := srv.CreateBucket("box", r.clock.Now()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) as(id, secret, token string, hc *http.Client) *awss3.Client {
	return awss3.New(awss3.Options{
		Region: region, BaseEndpoint: aws.String(r.url), UsePathStyle: true, HTTPClient: hc, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, token),
	})
}

func (r *rig) put(key, body string) {
	r.t.Helper()
	_, err := r.client.PutObject(context.Background(), &awss3.PutObjectInput{Bucket: aws.String("box"), Key: aws.String(key), Body: strings.NewReader(body)})
	if err != nil {
		r.t.Fatalf("put %q: %v", key, err)
	}
}

// raw is a request without the URL processing of net/http.
type raw struct {
	method, path, query string // path and query already encoded
	host                string // the Host header; "" for the server's address
	header              http.Header
	body                string
}

// do sends a request without net/http's client, which would change the URL.
func (r *rig) do(q raw) *answer {
	r.t.Helper()
	conn := r.send(q)
	defer conn.Close()
	return readAnswer(r.t, conn, q.method)
}

// send writes a request and returns its connection.
func (r *rig) send(q raw) net.Conn {
	r.t.Helper()
	u, err := url.Parse(r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		r.t.Fatal(err)
	}
	var b strings.Builder
	target := q.path
	if q.query != "" {
		target += "?" + q.query
	}
	host := q.host
	if host == "" {
		host = u.Host
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", q.method, target, host)
	for name, vs := range q.header {
		for _, v := range vs {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	if q.body != "" || q.method == "PUT" || q.method == "POST" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(q.body))
	}
	b.WriteString("\r\n" + q.body)
	if _, err := io.WriteString(conn, b.String()); err != nil {
		r.t.Fatal(err)
	}
	return conn
}

type answer struct {
	*http.Response
	body string
}

func (a *answer) code() string {
	_, after, _ := strings.Cut(a.body, "<Code>")
	code, _, _ := strings.Cut(after, "</Code>")
	return code
}

// signed signs a raw request in its headers with the SDK's signer.
func (r *rig) signed(q raw) raw {
	r.t.Helper()
	sum := sha256.Sum256([]byte(q.body))
	return r.signedAs(q, aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, hex.EncodeToString(sum[:]), region, "s3", r.clock.Now())
}

func (r *rig) signedAs(q raw, c aws.Credentials, payload, region, service string, when time.Time) raw {
	r.t.Helper()
	req := r.build(q)
	req.Header.Set("X-Amz-Content-Sha256", payload)
	s := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err := s.SignHTTP(context.Background(), c, req, payload, service, region, when); err != nil {
		r.t.Fatal(err)
	}
	q.header = req.Header
	return q
}

// presigned returns q as a presigned URL; life is in seconds.
func (r *rig) presigned(q raw, life int) raw {
	r.t.Helper()
	return r.presignedAs(q, life, aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, region, "s3", r.clock.Now())
}

func (r *rig) presignedAs(q raw, life int, c aws.Credentials, region, service string, when time.Time) raw {
	r.t.Helper()
	if q.query != "" {
		q.query += "&"
	}
	q.query += fmt.Sprintf("X-Amz-Expires=%d", life)
	req := r.build(q)
	s := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true; o.DisableHeaderHoisting = true })
	signedURL, header, err := s.PresignHTTP(context.Background(), c, req, "UNSIGNED-PAYLOAD", service, region, when)
	if err != nil {
		r.t.Fatal(err)
	}
	_, q.query, _ = strings.Cut(signedURL, "?")
	header.Del("Host")
	q.header = header
	return q
}

func (r *rig) build(q raw) *http.Request {
	r.t.Helper()
	u, err := url.Parse(r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	path, ok := percentDecode(q.path, false)
	if !ok {
		r.t.Fatalf("bad test path %q", q.path)
	}
	u.Path, u.RawPath, u.RawQuery = path, string(uriEncode(nil, path, true)), q.query
	u.Opaque = "//" + u.Host + u.RawPath // the signer does not change an opaque path
	host := q.host
	if host == "" {
		host = u.Host
	}
	req := &http.Request{Method: q.method, URL: u, Host: host, Header: http.Header{}, ContentLength: int64(len(q.body))}
	for k, v := range q.header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	return req
}

func pseudoRandom(n int, seed uint64) []byte {
	b := make([]byte, n)
	c := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = c.Read(b)
	return b
}
func readAnswer(t testing.TB, conn net.Conn, method string) *answer {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &answer{resp, string(b)}
}
