package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"usher/backend/api"
	"usher/backend/audit/checkpoint"
	"usher/backend/event"
	"usher/client/evidence"
	"usher/client/quantity"
)

// LogReader answers all requests of the audit page.
type LogReader interface {
	AuditQuery(context.Context, api.AuditQueryRequest) (api.AuditQueryResponse, error)
	AuditSummary(context.Context, api.AuditSummaryRequest) (api.AuditSummaryResponse, error)
	AuditBy(context.Context, api.AuditByRequest) (api.AuditByResponse, error)
}

// LogScreen is the full-screen page of a log in a file.
type LogScreen struct {
	Log    LogReader
	Name   string // of the file
	Query  string // of the first events
	Theme  string // "dark", "light", or ""
	Screen Screen
	Now    func() time.Time
	Verify func(context.Context) (LogState, error)                                                           // can take minutes
	Sent   func(ctx context.Context, by []event.By, query string) (cell func(keys []string) string, e error) // the word of S3; nil without its logs
}

// LogState is the result of a verification of a file.
type LogState struct {
	Fault string // the first one; "": the file is whole
	Text  string // of a whole file
}

// screen opens the full-screen page of a file.
func (s *auditShow) screen(ctx context.Context, query string) error {
	preset, err := s.inForce()
	if err != nil {
		return err
	}
	log, err := s.source(ctx, s.file)
	if err != nil {
		return err
	}
	defer func() { _ = log.close() }()
	l := LogScreen{Log: log.offline, Name: filepath.Base(s.file.path), Query: query, Theme: preset.Theme, Screen: s.screenOf(preset), Now: log.offline.Now, Verify: log.check}
	if len(s.s3.files) > 0 {
		l.Sent = func(ctx context.Context, by []event.By, query string) (func([]string) string, error) {
			words, unread, err := s.s3Words(ctx, s.s3, by, query, log)
			if err == nil {
				err = unread.err()
			}
			if err != nil {
				return nil, err
			}
			return func(keys []string) string { return words.of(keys).cell() }, nil
		}
	}
	return s.BrowseLog(ctx, l)
}

// checkCopy verifies a copy of a log.
func (a *app) checkCopy(ctx context.Context, from auditFile) (LogState, error) {
	v, err := a.Verify(ctx, VerifyOptions{Log: AuditLog{File: from.path}, Key: from.key})
	switch {
	case err != nil:
		return LogState{}, startError("The verification failed", err)
	case v.FaultCount > 0 && len(v.Faults) > 0:
		return LogState{Fault: fmt.Sprintf("the log is whole only up to %s: %s", quantity.Count(v.Whole), safe(v.Faults[0]))}, nil
	case v.FaultCount > 0:
		return LogState{Fault: "the log has " + quantity.Plural(v.FaultCount, "fault", "faults")}, nil
	case v.Key == "":
		return LogState{Text: quantity.Plural(int(v.Events), "event", "events") + " whole, but no signature was verified: give --key"}, nil
	}
	return LogState{Text: fmt.Sprintf("log whole up to event %s, %s newer not signed", quantity.Count(v.Signed), quantity.Count(v.Events-v.Signed))}, nil
}

// exportState describes an export, which was verified when it was opened.
func exportState(file *evidence.File, key *checkpoint.Verifier) LogState {
	r := file.Report
	by := "by your key"
	if key == nil {
		by = "by the key in the file; --key compares it with yours"
	}
	return LogState{Text: fmt.Sprintf("export whole: %s of %s events, %s", quantity.Count(r.Events), quantity.Count(r.Head.Size), by)}
}
