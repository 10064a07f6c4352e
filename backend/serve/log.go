package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/sqlite"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

// logError is a failure of the audit log's file with an exit code.
type logError struct {
	exit  int
	cause error
}

func (e *logError) Error() string { return e.cause.Error() }
func (e *logError) Unwrap() error { return e.cause }

// Exit returns the exit code for a command.
func (e *logError) Exit() int { return e.exit }

// logFailure adds an exit code to the error of a damaged or incomplete log.
func logFailure(err error) error {
	for _, broken := range []error{sqlite.ErrDamaged, sqlite.ErrBehind, sqlite.ErrNoHead, sqlite.ErrIndex, sqlite.ErrTampered} {
		if errors.Is(err, broken) {
			return &logError{api.ExitIntegrity, err}
		}
	}
	return err
}

// Backup copies the log at path to a new file and returns the copy's
// head. A server may write the log meanwhile. See sqlite.Backup.
func Backup(ctx context.Context, path, file string) (tree.Head, error) {
	if table(path) != "" {
		return tree.Head{}, errors.New("the audit log is a DynamoDB table: use its backups (point-in-time recovery) instead")
	}
	head, err := sqlite.Backup(ctx, path, file)
	if err != nil && ctx.Err() != nil { // SQLite reports "interrupted"
		err = fmt.Errorf("backing up the audit log: %w", context.Cause(ctx))
	}
	return head, logFailure(err)
}

// logStore is an open audit log.
type logStore interface {
	audit.Store
	Close() error
}

// fileStore is an open audit log in a file.
type fileStore interface {
	logStore
	audit.Policies
	// Lost returns the accepted loss of records, or nil.
	Lost() error
}

// verified is a store with a check of all its records.
type verified interface {
	Checkpoint(ctx context.Context) (string, error)
	Verify(ctx context.Context, pause func(context.Context)) (sqlite.Report, error)
}

// proved is a store that proves its content to clients. Key is the public key of
// its checkpoints; "" without them.
type proved interface {
	checkpoint.Source
	Key() string
}

// openLog opens the configured audit log.
func openLog(c Config, random io.Reader) (fileStore, error) {
	signer, err := auditSigner(c, random)
	if err != nil {
		return nil, err
	}
	store, err := sqlite.Open(sqlite.Config{Path: c.Audit, Signer: signer, AcceptLost: c.AcceptLost})
	if err != nil {
		return nil, logFailure(err)
	}
	return store, nil
}

// recordLoss records the accepted loss of records as an event.
func recordLoss(ctx context.Context, log *audit.Log, lost error) error {
	if lost == nil {
		return nil
	}
	loss, _, _ := strings.Cut(lost.Error(), ";") // without the next step
	e := event.Event{Action: event.ServiceStart, Outcome: event.Failed, Reason: loss + "; accepted at the start"}
	if err := log.Record(ctx, e); err != nil {
		return fmt.Errorf("recording the loss of records: %w", err)
	}
	return nil
}

// recordUncleanStop records that the service of this log ended without a
// service-stop event: a crash, a kill or a power failure. Servers that share a log
// in DynamoDB have no such event, because others run beside them.
func recordUncleanStop(ctx context.Context, log *audit.Log) error {
	last, known, err := log.Newest(ctx, event.Filter{Terms: []event.Term{
		{Field: event.ByAction, Value: event.ServiceStart}, {Field: event.ByAction, Value: event.ServiceStop}, {Field: event.ByAction, Value: event.UncleanStop},
		{Field: event.ByOutcome, Value: event.Allowed}, {Field: event.ByOutcome, Value: event.Failed},
	}})
	if err != nil {
		return fmt.Errorf("looking up the last stop of the service: %w", err)
	}
	if !known || last.Action != event.ServiceStart || last.Outcome != event.Allowed {
		return nil
	}
	newest, _, err := log.Newest(ctx, event.Filter{})
	if err != nil {
		return fmt.Errorf("looking up the last event: %w", err)
	}
	from := newest.Time
	e := event.Event{Action: event.UncleanStop, Outcome: event.Failed, From: &from, Reason: "the service had ended without its last event"}
	if err := log.Record(ctx, e); err != nil {
		return fmt.Errorf("recording the unclean stop: %w", err)
	}
	return nil
}
