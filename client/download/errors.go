package download

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/download/fetch"
	"usher/client/download/part"
	"usher/client/download/ticket"
	"usher/client/quantity"
)

// The kinds of failure that are born here. Compare with errors.Is; errors.As
// with *Error gives the details. Failures of the backend are *api.Error.
var (
	ErrExists    = part.ErrExists
	ErrNoFolder  = part.ErrNoFolder
	ErrIntegrity = errors.New("the content does not match the object")
	ErrChanged   = fetch.ErrChanged
	ErrDisk      = part.ErrDisk
	ErrBadURL    = ticket.ErrRefused // its details are a *ticket.Error
	ErrNetwork   = fetch.ErrNetwork
	ErrLink      = part.ErrLink
	ErrSpecial   = part.ErrSpecial
	ErrBusy      = part.ErrBusy
	ErrName      = part.ErrName
	ErrPattern   = errors.New("the path cannot be read")
)

// Error is a failure of a transfer. Its text is one sentence for people, with
// names already safe.
type Error struct {
	Kind         error  // one of the Err values above
	Path         string // the local path or object it is about, raw; ""
	Needed, Free int64  // bytes, of ErrDisk for lack of space; Free may be used
	kept         bool   // something was fetched, and is still there
	Below        string // of ErrDisk: every file below this folder fails like this one; ""
	Detail       string // the reason, safe to print; ""
	cause        error
}

func (e *Error) Error() string {
	name := safetext.Line(e.Path)
	switch e.Kind {
	case ErrExists:
		return fmt.Sprintf("%s is here already and differs. Choose to overwrite it, to skip it or to keep both.", name)
	case ErrNoFolder:
		return fmt.Sprintf("%s is a file here, and a folder on the server. Move the file away, or choose another folder.", name)
	case ErrIntegrity:
		return fmt.Sprintf("%s does not match its checksum or size (%s). Nothing was kept. Try again, and tell its owner if it happens twice.", name, e.Detail)
	case ErrChanged:
		return fmt.Sprintf("%s changed on the server while it was read. The unfinished part was removed. Start this download again.", name)
	case ErrDisk:
		kept := ""
		if e.kept {
			kept = " What was fetched is kept."
		}
		if e.Needed > 0 {
			return fmt.Sprintf("No space left for %s: needs %s, %s available.%s", name, quantity.Size(e.Needed), quantity.Size(e.Free), kept)
		}
		return fmt.Sprintf("Can't write %s: %s.%s", name, e.Detail, kept)
	case ErrNetwork:
		var server *api.Unreachable
		if errors.As(e.cause, &server) {
			return server.Error()
		}
		return fmt.Sprintf("Can't reach the storage (%s). Check the network and try again; what is kept is not fetched again.", e.Detail)
	case ErrLink:
		return fmt.Sprintf("%s is a link, and usher does not write through links. Remove it or choose another folder.", name)
	case ErrSpecial:
		return fmt.Sprintf("%s is %s and no file, so it was left alone. Choose another name; -o - writes to stdout.", name, e.Detail)
	case ErrBusy:
		return fmt.Sprintf("Another usher process downloads %s, and has received nothing for %s. Stop that process, then try again.", name, e.Detail)
	case ErrPattern:
		return fmt.Sprintf("%s can't be read as a path (%s). A literal wildcard has a backslash before it.", name, e.Detail)
	case ErrName:
		return fmt.Sprintf("%s can't be saved here (%s).", name, e.Detail)
	}
	return "The download failed."
}

// Is compares by kind.
func (e *Error) Is(target error) bool { return target == e.Kind }

func (e *Error) Unwrap() error { return e.cause }

// Exit is the exit code of a command that ends with this failure.
func (e *Error) Exit() int {
	switch e.Kind {
	case ErrIntegrity, ErrChanged:
		return api.ExitIntegrity
	case ErrNetwork:
		return api.ExitUnavailable
	case ErrPattern:
		return api.ExitUsage
	}
	return api.ExitDisk
}

// Why a transfer's work was stopped; the cause of its context.
var (
	errPaused    = errors.New("paused")
	errCancelled = fetch.ErrCancelled
	errClosed    = errors.New("the engine was closed")
)

// mapped turns a failure of the packages part and fetch into an *Error, which has
// a sentence for people. path is the file or object of a failure that names none,
// and kept reports whether fetched bytes are still there. Other errors stay, and an
// *Error does unless a more exact failure of part caused it.
func mapped(err error, path string, kept bool) error {
	var known *Error
	var fetched *fetch.Error
	var local *part.Error
	switch isKnown := errors.As(err, &known); {
	case isKnown && !errors.As(known.cause, &local):
	case !isKnown && errors.As(err, &fetched):
		own := &Error{Kind: fetched.Kind, Path: path, Detail: fetched.Detail}
		switch fetched.Kind {
		case fetch.ErrDisk:
			own.Kind, own.Detail, own.kept, own.cause = ErrDisk, fetch.Reason(fetched.Err), kept, fetched.Err
		case fetch.ErrMismatch:
			own.Kind = ErrIntegrity
		}
		return own
	case errors.As(err, &local):
		own := &Error{Kind: local.Kind, Path: local.Path, Detail: local.Detail, Below: local.Below, cause: local.Err}
		if own.Detail == "" {
			own.Detail = fetch.Reason(local.Err)
		}
		return own
	}
	return err
}

// failure is mapped for an error of a fetch.
func (c *claim) failure(f *part.Folder, err error, kept bool) error {
	path := filepath.Join(f.Path(), c.to.name)
	switch {
	case errors.Is(err, fetch.ErrMismatch):
		path = c.to.key
	case full(err):
		return &Error{Kind: ErrDisk, Path: path, Needed: max(c.Remaining(), 1), Free: max(f.Free(), 0), kept: kept, cause: err}
	}
	return mapped(err, path, kept)
}

// full reports whether the disk has no space left.
func full(err error) bool {
	return errors.Is(err, fetch.ErrDisk) && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT))
}

// diskError turns a file system's error into ErrDisk. An *Error stays.
func diskError(path string, err error) error {
	err = mapped(err, path, false)
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &Error{Kind: ErrDisk, Path: path, Detail: fetch.Reason(err), cause: err}
}

// netError is the failure of a connection to the server, which has a sentence
// of its own, or to S3. It holds no URL: *url.Error carries it, signature and
// all.
func netError(err error) error {
	var server *api.Unreachable
	if errors.As(err, &server) {
		return &Error{Kind: ErrNetwork, Detail: server.Reason, cause: server}
	}
	return &Error{Kind: ErrNetwork, Detail: fetch.Reason(err)}
}
