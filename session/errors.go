package session

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"usher/backend/api"
	"usher/backend/safetext"
)

// Failure is an error with a complete sentence for the screen: the event and
// the next step. It never holds text of Cognito or of the server.
type Failure struct {
	sentence string
	exit     int
	parent   error
}

func (f *Failure) Error() string { return f.sentence }

// Exit returns the exit code of a command that ends with this error.
func (f *Failure) Exit() int { return f.exit }

// Unwrap returns the general failure of which this one is a case, or nil.
func (f *Failure) Unwrap() error { return f.parent }

// The failures, for errors.Is. They are constants in all but name.
var (
	// ErrSignedOut: there is no session, or it ended. Its cases have their own sentences.
	ErrSignedOut error = &Failure{sentence: api.Lookup(api.Unauthenticated).Sentence, exit: api.ExitSignedOut}

	errEnded       error = &Failure{sentence: api.Lookup(api.TokenExpired).Sentence, exit: api.ExitSignedOut, parent: ErrSignedOut}
	errOtherPerson error = &Failure{sentence: "Another person signed in with this profile. Sign in again.", exit: api.ExitSignedOut, parent: ErrSignedOut}

	// ErrWrongPassword: also for an unknown and for a disabled user, so that
	// the sentence does not reveal which accounts exist.
	ErrWrongPassword error = &Failure{sentence: "User name or password is incorrect.", exit: api.ExitSignedOut}
	// ErrNothingTyped: the user name or the password is empty.
	ErrNothingTyped error = &Failure{sentence: "Type your user name and your password.", exit: api.ExitUsage}
	// ErrLocked: Cognito accepts no more attempts for now. It locks for 1 s
	// after five failures and doubles up to about 15 minutes (Cognito developer
	// guide, authentication, "lockout behavior"). Its answer has no duration.
	ErrLocked error = &Failure{sentence: "Too many attempts. Wait up to 15 minutes, then sign in again.", exit: api.ExitSignedOut}
	// ErrCode: the one-time code is not valid.
	ErrCode error = &Failure{sentence: "That code is not valid. Codes change every 30 s.", exit: api.ExitSignedOut}
	// ErrCodeUsed: a case of ErrCode; each code works once.
	ErrCodeUsed error = &Failure{sentence: "That code was already used. Wait for the next one; codes change every 30 s.", exit: api.ExitSignedOut, parent: ErrCode}
	// ErrPasswordRules: the new password is too weak for the pool.
	ErrPasswordRules error = &Failure{sentence: "That password does not meet the rules.", exit: api.ExitUsage}
	// ErrAttributes: a required attribute has no value, or one that the pool refuses.
	ErrAttributes error = &Failure{sentence: "Fill in each of the fields that your organization requires.", exit: api.ExitUsage}
	// ErrEmail: the address for codes is not accepted.
	ErrEmail error = &Failure{sentence: "That is not a mail address that the sign-in service accepts.", exit: api.ExitUsage}
	// ErrNoUser: the user name is empty.
	ErrNoUser error = &Failure{sentence: "Type your user name.", exit: api.ExitUsage}
	// ErrPasskey: the account has a passkey alone, which needs a browser.
	ErrPasskey error = &Failure{sentence: "Your account signs in with a passkey, which needs a browser. Use your company sign-in, or ask your administrator.", exit: api.ExitSignedOut}
	// ErrCustomChallenge: the pool has a challenge of the organization's own.
	ErrCustomChallenge error = &Failure{sentence: "Your organization has a sign-in step of its own, which usher cannot show. Use your company sign-in, or ask your administrator.", exit: api.ExitSignedOut}
	// ErrDeviceForgotten: the pool does not remember this machine any more.
	ErrDeviceForgotten error = &Failure{sentence: "The sign-in service no longer remembers this machine. Sign in again.", exit: api.ExitSignedOut}

	errSentCode    error = &Failure{sentence: "That code is not valid. Use the newest one, or request a new code.", exit: api.ExitSignedOut, parent: ErrCode}
	errSentExpired error = &Failure{sentence: "That code has expired. Request a new one.", exit: api.ExitSignedOut, parent: ErrCode}
	errNoCodeWay   error = &Failure{sentence: "This user name cannot sign in with a code. Use another way to sign in.", exit: api.ExitSignedOut, parent: ErrWrongPassword}
	errHidden      error = &Failure{sentence: "The account is not there.", exit: api.ExitBug} // never shown
	errNoResource  error = &Failure{sentence: "The server's sign-in settings do not work. Ask your administrator, then run usher configure again.", exit: api.ExitUnavailable, parent: ErrMisconfigured}
	// ErrPasswordUsed: a case of ErrPasswordRules.
	ErrPasswordUsed error = &Failure{sentence: "You used that password before. Choose another one.", exit: api.ExitUsage, parent: ErrPasswordRules}
	// ErrStartAgain: the sign-in took too long, or was never started.
	ErrStartAgain error = &Failure{sentence: "This sign-in took too long. Start again with your password.", exit: api.ExitSignedOut}
	// ErrPasswordReset: an administrator reset the password. Forgot sets another one.
	ErrPasswordReset error = &Failure{sentence: "Your password must be reset. Use \"Forgot your password?\", or run usher login --forgot.", exit: api.ExitSignedOut}
	// ErrTemporaryExpired: the temporary password is too old. Cognito reports it only after a valid proof.
	ErrTemporaryExpired error = &Failure{sentence: "Your temporary password has expired. Ask your administrator for a new one.", exit: api.ExitSignedOut}
	// ErrDisabled: the account is disabled. Only after a valid proof; before it, the sentence is that of a wrong password.
	ErrDisabled error = &Failure{sentence: "Your account is disabled. Ask your administrator.", exit: api.ExitSignedOut}
	// ErrClientSecret: the app client has a secret, which a program on a user's machine cannot keep.
	ErrClientSecret error = &Failure{sentence: "The server's app client has a client secret, which usher cannot use. Ask your administrator for an app client without one.", exit: api.ExitUnavailable}
	// ErrUnfinishedAccount: the account is not confirmed, or lacks required attributes.
	ErrUnfinishedAccount error = &Failure{sentence: "Your account is not set up completely. Ask your administrator.", exit: api.ExitSignedOut}
	// ErrTooManyGroups: the access token lists every group, and no server
	// accepts a token of more than 32 KiB. The session continues once there are
	// fewer groups.
	ErrTooManyGroups error = &Failure{sentence: "You are in too many groups: your access token is larger than 32 KiB, which no usher server accepts. Ask your administrator to remove you from some groups.", exit: api.ExitSignedOut}
	// ErrUnknownStep: Cognito requires a challenge that this version does not support.
	ErrUnknownStep error = &Failure{sentence: "Your account needs a sign-in step that this version of usher does not support. Ask your administrator.", exit: api.ExitSignedOut}
	// ErrRefused: a rule of the organization refused the sign-in.
	ErrRefused error = &Failure{sentence: "Your organization's rules refused this sign-in. Ask your administrator.", exit: api.ExitSignedOut}
	// ErrThrottled: the pool is busy.
	ErrThrottled error = &Failure{sentence: "The sign-in service is busy. Wait a moment and try again.", exit: api.ExitUnavailable}
	// ErrUnavailable: the pool failed.
	ErrUnavailable error = &Failure{sentence: "The sign-in service has a problem. Try again in a minute.", exit: api.ExitUnavailable}
	// ErrGarbled: the answer is not Cognito's.
	ErrGarbled error = &Failure{sentence: "The answer is not from the sign-in service. A proxy, or the log-in page of a network, may be in between.", exit: api.ExitUnavailable}
	// ErrMisconfigured: the pool or the client ID is gone, or does not allow SRP.
	ErrMisconfigured error = &Failure{sentence: "The server's sign-in settings do not work. Ask your administrator, then run usher configure again.", exit: api.ExitUnavailable}
)

