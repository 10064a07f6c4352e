package cognito

import "time"

// The calls of a person on their own account, with an access token, a refresh
// token or a challenge's Session.

type attribute struct{ Name, Value string }

// attributes returns an account's attributes, sub first.
func (u *user) attributes() []attribute {
	list := []attribute{{"sub", u.Sub}}
	for _, name := range sortedKeys(u.Attributes) {
		list = append(list, attribute{name, u.Attributes[name]})
	}
	return list
}

// mfa returns UserMFASettingList and PreferredMfaSetting.
func (u *user) mfa() (list []string, preferred string) {
	if u.TOTPSecret != "" && u.TOTPOn {
		list = append(list, softwareTokenMFA)
	}
	if u.SMSMFA {
		list = append(list, smsMFA)
	}
	if u.EmailMFA {
		list = append(list, emailOTP)
	}
	if preferred = u.Preferred; preferred == "" && len(list) == 1 {
		preferred = list[0]
	}
	return list, preferred
}

type accessTokenInput struct{ AccessToken string }

func (p *Pool) getUser(now time.Time, in *accessTokenInput) (any, error) {
	var out struct {
		Username            string
		UserAttributes      []attribute
		UserMFASettingList  []string `json:",omitempty"`
		PreferredMfaSetting string   `json:",omitempty"`
	}
	err := p.withUser(now, in.AccessToken, scopeAdmin, func(u *user) error {
		if err := p.admit(now, quotaPersonRead, u.Sub); err != nil {
			return err
		}
		out.Username, out.UserAttributes = u.Username, u.attributes()
		out.UserMFASettingList, out.PreferredMfaSetting = u.mfa()
		return nil
	})
	return out, err
}

// globalSignOut revokes all of a person's token families.
func (p *Pool) globalSignOut(now time.Time, in *accessTokenInput) (any, error) {
	return nil, p.withUser(now, in.AccessToken, scopeAdmin, func(u *user) error {
		p.revokeAll(u)
		return nil
	})
}

type getTokensInput struct{ RefreshToken, ClientId, DeviceKey string }

func (p *Pool) getTokensFromRefreshToken(now time.Time, in *getTokensInput) (any, error) {
	if err := p.checkClient(in.ClientId); err != nil {
		return nil, err
	}
	if in.RefreshToken == "" {
		return nil, missing("refreshToken")
	}
	return p.refreshTokens(now, in.ClientId, in.RefreshToken, in.DeviceKey)
}

type revokeTokenInput struct{ Token, ClientId string }

