package part

import (
	"errors"
	"io/fs"
)

// The kinds of failure of this package. Compare with errors.Is; errors.As with
// *Error gives the details.
var (
	ErrDisk     = errors.New("the local disk")
	ErrExists   = errors.New("the local name is taken")
	ErrNoFolder = errors.New("a file has the name of a folder")
	ErrLink     = errors.New("a link has the name")
	ErrSpecial  = errors.New("no regular file has the name")
	ErrName     = errors.New("the name cannot be used here")
	ErrBusy     = errors.New("another transfer is fetching this file")
	ErrArrived  = errors.New("the file is here by now")
)

// Error is a failure of the local file system.
type Error struct {
	Kind   error  // ErrDisk, ErrExists, ErrNoFolder, ErrLink, ErrSpecial or ErrName
	Path   string // raw: escape it before it reaches a terminal
	Detail string // the finding, in fixed words; "": see Err
	Below  string // every file below this folder fails like this one; ""
	Err    error  // the system's error; nil: none
}

func (e *Error) Error() string {
	switch {
	case e.Detail != "":
		return e.Kind.Error() + ": " + e.Detail
	case e.Err != nil:
		return e.Kind.Error() + ": " + e.Err.Error()
	}
	return e.Kind.Error()
}

// Is compares by kind.
func (e *Error) Is(target error) bool { return target == e.Kind }

func (e *Error) Unwrap() error { return e.Err }

// HeldError is ErrBusy, with the name of the part that another transfer holds.
type HeldError struct{ Part string }

func (e *HeldError) Error() string { return ErrBusy.Error() }
func (e *HeldError) Unwrap() error { return ErrBusy }

// diskError gives a file system's error the path that it is about. An *Error has
// one already.
func diskError(path string, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &Error{Kind: ErrDisk, Path: path, Err: err}
}

// destinationError is a failure of the destination itself, and so of all its
// files. A lack of descriptors is no property of the destination.
func destinationError(dir string, err error) error {
	own := &Error{Kind: ErrDisk, Path: dir, Err: err}
	if !OutOfDescriptors(err) {
		own.Below = dir
	}
	return own
}

// AbsentError is a folder that does not exist, with the path at which a download would
// make it. It is an fs.ErrNotExist.
type AbsentError struct{ Path string }

func (e *AbsentError) Error() string { return e.Path + " does not exist" }

// Unwrap returns fs.ErrNotExist.
func (e *AbsentError) Unwrap() error { return fs.ErrNotExist }
