package session

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend/api"
	"usher/backend/api/shape"
	"usher/backend/safetext"
)

const (
	discoverLimit = 10 * time.Second
	maxConfig     = 64 << 10 // bytes of GET /v1/config
)

// AddressError says why an address of a server is not accepted.
type AddressError struct {
	Address safetext.Text
	Problem string
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("%s is not a server's address: %s. Write it like https://files.example.com", e.Address, e.Problem)
}

// Exit is the exit code a command ends with.
func (e *AddressError) Exit() int { return api.ExitUsage }

// ConfigError says that a server's configuration cannot be used.
type ConfigError struct {
	Host    safetext.Text
	Problem string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("%s does not answer like an usher server: %s. Check the address, or ask your administrator.", e.Host, e.Problem)
}

// Exit is the exit code a command ends with.
func (e *ConfigError) Exit() int { return api.ExitUnavailable }

// Origin checks an address that a person typed and brings it into the one
// form in which origins are kept and compared: scheme, lower-case host, and
// the port unless it is the scheme's own. It accepts https, and http on
// loopback; no user, path, query or fragment.
func Origin(address string) (string, error) {
	refuse := func(problem string) (string, error) {
		return "", &AddressError{safetext.New(address), problem}
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > 300:
		return refuse("it cannot be read")
	case u.Scheme != "https" && u.Scheme != "http":
		return refuse("it has to begin with https://")
	case u.User != nil:
		return refuse("it holds a user name")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(address, "#"):
		return refuse("it has a query or a fragment")
	case u.Opaque != "" || u.Path != "" && u.Path != "/":
		return refuse("it has a path")
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if !hostName.MatchString(host) && !ipv6.MatchString(host) || strings.HasSuffix(u.Host, ":") {
		return refuse("its host is not a host name")
	}
	if u.Scheme == "http" && !shape.Loopback(host) {
		return refuse("it has to begin with https://")
	}
	if port == "443" && u.Scheme == "https" || port == "80" && u.Scheme == "http" {
		port = ""
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" {
		host += ":" + port
	}
	return u.Scheme + "://" + host, nil
}

var (
	hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
	ipv6     = regexp.MustCompile(`^[0-9a-f:]{2,39}$`)

	// SPEC: Cognito API reference, ClientId [\w+]+.
	clientForm = regexp.MustCompile(`^[0-9A-Za-z_+]{1,128}$`)
	s3Form     = regexp.MustCompile(`^[a-z0-9.-]{1,253}(:\d{1,5})?$|^\[[0-9a-f:]{2,39}\](:\d{1,5})?$`)
)

func onLoopback(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && shape.Loopback(u.Hostname())
}

// Discover asks a server what anyone may know of it. The answer is checked to
// be usable and is not yet trusted: `usher configure` shows it and asks. It
// follows no redirect, reads at most 64 KiB and takes at most 10 s.
func Discover(ctx context.Context, server string) (api.Config, error) {
	client := newHTTPClient()
	defer client.CloseIdleConnections()
	return discover(ctx, client, server)
}

func discover(ctx context.Context, client *http.Client, server string) (api.Config, error) {
	origin, err := Origin(server)
	if err != nil {
		return api.Config{}, err
	}
	refuse := func(problem string) (api.Config, error) {
		return api.Config{}, &ConfigError{safetext.New(hostOf(origin)), problem}
	}
	limited, cancel := context.WithTimeout(ctx, discoverLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodGet, origin+"/v1/config", nil)
	if err != nil {
		return api.Config{}, fmt.Errorf("asking for the configuration: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return api.Config{}, networkError(ctx, hostOf(origin), err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return refuse("it sends to another address, which usher does not follow")
	case resp.StatusCode != http.StatusOK:
		return refuse(fmt.Sprintf("it answered with status %d", resp.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxConfig+1))
	switch {
	case err != nil:
		return api.Config{}, networkError(ctx, hostOf(origin), err)
	case len(body) > maxConfig:
		return refuse("its answer is too long")
	}
	var config api.Config
	if err := json.Unmarshal(body, &config); err != nil {
		return refuse("its answer is not a configuration")
	}
	if err := checkConfig(origin, config); err != nil {
		return api.Config{}, err
	}
	return config, nil
}

// checkConfig refuses what would make usher talk to somebody it should not.
func checkConfig(origin string, c api.Config) error {
	refuse := func(problem string) error {
		return &ConfigError{safetext.New(hostOf(origin)), problem}
	}
	switch {
	case c.Organisation == "" || len(c.Organisation) > 200:
		return refuse("it does not name its organisation")
	case !shape.Region(c.Region):
		return refuse("its region is not an AWS region")
	case !shape.PoolID(c.UserPoolID, c.Region):
		return refuse("its user pool is not one of its region")
	case !clientForm.MatchString(c.ClientID):
		return refuse("its client ID is malformed")
	case len(c.S3Hosts) == 0 || len(c.S3Hosts) > 50:
		return refuse("it does not say where downloads come from")
	case slices.ContainsFunc(c.S3Hosts, func(h string) bool { return !s3Form.MatchString(h) }):
		return refuse("a host for downloads is not a host name")
	}
	endpoint, err := cognitoEndpoint(origin, c)
	if err != nil {
		return err
	}
	if !onLoopback(origin) {
		issuer, host := c.Issuer, hostOf(endpoint)
		// SPEC: a pool's tokens name one of two issuers, with or without "issuer-".
		if issuer != "https://"+host+"/"+c.UserPoolID && issuer != "https://issuer-"+host+"/"+c.UserPoolID {
			return refuse("its issuer does not belong to its user pool")
		}
	}
	return nil
}

// cognitoEndpoint is the address passwords' proofs go to: derived from region
// and pool, by the SDK's own table of partitions and from nothing else. An
// address that the configuration spells out counts only where the server and
// that address are both on loopback: otherwise a hostile server could name a
// pool of its own making and collect passwords' proofs there.
func cognitoEndpoint(origin string, c api.Config) (string, error) {
	if c.CognitoEndpoint != "" && onLoopback(origin) {
		endpoint, err := Origin(c.CognitoEndpoint)
		if err != nil || !onLoopback(endpoint) {
			return "", &ConfigError{safetext.New(hostOf(origin)), "its sign-in service is not on this machine"}
		}
		return endpoint, nil
	}
	resolved, err := cognito.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(),
		cognito.EndpointParameters{Region: aws.String(c.Region)})
	if err != nil || resolved.URI.Scheme != "https" || !strings.HasPrefix(resolved.URI.Host, "cognito-idp."+c.Region+".") {
		return "", &ConfigError{safetext.New(hostOf(origin)), "its region has no sign-in service"}
	}
	return resolved.URI.Scheme + "://" + resolved.URI.Host, nil
}

// newHTTPClient keeps to TLS 1.2 and later with the system's roots (Go reads
// SSL_CERT_FILE), follows no redirect and keeps no cookie.
func newHTTPClient() *http.Client {
	transport := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		t.MaxResponseHeaderBytes = 64 << 10
		t.OnProxyConnectResponse = api.ProxyAnswer
	}).GetTransport()
	return stayingClient(transport)
}

