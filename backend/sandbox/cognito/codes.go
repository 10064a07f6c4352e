package cognito

import (
	"crypto/subtle"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// The factors of a sign-in whose code the pool sends.
const (
	smsMFA   = "SMS_MFA"
	emailOTP = "EMAIL_OTP" // a second factor, and a first factor in USER_AUTH
	smsOTP   = "SMS_OTP"   // a first factor in USER_AUTH
)

// SPEC: amplify-js#14428: codes of a first factor have 8 digits. Other codes
// have 6; AWS does not document the number.
const (
	firstFactorDigits = 8
	mfaDigits         = 6
)

const (
	mediumEmail = "EMAIL"
	mediumSMS   = "SMS"
)

// digits returns a random code.
func (p *Pool) digits(n int) string {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
	return fmt.Sprintf("%0*d", n, new(big.Int).Mod(new(big.Int).SetBytes(p.random(16)), limit))
}

// sends reports whether the pool sends codes for a factor.
func (p *Pool) sends(factor string) bool {
	return factor == emailOTP && p.cfg.EmailCodes || (factor == smsMFA || factor == smsOTP) && p.cfg.SMSCodes
}

// address returns the verified destination of a factor's codes; "" without one.
func (u *user) address(factor string) string {
	name := "phone_number"
	if factor == emailOTP {
		name = "email"
	}
	if u.Attributes[name+"_verified"] != "true" {
		return ""
	}
	return u.Attributes[name]
}

// sendCode opens a challenge with a code to an address, and sends the code. An
// account that does not exist gets a simulated challenge. The caller holds p.mu.
func (p *Pool) sendCode(now time.Time, c *challenge, to string, digits int) *authOutput {
	medium, delivery := mediumEmail, deliveryTo(to)
	if c.name != emailOTP {
		medium, delivery = mediumSMS, deliveryToPhone(to)
	}
	c.code = p.digits(digits)
	if u := p.users[c.username]; u != nil {
		mail := Mail{Time: now.UTC(), To: to, Username: u.Username, Code: c.code}
		if medium == mediumSMS {
			mail.Medium = "sms"
		}
		u.sentCode = c.code
		p.send(mail)
		p.codeWanted(u)
	}
	return &authOutput{ChallengeName: c.name, Session: p.addChallenge(now, c), ChallengeParameters: map[string]string{
		"CODE_DELIVERY_DELIVERY_MEDIUM": medium, "CODE_DELIVERY_DESTINATION": delivery.Destination,
	}}
}

// deliveryToPhone masks a phone number, as the service does.
func deliveryToPhone(number string) codeDelivery {
	return codeDelivery{"+" + strings.Repeat("*", max(0, len(number)-5)) + number[max(0, len(number)-4):], mediumSMS, "phone_number"}
}

// answerSentCode completes SMS_MFA, EMAIL_OTP and SMS_OTP.
func (p *Pool) answerSentCode(now time.Time, in *respondInput) (*authOutput, *issue, error) {
	key := in.ChallengeName + "_CODE"
	code := in.ChallengeResponses[key]
	if code == "" {
		return nil, nil, invalidParameter("Missing required parameter " + key)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	mismatch := &Error{Code: "CodeMismatchException", Message: "Invalid code or auth state for the user."}
	c, u, err := p.challengeOf(now, in)
	if c != nil && c.username == "" { // of an account that does not exist
		p.wrongResponse(c)
		return nil, nil, mismatch
	}
	if err != nil {
		return nil, nil, err
	}
	if err := p.locked(now, factorCode, u.Username); err != nil {
		return nil, nil, err
	}
	if subtle.ConstantTimeCompare([]byte(c.code), []byte(code)) != 1 {
		p.failed(now, factorCode, u.Username)
		p.wrongResponse(c)
		return nil, nil, mismatch
	}
	c.spent, u.sentCode = true, ""
	if c.verifies != "" { // MFA_SETUP: the new address is proven
		u.Attributes["email"], u.Attributes["email_verified"], u.EmailMFA = c.verifies, "true", true
		p.touch(now, u)
	}
	return p.issueOrDevice(now, u, c)
}

// factors returns the second factors of an account, its preferred one first.
func (p *Pool) factors(u *user, required bool) []string {
	var list []string
	if u.TOTPSecret != "" && (u.TOTPOn || required) {
		list = append(list, softwareTokenMFA)
	}
	if u.SMSMFA && p.sends(smsMFA) && u.address(smsMFA) != "" {
		list = append(list, smsMFA)
	}
	if u.EmailMFA && p.sends(emailOTP) && u.address(emailOTP) != "" {
		list = append(list, emailOTP)
	}
	if i := slices.Index(list, u.Preferred); i > 0 {
		list[0], list[i] = list[i], list[0]
	}
	return list
}

// answerMFAType completes SELECT_MFA_TYPE.
func (p *Pool) answerMFAType(now time.Time, in *respondInput) (*authOutput, *issue, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, u, err := p.challengeOf(now, in)
	if err != nil {
		return nil, nil, err
	}
	factor := in.ChallengeResponses["ANSWER"]
	if !slices.Contains(p.factors(u, true), factor) {
		p.wrongResponse(c)
		return nil, nil, invalidParameter("Invalid MFA type " + quoteID(factor))
	}
	c.spent = true
	return p.secondFactor(now, u, factor, c.origin), nil, nil
}

// secondFactor opens the challenge of a factor. The caller holds p.mu.
func (p *Pool) secondFactor(now time.Time, u *user, factor string, o origin) *authOutput {
	c := &challenge{name: factor, username: u.Username, sub: u.Sub, origin: o}
	if factor == softwareTokenMFA {
		p.codeWanted(u)
		return &authOutput{ChallengeName: factor, Session: p.addChallenge(now, c),
			ChallengeParameters: map[string]string{"USER_ID_FOR_SRP": u.Username}}
	}
	return p.sendCode(now, c, u.address(factor), mfaDigits)
}
