package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/backend/audit/bundle"
	"usher/backend/audit/checkpoint"
	"usher/client/evidence"
	"usher/client/quantity"
	"usher/client/question"
)

// LogFile is a copy of a log that is read without a server.
type LogFile interface {
	AuditQuery(ctx context.Context, in api.AuditQueryRequest) (api.AuditQueryResponse, error)
	io.Closer
}

// auditSource answers queries and counts of the log: a server, or a file.
type auditSource struct {
	question.Source
	group string    // of the auditors; "": a file
	upto  time.Time // of an export; ages are relative to it. Zero: to the present
	close func() error

	summary summaryOf        // of a server; nil: a file
	offline question.Offline // of a file
	check   func(context.Context) (LogState, error)
}

// auditFile is the flags of a log in a file.
type auditFile struct {
	path string // an export or a copy of a log; "": the server's log
	key  string // the public key of the log, or a file with it
}

func (f *auditFile) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.path, "file", "", "search this export or copy of a log, without a server")
	cmd.Flags().StringVar(&f.key, "key", "", "with --file: the public key of the log, or a file with it")
	_ = cmd.MarkFlagFilename("file", "tar", "db")
	_ = cmd.MarkFlagFilename("key", "pub")
}

// source opens the log of the server or, with a path, an export or a copy of a log.
func (a *app) source(ctx context.Context, from auditFile) (auditSource, error) {
	path := from.path
	switch {
	case path == "" && from.key != "":
		return auditSource{}, usagef("--key is for --file.")
	case path == "":
		conn, err := a.connect(ctx)
		return auditSource{Source: conn.client, summary: conn.client.AuditSummary, group: conn.profile.Config.AuditorsGroup, close: func() error { return nil }}, err
	}
	if !evidence.IsBundle(path) {
		log, err := a.OpenLog(path)
		if err != nil {
			return auditSource{}, startError("Opening the log failed", err)
		}
		if !a.json && !a.quiet {
			fmt.Fprintf(a.Err, "%s is not verified by this command; usher audit verify does it.\n", safe(path))
		}
		offline := question.Offline{Pages: log, Now: a.Now}
		return auditSource{Source: offline, close: log.Close, offline: offline, check: func(ctx context.Context) (LogState, error) { return a.checkCopy(ctx, from) }}, nil
	}
	verifier, err := keyOf(from.key)
	if err != nil {
		return auditSource{}, err
	}
	bar := a.verifyBar()
	file, err := evidence.OpenFile(ctx, path, verifier, bar.percent)
	bar.end()
	if err != nil {
		return auditSource{}, err
	}
	if !a.json && !a.quiet {
		m := file.Report.Manifest
		fmt.Fprintf(a.Err, "%s: %s by %s at %s UTC, %s.\n", safe(path), quantity.Plural(int(file.Report.Events), "event", "events"), safe(m.By),
			m.At.UTC().Format("2006-01-02 15:04"), ofKey(verifier))
	}
	if text := extent(file.Report.Manifest); text != "" && !a.quiet {
		fmt.Fprintln(a.Err, text)
	}
	at := file.Report.Manifest.At
	offline := question.Offline{Pages: file, Now: func() time.Time { return at }, Count: int64(file.Len())}
	return auditSource{Source: offline, upto: at, close: file.Close, offline: offline, check: func(context.Context) (LogState, error) {
		return exportState(file, verifier), nil
	}}, nil
}

// extent describes the events of the log that an export lacks, or "": a search in it
// finds none of them.
func extent(m bundle.Manifest) string {
	records := fmt.Sprintf("records %s to %s of %s", quantity.Count(int(m.FirstRecord)), quantity.Count(int(m.LastRecord)), quantity.Count(int(m.Records)))
	switch whole := m.FirstRecord == 1 && m.LastRecord == m.Records; {
	case m.Query != "" && !m.Complete:
		return fmt.Sprintf("The file has only the events that match %s; no other event of the log can be found in it.", safe(m.Query))
	case !whole && m.FirstRecord > 0:
		return fmt.Sprintf("The file has only %s; no other event of the log can be found in it.", records)
	}
	return ""
}

func ofKey(v *checkpoint.Verifier) string {
	if v == nil {
		return "verified with the key in the file itself; --key compares it with yours"
	}
	return "verified with your key"
}

// keyOf parses a public key, or a file with it; nil for none.
func keyOf(key string) (*checkpoint.Verifier, error) {
	if key == "" {
		return nil, nil
	}
	if raw, err := os.ReadFile(key); err == nil {
		key = string(raw)
	}
	v, err := checkpoint.NewVerifier(strings.TrimSpace(key))
	if err != nil {
		return nil, usagef("--key is no public key of a log, and no file with one.")
	}
	return v, nil
}
