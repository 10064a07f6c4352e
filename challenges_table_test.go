//go:build !nosandbox

package main

import (
	"time"

	"usher/backend/sandbox/cognito"
	"usher/session"
)

// question is a prompt of a sign-in, of the commands and of the page alike.
type question int

const (
	askUser question = iota + 1
	askPassword
	askNewPassword
	askAgain // the new password
	askAttribute
	askCode
	askChoice
	askMail
	askRemember
)

// challengeRow is a row of the table of challenges: the way to a challenge, and the
// question whose answer completes it.
type challengeRow struct {
	name    string
	account cognito.User
	flag    string // of usher login; "": the password
	choice  string // the way to continue, where the person chooses
	at      question
	call    string // operation and challenge of the answer
	wave    int    // rows of a later wave pass the challenges of this one

	wrong    string        // the wrong answer; "" if an empty one, or if there is none
	refusal  error         // after the wrong answer; nil: there is no wrong answer
	again    bool          // the question follows again
	late     time.Duration // after which the answer is too late; 0: the person has no part in it
	tooLate  error
	prepared bool // this machine is remembered
}

const (
	tablePassword = "Correct-Horse-7"
	tableSecret   = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	respond       = "RespondToAuthChallenge/"
)

// tableOfChallenges returns the rows. The refusals and times are those of Cognito's
// documentation; see session.
func tableOfChallenges() []challengeRow {
	mail, phone := "somebody@example.com", "+15555550123"
	plain := cognito.User{Password: tablePassword}
	temporary := cognito.User{Password: tablePassword, Temporary: true}
	setUp := cognito.User{Password: tablePassword, SetUpMFA: true}
	sms := cognito.User{Password: tablePassword, Phone: phone, SMSMFA: true}
	byMail := cognito.User{Password: tablePassword, Email: mail, EmailMFA: true}
	both := cognito.User{Password: tablePassword, Email: mail, Phone: phone, EmailMFA: true, SMSMFA: true}
	codes := cognito.User{Password: tablePassword, Email: mail, Phone: phone, NoPassword: true}
	choices := cognito.User{Password: tablePassword, Email: mail}
	const minutes = 4 * time.Minute // a challenge lives for 3
	sent := errorText("That code is not valid. Use the newest one, or request a new code.")
	return []challengeRow{
		{name: "InitiateAuth", account: plain, at: askUser, call: "InitiateAuth", wave: 5, wrong: "nobody-of-that-name", refusal: session.ErrWrongPassword},
		{name: "PASSWORD_VERIFIER", account: plain, at: askPassword, call: respond + "PASSWORD_VERIFIER", wave: 4, wrong: "Wrong-Horse-7", refusal: session.ErrWrongPassword},
		{name: "NEW_PASSWORD_REQUIRED", account: temporary, at: askNewPassword, call: respond + "NEW_PASSWORD_REQUIRED", wrong: "short", refusal: session.ErrPasswordRules, again: true, late: minutes, tooLate: session.ErrStartAgain},
		{name: "NEW_PASSWORD_REQUIRED, attributes", account: temporary, at: askAttribute, call: respond + "NEW_PASSWORD_REQUIRED", refusal: session.ErrAttributes, again: true, late: minutes, tooLate: session.ErrStartAgain},
		{name: "SOFTWARE_TOKEN_MFA", account: cognito.User{Password: tablePassword, TOTPSecret: tableSecret}, at: askCode, call: respond + "SOFTWARE_TOKEN_MFA", wrong: "000000", refusal: session.ErrCode, again: true, late: minutes, tooLate: session.ErrStartAgain},
		{name: "SMS_MFA", account: sms, at: askCode, call: respond + "SMS_MFA", wrong: "000000", refusal: sent, again: true, late: minutes, tooLate: session.ErrStartAgain},
		{name: "EMAIL_OTP, second factor", account: byMail, at: askCode, call: respond + "EMAIL_OTP", wrong: "000000", refusal: sent, again: true, late: minutes, tooLate: session.ErrStartAgain},
		{name: "EMAIL_OTP, first factor", account: codes, flag: "--code", choice: "Code by mail", at: askCode, call: respond + "EMAIL_OTP", wrong: "00000000", refusal: sent, again: true, late: minutes, tooLate: session.ErrStartAgain},
		{name: "SMS_OTP", account: codes, flag: "--code", choice: "Code by SMS", at: askCode, call: respond + "SMS_OTP", wrong: "00000000", refusal: sent, again: true, late: minutes, tooLate: session.ErrStartAgain},
		{name: "SELECT_MFA_TYPE", account: both, choice: "Code by SMS", at: askChoice, call: respond + "SELECT_MFA_TYPE", late: minutes, tooLate: session.ErrStartAgain},
		{name: "SELECT_CHALLENGE", account: codes, flag: "--code", choice: "Code by mail", at: askChoice, call: respond + "SELECT_CHALLENGE", late: minutes, tooLate: session.ErrStartAgain},
		{name: "PASSWORD_SRP", account: choices, flag: "--code", choice: "Password", at: askPassword, call: respond + "SELECT_CHALLENGE", wrong: "Wrong-Horse-7", refusal: session.ErrWrongPassword, late: minutes, tooLate: session.ErrWrongPassword},
		{name: "MFA_SETUP", account: setUp, choice: "Code of an authenticator app", at: askCode, call: respond + "MFA_SETUP", wrong: "000000", refusal: session.ErrCode, again: true, late: minutes, tooLate: session.ErrStartAgain},
		{name: "MFA_SETUP, AssociateSoftwareToken", account: setUp, choice: "Code of an authenticator app", at: askChoice, call: "AssociateSoftwareToken", late: minutes, tooLate: session.ErrStartAgain},
		{name: "MFA_SETUP, VerifySoftwareToken", account: setUp, choice: "Code of an authenticator app", at: askCode, call: "VerifySoftwareToken", wave: 3, late: minutes, tooLate: session.ErrStartAgain},
		{name: "MFA_SETUP by mail", account: setUp, choice: "Code by mail", at: askMail, call: respond + "MFA_SETUP", wrong: "nothing", refusal: session.ErrEmail, again: true, late: minutes, tooLate: session.ErrStartAgain},
		{name: "DEVICE_PASSWORD_VERIFIER", account: byMail, at: askPassword, call: respond + "DEVICE_PASSWORD_VERIFIER", wave: 1, prepared: true},
		{name: "DEVICE_SRP_AUTH", account: byMail, at: askPassword, call: respond + "DEVICE_SRP_AUTH", wave: 2, prepared: true},
		{name: "ForgotPassword", account: choices, flag: "--forgot", at: askUser, call: "ForgotPassword"},
		{name: "ConfirmForgotPassword", account: choices, flag: "--forgot", at: askCode, call: "ConfirmForgotPassword", wrong: "000000", refusal: sent, again: true, late: 61 * time.Minute, tooLate: errorText("That code has expired. Request a new one.")},
	}
}