// stayingClient follows no redirect: a server that moves is configured anew.
func stayingClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// PinError says what changed at a server since it was trusted. Nothing is
// sent to such a server until it is configured again.
type PinError struct {
	Server  string
	Changes []Change
}

// Change is one pinned value that is not what it was.
type Change struct {
	What     string
	Old, New safetext.Text
}

func (e *PinError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is not what you trusted:", safetext.New(hostOf(e.Server)))
	for _, c := range e.Changes {
		fmt.Fprintf(&b, "\n  %s was %s, is now %s", c.What, orNone(c.Old), orNone(c.New))
	}
	fmt.Fprintf(&b, "\nNothing was sent. If your administrator confirms the change, run: usher configure %s", safetext.New(e.Server))
	return b.String()
}

// Exit is the exit code a command ends with.
func (e *PinError) Exit() int { return api.ExitUsage }

func orNone(t safetext.Text) string {
	if t.Raw() == "" {
		return "nothing"
	}
	return t.String()
}

// CheckPinned compares what a server says now with what was trusted: its
// organisation, region, user pool, client id, issuer, sign-in addresses and
// the hosts that downloads may come from. A difference is a *PinError that
// names all of them.
func CheckPinned(trusted, now api.Config) error {
	hosts := func(c api.Config) string {
		h := slices.Clone(c.S3Hosts)
		slices.Sort(h)
		return strings.Join(slices.Compact(h), " ")
	}
	var changes []Change
	for _, p := range []struct{ what, old, new string }{
		{"the organisation", trusted.Organisation, now.Organisation},
		{"the region", trusted.Region, now.Region},
		{"the user pool", trusted.UserPoolID, now.UserPoolID},
		{"the client id", trusted.ClientID, now.ClientID},
		{"the issuer", trusted.Issuer, now.Issuer},
		{"the sign-in address", trusted.CognitoEndpoint, now.CognitoEndpoint},
		{"the company sign-in", trusted.HostedUI, now.HostedUI},
		{"the hosts for downloads", hosts(trusted), hosts(now)},
	} {
		if p.old != p.new {
			changes = append(changes, Change{p.what, safetext.New(p.old), safetext.New(p.new)})
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return &PinError{Changes: changes}
}

// Recheck asks a profile's server again and refuses what differs from what
// was trusted; it is for the moment before a password is typed. The answer
// holds the values that may change (lifetimes, groups, oldest client). It asks
// over transport, whose connection then serves the calls that follow.
func (p Profile) Recheck(ctx context.Context, transport http.RoundTripper) (api.Config, error) {
	now, err := discover(ctx, stayingClient(transport), p.Server)
	if err != nil {
		return api.Config{}, err
	}
	err = CheckPinned(p.Config, now)
	var pin *PinError
	if errors.As(err, &pin) {
		pin.Server = p.Server
		return api.Config{}, pin
	}
	return now, err
}
