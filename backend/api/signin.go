package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Way is a way to sign in. The order of Ways in a SignIn is the order on the
// screen.
type Way string

const (
	WayPassword Way = "password" // by SRP, with the pool's challenges
	WayCode     Way = "code"     // a code by mail or SMS in place of a password (USER_AUTH)
	WaySSO      Way = "sso"      // in a browser on this machine (authorization code with PKCE)
	WayDevice   Way = "device"   // in a browser on any machine (RFC 8628)
)

// SignIn describes the ways to sign in to a server. Every field is pinned.
type SignIn struct {
	Ways          []Way         `json:"ways"`
	Clients       Clients       `json:"clients"`
	HostedUI      string        `json:"hosted_ui,omitempty"`      // origin of the pool's authorization server
	Providers     []Provider    `json:"providers,omitempty"`      // companies of the SSO way
	CallbackPorts []int         `json:"callback_ports,omitempty"` // ports of 127.0.0.1 in the SSO client's callback URLs
	Password      PasswordRules `json:"password"`
}

// Clients are the app clients of the user pool. SSO and Device are empty where
// the way is not on offer.
type Clients struct {
	Native string `json:"native"` // SRP and USER_AUTH; no OAuth. Equal to Config.ClientID
	SSO    string `json:"sso,omitempty"`
	Device string `json:"device,omitempty"`
}

// Provider is an identity provider of the pool. Name is Cognito's, for
// identity_provider; Label is for the screen.
type Provider struct {
	Name  string `json:"name"`
	Label string `json:"label"`
}

// PasswordRules are the pool's rules for a new password.
type PasswordRules struct {
	Length    int  `json:"length"` // characters, 6..99
	Uppercase bool `json:"uppercase"`
	Lowercase bool `json:"lowercase"`
	Digits    bool `json:"digits"`
	Symbols   bool `json:"symbols"`
}

// DefaultPasswordRules returns the default policy of a user pool.
// SPEC: Cognito API reference, PasswordPolicyType.
func DefaultPasswordRules() PasswordRules {
	return PasswordRules{Length: 8, Uppercase: true, Lowercase: true, Digits: true, Symbols: true}
}

// passwordClass is a class of characters that a pool can require.
type passwordClass struct {
	required bool
	text     string
	has      func(rune) bool
}

// symbols are the characters that count as symbols. A space counts between others.
// SPEC: Cognito developer guide, "Adding user pool password requirements".
const symbols = "^$*.[]{}()?\"!@#%&/\\,><':;|_~`=+- "

func (r PasswordRules) classes() []passwordClass {
	within := func(from, to rune) func(rune) bool { return func(c rune) bool { return from <= c && c <= to } }
	return []passwordClass{
		{r.Uppercase, "an uppercase letter", within('A', 'Z')}, {r.Lowercase, "a lowercase letter", within('a', 'z')},
		{r.Digits, "a digit", within('0', '9')}, {r.Symbols, "a symbol such as ! or #", func(c rune) bool { return strings.ContainsRune(symbols, c) }},
	}
}

// String returns the rules as one sentence, to be shown before a password is
// typed.
func (r PasswordRules) String() string {
	var with []string
	for _, c := range r.classes() {
		if c.required {
			with = append(with, c.text)
		}
	}
	s := fmt.Sprintf("At least %d characters", r.Length)
	if len(with) > 0 {
		s += ", with " + enumerate(with)
	}
	return s + "."
}

// Lacks returns the rules that a password breaks, such as "a digit and 3 more
// characters", or "" if it breaks none. The server alone accepts a password: this is
// for the sentence after its refusal.
func (r PasswordRules) Lacks(password []byte) string {
	var lacks []string
	for _, c := range r.classes() {
		if c.required && !bytes.ContainsFunc(password, c.has) {
			lacks = append(lacks, c.text)
		}
	}
	switch n := r.Length - utf8.RuneCount(password); {
	case n == 1:
		lacks = append(lacks, "1 more character")
	case n > 1:
		lacks = append(lacks, fmt.Sprintf("%d more characters", n))
	}
	return enumerate(lacks)
}

