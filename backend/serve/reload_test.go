package serve_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/serve"
)

func (r *running) public(t *testing.T) api.Config {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.address+"/v1/config", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "files.example.com"
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var c api.Config
	if err := json.NewDecoder(res.Body).Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

func words(of any) []string {
	var out []string
	for _, w := range of.([]any) {
		out = append(out, w.(string))
	}
	slices.Sort(out)
	return out
}

func TestReloadAppliesReloadableFieldsOnly(t *testing.T) {
	r := start(t, nil)
	next := r.config
	next.Organisation, next.AuditorsGroup, next.AdminsGroup, next.URLSeconds, next.Proxies = "Other", "a", "b", 120, []string{"127.0.0.1"}
	next.Listen, next.Region, next.UserPoolID, next.Audit = "127.0.0.1:1", "us-east-1", "us-east-1_AbCdEf", "elsewhere.db"
	next.S3.Region = "eu-west-1"
	if err := os.WriteFile(r.config.Grants, []byte(editedGrants), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	c := r.public(t)
	if c.Organisation != "Other" || c.AuditorsGroup != "a" || c.AdminsGroup != "b" || c.URLSeconds != 120 {
		t.Errorf("in force: %+v", c)
	}
	if c.Region != r.config.Region || c.UserPoolID != r.config.UserPoolID {
		t.Errorf("the reload replaced the pool: %+v", c)
	}
	if got := r.recorded(t, "203.0.113.7"); got != "203.0.113.7" {
		t.Errorf("the new proxy is not trusted: %s", got)
	}
	lines := r.log.lines(t, "reloaded")
	if len(lines) != 1 {
		t.Fatalf("the log has %v", lines)
	}
	if got, want := words(lines[0]["changed"]), []string{"admins_group", "auditors_group", "organisation", "trusted_proxies", "url_seconds"}; !slices.Equal(got, want) {
		t.Errorf("changed: %q, want %q", got, want)
	}
	if got, want := words(lines[0]["need_restart"]), []string{"audit", "audit_key", "listen", "region", "user_pool_id"}; !slices.Equal(got, want) {
		t.Errorf("need a restart: %q, want %q", got, want)
	}
	if in := r.log.lines(t, "grants are in force"); len(in) != 1 {
		t.Errorf("the reload did not read the grants: %v", in)
	}
}

func TestABadReloadChangesNothing(t *testing.T) {
	r := start(t, nil)
	before := r.public(t)
	path := filepath.Join(t.TempDir(), "usher.yaml")
	for name, text := range map[string]string{"not YAML": "listen: [", "a bad value": "organisation: Other\nurl_seconds: 1\n", "nothing": ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n := len(r.log.lines(t, "configuration refused; the previous one stays in force"))
		r.ReloadFile(t.Context(), path)
		if got := len(r.log.lines(t, "configuration refused; the previous one stays in force")); got != n+1 {
			t.Errorf("%s: the log has no line for it", name)
		}
	}
	r.ReloadFile(t.Context(), path+".none")
	next := r.config
	next.Organisation, next.Proxies = "Other", []string{"nonsense"}
	if err := r.Reload(t.Context(), next); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a bad proxy: %v", err)
	}
	if after := r.public(t); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("%+v became %+v", before, after)
	}
}

// Refused grants are logged and do not stop the rest of a reload.
func TestAReloadWithBadGrants(t *testing.T) {
	r := start(t, nil)
	if err := os.WriteFile(r.config.Grants, []byte("grants:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	next := r.config
	next.Organisation = "Other"
	if err := r.Reload(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if lines := r.log.lines(t, "reloaded"); r.public(t).Organisation != "Other" || len(lines) != 1 || lines[0]["grants_refused"] == nil {
		t.Errorf("the log has %v", lines)
	}
}

// issue writes a self-signed certificate with a serial number. It replaces
// existing files.
func issue(t *testing.T, files serve.TLS, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "files.example.com"}, DNSNames: []string{"files.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{files.Cert: {Type: "CERTIFICATE", Bytes: cert}, files.Key: {Type: "PRIVATE KEY", Bytes: private}} {
		err := os.WriteFile(path+".new", pem.EncodeToMemory(block), 0o600)
		if err == nil {
			err = os.Rename(path+".new", path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// serial returns the serial number of the server's certificate.
func serial(t *testing.T, address string) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestCertificatesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	files := serve.TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	issue(t, files, 1)
	r := start(t, func(c *serve.Config) { c.TLS = files })
	if got := serial(t, r.address); got != 1 {
		t.Fatalf("certificate %d", got)
	}
	// During an incomplete renewal the previous certificate stays in use.
	if err := os.WriteFile(files.Cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the broken certificate is in the log", func() bool {
		if got := serial(t, r.address); got != 1 {
			t.Fatalf("certificate %d", got)
		}
		return len(r.log.lines(t, "new certificate refused; the previous one stays in use")) == 1
	})
	issue(t, files, 2)
	eventually(t, "the new certificate is in use", func() bool { return serial(t, r.address) == 2 })
	// A reload loads other files and refuses bad ones.
	other := serve.TLS{Cert: filepath.Join(dir, "cert2.pem"), Key: filepath.Join(dir, "key2.pem")}
	next := r.config
	next.TLS = other
	if err := r.Reload(t.Context(), next); err == nil {
		t.Error("missing files are accepted")
	}
	issue(t, other, 3)
	if err := r.Reload(t.Context(), next); err != nil || serial(t, r.address) != 3 {
		t.Errorf("after the reload: certificate %d (%v)", serial(t, r.address), err)
	}
}
