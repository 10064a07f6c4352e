// Package serve turns a configuration into a running backend: it reads the
// file, builds the parts in the order in which they depend on each other, and
// listens until it is told to stop. A part that cannot be built stops the
// program with one sentence; no part has a silent stand-in.
//
// It leaves all that a request means to backend.
package serve

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"usher/backend/api/shape"
	"usher/backend/grant"
	"usher/backend/grant/file"
	"usher/backend/identity"
	"usher/backend/object"
	"usher/backend/safetext"
)

// Config is what `usher serve --config FILE` reads (YAML). Relative paths are
// relative to the file.
type Config struct {
	Organisation  string   `yaml:"organisation"`
	Listen        string   `yaml:"listen"`     // address:port
	PublicURL     string   `yaml:"public_url"` // the origin people configure
	Region        string   `yaml:"region"`
	UserPoolID    string   `yaml:"user_pool_id"`
	ClientID      string   `yaml:"client_id"`
	HostedUI      string   `yaml:"hosted_ui"`
	NewIssuer     bool     `yaml:"new_issuer"` // the pool's other issuer form
	AuditorsGroup string   `yaml:"auditors_group"`
	AdminsGroup   string   `yaml:"admins_group"`
	Grants        string   `yaml:"grants"`      // file
	Audit         string   `yaml:"audit"`       // SQLite file
	URLSeconds    int      `yaml:"url_seconds"` // 15..900
	Instances     int      `yaml:"instances"`   // that share the pool's quotas
	Proxies       []string `yaml:"trusted_proxies"`
	CursorKeys    []string `yaml:"cursor_keys"` // base64 of 32 bytes; one, or two during a rotation
	TLS           TLS      `yaml:"tls"`
	S3            S3       `yaml:"s3"`

	// AcceptLost starts with a log that has lost records, and records that. It
	// is for one start, so a file cannot set it.
	AcceptLost bool `yaml:"-"`
}

// TLS names the certificate. Behind a proxy that ends TLS, proxy is true.
type TLS struct {
	Cert  string `yaml:"cert"`
	Key   string `yaml:"key"`
	Proxy bool   `yaml:"proxy"`
}

// S3 says where objects are. Credentials come from the AWS SDK's own chain; so
// does the endpoint when none is given.
type S3 struct {
	Region    string `yaml:"region"` // the pool's when empty
	Endpoint  string `yaml:"endpoint"`
	PathStyle bool   `yaml:"path_style"`
	// ExactKeys says that a/../b, a//b and ./b are names of their own, as on
	// AWS. Where it is not said, it is taken to be so for AWS alone: a server
	// that keeps objects as files may answer with another object.
	ExactKeys *bool `yaml:"exact_keys"`
}

// Load reads a configuration file. Every error names the file and what to
// change.
func Load(path string) (Config, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	// Whoever writes it decides which grants and which log count.
	if err := file.Guarded(path); err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	var c Config
	if err := yaml.UnmarshalWithOptions(raw, &c, yaml.Strict()); err != nil {
		if wrong := (*yaml.TypeError)(nil); errors.As(err, &wrong) && wrong.Token != nil {
			return Config{}, fmt.Errorf("%s:%d: this must be of the type %s", path, wrong.Token.Position.Line, wrong.DstType)
		}
		return Config{}, fmt.Errorf("%s: %s", path, strings.TrimSpace(yaml.FormatError(err, false, false)))
	}
	for _, p := range []*string{&c.Grants, &c.Audit, &c.TLS.Cert, &c.TLS.Key} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(filepath.Dir(path), *p)
		}
	}
	if err := c.complete(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// complete fills in defaults and refuses what cannot work.
func (c *Config) complete() error {
	if c.AuditorsGroup == "" {
		c.AuditorsGroup = "usher-auditors"
	}
	if c.AdminsGroup == "" {
		c.AdminsGroup = "usher-admins"
	}
	if c.URLSeconds == 0 {
		c.URLSeconds = int(object.DefaultLife / time.Second)
	}
	if c.Instances == 0 {
		c.Instances = 1
	}
	if c.S3.Region == "" {
		c.S3.Region = c.Region
	}
	if c.Organisation == "" {
		c.Organisation = "usher"
	}
	for name, value := range map[string]string{
		"listen": c.Listen, "public_url": c.PublicURL, "region": c.Region, "user_pool_id": c.UserPoolID,
		"client_id": c.ClientID, "grants": c.Grants, "audit": c.Audit,
	} {
		if value == "" {
			return fmt.Errorf("%s is missing", name)
		}
	}
	if c.Instances < 1 || c.Instances > 1000 {
		return errors.New("instances must be 1 to 1000")
	}
	if life := time.Duration(c.URLSeconds) * time.Second; life < object.MinLife || life > object.MaxLife {
		return fmt.Errorf("url_seconds must be %d to %d", int(object.MinLife.Seconds()), int(object.MaxLife.Seconds()))
	}
	if err := c.addresses(); err != nil {
		return err
	}
	return c.trust()
}

// SPEC: Cognito API reference, ClientIdType: 1 to 128 characters of [\w+]+.
var clientShape = regexp.MustCompile(`^[A-Za-z0-9_+]{1,128}$`)

const maxOrganisation = 100 // bytes

// texts holds names to their shapes: screens and logs show them to everyone.
func (c *Config) texts() error {
	if len(c.Organisation) > maxOrganisation || safetext.New(c.Organisation).Escaped() {
		return fmt.Errorf("organisation must be at most %d bytes without control characters", maxOrganisation)
	}
	if !grant.ValidGroup(c.AuditorsGroup) {
		return errors.New("auditors_group is not the name of a Cognito group: 1 to 128 letters, digits, symbols and punctuation, no spaces")
	}
	if !grant.ValidGroup(c.AdminsGroup) {
		return errors.New("admins_group is not the name of a Cognito group: 1 to 128 letters, digits, symbols and punctuation, no spaces")
	}
	if !clientShape.MatchString(c.ClientID) {
		return errors.New("client_id is not an app client's id: letters and digits")
	}
	return nil
}

// trust checks what the parts would refuse later, without the file's name.
func (c *Config) trust() error {
	if err := c.texts(); err != nil {
		return err
	}
	if _, err := c.pool().Issuer(); err != nil {
		return err
	}
	if _, err := c.proxies(); err != nil {
		return err
	}
	keys, err := c.cursorKeys()
	if err != nil {
		return err
	}
	if len(keys) == 0 && c.Instances > 1 {
		return errors.New("several instances need cursor_keys: openssl rand -base64 32")
	}
	// Access tokens are sent there.
	if u, ok := origin(c.HostedUI); c.HostedUI != "" && (!ok || u.Scheme == "http" && !shape.Loopback(u.Hostname())) {
		return errors.New("hosted_ui must be an origin like https://sign-in.example.com")
	}
	return nil
}

func (c *Config) pool() identity.Pool {
	return identity.Pool{Region: c.Region, ID: c.UserPoolID, AlternateIssuer: c.NewIssuer}
}

func origin(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, false
	}
	return u, u.Scheme == "https" || u.Scheme == "http"
}

