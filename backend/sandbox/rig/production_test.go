package rig

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/demo/demotest"
	"usher/backend/sandbox/cognito"
)

// Hosts of the production test. The first is AWS's host name for pools of the
// region; no configuration can change it.
const (
	poolHost    = "cognito-idp." + region + ".amazonaws.com"
	filesHost   = "files.rig.example"
	storageHost = "storage.rig.example"
)

// production is usher in a company's configuration: the program without its
// sandbox, `usher serve` with TLS, the pool under AWS's host name with a private
// certificate authority, an independent S3 server, and a proxy as the only route
// to all of them.
type production struct {
	t         *testing.T
	program   string
	proxy     *proxy
	via       string // the proxy's URL
	authority *authority
	passwords map[string]string
	secret    string // TOTP secret of alan
	config    string // file
	serverEnv []string
	log       lockedBuffer
}

// TestVersitygwServerProduction plays the main job with the production wiring. No
// part of the program is replaced, and no exception for loopback addresses
// applies.
func TestVersitygwServerProduction(t *testing.T) {
	p := startProduction(t)
	t.Run("check", p.check)
	p.serve()
	t.Run("configure", p.configure)
	t.Run("sign-in", p.signIn)
	t.Run("new password", p.newPassword)
	t.Run("TOTP", p.totp)
	t.Run("MFA set-up", p.setUp)
	t.Run("ls", p.ls)
	t.Run("get", p.get)
	t.Run("url", p.url)
	t.Run("audit", p.audit)
	t.Run("access", p.access)
	hosts, refused := p.proxy.visited()
	if want := []string{poolHost + ":443", filesHost + ":443", storageHost + ":443"}; !slices.Equal(hosts, want) || len(refused) > 0 {
		t.Errorf("the proxy connected %q and refused %q", hosts, refused)
	}
	for name, password := range p.passwords {
		if strings.Contains(p.log.String(), password) {
			t.Errorf("the server's log contains the password of %s", name)
		}
	}
}

func startProduction(t *testing.T) *production {
	t.Helper()
	p := &production{t: t, program: tool(t, "USHER_RIG_PRODUCTION"), authority: newAuthority(t), passwords: map[string]string{}, secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}
	p.proxy, p.via = newProxy(t)
	keys := newOwner()

	const id, client = region + "_AbCdEfGhI", "1example23456789"
	pool, err := cognito.New(cognito.Config{
		Region: region, PoolID: id, ClientID: client, Now: time.Now, Rand: rand.Reader, BaseURL: "https://" + poolHost,
		Rotation: true, GracePeriod: time.Minute, OwnerKeys: func(key string) (string, bool) { return keys.secret, key == keys.key },
	})
	must(t, err)
	for _, u := range []cognito.User{
		{Username: "ada", Groups: []string{"finance-team"}}, {Username: "edsger", Groups: []string{"finance-team"}, Temporary: true},
		{Username: "alan", Groups: []string{"finance-team"}, TOTPSecret: p.secret}, {Username: "dorothy", SetUpMFA: true},
		{Username: "grace", Groups: []string{"usher-auditors", "usher-admins"}},
	} {
		u.Password, u.Email = "Rig1-"+rand.Text()[:12], u.Username+"@example.com"
		p.passwords[u.Username] = u.Password
		_, err := pool.AddUser(u)
		must(t, err)
	}
	plain := httptest.NewServer(pool)
	t.Cleanup(plain.Close)
	p.proxy.route(poolHost, p.authority.front(t, poolHost, plain.Listener.Addr().String()))

	gateway := demotest.Versitygw(t, tool(t, "USHER_RIG_VERSITYGW"), keys.key, keys.secret)
	owner := s3.New(s3.Options{Region: region, BaseEndpoint: aws.String(gateway), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(keys.key, keys.secret, "")})
	_, err = owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(reports)})
	must(t, err)
	for key, body := range productionObjects() {
		_, err := owner.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(reports), Key: aws.String(key), Body: strings.NewReader(body)})
		must(t, err)
	}
	p.proxy.route(storageHost, p.authority.front(t, storageHost, strings.TrimPrefix(gateway, "http://")))

	dir := t.TempDir()
	cert, key := p.authority.issue(t, filesHost)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := listener.Addr().String()
	must(t, listener.Close())
	p.proxy.route(filesHost, address)
	p.config = filepath.Join(dir, "usher.yaml")
	must(t, os.WriteFile(filepath.Join(dir, "grants.yaml"), []byte("grants:\n  - {group: finance-team, bucket: "+reports+", prefix: annual/}\n"), 0o600))
	must(t, os.WriteFile(p.config, fmt.Appendf(nil, `organisation: Rig Ltd
listen: %s
public_url: https://%s
tls: {cert: %s, key: %s}
region: %s
user_pool_id: %s
client_id: %s
s3: {path_style: true}
grants: grants.yaml
audit: audit.db
`, address, filesHost, cert, key, region, id, client), 0o600))
	p.serverEnv = append(p.env(dir), "AWS_ACCESS_KEY_ID="+keys.key, "AWS_SECRET_ACCESS_KEY="+keys.secret,
		"AWS_ENDPOINT_URL_S3=https://"+storageHost, "AWS_EC2_METADATA_DISABLED=true")
	return p
}

