package rig

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// authority is a private certificate authority, like that of a company.
type authority struct {
	file string // its certificate, for SSL_CERT_FILE
	pool *x509.CertPool
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Rig CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	a := &authority{file: filepath.Join(t.TempDir(), "ca.pem"), pool: x509.NewCertPool(), key: key}
	a.cert, err = x509.ParseCertificate(raw)
	must(t, err)
	a.pool.AddCert(a.cert)
	must(t, os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600))
	return a
}

// issue creates a certificate for a host and returns its two files.
func (a *authority) issue(t *testing.T, host string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	return cert, key
}

// front terminates TLS for a host and forwards the bytes unchanged, so signatures
// over the host name stay valid.
func (a *authority) front(t *testing.T, host, target string) (address string) {
	t.Helper()
	certFile, keyFile := a.issue(t, host)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	must(t, err)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}})
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go accept(l, func(c net.Conn) { join(c, target) })
	return l.Addr().String()
}

func accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = c.Close() }()
			serve(c)
		}()
	}
}

// join relays between a connection and an address until one side closes.
func join(c net.Conn, target string) {
	far, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = far.Close() }()
	done := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(far, c); done <- struct{}{} }()
	go func() { _, _ = io.Copy(c, far); done <- struct{}{} }()
	<-done
}

// proxy is a CONNECT proxy for configured hosts. It refuses every other host, so no
// connection leaves this machine.
type proxy struct {
	mu      sync.Mutex
	hosts   map[string]string // host:443 → address
	met     map[string]int
	refused []string
}

func newProxy(t *testing.T) (p *proxy, address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	p = &proxy{hosts: map[string]string{}, met: map[string]int{}}
	go accept(l, p.serve)
	return p, "http://" + l.Addr().String()
}

func (p *proxy) route(host, address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosts[host+":443"] = address
}

func (p *proxy) serve(c net.Conn) {
	in := bufio.NewReader(c)
	req, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	p.mu.Lock()
	address, known := p.hosts[req.Host]
	if known && req.Method == http.MethodConnect {
		p.met[req.Host]++
	} else {
		p.refused = append(p.refused, req.Method+" "+req.Host)
	}
	p.mu.Unlock()
	if !known || req.Method != http.MethodConnect {
		_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
		return
	}
	if _, err := io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n"); err == nil {
		join(c, address)
	}
}

// visited returns the hosts of accepted connections and those of refused ones.
func (p *proxy) visited() (hosts, refused []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.met)), slices.Clone(p.refused)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
