package cognito

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"usher/backend/api/shape"
)

// MFA is the pool's mode for a second factor.
type MFA string

const (
	MFAOff      MFA = "OFF"
	MFAOptional MFA = "OPTIONAL" // required only of accounts with an authenticator
	MFARequired MFA = "ON"       // an account without an authenticator must set one up to sign in
)

// Config configures a pool. The fields of the first block are required.
type Config struct {
	Region    string // us-east-1
	PoolID    string // us-east-1_AbCdEfGhI
	ClientID  string // the app client of sign-ins through the API; it has no secret
	Now       func() time.Time
	Rand      io.Reader
	OwnerKeys func(accessKeyID string) (secret string, ok bool) // keys that authenticate the owner's calls

	Clients []AppClient // for the authorization code grant

	BaseURL   string // http://127.0.0.1:PORT; or call SetBaseURL after listening
	StateFile string // "" keeps everything in memory

	AccessTokenLife  time.Duration // default 10 min; also the ID token's
	RefreshTokenLife time.Duration // default 12 h, from sign-in
	SessionLife      time.Duration // of a challenge; default 3 min
	SessionTries     int           // wrong answers that end a challenge's session; default 3

	Rotation     bool          // refresh tokens are replaced when used
	GracePeriod  time.Duration // validity of a replaced refresh token, 0..60 s
	MFA          MFA           // default MFAOptional
	PasswordAuth bool          // enables USER_PASSWORD_AUTH
	UserAuth     bool          // enables USER_AUTH, the choice of a first factor
	EmailCodes   bool          // the pool sends codes by mail
	SMSCodes     bool          // the pool sends codes by SMS
	Devices      DeviceTracking
	Required     []string // attributes that NEW_PASSWORD_REQUIRED demands
	Quotas       Quotas

	// Send is called with each mail of the service. It must not call the pool.
	// It may be nil.
	Send func(Mail)

	// CodeWanted is called with the username of each account whose next step is a
	// TOTP code. It must neither block nor call the pool. It may be nil.
	CodeWanted func(username string)
}

// Pool is one user pool. It is an http.Handler and safe for concurrent use.
type Pool struct {
	cfg  Config
	name string // the part of the pool id that SRP hashes
	ops  map[string]operation

	randMu sync.Mutex
	keys   keyring

	mu         sync.Mutex
	baseURL    string
	secret     []byte // key of the simulated salts of unknown usernames
	users      map[string]*user
	groups     map[string]*group
	signIns    map[string]*signIn       // by origin_jti
	refresh    map[tokenHash]string     // refresh token → origin_jti
	challenges map[string]*challenge    // by Session, or by secret block for SRP
	lockouts   map[string]*lockout      // by kind and username
	resets     map[string][]time.Time   // times of the reset codes sent, by name
	mfa        MFA                      // the present mode; Config.MFA is the initial one
	calls      map[string]int           // by operation
	buckets    map[string]*rate.Limiter // by quota, and by person
	faults     map[string]Fault         // by operation, or by the name of a fault of the settings
	met        map[string]int           // calls that met a fault of an operation
	pruneAt    int
	changed    uint64 // count of changes that belong in the state file

	saveMu sync.Mutex
	saved  uint64
}

