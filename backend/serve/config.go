// Package serve turns a configuration into a running backend. It reads the
// file, builds the parts in the order of their dependencies, and listens until
// the context ends. If a part cannot be built, the program ends with one
// sentence; no part has a silent fallback.
//
// The handling of requests is left to package backend.
package serve

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"usher/backend/api/shape"
	"usher/backend/grant"
	"usher/backend/grant/file"
	"usher/backend/identity"
	"usher/backend/object"
	"usher/backend/reader"
	"usher/backend/safetext"
)

// Config is the YAML configuration of `usher serve --config FILE`. Relative
// paths are relative to the file.
type Config struct {
	Organisation  string   `yaml:"organisation"`
	Listen        string   `yaml:"listen"`     // address:port
	Metrics       string   `yaml:"metrics"`    // address:port of Prometheus metrics; empty: none
	PublicURL     string   `yaml:"public_url"` // origin in the users' configuration
	Region        string   `yaml:"region"`
	UserPoolID    string   `yaml:"user_pool_id"`
	ClientID      string   `yaml:"client_id"`
	HostedUI      string   `yaml:"hosted_ui"`
	NewIssuer     bool     `yaml:"new_issuer"` // the pool's alternate issuer form
	AuditorsGroup string   `yaml:"auditors_group"`
	AdminsGroup   string   `yaml:"admins_group"`
	Grants        string   `yaml:"grants"`         // file, or dynamodb:TABLE
	Audit         string   `yaml:"audit"`          // SQLite file, or dynamodb:TABLE
	State         string   `yaml:"state"`          // dynamodb:TABLE, with audit and grants in tables
	AuditKey      string   `yaml:"audit_key"`      // file with the key that signs checkpoints of an SQLite file
	Witnesses     string   `yaml:"witnesses"`      // file with the policy of the witnesses (c2sp.org/tlog-policy); empty: none
	AuditDays     int      `yaml:"audit_days"`     // in tables: days until events expire; 0: never
	RetentionDays int      `yaml:"retention_days"` // days until events expire; 0: never
	Holds         []string `yaml:"holds"`          // filters of events that do not expire
	Questions     int      `yaml:"questions"`      // to the pool in a second, for all instances; 0: half of its quotas
	URLSeconds    int      `yaml:"url_seconds"`    // 15..900
	Instances     int      `yaml:"instances"`      // a safeguard: more than 1 refuses files, which servers cannot share
	Proxies       []string `yaml:"trusted_proxies"`
	CursorKeys    []string `yaml:"cursor_keys"` // base64 of 32 bytes; one, or two during a rotation
	TLS           TLS      `yaml:"tls"`
	S3            S3       `yaml:"s3"`
	SignIn        SignIn   `yaml:"sign_in"`
	Seal          Seal     `yaml:"seal"`
	IdleMinutes   int      `yaml:"idle_minutes"` // 0..1440; 0: the browser never locks
	Sinks         []Sink   `yaml:"sinks"`        // receivers of the audit log
	Reviews       []Review `yaml:"reviews"`      // required reviews of the audit log
	Alerts        []Alert  `yaml:"alerts"`       // rules about events that come too often

	// GroupsAttribute adds the groups of a company's directory to sessions of a
	// browser: stamped, or unstamped for a pool without the inbound federation
	// trigger. See identity.Federated.
	GroupsAttribute     string   `yaml:"groups_attribute"`
	GroupsAttributeName string   `yaml:"groups_attribute_name"` // of the pool; empty: custom:groups
	FederatedGroups     []string `yaml:"federated_groups"`      // the groups that a company can give

	// AcceptLost starts with a log that has lost records, and records the loss.
	// It applies to one start, so a file cannot set it.
	AcceptLost bool `yaml:"-"`

	// Unattended is a server without a listener and without files, as on AWS Lambda.
	Unattended bool `yaml:"-"`

	// Pace is for tests. Zero values: those of a server.
	Pace Pace `yaml:"-"`

	// rehearsal is a function on this machine; see Rehearse.
	rehearsal bool
}

// Pace has the times of the work that one of several servers does.
type Pace struct {
	Seal  time.Duration // between two steps of the sealer
	Renew time.Duration // between two renewals of a lease
	Lease time.Duration // after which another server takes the work of an ended one
}

// TLS has the paths of certificate and key. Proxy is true behind a proxy that
// terminates TLS.
type TLS struct {
	Cert  string `yaml:"cert"`
	Key   string `yaml:"key"`
	Proxy bool   `yaml:"proxy"`
}

// S3 is the location of the storage. Credentials come from the AWS SDK's own
// chain, as does an empty endpoint.
type S3 struct {
	Region string `yaml:"region"` // empty: the pool's region
	// Regions are regions of buckets that future grants may name. Clients trust
	// their hosts from the start.
	Regions   []string `yaml:"regions"`
	Endpoint  string   `yaml:"endpoint"`
	PathStyle bool     `yaml:"path_style"`
	// ExactKeys: a/../b, a//b and ./b are distinct keys, as on AWS. A storage
	// that keeps objects as files may return another object for them. The
	// default is true for AWS only.
	ExactKeys *bool `yaml:"exact_keys"`
	// ReaderRole is the ARN of a role that the server assumes for each person,
	// under a session policy of that person's grants. Empty: the server reads and
	// signs with its own credentials.
	ReaderRole string `yaml:"reader_role"`
}