// productionObjects returns the bucket's objects. No grant includes the last one.
func productionObjects() map[string]string {
	return map[string]string{
		"annual/letter.txt": "Dear all,\n", "annual/audited/2025.csv": strings.Repeat("account,amount\n", 100_000), "board/minutes.txt": "secret\n",
	}
}

func (p *production) env(home string) []string {
	return []string{"HOME=" + home, "HTTPS_PROXY=" + p.via, "SSL_CERT_FILE=" + p.authority.file, "LANG=C.UTF-8", "TZ=UTC", "TMPDIR=" + home}
}

// serve starts the server, waits until it is healthy, and stops it at the end of
// the test.
func (p *production) serve() {
	t := p.t
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.program, "serve", "--config", p.config)
	cmd.Env, cmd.Stderr = p.serverEnv, &p.log
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, waitLimit
	must(t, cmd.Start())
	t.Cleanup(func() {
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("usher serve ended: %v\n%s", err, p.log.String())
		}
	})
	for end := time.Now().Add(waitLimit); ; <-time.After(50 * time.Millisecond) {
		res, err := p.client().Get("https://" + filesHost + "/healthz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("usher serve is not healthy: %v\n%s", err, p.log.String())
		}
	}
}

// client returns an HTTP client that uses the same proxy, like a browser.
func (p *production) client() *http.Client {
	via, err := url.Parse(p.via)
	must(p.t, err)
	return &http.Client{Timeout: waitLimit, Transport: &http.Transport{
		Proxy: http.ProxyURL(via), TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: p.authority.pool}, DisableKeepAlives: true,
	}}
}

// run runs one command with the home directory of username.
func (p *production) run(t *testing.T, username, stdin string, args ...string) (out, errs string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.program, args...)
	cmd.Env, cmd.Dir, cmd.Stdin = p.env(p.home(username)), p.home(username), strings.NewReader(stdin)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

// ok runs a command that must succeed, and returns its standard output.
func (p *production) ok(t *testing.T, username, stdin string, args ...string) string {
	t.Helper()
	out, errs, err := p.run(t, username, stdin, args...)
	if err != nil {
		t.Fatalf("usher %s: %v\n%s%s", strings.Join(args, " "), err, out, errs)
	}
	return out
}

func (p *production) home(username string) string {
	home := filepath.Join(filepath.Dir(p.config), "home-"+username)
	must(p.t, os.MkdirAll(home, 0o700))
	return home
}

func (p *production) check(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.program, "serve", "--config", p.config, "--check")
	cmd.Env = p.serverEnv
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("usher serve --check: %v\n%s", err, out)
	}
	// Negative control: the check detects an invalid key and names the bucket.
	cmd = exec.CommandContext(ctx, p.program, "serve", "--config", p.config, "--check")
	cmd.Env = append(slices.Clone(p.serverEnv), "AWS_SECRET_ACCESS_KEY=invalid")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), reports) {
		t.Errorf("usher serve --check with an invalid key: %v\n%s", err, out)
	}
}

func (p *production) configure(t *testing.T) {
	for username := range p.passwords {
		p.ok(t, username, "", "configure", "--yes", "https://"+filesHost)
	}
	// Negative control: without the company's authority, configure fails.
	home := p.home("stranger")
	cmd := exec.CommandContext(t.Context(), p.program, "configure", "--yes", "https://"+filesHost)
	cmd.Env = []string{"HOME=" + home, "HTTPS_PROXY=" + p.via, "LANG=C.UTF-8"}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "certificate") {
		t.Errorf("configured without the authority: %v\n%s", err, out)
	}
}

func (p *production) signIn(t *testing.T) {
	p.ok(t, "ada", p.passwords["ada"]+"\n", "login", "--username", "ada", "--password-stdin")
	p.ok(t, "grace", p.passwords["grace"]+"\n", "login", "--username", "grace", "--password-stdin")
	if out := p.ok(t, "ada", "", "whoami"); !strings.Contains(out, "ada") || !strings.Contains(out, "finance-team") {
		t.Errorf("whoami: %s", out)
	}
	if _, errs, err := p.run(t, "alan", "Wrong-password-1\n", "login", "--username", "alan", "--password-stdin"); err == nil {
		t.Errorf("a wrong password was accepted: %s", errs)
	}
}