// New checks the configuration and loads the state file, if there is one. It
// generates no keys: see Warm.
func New(c Config) (*Pool, error) {
	switch {
	case c.Region == "":
		return nil, errors.New("cognito: Region is missing")
	case c.ClientID == "":
		return nil, errors.New("cognito: ClientID is missing")
	case c.Now == nil:
		return nil, errors.New("cognito: Now is missing")
	case c.Rand == nil:
		return nil, errors.New("cognito: Rand is missing")
	case c.OwnerKeys == nil:
		return nil, errors.New("cognito: OwnerKeys is missing")
	case !shape.PoolID(c.PoolID, c.Region):
		return nil, fmt.Errorf("cognito: PoolID %q is not of region %q", c.PoolID, c.Region)
	case c.GracePeriod < 0 || c.GracePeriod > time.Minute:
		return nil, fmt.Errorf("cognito: GracePeriod %v is outside 0..60s", c.GracePeriod)
	case c.AccessTokenLife < 0 || c.RefreshTokenLife < 0 || c.SessionLife < 0 || c.SessionTries < 0:
		return nil, errors.New("cognito: a life or count is negative")
	}
	setDefault(&c.AccessTokenLife, 10*time.Minute)
	setDefault(&c.RefreshTokenLife, 12*time.Hour)
	setDefault(&c.SessionLife, 3*time.Minute)
	setDefault(&c.SessionTries, 3)
	setDefault(&c.MFA, MFAOptional)
	switch c.MFA {
	case MFAOff, MFAOptional, MFARequired:
	default:
		return nil, fmt.Errorf("cognito: MFA %q is not OFF, OPTIONAL or ON", c.MFA)
	}
	_, name, _ := strings.Cut(c.PoolID, "_")
	p := &Pool{
		cfg: c, name: name,
		users: map[string]*user{}, groups: map[string]*group{},
		signIns: map[string]*signIn{}, refresh: map[tokenHash]string{},
		challenges: map[string]*challenge{}, lockouts: map[string]*lockout{}, resets: map[string][]time.Time{}, mfa: c.MFA,
		calls: map[string]int{}, buckets: map[string]*rate.Limiter{}, faults: map[string]Fault{}, met: map[string]int{},
		pruneAt: 1024,
	}
	p.ops = p.operations()
	p.secret = p.random(32)
	if err := p.load(); err != nil {
		return nil, fmt.Errorf("cognito: reading the state file: %w", err)
	}
	if c.BaseURL != "" {
		if err := p.SetBaseURL(c.BaseURL); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// SetBaseURL sets scheme and host of the pool's address. They are part of iss in
// all later tokens.
func (p *Pool) SetBaseURL(base string) error {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf("cognito: base URL %q is not scheme://host", base)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.baseURL = u.Scheme + "://" + u.Host
	return nil
}

// Issuer returns the iss of the pool's tokens: the base URL and the pool id.
// Before a base URL is set, the result is AWS's issuer for this pool id.
func (p *Pool) Issuer() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.issuer()
}

func (p *Pool) issuer() string {
	if p.baseURL == "" {
		return "https://cognito-idp." + p.cfg.Region + ".amazonaws.com/" + p.cfg.PoolID
	}
	return p.baseURL + "/" + p.cfg.PoolID
}

// Calls returns the number of calls of each operation since New, including
// refused and throttled calls. userInfo and jwks.json count under those names.
func (p *Pool) Calls() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.calls)
}

func (p *Pool) count(operation string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[operation]++
}

// random returns n random bytes. It panics if the source of randomness fails, as
// crypto/rand does.
func (p *Pool) random(n int) []byte {
	b := make([]byte, n)
	p.randMu.Lock()
	defer p.randMu.Unlock()
	if _, err := io.ReadFull(p.cfg.Rand, b); err != nil {
		panic("cognito: the source of randomness failed: " + err.Error())
	}
	return b
}

// uuid returns a random (version 4) UUID.
func (p *Pool) uuid() string { return formatUUID(p.random(16)) }

func formatUUID(b []byte) string {
	b = bytes.Clone(b[:16])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// simulate returns bytes that are constant for a purpose and a name. Without the
// pool's secret they are indistinguishable from random bytes.
func (p *Pool) simulate(purpose, name string) []byte {
	m := hmac.New(sha256.New, p.secret)
	m.Write([]byte(purpose + "\x00" + name))
	return m.Sum(nil)
}

// Rotates reports whether refresh tokens are replaced when used.
func (p *Pool) Rotates() bool { return p.cfg.Rotation }