// enumerate joins texts as in a sentence; "" without any.
func enumerate(texts []string) string {
	if n := len(texts); n > 1 {
		return strings.Join(texts[:n-1], ", ") + " and " + texts[n-1]
	}
	return strings.Join(texts, "")
}

// Has reports whether a way is on offer.
func (s SignIn) Has(w Way) bool { return slices.Contains(s.Ways, w) }

// Client returns the app client of a way; "" where it is not on offer.
func (s SignIn) Client(w Way) string {
	if !s.Has(w) {
		return ""
	}
	switch w {
	case WayPassword, WayCode:
		return s.Clients.Native
	case WaySSO:
		return s.Clients.SSO
	case WayDevice:
		return s.Clients.Device
	}
	return ""
}

// Offer returns the ways to sign in. A server without the field in its
// configuration offers the password alone.
func (c Config) Offer() SignIn {
	if len(c.SignIn.Ways) > 0 {
		return c.SignIn
	}
	return SignIn{
		Ways: []Way{WayPassword}, Clients: Clients{Native: c.ClientID}, HostedUI: c.HostedUI,
		Password: DefaultPasswordRules(),
	}
}

// Pinned is one value that a client trusts until it is configured again.
type Pinned struct {
	Key   string // of the hash; stable
	Name  string // for the screen
	Value string
}

// AuditKeyPin is the Key of the pinned key of the audit log.
const AuditKeyPin = "audit_log.key"

// Pinned returns the pinned values of a configuration, in a fixed order. The
// client and the page in Offer that repeat ClientID and HostedUI are not in it:
// a client refuses a configuration where they differ.
func (c Config) Pinned() []Pinned {
	hosts := slices.Clone(c.S3Hosts)
	slices.Sort(hosts)
	offer := c.Offer()
	ways := make([]string, len(offer.Ways))
	for i, w := range offer.Ways {
		ways[i] = string(w)
	}
	providers := make([]string, len(offer.Providers))
	for i, p := range offer.Providers {
		providers[i] = fmt.Sprintf("%q (%q)", p.Label, p.Name) // quoted, so that no two lists have one text
	}
	return []Pinned{
		{"organisation", "the organization", c.Organisation},
		{"region", "the region", c.Region},
		{"user_pool_id", "the user pool", c.UserPoolID},
		{"client_id", "the client ID", c.ClientID},
		{"issuer", "the issuer", c.Issuer},
		{"cognito_endpoint", "the sign-in address", c.CognitoEndpoint},
		{"hosted_ui", "the company sign-in", c.HostedUI},
		{"s3_hosts", "the list of download hosts", strings.Join(slices.Compact(hosts), " ")},
		{"sign_in.ways", "the list of ways to sign in", strings.Join(ways, ", ")},
		{"sign_in.clients.sso", "the client ID of the company sign-in", offer.Clients.SSO},
		{"sign_in.clients.device", "the client ID of the sign-in on another device", offer.Clients.Device},
		{"sign_in.providers", "the list of companies", strings.Join(providers, ", ")},
		{"sign_in.callback_ports", "the list of callback ports", strings.Trim(fmt.Sprint(offer.CallbackPorts), "[]")},
		{"sign_in.password", "the rules for passwords", offer.Password.String()},
		{AuditKeyPin, "the key of the audit log", c.AuditLog.Key},
	}
}

// pinLength is the number of base32 characters of a pin: 130 bits.
const pinLength = 26

// Pin returns the hash of the pinned values. `usher configure URL#PIN` trusts a
// configuration with this hash and refuses all others.
func (c Config) Pin() string {
	h := sha256.New()
	encode := json.NewEncoder(h)
	for _, p := range c.Pinned() {
		_ = encode.Encode([2]string{p.Key, p.Value}) // a hash accepts every write
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)))[:pinLength]
}

// DeviceDoneRequest opens the session of a device sign-in. The access token is
// that of the session.
type DeviceDoneRequest struct {
	IDToken string `json:"id_token"`
}

// DeviceDoneResponse is empty: the session is open.
type DeviceDoneResponse struct{}
