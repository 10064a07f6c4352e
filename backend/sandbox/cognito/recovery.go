package cognito

import (
	"crypto/subtle"
	"strings"
	"time"
)

// Mail is one e-mail of the service to a person.
type Mail struct {
	Time     time.Time `json:"time"`
	To       string    `json:"to"`
	Username string    `json:"username"`
	Medium   string    `json:"medium,omitempty"`             // "": mail; "sms"
	Code     string    `json:"code,omitempty"`               // for a new password, or of a sign-in
	Password string    `json:"temporary_password,omitempty"` // of a new account
}

// statusReset is the status of an account after an administrator's password
// reset.
const statusReset = "RESET_REQUIRED"

const (
	resetCodeLife = time.Hour // SPEC: API ForgotPassword
	resetDigits   = 6

	// SPEC: quotas, "ForgotPassword": 5 to 20 an hour for one account.
	resetsPerHour = 10
	maxResetNames = 4096 // usernames in the count
)

// reset is an unused reset code.
type reset struct {
	Code    string    `json:"code"`
	Expires time.Time `json:"expires"`
}

type codeDelivery struct {
	Destination    string
	DeliveryMedium string
	AttributeName  string
}

// deliveryTo masks most of an address, as the service does.
func deliveryTo(address string) codeDelivery {
	name, domain, _ := strings.Cut(address, "@")
	first := func(s string) string {
		if s == "" {
			return ""
		}
		return s[:1]
	}
	return codeDelivery{first(name) + "***@" + first(domain) + "***", "EMAIL", "email"}
}

func (p *Pool) send(m Mail) {
	if p.cfg.Send != nil {
		p.cfg.Send(m)
	}
}

// newReset generates a reset code for an account. The caller holds p.mu.
func (p *Pool) newReset(now time.Time, u *user) (Mail, error) {
	if u.Disabled {
		return Mail{}, notAuthorized("User is disabled.")
	}
	if u.Status == statusForceChange || u.Status == statusExternal {
		return Mail{}, notAuthorized("User password cannot be reset in the current state.")
	}
	if u.Attributes["email"] == "" || u.Attributes["email_verified"] != "true" {
		return Mail{}, invalidParameter("Cannot reset password for the user as there is no registered/verified email or phone_number")
	}
	// SPEC: managing-users-passwords: the code does not go where the codes of the
	// second factor go.
	if u.EmailMFA && p.cfg.EmailCodes {
		return Mail{}, invalidParameter("Cannot reset password for the user as there is no registered/verified email or phone_number")
	}
	u.Reset = &reset{p.digits(resetDigits), now.Add(resetCodeLife)}
	u.sentCode = u.Reset.Code
	p.changed++
	return Mail{Time: now.UTC(), To: u.Attributes["email"], Username: u.Username, Code: u.Reset.Code}, nil
}

type forgotPasswordInput struct{ ClientId, Username string }

// forgotPassword returns the same response for an unknown and a known username.
//
// SPEC: cognito-user-pool-managing-errors, ForgotPassword.
func (p *Pool) forgotPassword(now time.Time, in *forgotPasswordInput) (any, error) {
	if err := p.checkClient(in.ClientId); err != nil {
		return nil, err
	}
	if in.Username == "" {
		return nil, missing("username")
	}
	type output struct{ CodeDeliveryDetails codeDelivery }
	p.mu.Lock()
	if err := p.admitReset(now, in.Username); err != nil {
		p.mu.Unlock()
		return nil, err
	}
	u := p.localUser(in.Username)
	if u == nil {
		p.mu.Unlock()
		letter := func(purpose string) string { return string('a' + p.simulate(purpose, in.Username)[0]%26) }
		return output{deliveryTo(letter("address") + "@" + letter("domain"))}, nil
	}
	mail, err := p.newReset(now, u)
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	p.send(mail)
	return output{deliveryTo(mail.To)}, nil
}

// admitReset limits the number of codes per hour for one name. The caller holds
// p.mu.
func (p *Pool) admitReset(now time.Time, name string) error {
	if len(p.resets) > maxResetNames {
		clear(p.resets)
	}
	recent := p.resets[name][:0]
	for _, at := range p.resets[name] {
		if now.Sub(at) < time.Hour {
			recent = append(recent, at)
		}
	}
	if len(recent) >= resetsPerHour {
		p.resets[name] = recent
		return &Error{Code: "LimitExceededException", Message: "Attempt limit exceeded, please try after some time."}
	}
	p.resets[name] = append(recent, now)
	return nil
}

type confirmForgotInput struct{ ClientId, Username, ConfirmationCode, Password string }

func (p *Pool) confirmForgotPassword(now time.Time, in *confirmForgotInput) (any, error) {
	if err := p.checkClient(in.ClientId); err != nil {
		return nil, err
	}
	for _, part := range [][2]string{{"username", in.Username}, {"confirmationCode", in.ConfirmationCode}, {"password", in.Password}} {
		if part[1] == "" {
			return nil, missing(part[0])
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.signInUser(in.Username)
	name := in.Username
	if u != nil {
		name = u.Username
	}
	if err := p.locked(now, factorReset, name); err != nil {
		return nil, &Error{Code: "LimitExceededException", Message: "Attempt limit exceeded, please try after some time."}
	}
	if u == nil || u.Reset == nil || subtle.ConstantTimeCompare([]byte(u.Reset.Code), []byte(in.ConfirmationCode)) != 1 {
		p.failed(now, factorReset, name)
		return nil, &Error{Code: "CodeMismatchException", Message: "Invalid verification code provided, please try again."}
	}
	if !now.Before(u.Reset.Expires) {
		return nil, &Error{Code: "ExpiredCodeException", Message: "Invalid code provided, please request a code again."}
	}
	if u.Disabled {
		return nil, notAuthorized("User is disabled.")
	}
	if err := p.setPassword(now, u, in.Password, false); err != nil {
		return nil, err
	}
	u.Reset, u.sentCode = nil, ""
	delete(p.lockouts, string(factorReset)+name)
	return nil, nil
}

// adminResetUserPassword invalidates the password and mails a code for setting
// another.
//
// SPEC: API AdminResetUserPassword: PasswordResetRequiredException at the next
// sign-in.
func (p *Pool) adminResetUserPassword(now time.Time, in *adminInput) (any, error) {
	var mail Mail
	err := p.withNamed(*in, func(u *user) (err error) {
		if mail, err = p.newReset(now, u); err != nil {
			return err
		}
		u.Status = statusReset
		p.touch(now, u)
		return nil
	})
	if err != nil {
		return nil, err
	}
	p.send(mail)
	return nil, nil
}

func resetRequired() *Error {
	return &Error{Code: "PasswordResetRequiredException", Message: "Password reset required for the user"}
}
