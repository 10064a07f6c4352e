package demotest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/event"
	"usher/backend/serve"
	"usher/session"
)

// StartTLS runs a demo whose server has an https origin. It returns the file of its
// certificate too, for SSL_CERT_FILE of a program.
func StartTLS(t testing.TB, o demo.Options) (*Demo, string) {
	t.Helper()
	o.Dir = t.TempDir()
	o.NewID = event.IDs(rand.Reader)
	o.CallbackPorts = freePorts(t, 4)
	o.TLS = certificate(t)
	started, err := demo.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := started.Close(); err != nil {
			t.Errorf("closing the demo: %v", err)
		}
	})
	d := &Demo{Demo: started, Roots: x509.NewCertPool()}
	raw, err := os.ReadFile(o.TLS.Cert)
	if err != nil || !d.Roots.AppendCertsFromPEM(raw) {
		t.Fatalf("the certificate: %v", err)
	}
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: d.Roots, MinVersion: tls.VersionTLS12}}}
	defer web.CloseIdleConnections()
	resp, err := web.Get(d.Server + "/v1/config")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var config api.Config
	if err := json.NewDecoder(resp.Body).Decode(&config); err != nil {
		t.Fatal(err)
	}
	if d.Profile, err = session.NewProfile("demo", d.Server, config); err != nil {
		t.Fatal(err)
	}
	return d, o.TLS.Cert
}

// certificate writes a certificate for 127.0.0.1 and its key.
func certificate(t testing.TB) serve.TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "usher test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := serve.TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	for file, block := range map[string]*pem.Block{files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}