func (p *production) newPassword(t *testing.T) {
	chosen := "Rig2-" + rand.Text()[:12]
	p.ok(t, "edsger", p.passwords["edsger"]+"\n"+chosen+"\n", "login", "--username", "edsger", "--password-stdin", "--new-password-stdin")
	p.passwords["edsger"] = chosen
	p.ok(t, "edsger", chosen+"\n", "login", "--username", "edsger", "--password-stdin")
}

func (p *production) totp(t *testing.T) {
	p.ok(t, "alan", p.passwords["alan"]+"\n"+demotest.Code(t, p.secret)+"\n", "login", "--username", "alan", "--password-stdin", "--code-stdin")
	if out := p.ok(t, "alan", "", "ls"); out != reports+"/\n" {
		t.Errorf("ls: %q", out)
	}
}

// setUp sets up an authenticator: it reads the TOTP secret from the output and
// enters its code.
func (p *production) setUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.program, "login", "--username", "dorothy", "--password-stdin", "--code-stdin")
	cmd.Env, cmd.Dir = p.env(p.home("dorothy")), p.home("dorothy")
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stderr, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	_, err = io.WriteString(stdin, p.passwords["dorothy"]+"\n")
	must(t, err)
	var output []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		output = append(output, lines.Text())
		if secret, found := strings.CutPrefix(strings.TrimSpace(lines.Text()), "Secret "); found {
			_, err := io.WriteString(stdin, demotest.Code(t, strings.TrimSpace(secret))+"\n")
			must(t, err)
			must(t, stdin.Close())
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("setting a second factor up: %v\n%s", err, strings.Join(output, "\n"))
	}
	if out := p.ok(t, "dorothy", "", "whoami"); !strings.Contains(out, "dorothy") {
		t.Errorf("whoami: %s", out)
	}
}

func (p *production) ls(t *testing.T) {
	if out := p.ok(t, "ada", "", "ls", reports+"/"); out != "annual/\n" {
		t.Errorf("ls: %q", out)
	}
	if out := p.ok(t, "ada", "", "ls", "-R", reports+"/annual/"); !strings.Contains(out, "2025.csv") || strings.Contains(out, "minutes") {
		t.Errorf("ls -R: %q", out)
	}
	if out, _, err := p.run(t, "dorothy", "", "ls", reports+"/"); err == nil {
		t.Errorf("a person without a grant lists %q", out)
	}
}

func (p *production) get(t *testing.T) {
	p.ok(t, "ada", "", "get", reports+"/annual/", "-o", "got")
	for key, body := range productionObjects() {
		if !strings.HasPrefix(key, "annual/") {
			continue
		}
		if got, err := os.ReadFile(filepath.Join(p.home("ada"), "got", filepath.FromSlash(key))); err != nil || string(got) != body {
			t.Errorf("%s: %d bytes of %d, %v", key, len(got), len(body), err)
		}
	}
	if out, _, err := p.run(t, "ada", "", "get", reports+"/board/minutes.txt", "-o", "got"); err == nil {
		t.Errorf("an object without a grant was fetched: %s", out)
	}
}

func (p *production) url(t *testing.T) {
	link := strings.TrimSpace(p.ok(t, "ada", "", "url", reports+"/annual/letter.txt"))
	if !strings.HasPrefix(link, "https://"+storageHost+"/") {
		t.Errorf("a link to another host: %.40s", link)
	}
	res, err := p.client().Get(link)
	must(t, err)
	defer func() { _ = res.Body.Close() }()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != productionObjects()["annual/letter.txt"] {
		t.Errorf("the link returned %d %q, %v", res.StatusCode, body, err)
	}
}

func (p *production) audit(t *testing.T) {
	out := p.ok(t, "grace", "", "audit", "--json", "who:ada", "action:download")
	for _, want := range []string{`"annual/letter.txt"`, `"annual/audited/2025.csv"`, `"board/minutes.txt"`, `"127.0.0.1"`} {
		if !strings.Contains(out, want) {
			t.Errorf("the log does not contain %s:\n%.2000s", want, out)
		}
	}
	if out, _, err := p.run(t, "ada", "", "audit"); err == nil {
		t.Errorf("a person without the auditor role reads the log: %.200s", out)
	}
}

func (p *production) access(t *testing.T) {
	if out := p.ok(t, "grace", "", "access", "who", reports+"/annual/letter.txt"); !strings.Contains(out, "ada") || strings.Contains(out, "dorothy") {
		t.Errorf("access who: %s", out)
	}
	if out := p.ok(t, "grace", "", "access", "explain", "ada", reports+"/annual/letter.txt"); !strings.Contains(out, "finance-team") {
		t.Errorf("access explain: %s", out)
	}
}
