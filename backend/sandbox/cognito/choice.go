package cognito

import (
	"slices"
	"time"
)

const (
	selectChallenge = "SELECT_CHALLENGE"
	selectMFAType   = "SELECT_MFA_TYPE"
	choicePassword  = "PASSWORD"
	choiceSRP       = "PASSWORD_SRP"
	choicePasskey   = "WEB_AUTHN"
)

// userAuth begins a sign-in with a choice of first factors.
//
// SPEC: authentication-flows-selection-sdk, "Choice-based sign-in".
func (p *Pool) userAuth(now time.Time, params map[string]string) (any, error) {
	typed := params["USERNAME"]
	if typed == "" {
		return nil, invalidParameter("Missing required parameter USERNAME")
	}
	p.mu.Lock()
	choices := p.firstFactors(typed)
	p.mu.Unlock()
	if preferred := params["PREFERRED_CHALLENGE"]; slices.Contains(choices, preferred) {
		return p.firstFactor(now, preferred, params)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &challenge{name: selectChallenge, typed: typed, origin: origin{deviceKey: params["DEVICE_KEY"]}}
	if u := p.localUser(typed); u != nil {
		if u.Disabled && !p.faulty(FaultLateDisabled) {
			return nil, notAuthorized("User is disabled.")
		}
		c.username, c.sub = u.Username, u.Sub
	}
	return &authOutput{ChallengeName: selectChallenge, Session: p.addChallenge(now, c),
		ChallengeParameters: map[string]string{}, AvailableChallenges: choices}, nil
}

// firstFactors returns the first factors of a name. An unknown name has made-up
// ones, constant for the name. The caller holds p.mu.
//
// SPEC: user-pool-settings-mfa: with MFA, one-time passwords are not available
// as first factors.
func (p *Pool) firstFactors(typed string) []string {
	u := p.localUser(typed)
	if u == nil {
		made := []string{choicePassword, choiceSRP}
		bits := p.simulate("choices", typed)[0]
		if p.cfg.EmailCodes && bits&1 != 0 {
			made = append(made, emailOTP)
		}
		if p.cfg.SMSCodes && bits&2 != 0 {
			made = append(made, smsOTP)
		}
		return made
	}
	var list []string
	if !u.NoPassword {
		list = []string{choicePassword, choiceSRP}
	}
	if p.mfa == MFARequired || p.mfa == MFAOptional && (u.MustMFA || len(p.factors(u, false)) > 0) {
		return list
	}
	for _, factor := range []string{emailOTP, smsOTP} {
		if p.sends(factor) && u.address(factor) != "" {
			list = append(list, factor)
		}
	}
	if u.Passkey {
		list = append(list, choicePasskey)
	}
	return list
}

// firstFactor begins the chosen factor.
func (p *Pool) firstFactor(now time.Time, choice string, params map[string]string) (any, error) {
	switch choice {
	case choiceSRP:
		return p.startSRP(now, params)
	case choicePassword:
		return p.finish(p.passwordStep(now, params))
	case choicePasskey:
		p.mu.Lock()
		defer p.mu.Unlock()
		u := p.localUser(params["USERNAME"])
		if u == nil {
			return nil, wrongPassword()
		}
		return &authOutput{ChallengeName: choicePasskey, Session: p.addChallenge(now, &challenge{name: choicePasskey, username: u.Username, sub: u.Sub}),
			ChallengeParameters: map[string]string{"CREDENTIAL_REQUEST_OPTIONS": "{}"}}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &challenge{name: choice, typed: params["USERNAME"], origin: origin{deviceKey: params["DEVICE_KEY"]}}
	u := p.localUser(c.typed)
	if u == nil {
		letter := func(purpose string) string { return string('a' + p.simulate(purpose, c.typed)[0]%26) }
		to := letter("address") + "@" + letter("domain")
		if choice == smsOTP {
			to = "+1555555" + p.digits(4)
		}
		return p.sendCode(now, c, to, firstFactorDigits), nil
	}
	if u.Disabled {
		return nil, notAuthorized("User is disabled.")
	}
	c.username, c.sub = u.Username, u.Sub
	return p.sendCode(now, c, u.address(choice), firstFactorDigits), nil
}

// answerChoice completes SELECT_CHALLENGE.
func (p *Pool) answerChoice(now time.Time, in *respondInput) (any, error) {
	r := in.ChallengeResponses
	p.mu.Lock()
	c, err := p.findChallenge(now, in.Session, selectChallenge)
	if err == nil && r["USERNAME"] != c.typed && r["USERNAME"] != c.username {
		err = notAuthorized("Invalid session for the user.")
	}
	if err == nil && !slices.Contains(p.firstFactors(c.typed), r["ANSWER"]) {
		p.wrongResponse(c)
		err = invalidParameter("Selected challenge is not available.")
	}
	if err != nil {
		p.mu.Unlock()
		return nil, err
	}
	c.spent = true
	params := map[string]string{"USERNAME": c.typed, "SRP_A": r["SRP_A"], "PASSWORD": r["PASSWORD"], "DEVICE_KEY": c.origin.deviceKey}
	p.mu.Unlock()
	return p.firstFactor(now, r["ANSWER"], params)
}
