package tui

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"

	"usher/backend/api"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
	"usher/backend/event"
	"usher/backend/safetext"
	"usher/client/evidence"
	"usher/client/proof"
	"usher/tui/audit"
)

const (
	mostNote        = 64 << 10 // bytes of a checkpoint
	mostCompared    = 100_000  // events of an export
	mostDifferences = 100      // on the screen
)

// errNoCopy is returned for any other file.
var errNoCopy = &copyError{"This file is no checkpoint and no export of this log. usher audit verify FILE compares a backup."}

// copyError is a sentence about a file.
type copyError struct{ text string }

func (e *copyError) Error() string { return e.text }

// Exit implements api.Failing.
func (e *copyError) Exit() int { return api.ExitUsage }

// compareLog compares the log with a kept checkpoint or export.
func compareLog(ctx context.Context, server Server, w Environment, path string) (audit.Compared, error) {
	key := w.Profile.Config.AuditLog.Key
	if evidence.IsBundle(path) {
		return compareExport(ctx, server, key, path)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return audit.Compared{}, &copyError{"Can't read " + safetext.Line(path) + ": " + cause(err) + "."}
	case info.Size() > mostNote || !info.Mode().IsRegular():
		return audit.Compared{}, errNoCopy
	}
	note, err := os.ReadFile(path)
	if err != nil {
		return audit.Compared{}, &copyError{"Can't read " + safetext.Line(path) + ": " + cause(err) + "."}
	}
	head, err := proof.OpenNote(key, note)
	if err != nil {
		return audit.Compared{}, errNoCopy
	}
	out := audit.Compared{Path: path, Kind: "checkpoint"}
	return out, compareHead(ctx, server, key, head, &out)
}

// cause returns the reason of a failed call of the system, safe to show.
func cause(err error) string {
	var failed *os.PathError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return safetext.Line(err.Error())
}

// compareHead verifies that the log contains the events of a checkpoint.
func compareHead(ctx context.Context, server proof.Server, key string, head tree.Head, out *audit.Compared) error {
	kept, err := proof.Compare(ctx, server, key, head)
	out.Events, out.Finding = head.Size, safetext.New(kept.Finding)
	return err
}

// compareExport verifies an export, and compares its events with those that the server
// shows for its query.
func compareExport(ctx context.Context, server Server, key, path string) (audit.Compared, error) {
	out := audit.Compared{Path: path, Kind: "export"}
	verifier, err := checkpoint.NewVerifier(key)
	if err != nil {
		return out, fmt.Errorf("reading the key of the audit log: %w", err)
	}
	file, err := evidence.OpenFile(ctx, path, verifier, nil)
	if err != nil {
		return out, err
	}
	defer func() { _ = file.Close() }()
	if err := compareHead(ctx, server, key, file.Report.Head, &out); err != nil {
		return out, err
	}
	query := file.Report.Manifest.Query
	kept := map[string][sha256.Size]byte{}
	var order []string
	err = pages(ctx, file.AuditQuery, query, func(e event.Event) error {
		if len(kept) == mostCompared {
			return &copyError{fmt.Sprintf("The export has more than %d events. Compare it with usher audit verify.", mostCompared)}
		}
		kept[e.ID] = sha256.Sum256(event.Canonical(e))
		order = append(order, e.ID)
		return nil
	})
	if err != nil {
		return out, err
	}
	out.Read = len(kept)
	add := func(id, text string) {
		if len(out.Differences) == mostDifferences {
			out.More++
			return
		}
		out.Differences = append(out.Differences, audit.Difference{Text: safetext.New(text + " " + id), Event: id})
	}
	err = pages(ctx, server.AuditQuery, query, func(e event.Event) error {
		if sum, ok := kept[e.ID]; ok && sum != sha256.Sum256(event.Canonical(e)) {
			add(e.ID, "The server shows another event")
		}
		delete(kept, e.ID)
		return nil
	})
	for _, id := range order {
		if _, missing := kept[id]; missing && err == nil {
			add(id, "The server does not show (left out, or expired) the event")
		}
	}
	return out, err
}

// pages calls yield with all events of a query.
func pages(ctx context.Context, ask func(context.Context, api.AuditQueryRequest) (api.AuditQueryResponse, error), query string, yield func(event.Event) error) error {
	for in := (api.AuditQueryRequest{Filter: query, Limit: api.MaxAuditPage}); ; {
		page, err := ask(ctx, in)
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			if err := yield(e); err != nil {
				return err
			}
		}
		if in.Cursor = page.Cursor; in.Cursor == "" {
			return nil
		}
	}
}
