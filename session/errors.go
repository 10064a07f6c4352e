package session

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"usher/backend/api"
	"usher/backend/safetext"
)

// Failure is an error that a person can read as it stands: what happened and
// what to do. It never holds text of Cognito or of the server.
type Failure struct {
	sentence string
	exit     int
	parent   error
}

func (f *Failure) Error() string { return f.sentence }

// Exit is the exit code a command ends with (package api).
func (f *Failure) Exit() int { return f.exit }

// Unwrap gives the failure this one is a case of, if any.
func (f *Failure) Unwrap() error { return f.parent }

// What can go wrong, for errors.Is. They are constants in all but name.
var (
	// ErrSignedOut: there is no session, or it ended. Its cases have their own sentence.
	ErrSignedOut error = &Failure{sentence: api.Lookup(api.Unauthenticated).Sentence, exit: api.ExitSignedOut}

	errEnded       error = &Failure{sentence: api.Lookup(api.TokenExpired).Sentence, exit: api.ExitSignedOut, parent: ErrSignedOut}
	errOtherPerson error = &Failure{sentence: "Somebody else signed in here meanwhile. Sign in again.", exit: api.ExitSignedOut, parent: ErrSignedOut}

	// ErrWrongPassword: also for an unknown and for a disabled user, so that
	// the sentence tells nobody which accounts exist.
	ErrWrongPassword error = &Failure{sentence: "User name or password is not right.", exit: api.ExitSignedOut}
	// ErrNothingTyped: the user name or the password is empty.
	ErrNothingTyped error = &Failure{sentence: "Type your user name and your password.", exit: api.ExitUsage}
	// ErrLocked: Cognito takes no more tries for now. It locks for 1 s after
	// five failures and doubles up to about 15 minutes (Cognito developer
	// guide, authentication, "lockout behavior"); it does not say for how long.
	ErrLocked error = &Failure{sentence: "Too many tries. Wait a while, 15 minutes at most, then sign in again.", exit: api.ExitSignedOut}
	// ErrCode: the one-time code is not valid.
	ErrCode error = &Failure{sentence: "That code is not valid. Codes change every 30 s.", exit: api.ExitSignedOut}
	// ErrCodeUsed: a case of ErrCode; each code works once.
	ErrCodeUsed error = &Failure{sentence: "That code was used already. Wait for the next one; codes change every 30 s.", exit: api.ExitSignedOut, parent: ErrCode}
	// ErrPasswordRules: the new password is too weak for the pool.
	ErrPasswordRules error = &Failure{sentence: "That password does not meet the rules. " + PasswordRules(), exit: api.ExitUsage}
	// ErrPasswordUsed: a case of ErrPasswordRules.
	ErrPasswordUsed error = &Failure{sentence: "You used that password before. Choose another one.", exit: api.ExitUsage, parent: ErrPasswordRules}
	// ErrStartAgain: the sign-in took too long, or was never begun.
	ErrStartAgain error = &Failure{sentence: "This sign-in took too long. Start again with your password.", exit: api.ExitSignedOut}
	// ErrPasswordReset: an administrator asked for a new password by another way.
	ErrPasswordReset error = &Failure{sentence: "Your password has to be reset first. Ask your administrator.", exit: api.ExitSignedOut}
	// ErrUnfinishedAccount: the account is not confirmed, or misses required details.
	ErrUnfinishedAccount error = &Failure{sentence: "Your account is not set up completely. Ask your administrator.", exit: api.ExitSignedOut}
	// ErrTooManyGroups: the access token lists every group, and no server takes
	// one of more than 32 KiB. The session goes on once there are fewer.
	ErrTooManyGroups error = &Failure{sentence: "You are in too many groups: your access token is larger than 32 KiB, which no usher server takes. Ask your administrator to take you out of some groups.", exit: api.ExitSignedOut}
	// ErrUnknownStep: Cognito asks for something this version does not do.
	ErrUnknownStep error = &Failure{sentence: "Your account asks for a sign-in step that this version of usher does not know. Ask your administrator.", exit: api.ExitSignedOut}
	// ErrRefused: a rule of the organisation refused the sign-in.
	ErrRefused error = &Failure{sentence: "Your organisation's rules refused this sign-in. Ask your administrator.", exit: api.ExitSignedOut}
	// ErrThrottled: the pool is busy.
	ErrThrottled error = &Failure{sentence: "The sign-in service is busy. Wait a moment and try again.", exit: api.ExitUnavailable}
	// ErrUnavailable: the pool failed.
	ErrUnavailable error = &Failure{sentence: "The sign-in service has a problem. Try again in a minute.", exit: api.ExitUnavailable}
	// ErrGarbled: what answered is not Cognito.
	ErrGarbled error = &Failure{sentence: "The sign-in service gave an answer that makes no sense. A proxy or the log-in page of a network may be in between.", exit: api.ExitUnavailable}
	// ErrMisconfigured: the pool or the client id is gone, or does not allow SRP.
	ErrMisconfigured error = &Failure{sentence: "The server's sign-in settings do not work. Ask your administrator, then run usher configure again.", exit: api.ExitUnavailable}
)

// PasswordRules says what a new password needs, to be shown before it is
// typed. They are Cognito's default policy; a pool may ask for more, and says
// so only by refusing.
// SPEC: Cognito API reference, PasswordPolicyType.
func PasswordRules() string {
	return "At least 8 characters, with an uppercase letter, a lowercase letter, a digit and a symbol such as ! or #. Your organisation may ask for more."
}

// AnswerError is a failure with what Cognito called it, for the details view
// and for --debug. Error is the sentence alone.
type AnswerError struct {
	failure   error
	code      string // an exception's name, checked to be one word
	requestID string // checked to be one word
}

func (e *AnswerError) Error() string { return e.failure.Error() }

// Unwrap gives the sentinel.
func (e *AnswerError) Unwrap() error { return e.failure }

// Exit is the exit code a command ends with.
func (e *AnswerError) Exit() int { return exitOf(e.failure) }

// Details is one line for an administrator; safe to print.
func (e *AnswerError) Details() string {
	return fmt.Sprintf("%s, request %s", e.code, e.requestID)
}

func exitOf(err error) int {
	var e api.Failing
	if errors.As(err, &e) {
		return e.Exit()
	}
	return api.ExitBug
}

// networkError reads a failed exchange with a host. A canceled one stays what
// it is.
func networkError(ctx context.Context, host string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return api.NewUnreachable(host, err)
}

// hostOf is the host of an address that was checked before.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Host
}

// FileError says why a file of usher's own is not used, and the remedy.
type FileError struct {
	Path    safetext.Text
	Problem string // "it can be read by others"
	Fix     string // a sentence
}

func (e *FileError) Error() string {
	return fmt.Sprintf("usher does not use %s: %s. %s", e.Path, e.Problem, e.Fix)
}

// Exit is the exit code a command ends with.
func (e *FileError) Exit() int { return api.ExitDisk }

// SignOutError says that this machine is signed out and the server was not told.
type SignOutError struct {
	cause     error
	remaining string
}

func (e *SignOutError) Error() string {
	return fmt.Sprintf("You are signed out on this machine, but %s. %s", e.remaining, e.cause)
}

// Unwrap gives the cause.
func (e *SignOutError) Unwrap() error { return e.cause }

// Exit is the exit code a command ends with.
func (e *SignOutError) Exit() int { return exitOf(e.cause) }