// addresses holds the public URL to an origin and plain HTTP to loopback.
func (c *Config) addresses() error {
	u, ok := origin(c.PublicURL)
	if !ok {
		return errors.New("public_url must be an origin like https://files.example.com")
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return errors.New("listen must be address:port, like 127.0.0.1:8443")
	}
	if u.Scheme == "http" && !shape.Loopback(u.Hostname()) {
		return errors.New("public_url must begin with https:// unless it is on 127.0.0.1")
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		return errors.New("tls needs both cert and key")
	}
	if c.TLS.Cert == "" && !c.TLS.Proxy && !shape.Loopback(host) {
		return errors.New("listen is not on 127.0.0.1: give tls cert and key, or tls proxy: true behind a proxy that ends TLS")
	}
	return nil
}

// fileKeys reports whether the storage may take one name for another.
func (s S3) fileKeys(host string) bool {
	if s.ExactKeys != nil {
		return !*s.ExactKeys
	}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	return !strings.HasSuffix(name, ".amazonaws.com") && !strings.HasSuffix(name, ".amazonaws.com.cn")
}

// hosts are the Host headers that are answered. The scheme's default port may
// be written or left out (RFC 9110 §4.2.3).
func (c Config) hosts(listening net.Addr) []string {
	u, err := url.Parse(c.PublicURL)
	if err != nil {
		return nil
	}
	name := strings.ToLower(u.Host)
	hosts := []string{name}
	port := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	switch u.Port() {
	case "":
		hosts = append(hosts, strings.TrimSuffix(name, ":")+":"+port)
	case port:
		hosts = append(hosts, strings.TrimSuffix(name, ":"+port))
	}
	if host, port, err := net.SplitHostPort(listening.String()); err == nil && shape.Loopback(host) {
		hosts = append(hosts, net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("localhost", port), net.JoinHostPort("::1", port))
	}
	return hosts
}

func (c Config) proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range c.Proxies {
		p, err := proxy(strings.TrimSpace(s))
		if err != nil {
			return nil, fmt.Errorf("trusted_proxies: %q %w", s, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// mappedBits is the length of ::ffff:0:0/96, the prefix of all IPv4-mapped
// addresses (RFC 4291 §2.5.5.2).
const mappedBits = 96

// proxy parses an address or a network. Peers are compared as IPv4 where they
// are IPv4-mapped, so a mapped network becomes the IPv4 network that it means.
func proxy(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, aerr := netip.ParseAddr(s)
		if aerr != nil {
			return p, errors.New("is neither an address nor a network")
		}
		a = a.WithZone("")
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if !p.Addr().Is4In6() {
		return p.Masked(), nil
	}
	if p.Bits() < mappedBits {
		return p, errors.New("covers more than the IPv4-mapped addresses: write the IPv4 network, like 10.0.0.0/8")
	}
	return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits).Masked(), nil
}

func (c Config) cursorKeys() ([][]byte, error) {
	if len(c.CursorKeys) > 2 {
		return nil, errors.New("cursor_keys: give one, or two during a rotation")
	}
	var out [][]byte
	for i, s := range c.CursorKeys {
		k, err := base64.StdEncoding.DecodeString(s)
		if err != nil || len(k) != 32 {
			return nil, fmt.Errorf("cursor_keys: entry %d is not 32 bytes in base64", i+1)
		}
		out = append(out, k)
	}
	return out, nil
}
