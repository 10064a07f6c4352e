package fetch

import (
	"errors"
)

// The kinds of failure of this package. Compare with errors.Is.
var (
	ErrChanged   = errors.New("the object changed meanwhile")
	ErrMismatch  = errors.New("the content does not match")
	ErrNoRange   = errors.New("the server sends whole files only")
	ErrNetwork   = errors.New("the network")
	ErrDisk      = errors.New("the local disk")
	ErrStalled   = errors.New("no data came for too long")
	ErrTooSlow   = errors.New("data came too slowly")
	ErrUntrusted = errors.New("the storage's certificate is not trusted")

	// ErrCancelled is the cause of a context whose download must leave no part.
	ErrCancelled = errors.New("cancelled")

	errSpent = errors.New("the ticket is spent")
)

// Error is a failure that ends an attempt. Detail is safe to print and holds no
// URL.
type Error struct {
	Kind   error // ErrChanged, ErrMismatch, ErrNetwork or ErrDisk
	Detail string
	Err    error // the system's error, of ErrDisk; nil: none
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Kind.Error()
	}
	return e.Detail
}

// Is compares by kind.
func (e *Error) Is(target error) bool { return target == e.Kind }

func (e *Error) Unwrap() error { return e.Err }

// permanentError is a failure that no further request mends, such as one of the
// source of URLs. It ends the attempt as it is.
type permanentError struct{ error }

func (s permanentError) Unwrap() error { return s.error }

// networkError drops the text of err: a *url.Error has the URL in it, with its
// signature.
func networkError(err error) error { return &Error{Kind: ErrNetwork, Detail: Reason(err)} }

func mismatch(detail string) error { return &Error{Kind: ErrMismatch, Detail: detail} }
