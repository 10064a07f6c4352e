package api

import (
	"context"
	"errors"
)

// Failing is an error that people may read as it is: Error is a sentence that
// names what to do, with nothing raw in it. Exit is the exit code of a command
// that ends with it.
type Failing interface {
	error
	Exit() int
}

// SignedOut reports whether a failure ends when the person signs in. The
// server's refusal of a token and a session without tokens are the same here.
func SignedOut(err error) bool {
	var f Failing
	return errors.As(err, &f) && f.Exit() == ExitSignedOut
}

// Offline reports whether a failure came from the way to the server or to the
// sign-in service, and not from an answer: the same call may succeed later.
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
