package cognito

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	statusConfirmed   = "CONFIRMED"
	statusForceChange = "FORCE_CHANGE_PASSWORD"

	// SPEC: API PasswordPolicyType, TemporaryPasswordValidityDays: 7 unless set.
	temporaryPasswordLife = 7 * 24 * time.Hour
	maxGroupsPerUser      = 100 // SPEC: quotas, "Groups per user"
	minPasswordLength     = 8
)

// User is a person for AddUser.
type User struct {
	Username   string
	Email      string // verified; can be typed in place of the username
	Groups     []string
	Password   string
	Temporary  bool   // the password must be changed at the first sign-in
	TOTPSecret string // base32; "" means no second factor
	SetUpMFA   bool   // an authenticator must be set up at the first sign-in
	External   bool   // signs in at an external identity provider only; Password is ignored
	Phone      string // verified
	EmailMFA   bool   // a code by mail is a second factor
	SMSMFA     bool   // a code by SMS is a second factor
	NoPassword bool   // signs in with a code only (USER_AUTH)
	Passkey    bool   // WEB_AUTHN is among the choices of USER_AUTH
}

// String hides the secrets of a User from logs.
func (u User) String() string       { return "user " + u.Username }
func (u User) GoString() string     { return u.String() }
func (u User) LogValue() slog.Value { return slog.StringValue(u.String()) }
func (u User) attributes() [][2]string {
	var list [][2]string
	if u.Email != "" {
		list = append(list, [2]string{"email", u.Email}, [2]string{"email_verified", "true"})
	}
	if u.Phone != "" {
		list = append(list, [2]string{"phone_number", u.Phone}, [2]string{"phone_number_verified", "true"})
	}
	return list
}

