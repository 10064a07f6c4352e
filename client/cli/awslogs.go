package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/audit/reconcile"
	"usher/backend/event"
	"usher/client/quantity"
)

// unreadLines counts lines that are not understood, and keeps the first.
type unreadLines struct {
	Count int      `json:"count"`
	First []string `json:"first"`
}

// err returns the failure of a comparison with lines that were not understood.
func (u *unreadLines) err() error {
	if u.Count == 0 {
		return nil
	}
	return &failedError{exit: api.ExitMixed, code: "not_understood", text: quantity.Plural(u.Count, "line was", "lines were") + " not understood. The comparison is not complete."}
}

// unknownOperations returns the failure of a comparison with operations that are not
// known.
func unknownOperations(report reconcile.Report) error {
	return &failedError{exit: api.ExitMixed, code: "unknown_operation", text: quantity.Plural(report.UnknownLines(), "line has", "lines have") +
		" an operation that this version does not know. It could be a read, so the comparison is not complete."}
}

// summaryOf returns a server's summary of its log.
type summaryOf func(context.Context, api.AuditSummaryRequest) (api.AuditSummaryResponse, error)

// signers returns the principals that sign URLs: those named by --role, and the one
// that the server names. summary is nil for a log in a file.
func signers(ctx context.Context, summary summaryOf, roles []string) ([]reconcile.Signer, error) {
	var known []reconcile.Signer
	for _, role := range roles {
		if strings.TrimSpace(role) == "" {
			return nil, usagef("--role is the ARN of a role or a user, like arn:aws:iam::111122223333:role/usher.")
		}
		known = append(known, reconcile.Signer{Name: role})
	}
	if summary == nil {
		return known, nil
	}
	server, err := summary(ctx, api.AuditSummaryRequest{Hours: 1})
	if err != nil {
		return nil, err
	}
	if server.Signer != "" {
		known = append(known, reconcile.Signer{Name: server.Signer, PerPerson: server.SignerPerPerson})
	}
	return known, nil
}

// readLogs adds the lines of AWS's logs to a comparison: of files, of all files of
// folders, and of stdin for "-".
func (a *app) readLogs(ctx context.Context, files []string, compare *reconcile.Comparison) (*unreadLines, error) {
	unread := &unreadLines{First: []string{}}
	for _, name := range files {
		if _, err := await(ctx, func() (struct{}, error) { return struct{}{}, a.readLog(name, compare, unread) }); err != nil {
			return nil, err
		}
	}
	return unread, nil
}

func (a *app) readLog(name string, compare *reconcile.Comparison, unread *unreadLines) error {
	if info, err := os.Stat(name); name == "-" || err != nil || !info.IsDir() {
		return a.readLogFile(name, compare, unread)
	}
	return filepath.WalkDir(name, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return &failedError{text: fmt.Sprintf("Can't read %s. Check its permissions.", safe(file)), exit: api.ExitDisk, cause: err}
		}
		if !d.Type().IsRegular() {
			return nil
		}
		return a.readLogFile(file, compare, unread)
	})
}

// readLogFile adds the lines of one file.
func (a *app) readLogFile(name string, compare *reconcile.Comparison, unread *unreadLines) error {
	in, err := openInput(name, a.In)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	for line, err := range reconcile.Read(name, in) {
		var bad *reconcile.Unread
		switch {
		case err == nil:
			compare.Add(line)
		case errors.As(err, &bad):
			if unread.Count++; len(unread.First) < listed {
				unread.First = append(unread.First, bad.Error())
			}
		default:
			return &failedError{text: fmt.Sprintf("%s is broken, so nothing was compared: %s.", safe(name), safe(err.Error())), exit: api.ExitDisk, cause: err}
		}
	}
	return nil
}

// queryLog returns a page of events.
type queryLog func(context.Context, api.AuditQueryRequest) (api.AuditQueryResponse, error)

// releases yields the events of a query in the range of the comparison. Without terms
// of an action or an outcome in the query, they are the releases. A query of many terms
// gets no further ones; the comparison skips the other events.
func releases(ctx context.Context, ask queryLog, compare *reconcile.Comparison, query string) func(func(event.Event, error) bool) {
	return func(yield func(event.Event, error) bool) {
		from, until := compare.Range()
		if from.IsZero() {
			return
		}
		f, err := event.ParseFilter(query, from)
		if err != nil {
			yield(event.Event{}, err)
			return
		}
		more := []event.Term{{Field: event.BySince, Time: from.Truncate(time.Second)}, {Field: event.ByUntil, Time: until.Add(time.Second)}}
		for _, t := range []event.Term{{Field: event.ByAction, Value: event.Download}, {Field: event.ByOutcome, Value: event.Allowed}} {
			if !slices.ContainsFunc(f.Terms, func(have event.Term) bool { return have.Field == t.Field && !have.Not }) { // terms of one field are alternatives
				more = append(more, t)
			}
		}
		text := strings.TrimSpace(query + " " + event.Filter{Terms: more}.String())
		if _, err := event.ParseFilter(text, from); err != nil {
			text = query
		}
		req := api.AuditQueryRequest{Limit: api.MaxAuditPage, Filter: text}
		for {
			page, err := ask(ctx, req)
			if err != nil {
				yield(event.Event{}, err)
				return
			}
			for _, e := range page.Events {
				if !yield(e, nil) {
					return
				}
			}
			if req.Cursor = page.Cursor; req.Cursor == "" {
				return
			}
		}
	}
}
