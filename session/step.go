package session

import (
	"errors"
	"strings"

	"usher/backend/safetext"
)

// StepKind is the next step of a sign-in.
type StepKind int

const (
	Done            StepKind = iota + 1 // Step.Tokens is set: pass it to Session.Adopt
	NeedNewPassword                     // show Step.Rules, prompt for a password and Step.Attributes, then call NewPassword
	NeedCode                            // prompt for a code of Step.Code, then call Code
	SetUpCode                           // show Step.URI as QR and Step.Secret as text, then call Code with the first code
	NeedNumber                          // another device: prompt for the six digits of the page, then call DeviceSignIn.Number
	Choose                              // show Step.Choices, then call Choose
	NeedEmail                           // prompt for an address for codes, then call Email
	NeedPassword                        // prompt for the password, then call PasswordChosen
	NeedReset                           // prompt for the code of a mail and a new password (Step.Rules), then call Reset
)

// Step is the state of a sign-in.
type Step struct {
	Kind       StepKind
	Secret     Secret   // SetUpCode: the secret to type into the app, base32
	URI        Secret   // SetUpCode: the same as an otpauth address, at most 106 bytes for ASCII names (QR version 5)
	Tokens     Tokens   // Done
	Code       Source   // NeedCode, SetUpCode and NeedReset
	Choices    []Choice // Choose
	Attributes []string // NeedNewPassword: attributes that the pool requires, by Cognito's names
	Rules      string   // NeedNewPassword and NeedReset: a sentence

	// Remember: the pool remembers devices, and this machine is not one of them.
	// After Adopt, ask the person, with no as the default; for yes call Remember.
	Remember bool
}

// Medium is the way on which a code reaches the person.
type Medium int

const (
	App Medium = iota // an authenticator app
	Mail
	SMS
)

// Source describes the source of a code.
type Source struct {
	Medium Medium
	To     safetext.Text // masked destination of a sent code, from the pool
	Least  int           // digits
	Most   int           // digits
}

// Sent reports whether the pool sends the code, so that NewCode sends another.
func (c Source) Sent() bool { return c.Medium != App }

// Choice is one of the ways to continue.
type Choice struct {
	ID   string // for Choose
	Text string // for the screen
}

// fits reports whether a code has the right form.
func (c Source) fits(code string) bool {
	return len(code) >= c.Least && len(code) <= c.Most && strings.Trim(code, "0123456789") == ""
}

// wrong returns the error about a code in the words of its source.
func (c Source) wrong(err error) error {
	switch {
	case !c.Sent():
	case errors.Is(err, ErrCodeUsed):
		return errSentExpired
	case errors.Is(err, ErrCode):
		return errSentCode
	}
	return err
}
