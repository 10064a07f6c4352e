package api

import (
	"context"
	"errors"
)

// Failing is an error for the screen: Error returns a sentence with the next
// step and without untrusted text. Exit returns the exit code of a command that
// ends with it.
type Failing interface {
	error
	Exit() int
}

// SignedOut reports whether a new sign-in resolves the failure. The server's
// refusal of a token and a session without tokens are the same here.
func SignedOut(err error) bool {
	var f Failing
	return errors.As(err, &f) && f.Exit() == ExitSignedOut
}

// Offline reports whether a failure is one of the network on the way to the
// server or to the sign-in service, and not an answer. The same call may succeed
// later.
func Offline(err error) bool {
	var answer *Error
	var f Failing
	switch {
	case errors.As(err, &answer):
		return false
	case errors.As(err, &f):
		return f.Exit() == ExitUnavailable
	}
	return errors.Is(err, context.DeadlineExceeded)
}
