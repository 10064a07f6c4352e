// Package audit is the log that a release depends on: nothing leaves usher
// before the event that says so is durable, and the types make that a fact.
// Log.RecordReleases alone makes a valid Receipt, after the store said
// "durable", and signing a URL takes a Receipt and nothing else. A log that
// fails, hangs or is full releases nothing: every failure is ErrNotDurable,
// within a deadline of its own, so that neither a slow disk nor a client that
// hangs up decides what is recorded.
//
// The package leaves the event's fields, hash and filter to event, keeping
// events to a Store (audit/sqlite; audit/audittest holds the
// promises that each of them keeps), deciding who may read the log, and
// sealing the positions it hands out, to the backend.
package audit

import (
	"context"
	"errors"
	"time"

	"usher/backend/event"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrNotDurable wraps every failure to record. The event may or may not
	// be in the log; what it would have allowed must not happen.
	ErrNotDurable = errors.New("the audit log did not confirm the record")
	// ErrConflict says that an event's id is taken by another event. Trying
	// again does not help.
	ErrConflict = errors.New("an event with this id and another content is in the log")
	// ErrTooSlow says that a query did not end in time. A narrower filter may.
	ErrTooSlow = errors.New("the audit query took too long")
	// ErrBadPosition says that a page's position was not given out by this
	// store, or that the event to go on after is not in the log.
	ErrBadPosition = errors.New("not a position in the audit log")
)

// Store keeps events. It is safe for concurrent use. All its methods give up
// when the context ends. What each promises is spelled out, and checked, in
// audit/audittest.
type Store interface {
	// Append makes the events durable, all or none of them, and only then
	// returns nil: they survive the loss of the process and of power, and
	// the next Query by anyone finds them. Two kinds are not recorded a
	// second time, and count as recorded: an event that is there already,
	// with the same id and canonical bytes (so that a write whose answer was
	// lost can be repeated), and the report of a completion for an event
	// that has one. Another event under a known id is ErrConflict, and
	// nothing of the batch is recorded. Events are clean (event.Clean) and
	// have ids.
	Append(ctx context.Context, events []event.Event) error

	// Get gives the events with these ids that are in the log, in any order.
	Get(ctx context.Context, ids []string) ([]event.Event, error)

	// Query gives the events that match, as the page says.
	Query(ctx context.Context, filter event.Filter, page Page) (Result, error)

	// Hours counts the events of the hours that begin at from (a full hour,
	// UTC) and after it; n hours, in order, empty ones included.
	Hours(ctx context.Context, from time.Time, n int) (Summary, error)

	// Count is the number of events in the log.
	Count(ctx context.Context) (int64, error)

	// Check makes a durable write that adds no event: nil means that Append
	// would succeed now.
	Check(ctx context.Context) error
}

// MaxPage is the most events that one page holds.
const MaxPage = 1000

// Page says which matching events to give. In descending order (newest time
// first; of one millisecond, the one recorded last first) pages go on from the
// Position of the page before, and events recorded meanwhile move nothing. In
// ascending order events come as they were recorded, whatever their clock
// said, so that following the log misses none.
type Page struct {
	Limit     int    // 1..MaxPage
	Position  string // descending: of the page before; "" for the newest
	Ascending bool
	After     string // ascending: the id of the event to go on after; "" for the first
	Lookup    bool   // usher's own question, which waits behind no person's search
}

// Result is one page. Position is "" when there are no more; ascending, the
// last event's id is where to go on.
type Result struct {
	Events   []event.Event
	Position string
}

// Summary counts events per hour, and over all those hours.
type Summary struct {
	Hours     []Hour
	People    int   // different subs
	Downloads int   // released objects; URLs renewed for a transfer count once
	Denied    int   // denied decisions; a suppressed event counts for as many as it stands for
	Events    int64 // in the whole log
}

// Hour counts the events of the hour that begins at Start (UTC).
type Hour struct {
	Start  time.Time
	Events int
	Denied int
}

// Denials is how many denied decisions an event stands for.
func Denials(e event.Event) int {
	switch {
	case e.Action == event.Suppressed:
		return e.Count
	case e.Outcome == event.Denied:
		return 1
	}
	return 0
}

// Releases is how many downloads begin with an event: one, or none where it
// only renews a URL or is something else.
func Releases(e event.Event) int {
	if e.Action == event.Download && e.Outcome == event.Allowed && e.Continues == "" {
		return 1
	}
	return 0
}
