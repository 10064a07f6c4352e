package serve

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"usher/backend/api"
	"usher/backend/api/shape"
	"usher/backend/safetext"
)

// SignIn configures the ways to sign in. The zero value offers the password,
// and each browser way that has an app client.
type SignIn struct {
	Ways          []api.Way  `yaml:"ways"` // in the order on the screen
	SSOClientID   string     `yaml:"sso_client_id"`
	DeviceClient  string     `yaml:"device_client_id"`
	Providers     []Provider `yaml:"providers"`
	CallbackPorts []int      `yaml:"callback_ports"` // of 127.0.0.1; as registered for the SSO client
	Password      *Password  `yaml:"password"`       // nil: Cognito's default policy
	Device        Device     `yaml:"device"`
}

// Provider is an identity provider of the pool, with its name in Cognito and its
// label on the screen.
type Provider struct {
	Name  string `yaml:"name"`
	Label string `yaml:"label"`
}

// Device configures the sign-in of terminals without a browser.
type Device struct {
	// Number is false for plain RFC 8628: one click on a forwarded link then signs
	// a stranger's terminal in.
	Number *bool    `yaml:"number"`
	From   []string `yaml:"from"` // networks of terminals; empty: all
}

// Password has the rules of the pool's password policy.
type Password struct {
	Length    int  `yaml:"length"`
	Uppercase bool `yaml:"uppercase"`
	Lowercase bool `yaml:"lowercase"`
	Digits    bool `yaml:"digits"`
	Symbols   bool `yaml:"symbols"`
}

const (
	maxProviders = 20
	maxPorts     = 8
)

// signIn checks the ways to sign in.
func (c *Config) signIn() error {
	offer := c.offer()
	for i, w := range offer.Ways {
		switch w {
		case api.WayPassword, api.WayCode, api.WaySSO, api.WayDevice:
		default:
			return fmt.Errorf("sign_in ways: %q is not one of password, code, sso and device", w)
		}
		switch {
		case slices.Contains(offer.Ways[:i], w):
			return fmt.Errorf("sign_in ways: %s is there twice", w)
		case !clientShape.Matches(offer.Client(w)):
			return fmt.Errorf("sign_in ways: %s needs %s_client_id, an app client's id: letters and digits", w, w)
		case (w == api.WaySSO || w == api.WayDevice) && c.HostedUI == "":
			return fmt.Errorf("sign_in ways: %s needs hosted_ui, the origin of the pool's domain", w)
		}
	}
	if len(offer.Providers) > maxProviders {
		return fmt.Errorf("sign_in providers: at most %d", maxProviders)
	}
	for _, p := range offer.Providers {
		if p.Name == "" || p.Label == "" || len(p.Name) > 32 || len(p.Label) > maxOrganisation || safetext.New(p.Label).Escaped() {
			return errors.New("sign_in providers: each needs a name of Cognito and a label of at most 100 bytes without control characters")
		}
	}
	if len(offer.CallbackPorts) > maxPorts || slices.ContainsFunc(offer.CallbackPorts, func(n int) bool { return n < 1024 || n > 65535 }) {
		return fmt.Errorf("sign_in callback_ports: at most %d ports of 1024 to 65535", maxPorts)
	}
	if _, err := c.terminals(); err != nil {
		return err
	}
	if n := offer.Password.Length; n < 6 || n > 99 { // SPEC: PasswordPolicyType, MinimumLength
		return errors.New("sign_in password: length must be 6 to 99")
	}
	return nil
}

// terminals returns the networks from which terminals may sign in.
func (c *Config) terminals() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range c.SignIn.Device.From {
		p, err := proxy(strings.TrimSpace(s))
		if err != nil {
			return nil, fmt.Errorf("sign_in device from: %q %w", s, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// offer returns the ways to sign in for the public configuration.
func (c *Config) offer() api.SignIn {
	s := c.SignIn
	o := api.SignIn{
		Ways: s.Ways, Clients: api.Clients{Native: c.ClientID, SSO: s.SSOClientID, Device: s.DeviceClient},
		HostedUI: c.HostedUI, Password: api.DefaultPasswordRules(),
	}
	if len(o.Ways) == 0 {
		o.Ways = []api.Way{api.WayPassword}
		if s.SSOClientID != "" {
			o.Ways = append(o.Ways, api.WaySSO)
		}
		if s.DeviceClient != "" {
			o.Ways = append(o.Ways, api.WayDevice)
		}
	}
	for _, p := range s.Providers {
		o.Providers = append(o.Providers, api.Provider(p))
	}
	if o.Has(api.WaySSO) {
		o.CallbackPorts = s.CallbackPorts
		if len(o.CallbackPorts) == 0 {
			o.CallbackPorts = shape.CallbackPorts()
		}
	}
	if p := s.Password; p != nil {
		o.Password = api.PasswordRules(*p)
	}
	return o
}

// clients returns the app clients of those of the ways that are on offer.
func (c *Config) clients(ways ...api.Way) []string {
	offer := c.offer()
	var out []string
	for _, w := range ways {
		if id := offer.Client(w); id != "" && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}