// revokeToken revokes the family of a refresh token.
//
// SPEC: API RevokeToken: UnsupportedTokenTypeException for a token of another
// type. RFC 7009 §2.2: success for an unknown token.
func (p *Pool) revokeToken(_ time.Time, in *revokeTokenInput) (any, error) {
	if err := p.checkClient(in.ClientId); err != nil {
		return nil, err
	}
	if in.Token == "" {
		return nil, missing("token")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, s, _ := p.findRefresh(in.Token)
	if s != nil && p.clientOf(s) != in.ClientId {
		return nil, notAuthorized("Invalid Refresh Token")
	}
	if s == nil {
		if _, err := p.readAccess(in.Token); err == nil {
			return nil, &Error{Code: "UnsupportedTokenTypeException", Message: "Unsupported token type"}
		}
		return nil, nil
	}
	p.revoke(s)
	return nil, nil
}

type changePasswordInput struct{ AccessToken, PreviousPassword, ProposedPassword string }

func (p *Pool) changePassword(now time.Time, in *changePasswordInput) (any, error) {
	if in.ProposedPassword == "" {
		return nil, missing("proposedPassword")
	}
	return nil, p.withUser(now, in.AccessToken, scopeAdmin, func(u *user) error {
		if err := p.locked(now, factorPassword, u.Username); err != nil {
			return &Error{Code: "LimitExceededException", Message: "Attempt limit exceeded, please try after some time."}
		}
		if !u.passwordMatches(p.name, in.PreviousPassword) {
			p.failed(now, factorPassword, u.Username)
			return wrongPassword()
		}
		return p.setPassword(now, u, in.ProposedPassword, false)
	})
}

type softwareTokenInput struct{ AccessToken, Session, UserCode string }

// withTOTPOwner runs f with the account of an MFA_SETUP session and its
// challenge, or with the account of an access token and a nil challenge.
func (p *Pool) withTOTPOwner(now time.Time, in *softwareTokenInput, f func(*user, *challenge) error) error {
	p.mu.Lock()
	off := p.mfa == MFAOff
	p.mu.Unlock()
	if off {
		// SPEC: user-pool-settings-mfa-totp has this text.
		return &Error{Code: "SoftwareTokenMFANotFoundException",
			Message: "Software Token MFA has not been enabled by the userPool"}
	}
	if in.AccessToken != "" && in.Session != "" {
		return invalidParameter("Only one of AccessToken and Session can be given")
	}
	if in.Session == "" {
		return p.withUser(now, in.AccessToken, scopeAdmin, func(u *user) error { return f(u, nil) })
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c, err := p.findChallenge(now, in.Session, mfaSetup)
	if err != nil {
		return err
	}
	u := p.users[c.username]
	if u == nil || u.Sub != c.sub || u.Disabled {
		return notAuthorized("Invalid session for the user.")
	}
	return f(u, c)
}

// associated and verified are the responses of the set-up of an authenticator.
type (
	associated struct {
		SecretCode string
		Session    string `json:",omitempty"`
	}
	verified struct {
		Status  string
		Session string `json:",omitempty"`
	}
)

// associateSoftwareToken returns a new TOTP secret. The secret is in force only
// after VerifySoftwareToken.
func (p *Pool) associateSoftwareToken(now time.Time, in *softwareTokenInput) (any, error) {
	var out associated
	err := p.withTOTPOwner(now, in, func(u *user, c *challenge) error {
		u.pendingTOTP = encodeTOTPSecret(p.random(totpSecretBytes))
		out.SecretCode = u.pendingTOTP
		p.codeWanted(u)
		if c != nil {
			out.Session = p.renew(now, c)
		}
		return nil
	})
	return out, err
}

func (p *Pool) verifySoftwareToken(now time.Time, in *softwareTokenInput) (any, error) {
	if in.UserCode == "" {
		return nil, missing("userCode")
	}
	out := verified{Status: "SUCCESS"}
	err := p.withTOTPOwner(now, in, func(u *user, c *challenge) error {
		if u.pendingTOTP == "" {
			return &Error{Code: "SoftwareTokenMFANotFoundException", Message: "Software Token MFA does not exist for the user."}
		}
		if err := p.locked(now, factorCode, u.Username); err != nil {
			return err
		}
		verdict, step := checkCode(u.pendingTOTP, in.UserCode, now, 0)
		if verdict != codeGood {
			p.failed(now, factorCode, u.Username)
			if c != nil {
				p.wrongResponse(c)
			}
			return &Error{Code: "EnableSoftwareTokenMFAException", Message: "Code mismatch"}
		}
		u.TOTPSecret, u.TOTPLast, u.pendingTOTP = u.pendingTOTP, step, ""
		p.touch(now, u)
		if c != nil {
			u.TOTPOn, c.proven = true, true
			out.Session = p.renew(now, c)
		}
		return nil
	})
	return out, err
}

// renew moves a challenge to a new Session and spends the previous one. The
// caller holds p.mu.
func (p *Pool) renew(now time.Time, c *challenge) string {
	next := *c
	c.spent = true
	return p.addChallenge(now, &next)
}

type setMFAPreferenceInput struct {
	AccessToken string
	mfaPreference
}

func (p *Pool) setUserMFAPreference(now time.Time, in *setMFAPreferenceInput) (any, error) {
	return nil, p.withUser(now, in.AccessToken, scopeAdmin, func(u *user) error {
		return p.setMFA(now, u, in.mfaPreference)
	})
}
