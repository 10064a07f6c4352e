package cognito

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"time"
)

// The challenges that a sign-in can meet.
const (
	passwordVerifier    = "PASSWORD_VERIFIER"
	newPasswordRequired = "NEW_PASSWORD_REQUIRED"
	softwareTokenMFA    = "SOFTWARE_TOKEN_MFA"
	mfaSetup            = "MFA_SETUP"
)

const (
	sessionBytes     = 640  // a Session of 854 characters; the API allows 20..2048
	secretBlockBytes = 1024 // about what the service sends
)

// challenge is a question that was put to somebody and its one answer.
type challenge struct {
	name     string
	username string // "" for nobody
	sub      string // so that a name given to somebody else later is not mistaken
	typed    string // what was typed as the username
	expires  time.Time
	spent    bool
	wrong    int  // answers that were wrong
	proven   bool // MFA_SETUP: the new authenticator has shown a good code

	publicA, publicB, secretB, verifier *big.Int // PASSWORD_VERIFIER
	userID                              string
}

// put keeps a challenge under a fresh unguessable name. It needs p.mu.
func (p *Pool) put(now time.Time, c *challenge) (session string) {
	size := sessionBytes
	encode := base64.RawURLEncoding.EncodeToString
	if c.name == passwordVerifier {
		size, encode = secretBlockBytes, base64.StdEncoding.EncodeToString
	}
	session = encode(p.random(size))
	c.expires = now.Add(p.cfg.SessionLife)
	p.challenges[session] = c
	p.prune(now)
	return session
}

// peek finds a challenge that can still be answered. It needs p.mu.
//
// SPEC: API RespondToAuthChallenge, Session; AuthSessionValidity is 3 minutes
// unless set. That a session can be used once is the service's own error text.
func (p *Pool) peek(now time.Time, session string, names ...string) (*challenge, error) {
	c := p.challenges[session]
	switch {
	case c == nil:
		return nil, notAuthorized("Invalid session for the user.")
	case !now.Before(c.expires):
		return nil, notAuthorized("Invalid session for the user, session is expired.")
	case c.spent:
		return nil, notAuthorized("Invalid session for the user, session can only be used once.")
	}
	for _, name := range names {
		if c.name == name {
			return c, nil
		}
	}
	return nil, notAuthorized("Invalid session for the user.")
}

// miss counts a wrong answer; too many end the session. AWS does not document
// how many an MFA session forgives; Config.SessionTries says it here.
func (p *Pool) miss(c *challenge) {
	c.wrong++
	if c.wrong >= p.cfg.SessionTries {
		c.spent = true
	}
}

// prune forgets what has run out, each time the tables have doubled. It needs
// p.mu.
func (p *Pool) prune(now time.Time) {
	if len(p.challenges)+len(p.lockouts)+len(p.signIns) < p.pruneAt {
		return
	}
	for session, c := range p.challenges {
		if !now.Before(c.expires) {
			delete(p.challenges, session)
		}
	}
	for key, l := range p.lockouts {
		if now.Sub(l.last) >= lockoutMax && !now.Before(l.until) {
			delete(p.lockouts, key)
		}
	}
	for id, s := range p.signIns {
		// An access token may outlive the refresh token that it came with.
		if now.After(s.Expires.Add(p.cfg.AccessTokenLife)) {
			p.forget(id, s)
		}
	}
	p.pruneAt = max(1024, 2*(len(p.challenges)+len(p.lockouts)+len(p.signIns)))
}

// proceed gives what comes after a password: the next challenge, from the one
// named on, or the right to tokens. It needs p.mu.
func (p *Pool) proceed(now time.Time, u *user, from string) (*authOutput, *issue, error) {
	if u.Disabled {
		return nil, nil, notAuthorized("User is disabled.")
	}
	ask := func(name string, params map[string]string) (*authOutput, *issue, error) {
		params["USER_ID_FOR_SRP"] = u.Username
		session := p.put(now, &challenge{name: name, username: u.Username, sub: u.Sub})
		return &authOutput{ChallengeName: name, ChallengeParameters: params, Session: session}, nil, nil
	}
	if u.Status == statusReset {
		return nil, nil, resetRequired()
	}
	if from == newPasswordRequired && u.Status == statusForceChange {
		if now.Sub(u.PasswordAt) >= temporaryPasswordLife {
			return nil, nil, notAuthorized("Temporary password has expired and must be reset by an administrator.")
		}
		attributes, err := json.Marshal(maps.Clone(u.Attributes))
		if err != nil {
			return nil, nil, fmt.Errorf("writing the attributes: %w", err)
		}
		return ask(newPasswordRequired, map[string]string{
			"requiredAttributes": "[]", "userAttributes": string(attributes)})
	}
	// Cognito requires a second factor of a whole pool. A demo has one account
	// that shows the set-up beside others that have no need of it.
	required := p.mfa == MFARequired || p.mfa == MFAOptional && u.MustMFA
	switch {
	case p.mfa != MFAOff && u.TOTPSecret != "" && (u.TOTPOn || required):
		p.codeWanted(u)
		return ask(softwareTokenMFA, map[string]string{})
	case required:
		return ask(mfaSetup, map[string]string{"MFAS_CAN_SETUP": `["SOFTWARE_TOKEN_MFA"]`})
	}
	return nil, p.issueFor(now, u), nil
}
