// Package accesslog writes the server's log line of one request. A line has no object
// path, no token and no URL. Foreign text passes through safetext.
package accesslog

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"usher/backend/safetext"
)

// Line describes one handled request.
type Line struct {
	Request string        // the id
	Verb    string        // the API's name of the request
	Status  int           // of HTTP; from 500 on the line is an error
	Took    time.Duration // from the first byte to the end of the handler
	Address string        // of the caller
	Sub     string        // of the person; "": not known
	Code    string        // of a refusal; "": none. An alarm of the stack counts some codes
	Denied  int           // refused objects and folders, which an alarm of the stack counts
	Storage error         // of one object in a response without Err; nil: none
	Err     error         // the cause of a refusal; nil: none
}

// Write writes a line, also after the end of the request's context.
func Write(ctx context.Context, to *slog.Logger, l Line) {
	attrs := []slog.Attr{
		slog.String("request", l.Request), slog.String("verb", l.Verb), slog.Int("status", l.Status),
		slog.Duration("took", l.Took), slog.String("ip", l.Address),
	}
	if l.Sub != "" {
		attrs = append(attrs, slog.Any("sub", safetext.New(l.Sub)))
	}
	if l.Code != "" {
		attrs = append(attrs, slog.String("code", l.Code))
	}
	if l.Denied > 0 {
		attrs = append(attrs, slog.Int("denied", l.Denied))
	}
	switch {
	case l.Err != nil:
		attrs = append(attrs, slog.Any("error", safetext.New(l.Err.Error())))
	case l.Storage != nil:
		attrs = append(attrs, slog.Any("storage", safetext.New(l.Storage.Error())))
	}
	level := slog.LevelInfo
	if l.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	to.LogAttrs(context.WithoutCancel(ctx), level, "request", attrs...)
}