// Load reads a configuration file. Every error names the file and the
// correction.
func Load(path string) (Config, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	// The file selects the grants and the audit log, so it must be protected.
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
	if c.AuditKey == "" && c.keyed() {
		c.AuditKey = auditKeyName // beside the configuration, outside the log's folder
	}
	for _, p := range []*string{&c.Grants, &c.Audit, &c.AuditKey, &c.Witnesses, &c.TLS.Cert, &c.TLS.Key} {
		if *p != "" && !filepath.IsAbs(*p) && !strings.HasPrefix(*p, tablePrefix) {
			*p = filepath.Join(filepath.Dir(path), *p)
		}
	}
	for i := range c.Sinks {
		c.Sinks[i].resolve(filepath.Dir(path))
	}
	if err := c.complete(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// The default names of the groups of auditors and admins.
const (
	defaultAuditors = "usher-auditors"
	defaultAdmins   = "usher-admins"
)

// auditKeyName is the default name of the key file.
const auditKeyName = "audit.key"

// complete fills in defaults and refuses invalid values.
func (c *Config) complete() error {
	if c.AuditorsGroup == "" {
		c.AuditorsGroup = defaultAuditors
	}
	if c.AdminsGroup == "" {
		c.AdminsGroup = defaultAdmins
	}
	if c.URLSeconds == 0 {
		c.URLSeconds = int(object.DefaultLife / time.Second)
	}
	if c.AuditKey == "" && !strings.HasPrefix(c.Audit, tablePrefix) && c.keyed() {
		c.AuditKey = filepath.Join(filepath.Dir(c.Audit), auditKeyName)
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
		if value == "" && !(c.Unattended && name == "listen") {
			return fmt.Errorf("%s is missing", name)
		}
	}
	if err := c.checkUnused(); err != nil {
		return err
	}
	if err := c.checkRetention(time.Now()); err != nil {
		return err
	}
	if err := c.checkSinks(); err != nil {
		return err
	}
	if err := errors.Join(c.checkReviews(), c.checkAlerts()); err != nil {
		return err
	}
	if c.IdleMinutes < 0 || c.IdleMinutes > 24*60 {
		return errors.New("idle_minutes must be 0 to 1440")
	}
	if c.Questions < 0 || c.Questions > 1000 {
		return errors.New("questions must be 1 to 1000, or absent for half of the pool's quotas")
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
var clientShape = shape.NewForm(`^[A-Za-z0-9_+]{1,128}$`)

const maxOrganisation = 100 // bytes

// texts checks the names that screens and logs show.
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
	if !clientShape.Matches(c.ClientID) {
		return errors.New("client_id is not an app client's id: letters and digits")
	}
	return nil
}

// trust checks fields that the parts would refuse later, in an error without
// the file's name.
func (c *Config) trust() error {
	if err := c.texts(); err != nil {
		return err
	}
	if _, err := c.pool().Issuer(); err != nil {
		return err
	}
	for _, region := range c.S3.Regions {
		if !shape.Region(region) {
			return fmt.Errorf("s3: regions: %q is not an AWS region", region)
		}
	}
	if c.S3.ReaderRole != "" && !reader.ValidRole(c.S3.ReaderRole) {
		return errors.New("s3: reader_role must be the ARN of a role, like arn:aws:iam::111122223333:role/usher-reader")
	}
	if _, err := c.proxies(); err != nil {
		return err
	}
	if _, err := c.cursorKeys(); err != nil {
		return err
	}
	if err := c.tables(); err != nil {
		return err
	}
	if err := c.Seal.check(*c); err != nil {
		return err
	}
	if err := c.signIn(); err != nil {
		return err
	}
	if _, err := c.federated(); err != nil {
		return err
	}
	// Access tokens are sent to this address.
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

// addresses requires an origin as public URL, and TLS except on loopback.
func (c *Config) addresses() error {
	u, ok := origin(c.PublicURL)
	if !ok {
		return errors.New("public_url must be an origin like https://files.example.com")
	}
	if c.Unattended {
		if u.Scheme != "https" && !(c.rehearsal && shape.Loopback(u.Hostname())) {
			return errors.New("public_url must begin with https://")
		}
		return nil
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return errors.New("listen must be address:port, like 127.0.0.1:8443")
	}
	if _, _, err := net.SplitHostPort(c.Metrics); c.Metrics != "" && (err != nil || c.Metrics == c.Listen) {
		return errors.New("metrics must be address:port, like 127.0.0.1:9464, and another one than listen")
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

// fileKeys reports whether the storage may confuse distinct keys.
func (s S3) fileKeys(host string) bool {
	if s.ExactKeys != nil {
		return !*s.ExactKeys
	}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	return !shape.AWSHost(name)
}

// hosts returns the accepted Host headers. The scheme's default port is optional
// in them (RFC 9110 §4.2.3).
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
	if listening == nil {
		return hosts
	}
	if host, port, err := net.SplitHostPort(listening.String()); err == nil && shape.Loopback(host) {
		hosts = append(hosts, net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("localhost", port), net.JoinHostPort("::1", port))
	}
	return hosts
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
