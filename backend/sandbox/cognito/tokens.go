package cognito

import (
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// scopeAdmin is the only scope of a token from an SRP sign-in.
const scopeAdmin = "aws.cognito.signin.user.admin"

// tokenHash is the hash of a refresh token. The token itself is not stored.
type tokenHash [sha256.Size]byte

// signIn is the token family of one sign-in: all its tokens have the same
// origin_jti. A token of an unknown or revoked family is invalid.
type signIn struct {
	Username string         `json:"username"`
	Sub      string         `json:"sub"`
	Client   string         `json:"client,omitempty"` // app client; "" for Config.ClientID
	Scope    string         `json:"scope"`
	Resource string         `json:"resource,omitempty"` // aud of its access tokens
	EventID  string         `json:"event_id"`
	AuthTime time.Time      `json:"auth_time"`
	Expires  time.Time      `json:"expires"` // of every refresh token in the family
	Revoked  bool           `json:"revoked,omitempty"`
	Refresh  []refreshToken `json:"refresh"`

	DeviceKey string `json:"device_key,omitempty"` // required in each renewal
}

type refreshToken struct {
	Hash    []byte    `json:"hash"`
	Rotated time.Time `json:"rotated,omitzero"` // time of its replacement
}

// accessClaims are the claims of an access token.
//
// SPEC: using-the-access-token: cognito:groups is absent for an account without
// groups. cognito-user-pools-define-resource-servers: aud is present only with a
// resource binding.
type accessClaims struct {
	Sub       string   `json:"sub"`
	Groups    []string `json:"cognito:groups,omitempty"`
	Issuer    string   `json:"iss"`
	ClientID  string   `json:"client_id"`
	Audience  string   `json:"aud,omitempty"`
	OriginJTI string   `json:"origin_jti"`
	EventID   string   `json:"event_id"`
	TokenUse  string   `json:"token_use"`
	Scope     string   `json:"scope"`
	AuthTime  int64    `json:"auth_time"`
	Expires   int64    `json:"exp"`
	IssuedAt  int64    `json:"iat"`
	JTI       string   `json:"jti"`
	Username  string   `json:"username"`
}

// idClaims are the claims of an ID token. SPEC: using-the-id-token.
type idClaims struct {
	Sub           string   `json:"sub"`
	Groups        []string `json:"cognito:groups,omitempty"`
	EmailVerified *bool    `json:"email_verified,omitempty"`
	Issuer        string   `json:"iss"`
	Username      string   `json:"cognito:username"`
	OriginJTI     string   `json:"origin_jti"`
	Audience      string   `json:"aud"`
	EventID       string   `json:"event_id"`
	TokenUse      string   `json:"token_use"`
	AuthTime      int64    `json:"auth_time"`
	Expires       int64    `json:"exp"`
	IssuedAt      int64    `json:"iat"`
	JTI           string   `json:"jti"`
	Email         string   `json:"email,omitempty"`
	Nonce         string   `json:"nonce,omitempty"`
}

// issue holds the unsigned tokens of a decision under the lock. Signing happens
// outside the lock.
type issue struct {
	access  accessClaims
	id      idClaims
	refresh string // "" if the refresh token stays the same
	life    time.Duration
	device  *deviceMetadata // of a device that is new
}

// Tokens are the tokens of a sign-in.
type Tokens struct {
	Access, ID, Refresh string
	Life                time.Duration // of Access and ID
}

// String keeps tokens out of every log.
func (Tokens) String() string         { return "tokens" }
func (t Tokens) GoString() string     { return t.String() }
func (t Tokens) LogValue() slog.Value { return slog.StringValue(t.String()) }

// SignIn returns tokens for an account without a password. Its scopes, if any,
// replace aws.cognito.signin.user.admin. A test can thereby get an openid token,
// as from managed login.
func (p *Pool) SignIn(username string, scopes ...string) (Tokens, error) {
	if err := p.makeKeys(); err != nil {
		return Tokens{}, err
	}
	now := p.cfg.Now()
	p.mu.Lock()
	u, err := p.adminUser(username)
	if err != nil {
		p.mu.Unlock()
		return Tokens{}, err
	}
	if u.Disabled {
		p.mu.Unlock()
		return Tokens{}, notAuthorized("User is disabled.")
	}
	grant := p.issueFor(now, u)
	if len(scopes) > 0 {
		grant.access.Scope = strings.Join(scopes, " ")
		p.signIns[grant.access.OriginJTI].Scope = grant.access.Scope
	}
	p.mu.Unlock()
	result, err := p.sign(*grant)
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{Access: result.AccessToken, ID: result.IdToken, Refresh: result.RefreshToken, Life: grant.life}, p.save()
}

// issueFor creates a token family for an authenticated account. The caller holds
// p.mu.
func (p *Pool) issueFor(now time.Time, u *user) *issue {
	s := &signIn{Username: u.Username, Sub: u.Sub, Scope: scopeAdmin, EventID: p.uuid(),
		AuthTime: now, Expires: now.Add(p.cfg.RefreshTokenLife)}
	origin := p.uuid()
	p.signIns[origin] = s
	p.succeeded(u.Username)
	token := p.addRefreshToken(origin, s)
	p.changed++
	p.prune(now)
	return p.claims(now, origin, s, u, token, false)
}

// claims fills in both tokens from the account's present state: a change of
// groups after the sign-in shows in the next token. The access token has an aud
// only from the token endpoint (bound). The caller holds p.mu.
func (p *Pool) claims(now time.Time, origin string, s *signIn, u *user, refresh string, bound bool) *issue {
	iat, exp := now.Unix(), now.Add(p.cfg.AccessTokenLife).Unix()
	groups := slices.Clone(u.Groups)
	i := &issue{refresh: refresh, life: p.cfg.AccessTokenLife}
	client := p.clientOf(s)
	i.access = accessClaims{Sub: u.Sub, Groups: groups, Issuer: p.issuer(), ClientID: client,
		OriginJTI: origin, EventID: s.EventID, TokenUse: "access", Scope: s.Scope,
		AuthTime: s.AuthTime.Unix(), Expires: exp, IssuedAt: iat, JTI: p.uuid(), Username: u.Username}
	i.id = idClaims{Sub: u.Sub, Groups: groups, Issuer: p.issuer(), Username: u.Username,
		OriginJTI: origin, Audience: client, EventID: s.EventID, TokenUse: "id",
		AuthTime: s.AuthTime.Unix(), Expires: exp, IssuedAt: iat, JTI: p.uuid(), Email: u.Attributes["email"]}
	if bound {
		i.access.Audience = s.Resource
	}
	if v, ok := u.Attributes["email_verified"]; ok {
		verified := v == "true"
		i.id.EmailVerified = &verified
	}
	return i
}

func (p *Pool) sign(i issue) (*authResult, error) {
	access, id := p.keys.pairs()
	a, err := access.jwt(i.access)
	if err != nil {
		return nil, err
	}
	b, err := id.jwt(i.id)
	if err != nil {
		return nil, err
	}
	return &authResult{AccessToken: a, IdToken: b, RefreshToken: i.refresh,
		ExpiresIn: int(i.life / time.Second), TokenType: "Bearer", NewDeviceMetadata: i.device}, nil
}

// addRefreshToken creates an opaque token in the service's form: five parts like
// those of an encrypted JWT, about 1,700 characters. The caller holds p.mu.
func (p *Pool) addRefreshToken(origin string, s *signIn) string {
	encode := base64.RawURLEncoding.EncodeToString
	random := p.random(256 + 12 + 900 + 16)
	token := strings.Join([]string{
		encode([]byte(`{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}`)),
		encode(random[:256]), encode(random[256:268]), encode(random[268:1168]), encode(random[1168:]),
	}, ".")
	h := tokenHash(sha256.Sum256([]byte(token)))
	p.refresh[h] = origin
	s.Refresh = append(s.Refresh, refreshToken{Hash: h[:]})
	return token
}

// findRefresh returns the family of a refresh token and the token's index there.
// s is nil for an unknown token. The caller holds p.mu.
func (p *Pool) findRefresh(token string) (origin string, s *signIn, at int) {
	h := tokenHash(sha256.Sum256([]byte(token)))
	origin, ok := p.refresh[h]
	if !ok {
		return "", nil, 0
	}
	s = p.signIns[origin]
	at = slices.IndexFunc(s.Refresh, func(r refreshToken) bool { return tokenHash(r.Hash) == h })
	return origin, s, at
}

// refreshTokens returns new tokens for a refresh token. With rotation they
// include a new refresh token, which expires with the first one.
//
// SPEC: using-the-refresh-token, "Refresh token rotation". The page documents
// only the exception for a reused token, so the family stays valid here.
func (p *Pool) refreshTokens(now time.Time, client, token, deviceKey string) (any, error) {
	if token == "" {
		return nil, invalidParameter("Missing required parameter REFRESH_TOKEN")
	}
	if err := p.makeKeys(); err != nil {
		return nil, err
	}
	grant, err := p.useRefresh(now, client, token, deviceKey, false)
	return p.finish(nil, grant, err)
}

// useRefresh spends a refresh token of the client. bound is true for the token
// endpoint.
func (p *Pool) useRefresh(now time.Time, client, token, deviceKey string, bound bool) (*issue, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	origin, s, at := p.findRefresh(token)
	if s == nil || p.clientOf(s) != client {
		return nil, notAuthorized("Invalid Refresh Token")
	}
	u := p.users[s.Username]
	switch rotated := s.Refresh[at].Rotated; {
	case u == nil || u.Sub != s.Sub:
		return nil, userNotFound()
	case u.Disabled:
		return nil, notAuthorized("User is disabled.")
	case s.Revoked:
		return nil, notAuthorized("Refresh Token has been revoked")
	case s.DeviceKey != deviceKey && s.DeviceKey != "":
		// SPEC: using-the-refresh-token: "you must provide the device key". The
		// text is that of reports (aws-sdk-java-v2#3418).
		return nil, notAuthorized("Invalid Refresh Token.")
	case !now.Before(s.Expires):
		return nil, notAuthorized("Refresh Token has expired")
	case !rotated.IsZero() && now.Sub(rotated) >= p.cfg.GracePeriod:
		return nil, &Error{Code: "RefreshTokenReuseException", Message: "Refresh Token has been rotated out"}
	}
	if !p.cfg.Rotation {
		return p.claims(now, origin, s, u, "", bound), nil
	}
	if s.Refresh[at].Rotated.IsZero() {
		s.Refresh[at].Rotated = now
	}
	next := p.addRefreshToken(origin, s)
	p.changed++
	return p.claims(now, origin, s, u, next, bound), nil
}

// revoke revokes a token family. The caller holds p.mu.
func (p *Pool) revoke(s *signIn) {
	s.Revoked = true
	p.changed++
}

// revokeAll revokes all token families of an account. The caller holds p.mu.
func (p *Pool) revokeAll(u *user) {
	for _, s := range p.signIns {
		if s.Sub == u.Sub {
			p.revoke(s)
		}
	}
}

// forget removes a token family, which invalidates its tokens. The caller holds
// p.mu.
func (p *Pool) forget(origin string, s *signIn) {
	for _, r := range s.Refresh {
		delete(p.refresh, tokenHash(r.Hash))
	}
	delete(p.signIns, origin)
	p.changed++
}

// withUser runs f under the lock with the account of an access token. The token
// must be valid and have the scope.
//
// SPEC: token-revocation. The error text for a disabled account is not
// documented. A client must treat every refusal as the end of the session.
func (p *Pool) withUser(now time.Time, token, scope string, f func(*user) error) error {
	if token == "" {
		return missing("accessToken")
	}
	claims, err := p.readAccess(token)
	if err != nil {
		return err
	}
	if now.Unix() >= claims.Expires {
		return notAuthorized("Access Token has expired")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u, s := p.users[claims.Username], p.signIns[claims.OriginJTI]
	switch {
	case u == nil || u.Sub != claims.Sub:
		return userNotFound()
	case u.Disabled:
		return notAuthorized("User is disabled.")
	case s == nil || s.Revoked || s.Sub != u.Sub:
		return notAuthorized("Access Token has been revoked")
	case !slices.Contains(strings.Fields(claims.Scope), scope):
		return notAuthorized("Access Token does not have required scopes")
	}
	return f(u)
}
