package evidence

import (
	"fmt"
	"time"

	"usher/backend/api"
	"usher/backend/safetext"
)

// Stage is a part of the work.
type Stage uint8

// The stages, in their order.
const (
	Counting Stage = iota
	Waiting        // for the checkpoint that has the record of the export
	Reading
	Writing
)

// String returns the stage for the screen.
func (s Stage) String() string {
	return [...]string{"Counting", "Waiting for the checkpoint", "Reading", "Writing"}[s]
}

// Progress is the progress of an export: Done of Total events of the log in this stage.
type Progress struct {
	Stage       Stage
	Done, Total int64
	Events      int64 // that match, as far as they are counted
}

// Done is the result of an export.
type Done struct {
	Path       string
	Query      string // with absolute times
	Matches    int64
	Events     int64 // in the file, with the record of the export
	Size       int64 // of the file, in bytes
	Checkpoint int64 // events of the log
	Event      string
}

// Error is a failed export with a sentence for people.
type Error struct {
	text string
	exit int
}

func (e *Error) Error() string { return e.text }

// Exit implements api.Failing.
func (e *Error) Exit() int { return e.exit }

// Errors of Export and OpenFile.
var (
	// ErrExists: the path exists. An export never replaces a file.
	ErrExists = &Error{"This file exists already, and an export never replaces a file. Choose another name.", api.ExitDisk}
	// ErrNoProof: the log has no checkpoints.
	ErrNoProof = &Error{"The audit log of this server has no checkpoints, so an export would prove nothing.", api.ExitNotFound}
	// ErrExpired: the retention removed events during the export.
	ErrExpired = &Error{"Events expired during the export. Export again.", api.ExitMixed}
	// ErrUnsealed: the server signs no checkpoints.
	ErrUnsealed = &Error{"The server has signed no checkpoint of its log for five minutes, so the export has no proof. Ask your administrator for the state of the log.", api.ExitUnavailable}
)

// Name returns the default name of an export.
func Name(at time.Time) string {
	return "usher-audit-" + at.UTC().Format("2006-01-02T150405Z") + ".tar"
}

func exists(err error) error {
	if err != nil {
		return diskError("looking for the file", err)
	}
	return ErrExists
}

// diskError returns a failure of this machine's disk.
func diskError(doing string, err error) error {
	return &Error{fmt.Sprintf("%s failed: %s.", upper(doing), safetext.Line(err.Error())), api.ExitDisk}
}

func upper(s string) string { return string(s[0]-'a'+'A') + s[1:] }
