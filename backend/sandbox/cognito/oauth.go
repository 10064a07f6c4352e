package cognito

import (
	"maps"
	"strings"
	"time"
)

// This file is the pool's side of the hosted pages (package hosted): sign-ins
// without tokens, and tokens for a sign-in.

// statusExternal is the status of an account of an external identity provider.
const statusExternal = "EXTERNAL_PROVIDER"

// Authenticated is a person whose sign-in at the hosted pages is complete.
type Authenticated struct {
	Username, Sub string
	At            time.Time
}

// Step is the state of a sign-in at the hosted pages.
type Step struct {
	Challenge  string // name of the next challenge; "" when the sign-in is complete
	Session    string
	Username   string            // for the response to the challenge
	Parameters map[string]string // of the challenge
	Person     Authenticated     // of a complete sign-in
}

// StartSignIn checks a password.
func (p *Pool) StartSignIn(username, password string) (Step, error) {
	now := p.cfg.Now()
	out, grant, err := p.passwordStep(now, map[string]string{"USERNAME": username, "PASSWORD": password})
	return p.step(now, out, grant, err)
}

// ContinueSignIn responds to the challenge of a Step.
func (p *Pool) ContinueSignIn(s Step, answers map[string]string) (Step, error) {
	now := p.cfg.Now()
	responses := maps.Clone(answers)
	responses["USERNAME"] = s.Username
	out, grant, err := p.answer(now, &respondInput{ChallengeName: s.Challenge, ClientId: p.cfg.ClientID, Session: s.Session, ChallengeResponses: responses})
	return p.step(now, out, grant, err)
}

// SetUpAuthenticator returns the secret of a new authenticator app for a Step
// with the challenge MFA_SETUP, and the Step for its first code.
func (p *Pool) SetUpAuthenticator(s Step) (Step, string, error) {
	out, err := p.associateSoftwareToken(p.cfg.Now(), &softwareTokenInput{Session: s.Session})
	if err != nil {
		return Step{}, "", err
	}
	made := out.(associated)
	s.Session = made.Session
	return s, made.SecretCode, nil
}

// ConfirmAuthenticator verifies the first code of a new authenticator app and
// completes MFA_SETUP.
func (p *Pool) ConfirmAuthenticator(s Step, code string) (Step, error) {
	out, err := p.verifySoftwareToken(p.cfg.Now(), &softwareTokenInput{Session: s.Session, UserCode: code})
	if err != nil {
		return Step{}, err
	}
	s.Session = out.(verified).Session
	return p.ContinueSignIn(s, map[string]string{})
}

// step converts the result of a challenge. The tokens of a complete sign-in are
// dropped: the hosted pages issue tokens for a code only.
func (p *Pool) step(now time.Time, out *authOutput, grant *issue, err error) (Step, error) {
	if err != nil {
		return Step{}, err
	}
	if grant == nil {
		return Step{Challenge: out.ChallengeName, Session: out.Session, Username: out.ChallengeParameters["USER_ID_FOR_SRP"], Parameters: out.ChallengeParameters}, p.save()
	}
	p.mu.Lock()
	p.forget(grant.access.OriginJTI, p.signIns[grant.access.OriginJTI])
	p.mu.Unlock()
	return Step{Person: Authenticated{Username: grant.access.Username, Sub: grant.access.Sub, At: now}}, p.save()
}

// Federate completes a sign-in at an external identity provider: it stores the
// mapped attributes. An attribute that is not given keeps its value.
//
// SPEC: cognito-user-pools-specifying-attribute-mapping: an empty value removes
// the attribute; a value of more than 2,048 characters fails the sign-in. The
// group POOL_PROVIDER is Cognito's own.
func (p *Pool) Federate(provider, username string, mapped map[string]string) (Authenticated, error) {
	for name, value := range mapped {
		if err := checkAttribute(name, value); err != nil {
			return Authenticated{}, err
		}
	}
	now := p.cfg.Now()
	p.mu.Lock()
	u := p.users[username]
	if u == nil || u.Disabled {
		p.mu.Unlock()
		return Authenticated{}, notAuthorized("User is not enabled")
	}
	err := p.setAttributes(now, u, mapped)
	name := p.cfg.PoolID + "_" + provider
	if p.groups[name] == nil {
		p.groups[name] = &group{Name: name, Created: now, Modified: now}
	}
	u.join(name)
	sub := u.Sub
	p.mu.Unlock()
	if err != nil {
		return Authenticated{}, err
	}
	return Authenticated{Username: username, Sub: sub, At: now}, p.save()
}

// CodeGrant is an authorization code's content for IssueTokens.
type CodeGrant struct {
	Person   Authenticated
	Client   string
	Scopes   []string
	Nonce    string
	Resource string // aud of the access token; "" for none
}

// IssueTokens creates a token family for an authorization code.
func (p *Pool) IssueTokens(g CodeGrant) (Tokens, error) {
	if err := p.makeKeys(); err != nil {
		return Tokens{}, err
	}
	now := p.cfg.Now()
	p.mu.Lock()
	u := p.users[g.Person.Username]
	if u == nil || u.Sub != g.Person.Sub || u.Disabled {
		p.mu.Unlock()
		return Tokens{}, notAuthorized("User is not enabled")
	}
	grant := p.issueFor(now, u)
	s := p.signIns[grant.access.OriginJTI]
	s.Client, s.Scope, s.Resource, s.AuthTime = g.Client, strings.Join(g.Scopes, " "), g.Resource, g.Person.At
	s.Expires = g.Person.At.Add(p.cfg.RefreshTokenLife)
	grant = p.claims(now, grant.access.OriginJTI, s, u, grant.refresh, true)
	grant.id.Nonce = g.Nonce
	p.mu.Unlock()
	return p.tokens(grant)
}

// RenewTokens returns new tokens for a refresh token of the client, as the token
// endpoint does: the access token keeps its aud. With rotation the result has a
// new refresh token, otherwise none.
func (p *Pool) RenewTokens(client, refresh string) (Tokens, error) {
	if err := p.makeKeys(); err != nil {
		return Tokens{}, err
	}
	grant, err := p.useRefresh(p.cfg.Now(), client, refresh, "", true)
	if err != nil {
		return Tokens{}, err
	}
	return p.tokens(grant)
}

// Revoke revokes the family of a client's refresh token, as the revocation
// endpoint does.
func (p *Pool) Revoke(client, token string) error {
	if _, err := p.revokeToken(p.cfg.Now(), &revokeTokenInput{Token: token, ClientId: client}); err != nil {
		return err
	}
	return p.save()
}

func (p *Pool) tokens(grant *issue) (Tokens, error) {
	result, err := p.sign(*grant)
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{Access: result.AccessToken, ID: result.IdToken, Refresh: result.RefreshToken, Life: grant.life}, p.save()
}

// Attribute returns an attribute of an account, "" without one.
func (p *Pool) Attribute(username, name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u := p.users[username]; u != nil {
		return u.Attributes[name]
	}
	return ""
}
