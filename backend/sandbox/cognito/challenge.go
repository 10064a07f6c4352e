package cognito

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// The challenges of a sign-in.
const (
	passwordVerifier    = "PASSWORD_VERIFIER"
	newPasswordRequired = "NEW_PASSWORD_REQUIRED"
	softwareTokenMFA    = "SOFTWARE_TOKEN_MFA"
	mfaSetup            = "MFA_SETUP"
)

const (
	sessionBytes     = 640  // a Session of 854 characters; the API allows 20..2048
	secretBlockBytes = 1024 // about the size of the service's blocks
)

// challenge is an open step of a sign-in.
type challenge struct {
	name     string
	username string // "" for an unknown account
	sub      string // detects an account that was replaced under the same username
	typed    string // the username or alias as typed
	expires  time.Time
	spent    bool
	wrong    int    // count of wrong responses
	proven   bool   // MFA_SETUP: a code of the new authenticator was valid
	code     string // that the pool sent
	verifies string // the address that the code proves
	origin   origin

	publicA, publicB, secretB, verifier *big.Int // PASSWORD_VERIFIER
	userID                              string
}

// addChallenge stores a challenge under a new random session, and returns the
// session. The caller holds p.mu.
func (p *Pool) addChallenge(now time.Time, c *challenge) (session string) {
	size := sessionBytes
	encode := base64.RawURLEncoding.EncodeToString
	if c.name == passwordVerifier || c.name == deviceVerifier {
		size, encode = secretBlockBytes, base64.StdEncoding.EncodeToString
	}
	session = encode(p.random(size))
	c.expires = now.Add(p.cfg.SessionLife)
	p.challenges[session] = c
	p.prune(now)
	return session
}

// findChallenge returns a challenge that is still open. The caller holds p.mu.
//
// SPEC: API RespondToAuthChallenge, Session; AuthSessionValidity is 3 minutes
// unless set. The source of the single use is the service's own error text.
func (p *Pool) findChallenge(now time.Time, session string, names ...string) (*challenge, error) {
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

// wrongResponse counts a wrong response. Config.SessionTries of them end the
// session. AWS does not document the number for an MFA session.
func (p *Pool) wrongResponse(c *challenge) {
	c.wrong++
	if c.wrong >= p.cfg.SessionTries {
		c.spent = true
	}
}

// prune removes expired entries each time the tables have doubled. The caller
// holds p.mu.
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
		// An access token may outlive the refresh token issued with it.
		if now.After(s.Expires.Add(p.cfg.AccessTokenLife)) {
			p.forget(id, s)
		}
	}
	p.pruneAt = max(1024, 2*(len(p.challenges)+len(p.lockouts)+len(p.signIns)))
}

// nextStep returns the step after a valid password: the first required challenge
// in sequence, starting with from, or an issue of tokens. The caller holds p.mu.
func (p *Pool) nextStep(now time.Time, u *user, from string, o origin) (*authOutput, *issue, error) {
	if u.Disabled {
		return nil, nil, notAuthorized("User is disabled.")
	}
	respond := func(name string, params map[string]string) (*authOutput, *issue, error) {
		params["USER_ID_FOR_SRP"] = u.Username
		session := p.addChallenge(now, &challenge{name: name, username: u.Username, sub: u.Sub, origin: o})
		return &authOutput{ChallengeName: name, ChallengeParameters: params, Session: session}, nil, nil
	}
	if u.Status == statusReset {
		return nil, nil, resetRequired()
	}
	if from == newPasswordRequired && u.Status == statusForceChange {
		if now.Sub(u.PasswordAt) >= temporaryPasswordLife || p.faulty(FaultTemporaryOld) {
			return nil, nil, notAuthorized("Temporary password has expired and must be reset by an administrator.")
		}
		attributes, err := json.Marshal(maps.Clone(u.Attributes))
		if err != nil {
			return nil, nil, fmt.Errorf("writing the attributes: %w", err)
		}
		return respond(newPasswordRequired, map[string]string{
			"requiredAttributes": listText("userAttributes.", u.missingAttributes(p.cfg.Required)), "userAttributes": string(attributes)})
	}
	// In Cognito, a second factor is required for a whole pool. The demo requires
	// it for one account only, to show the set-up.
	required := p.mfa == MFARequired || p.mfa == MFAOptional && u.MustMFA
	var factors []string
	if p.mfa != MFAOff {
		factors = p.factors(u, required)
	}
	switch {
	case (len(factors) > 0 || required) && p.cfg.Devices != DevicesOff && u.knownDevice(o.deviceKey) != nil:
		return p.askDevice(now, u, o), nil, nil
	case len(factors) > 1 && u.Preferred == "":
		return respond(selectMFAType, map[string]string{"MFAS_CAN_CHOOSE": listText("", factors)})
	case len(factors) > 0:
		return p.secondFactor(now, u, factors[0], o), nil, nil
	case required:
		can := []string{softwareTokenMFA}
		if p.cfg.EmailCodes && u.Attributes["email"] == "" {
			can = append(can, emailOTP)
		}
		return respond(mfaSetup, map[string]string{"MFAS_CAN_SETUP": listText("", can)})
	}
	return nil, p.issueAt(now, u, o), nil
}

// listText returns a list as the JSON in a challenge's parameters.
func listText(prefix string, list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = strconv.Quote(prefix + s)
	}
	return "[" + strings.Join(quoted, ",") + "]"
}