// user is an account. Passwords are stored as SRP verifiers only.
type user struct {
	Username   string            `json:"username"`
	Sub        string            `json:"sub"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Groups     []string          `json:"groups,omitempty"` // sorted
	Salt       []byte            `json:"salt"`
	Verifier   []byte            `json:"verifier"`
	Status     string            `json:"status"`
	Disabled   bool              `json:"disabled,omitempty"`
	PasswordAt time.Time         `json:"password_at"` // time at which a temporary password was set
	TOTPSecret string            `json:"totp_secret,omitempty"`
	TOTPOn     bool              `json:"totp_on,omitempty"`   // the person's MFA preference
	TOTPLast   int64             `json:"totp_last,omitempty"` // latest step used
	Reset      *reset            `json:"reset,omitempty"`
	MustMFA    bool              `json:"must_mfa,omitempty"` // as if the pool required a second factor
	EmailMFA   bool              `json:"email_mfa,omitempty"`
	SMSMFA     bool              `json:"sms_mfa,omitempty"`
	Preferred  string            `json:"preferred_mfa,omitempty"` // "": the person is asked where there are several
	NoPassword bool              `json:"no_password,omitempty"`
	Passkey    bool              `json:"passkey,omitempty"`
	Created    time.Time         `json:"created"`
	Modified   time.Time         `json:"modified"`

	Devices map[string]*device `json:"devices,omitempty"` // by key

	sentCode    string // the last code that was sent, until it is used
	pendingTOTP string // secret of AssociateSoftwareToken, until VerifySoftwareToken
}

// AddUser creates an account and its groups, and returns its sub. An existing
// username is refused with UsernameExistsException.
func (p *Pool) AddUser(u User) (sub string, err error) {
	if u.TOTPSecret != "" {
		if _, err := decodeTOTPSecret(u.TOTPSecret); err != nil {
			return "", fmt.Errorf("cognito: the TOTP secret of %q is not base32", u.Username)
		}
	}
	now := p.cfg.Now()
	p.mu.Lock()
	if u.External {
		u.Password = "Aa1!" + base64.RawURLEncoding.EncodeToString(p.random(32)) // unknown to everyone
	}
	made, err := p.createUser(now, u.Username, u.Password, u.Temporary, u.attributes())
	if err != nil {
		p.mu.Unlock()
		return "", err
	}
	for _, g := range u.Groups {
		if p.groups[g] == nil {
			p.groups[g] = &group{Name: g, Created: now, Modified: now}
		}
		made.join(g)
	}
	made.TOTPSecret, made.TOTPOn = u.TOTPSecret, u.TOTPSecret != ""
	made.MustMFA = u.SetUpMFA
	if u.External {
		made.Status = statusExternal
	}
	made.EmailMFA, made.SMSMFA, made.NoPassword, made.Passkey = u.EmailMFA, u.SMSMFA, u.NoPassword, u.Passkey
	p.mu.Unlock()
	return made.Sub, p.save()
}

// HasUser reports whether an account of that username exists, for example in a
// state file.
func (p *Pool) HasUser(username string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.users[username] != nil
}

// createUser requires that the caller holds p.mu.
func (p *Pool) createUser(now time.Time, username, password string, temporary bool, attributes [][2]string) (*user, error) {
	if !validName(username) {
		return nil, invalidParameter("1 validation error detected: Value at 'username' failed to satisfy constraint: " +
			"Member must satisfy regular expression pattern: [\\p{L}\\p{M}\\p{S}\\p{N}\\p{P}]+")
	}
	if p.users[username] != nil || p.bySub(username) != nil {
		return nil, &Error{Code: "UsernameExistsException", Message: "User account already exists"}
	}
	u := &user{Username: username, Sub: p.uuid(), Attributes: map[string]string{}, Created: now}
	for _, a := range attributes {
		if err := checkAttribute(a[0], a[1]); err != nil {
			return nil, err
		}
		u.Attributes[a[0]] = a[1]
	}
	// SPEC: user-pool-settings-attributes: a verified alias is one person's.
	if email := u.Attributes["email"]; u.Attributes["email_verified"] == "true" && p.signInUser(email) != nil {
		return nil, aliasExists()
	}
	if err := p.setPassword(now, u, password, temporary); err != nil {
		return nil, err
	}
	p.users[username] = u
	return u, nil
}

// setPassword requires that the caller holds p.mu.
func (p *Pool) setPassword(now time.Time, u *user, password string, temporary bool) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	salt := new(big.Int).SetBytes(p.random(srpSaltBytes))
	u.Salt = salt.Bytes()
	u.Verifier = srpVerifier(p.name, u.Username, password, salt).Bytes()
	u.Status, u.PasswordAt = statusConfirmed, now
	if temporary {
		u.Status = statusForceChange
	}
	p.touch(now, u)
	return nil
}

// passwordMatches reports whether password is the account's.
func (u *user) passwordMatches(pool, password string) bool {
	v := srpVerifier(pool, u.Username, password, new(big.Int).SetBytes(u.Salt))
	return subtle.ConstantTimeCompare(v.Bytes(), u.Verifier) == 1
}

// missingAttributes returns the required attributes without a value.
func (u *user) missingAttributes(required []string) []string {
	var missing []string
	for _, name := range required {
		if u.Attributes[name] == "" {
			missing = append(missing, name)
		}
	}
	return missing
}

// touch records a change of an account. The caller holds p.mu.
func (p *Pool) touch(now time.Time, u *user) {
	u.Modified = now
	p.changed++
}

// signInUser returns the account that signs in as name, or nil. name is a
// username or a verified e-mail address. The caller holds p.mu.
//
// SPEC: user-pool-settings-attributes, alias attributes. A sub is not valid for
// a sign-in.
func (p *Pool) signInUser(name string) *user {
	if u := p.users[name]; u != nil || !strings.Contains(name, "@") {
		return u
	}
	for _, u := range p.users {
		if u.Attributes["email_verified"] == "true" && strings.EqualFold(u.Attributes["email"], name) {
			return u
		}
	}
	return nil
}

// localUser is signInUser for a password: an account of an external identity
// provider reads like an unknown username. The caller holds p.mu.
func (p *Pool) localUser(name string) *user {
	if u := p.signInUser(name); u != nil && u.Status != statusExternal {
		return u
	}
	return nil
}

// adminUser returns the account of an owner's call by username, alias or sub.
// The caller holds p.mu.
func (p *Pool) adminUser(name string) (*user, error) {
	if name == "" {
		return nil, missing("username")
	}
	if u := p.signInUser(name); u != nil {
		return u, nil
	}
	if u := p.bySub(name); u != nil {
		return u, nil
	}
	return nil, userNotFound()
}

// bySub requires that the caller holds p.mu.
func (p *Pool) bySub(sub string) *user {
	for _, u := range p.users {
		if u.Sub == sub {
			return u
		}
	}
	return nil
}

func (u *user) join(group string) {
	if at, found := slices.BinarySearch(u.Groups, group); !found {
		u.Groups = slices.Insert(u.Groups, at, group)
	}
}

func (u *user) leave(group string) {
	if at, found := slices.BinarySearch(u.Groups, group); found {
		u.Groups = slices.Delete(u.Groups, at, at+1)
	}
}

// checkPassword enforces Cognito's default policy: at least 8 characters with
// upper case, lower case, a digit and a symbol.
func checkPassword(password string) error {
	refuse := func(why string) error {
		return &Error{Code: "InvalidPasswordException", Message: "Password did not conform with policy: " + why}
	}
	if utf8.RuneCountInString(password) < minPasswordLength {
		return refuse("Password not long enough")
	}
	if len(password) > 256 || !utf8.ValidString(password) {
		return refuse("Password too long")
	}
	var lower, upper, digit, symbol bool
	for _, c := range password {
		switch {
		case c >= 'a' && c <= 'z':
			lower = true
		case c >= 'A' && c <= 'Z':
			upper = true
		case c >= '0' && c <= '9':
			digit = true
		// SPEC: user-pool-settings-policies lists the symbols. A space is valid only
		// inside.
		case strings.ContainsRune("^$*.[]{}()?\"!@#%&/\\,><':;|_~`=+-", c):
			symbol = true
		}
	}
	switch {
	case strings.TrimSpace(password) != password:
		return refuse("Password must not begin or end with a space")
	case !upper:
		return refuse("Password must have uppercase characters")
	case !lower:
		return refuse("Password must have lowercase characters")
	case !digit:
		return refuse("Password must have numeric characters")
	case !symbol:
		return refuse("Password must have symbol characters")
	}
	return nil
}

// validName reports whether s is a valid username or group name: 1..128 letters,
// marks, symbols, numbers and punctuation.
func validName(s string) bool {
	if s == "" || utf8.RuneCountInString(s) > 128 || !utf8.ValidString(s) {
		return false
	}
	for _, c := range s {
		if !unicode.In(c, unicode.L, unicode.M, unicode.S, unicode.N, unicode.P) {
			return false
		}
	}
	return true
}

// Account is the present state of an account.
type Account struct {
	PasswordMatches bool   // the given password is the account's
	Temporary       bool   // the password must be changed at the next sign-in
	TOTPSecret      string // base32; "" without an authenticator
}

// Account returns the state of an account, compared with password. The result
// for an unknown username is the zero Account.
func (p *Pool) Account(username, password string) Account {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[username]
	if u == nil {
		return Account{}
	}
	return Account{u.passwordMatches(p.name, password), u.Status == statusForceChange, u.TOTPSecret}
}
