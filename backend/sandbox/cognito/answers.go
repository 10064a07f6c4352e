package cognito

import (
	"strings"
	"time"
)

func (p *Pool) answerNewPassword(now time.Time, in *respondInput) (*authOutput, *issue, error) {
	password := in.ChallengeResponses["NEW_PASSWORD"]
	if password == "" {
		return nil, nil, invalidParameter("Missing required parameter NEW_PASSWORD")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c, u, err := p.challengeOf(now, in)
	if err != nil {
		return nil, nil, err
	}
	if u.Status != statusForceChange {
		return nil, nil, notAuthorized("Invalid session for the user.")
	}
	attributes := u.missingAttributes(p.cfg.Required)
	for _, name := range attributes {
		value := in.ChallengeResponses["userAttributes."+name]
		if err := checkAttribute(name, value); err != nil || value == "" {
			p.wrongResponse(c)
			return nil, nil, invalidParameter("Invalid attributes given, " + name + " is missing")
		}
	}
	if err := p.setPassword(now, u, password, false); err != nil {
		p.wrongResponse(c)
		return nil, nil, err
	}
	for _, name := range attributes {
		u.Attributes[name] = in.ChallengeResponses["userAttributes."+name]
	}
	c.spent = true
	return p.nextStep(now, u, softwareTokenMFA, c.origin)
}

func (p *Pool) answerCode(now time.Time, in *respondInput) (*authOutput, *issue, error) {
	code := in.ChallengeResponses["SOFTWARE_TOKEN_MFA_CODE"]
	if code == "" {
		return nil, nil, invalidParameter("Missing required parameter SOFTWARE_TOKEN_MFA_CODE")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c, u, err := p.challengeOf(now, in)
	if err != nil {
		return nil, nil, err
	}
	if err := p.locked(now, factorCode, u.Username); err != nil {
		return nil, nil, err
	}
	verdict, step := checkCode(u.TOTPSecret, code, now, u.TOTPLast)
	switch verdict {
	case codeWrong:
		p.failed(now, factorCode, u.Username)
		p.wrongResponse(c)
		return nil, nil, &Error{Code: "CodeMismatchException", Message: "Invalid code received for user"}
	case codeUsed:
		p.wrongResponse(c)
		return nil, nil, &Error{Code: "ExpiredCodeException", Message: "Your software token has already been used once."}
	}
	u.TOTPLast = step
	p.changed++
	return p.issueOrDevice(now, u, c)
}

// answerSetup completes MFA_SETUP after VerifySoftwareToken accepted a code.
func (p *Pool) answerSetup(now time.Time, in *respondInput) (*authOutput, *issue, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, u, err := p.challengeOf(now, in)
	if err != nil {
		return nil, nil, err
	}
	if to := in.ChallengeResponses["email"] + in.ChallengeResponses["EMAIL"]; to != "" && !c.proven {
		return p.setUpEmail(now, u, c, to)
	}
	if !c.proven {
		return nil, nil, invalidParameter("User has not set up software token mfa")
	}
	if p.faulty(FaultCodeAfterSetUp) {
		c.spent = true
		return p.secondFactor(now, u, softwareTokenMFA, c.origin), nil, nil
	}
	return p.issueOrDevice(now, u, c)
}

// setUpEmail sends a code to a new address for e-mail codes. The caller holds
// p.mu.
//
// SPEC: user-pool-settings-mfa, "MFA set-up".
func (p *Pool) setUpEmail(now time.Time, u *user, c *challenge, to string) (*authOutput, *issue, error) {
	if !p.cfg.EmailCodes || !strings.Contains(to, "@") || checkAttribute("email", to) != nil {
		p.wrongResponse(c)
		return nil, nil, invalidParameter("Invalid email address format.")
	}
	if other := p.signInUser(to); other != nil && other != u {
		return nil, nil, aliasExists()
	}
	c.spent = true
	next := &challenge{name: emailOTP, username: u.Username, sub: u.Sub, origin: c.origin, verifies: to}
	return p.sendCode(now, next, to, mfaDigits), nil, nil
}