// rulesError returns ErrPasswordRules with the rules that a password breaks. A pool may
// have stricter ones, which usher learns only from a refusal.
func rulesError(rules api.PasswordRules, password []byte) error {
	say := " Your organization may require more than the rules above."
	if lacks := rules.Lacks(password); lacks != "" {
		say = " It lacks " + lacks + "."
	}
	return &Failure{sentence: ErrPasswordRules.Error() + say, exit: api.ExitUsage, parent: ErrPasswordRules}
}

// AnswerError is a failure with Cognito's name for it, for the details view
// and for --debug. Error returns the sentence alone.
type AnswerError struct {
	failure   error
	code      string // an exception's name, checked to be one word
	requestID string // checked to be one word
}

func (e *AnswerError) Error() string { return e.failure.Error() }

// Unwrap returns the sentinel.
func (e *AnswerError) Unwrap() error { return e.failure }

// Exit returns the exit code of a command that ends with this error.
func (e *AnswerError) Exit() int { return exitOf(e.failure) }

// Details returns one line for an administrator, safe to print.
func (e *AnswerError) Details() string {
	return fmt.Sprintf("%s, request %s", e.code, e.requestID)
}

func exitOf(err error) int {
	var e api.Failing
	if errors.Is(err, context.Canceled) {
		return api.ExitInterrupted
	}
	if errors.As(err, &e) {
		return e.Exit()
	}
	return api.ExitBug
}

// networkError maps a failed exchange with a host to *api.Unreachable. A
// cancellation is returned unchanged.
func networkError(ctx context.Context, host string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return api.NewUnreachable(host, err)
}

// hostOf returns the host of an address that Origin has checked.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Host
}

// FileError is a file of usher's own that cannot be used, with the remedy.
type FileError struct {
	Path    safetext.Text
	Problem string // "it can be read by others"
	Fix     string // a sentence
}

func (e *FileError) Error() string {
	return fmt.Sprintf("usher does not use %s: %s. %s", e.Path, e.Problem, e.Fix)
}

// Exit returns the exit code of a command that ends with this error.
func (e *FileError) Exit() int { return api.ExitDisk }

// SignOutError means that the tokens are removed here, but the session was not
// ended at the pool.
type SignOutError struct {
	cause     error
	remaining string
}

func (e *SignOutError) Error() string {
	text := fmt.Sprintf("You are signed out on this machine, but %s.", e.remaining)
	if errors.Is(e.cause, context.Canceled) {
		return text + " You stopped the call to it."
	}
	return text + " " + e.cause.Error()
}

// Unwrap returns the cause.
func (e *SignOutError) Unwrap() error { return e.cause }

// Exit returns the exit code of a command that ends with this error.
func (e *SignOutError) Exit() int { return exitOf(e.cause) }
