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
	"slices"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"usher/backend/api"
	"usher/backend/api/shape"
	"usher/backend/audit/checkpoint"
	"usher/backend/safetext"
)

const (
	discoverLimit = 10 * time.Second
	maxConfig     = 64 << 10 // bytes of GET /v1/config
)

// AddressError is a refused server address.
type AddressError struct {
	Address safetext.Text
	Problem string
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("%s is not a server's address: %s. Write it like https://files.example.com", e.Address, e.Problem)
}

// Exit returns the exit code of a command that ends with this error.
func (e *AddressError) Exit() int { return api.ExitUsage }

// ConfigError is a server configuration that cannot be used.
type ConfigError struct {
	Host    safetext.Text
	Problem string
	Busy    bool // the server, or a gateway before it, can answer later
}

func (e *ConfigError) Error() string {
	if e.Busy {
		return fmt.Sprintf("%s can't answer now: %s. Try again in a minute.", e.Host, e.Problem)
	}
	return fmt.Sprintf("%s does not answer like an usher server: %s. Check the address, or ask your administrator.", e.Host, e.Problem)
}

// Exit returns the exit code of a command that ends with this error.
func (e *ConfigError) Exit() int { return api.ExitUnavailable }

// Origin checks a server address and returns its canonical form, in which
// origins are stored and compared: scheme, lower-case host, and the port unless
// it is the default of the scheme. It accepts https, and http on loopback, and
// refuses a user, a path, a query and a fragment.
func Origin(address string) (string, error) {
	refuse := func(problem string) (string, error) {
		return "", &AddressError{safetext.New(address), problem}
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > 300:
		return refuse("it cannot be read")
	case u.Scheme != "https" && u.Scheme != "http":
		return refuse("it must begin with https://")
	case u.User != nil:
		return refuse("it holds a user name")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(address, "#"):
		return refuse("it has a query or a fragment")
	case u.Opaque != "" || u.Path != "" && u.Path != "/":
		return refuse("it has a path")
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if !hostName.Matches(host) && !ipv6.Matches(host) || strings.HasSuffix(u.Host, ":") {
		return refuse("its host is not a host name")
	}
	if u.Scheme == "http" && !shape.Loopback(host) {
		return refuse("it must begin with https://")
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
	hostName = shape.NewForm(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
	ipv6     = shape.NewForm(`^[0-9a-f:]{2,39}$`)

	// SPEC: Cognito API reference, ClientId [\w+]+.
	clientForm = shape.NewForm(`^[0-9A-Za-z_+]{1,128}$`)
	s3Form     = shape.NewForm(`^[a-z0-9.-]{1,253}(:\d{1,5})?$|^\[[0-9a-f:]{2,39}\](:\d{1,5})?$`)
)

func onLoopback(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && shape.Loopback(u.Hostname())
}

// Discover fetches the public configuration of a server. The returned
// configuration is well-formed but not trusted: `usher configure` shows it to
// the user for consent. Discover follows no redirect, reads at most 64 KiB and
// takes at most 10 s.
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
		return api.Config{}, &ConfigError{Host: safetext.New(hostOf(origin)), Problem: problem}
	}
	limited, cancel := context.WithTimeout(ctx, discoverLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodGet, origin+"/v1/config", nil)
	if err != nil {
		return api.Config{}, fmt.Errorf("requesting the configuration: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := patiently(client, req)
	if err != nil {
		return api.Config{}, networkError(ctx, hostOf(origin), err)
	}
	defer resp.Body.Close()
	switch {
	case busy(resp.StatusCode):
		return api.Config{}, &ConfigError{safetext.New(hostOf(origin)), fmt.Sprintf("it answered with status %d", resp.StatusCode), true}
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return refuse("it redirects to another address, which usher does not follow")
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

// patiently repeats a request without a body while its answer is that of a server
// that is busy. It returns the last answer.
func patiently(client *http.Client, req *http.Request) (*http.Response, error) {
	for wait, total := firstPause, time.Duration(0); ; wait *= 2 {
		resp, err := client.Do(req)
		if total += wait; err != nil || !busy(resp.StatusCode) || total > discoverLimit/2 {
			return resp, err
		}
		select {
		case <-time.After(wait):
			_ = resp.Body.Close()
		case <-req.Context().Done():
			return resp, nil
		}
	}
}

// busy reports whether a status is that of a server, or of a gateway before it, that
// can answer later.
func busy(status int) bool {
	return status == http.StatusTooManyRequests || status >= http.StatusBadGateway && status <= http.StatusGatewayTimeout
}

// checkConfig refuses a configuration that is incomplete or malformed, or whose
// region, user pool, issuer and sign-in address do not belong together.
func checkConfig(origin string, c api.Config) error {
	refuse := func(problem string) error {
		return &ConfigError{Host: safetext.New(hostOf(origin)), Problem: problem}
	}
	switch {
	case c.Organisation == "" || len(c.Organisation) > 200:
		return refuse("it does not name its organization")
	case !shape.Region(c.Region):
		return refuse("its region is not an AWS region")
	case !shape.PoolID(c.UserPoolID, c.Region):
		return refuse("its user pool is not one of its region")
	case !clientForm.Matches(c.ClientID):
		return refuse("its client ID is malformed")
	case len(c.S3Hosts) == 0 || len(c.S3Hosts) > 50:
		return refuse("it names no download hosts")
	case slices.ContainsFunc(c.S3Hosts, func(h string) bool { return !s3Form.Matches(h) }):
		return refuse("a download host is not a host name")
	}
	if c.AuditLog.Key != "" {
		if _, err := checkpoint.NewVerifier(c.AuditLog.Key); err != nil || len(c.AuditLog.Restarts) > api.MaxRestarts {
			return refuse("the key of its audit log is malformed")
		}
	}
	if problem := offerProblem(origin, c); problem != "" {
		return refuse(problem)
	}
	if _, err := cognitoEndpoint(origin, c); err != nil {
		return err
	}
	if issuer, alternate := shape.PoolIssuers(c.Region, c.UserPoolID); !onLoopback(origin) && c.Issuer != issuer && c.Issuer != alternate {
		return refuse("its issuer does not belong to its user pool")
	}
	return nil
}

// offerProblem checks the ways to sign in. The authorization server of the
// browser ways must be an https origin: usher's tokens come from there. It may
// be on loopback where the server is.
func offerProblem(origin string, c api.Config) string {
	offer := c.Offer()
	if len(offer.Ways) == 0 || len(offer.Ways) > 8 || len(offer.Providers) > 50 || len(offer.CallbackPorts) > 16 {
		return "its list of ways to sign in is empty or too long"
	}
	if offer.Clients.Native != c.ClientID || offer.HostedUI != c.HostedUI {
		return "its ways to sign in contradict its other settings"
	}
	for _, w := range offer.Ways {
		switch w {
		case api.WayPassword, api.WayCode, api.WaySSO, api.WayDevice:
		default:
			continue // of a newer server
		}
		if !clientForm.Matches(offer.Client(w)) {
			return "a way to sign in has no client ID"
		}
		if w != api.WaySSO && w != api.WayDevice {
			continue
		}
		hosted, err := Origin(offer.HostedUI)
		if err != nil || onLoopback(hosted) && !onLoopback(origin) {
			return "its company sign-in has no usable address"
		}
	}
	for _, p := range offer.Providers {
		if p.Name == "" || p.Label == "" || len(p.Name) > 64 || len(p.Label) > 100 {
			return "a company of its sign-in has no name"
		}
	}
	for _, port := range offer.CallbackPorts {
		if port < 1024 || port > 65535 {
			return "a callback port is not a port of a user"
		}
	}
	if offer.Password.Length < 6 || offer.Password.Length > 99 { // SPEC: PasswordPolicyType, MinimumLength
		return "its rules for passwords are malformed"
	}
	return ""
}

// cognitoEndpoint returns the address that receives password proofs. It follows from
// the region alone. The address in a configuration is used only where the server and
// that address are both on loopback: otherwise a hostile server could name a pool of
// its own and collect password proofs there.
func cognitoEndpoint(origin string, c api.Config) (string, error) {
	if c.CognitoEndpoint != "" && onLoopback(origin) {
		endpoint, err := Origin(c.CognitoEndpoint)
		if err != nil || !onLoopback(endpoint) {
			return "", &ConfigError{Host: safetext.New(hostOf(origin)), Problem: "its sign-in service is not on this machine"}
		}
		return endpoint, nil
	}
	if !shape.Region(c.Region) {
		return "", &ConfigError{Host: safetext.New(hostOf(origin)), Problem: "its region has no sign-in service"}
	}
	return "https://" + shape.PoolHost(c.Region), nil
}

// newHTTPClient returns a client for TLS 1.2 and later with the system's roots
// (Go reads SSL_CERT_FILE), without redirects and without cookies.
func newHTTPClient() *http.Client {
	transport := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		t.MaxResponseHeaderBytes = 64 << 10
		t.OnProxyConnectResponse = api.ProxyAnswer
	}).GetTransport()
	return noRedirectClient(transport)
}

// noRedirectClient follows no redirect: a server that moves is configured again.
func noRedirectClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// PinError lists the differences between a server's configuration and the
// trusted one. No credentials are sent to such a server until it is configured
// again.
type PinError struct {
	Server  string
	Changes []Change
}

// Change is one pinned value that differs.
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

// Exit returns the exit code of a command that ends with this error.
func (e *PinError) Exit() int { return api.ExitUsage }

// PinMismatch is a configuration with another hash than the pin in the address.
type PinMismatch struct {
	Server string
	Want   safetext.Text
	Got    string
}

func (e *PinMismatch) Error() string {
	return fmt.Sprintf("The settings of %s do not have the pin %s; theirs is %s. Nothing was saved. Check the address and the pin, or ask your administrator.",
		safetext.New(hostOf(e.Server)), orNone(e.Want), e.Got)
}

// Exit returns the exit code of a command that ends with this error.
func (e *PinMismatch) Exit() int { return api.ExitUsage }

func orNone(t safetext.Text) string {
	if t.Raw() == "" {
		return "nothing"
	}
	return t.String()
}

// CheckPinned compares the current configuration of a server with the trusted
// one (api.Config.Pinned). The error is a *PinError with all differences.
func CheckPinned(trusted, now api.Config) error {
	var changes []Change
	before, after := trusted.Pinned(), now.Pinned()
	for i, p := range before {
		if p.Value != after[i].Value && !(p.Key == api.AuditKeyPin && continues(trusted.AuditLog.Key, now.AuditLog)) {
			changes = append(changes, Change{p.Name, safetext.New(p.Value), safetext.New(after[i].Value)})
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return &PinError{Changes: changes}
}

// continues reports whether a log continues the one with the trusted key: after
// restarts that each key before signed, or because the server had no key.
func continues(trusted string, now api.AuditLog) bool {
	if trusted == "" {
		return true
	}
	_, err := checkpoint.Chain(trusted, now.Key, now.Restarts)
	return err == nil
}

// Recheck fetches the configuration of a profile's server again, before a
// password is typed. A difference in a pinned value is a *PinError. The result
// has the values that may change (lifetimes, groups, oldest client). Recheck
// uses transport, and later calls can reuse its connection.
func (p Profile) Recheck(ctx context.Context, transport http.RoundTripper) (api.Config, error) {
	now, err := discover(ctx, noRedirectClient(transport), p.Server)
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
