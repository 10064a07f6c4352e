package fetch

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"syscall"

	"usher/backend/api"
	"usher/backend/safetext"
)

// Reason is the innermost reason as a few safe words.
func Reason(err error) string {
	var errno syscall.Errno
	var op *net.OpError
	var ue *url.Error
	var pe *fs.PathError
	switch {
	case err == nil:
		return "no reason given"
	case untrusted(err):
		return ErrUntrusted.Error()
	case errors.Is(err, ErrStalled), errors.Is(err, context.DeadlineExceeded):
		return ErrStalled.Error()
	case errors.As(err, &op):
		return api.Reason(err)
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &ue):
		return Reason(ue.Err)
	case errors.As(err, &pe):
		return Reason(pe.Err)
	}
	return strings.TrimSuffix(safetext.Line(firstLine(err.Error())), ".")
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if len(s) > 200 {
		s = s[:200]
	}
	return s
}
