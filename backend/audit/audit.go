// Package audit is the log that every release depends on. No URL is signed
// before its event is durable, and the types enforce that order: only
// Log.RecordReleases makes a valid Receipt, after the store has confirmed the
// write, and the signer requires a Receipt. If the log fails, hangs or is full,
// nothing is released: every failure is ErrNotDurable and arrives within the
// log's own deadline. A client that disconnects does not stop a record.
//
// Fields, hash and filter of events are in package event. Storage is a Store
// (audit/sqlite; audit/audittest checks the contract). Access control of the
// log and sealed page positions are left to the backend.
package audit

import (
	"context"
	"errors"
	"time"

	"usher/backend/event"
)

// Errors of this package, for errors.Is.
var (
	// ErrNotDurable wraps every failure to record. The event may or may not
	// be in the log; the action that it records must not happen.
	ErrNotDurable = errors.New("the audit log did not confirm the record")
	// ErrConflict: the log has another event with an event's id. A retry does not
	// help.
	ErrConflict = errors.New("the log has a different event with this id")
	// ErrTooSlow: the query exceeded its deadline. A narrower filter may help.
	ErrTooSlow = errors.New("the audit query took too long")
	// ErrBadPosition: the page's position is not one of this store, or the event
	// named by Page.After is not in the log.
	ErrBadPosition = errors.New("not a position in the audit log")
)

// Store keeps events. Their order is the order of their times and, within a
// millisecond, of their ids. A Store is safe for concurrent use, and its methods
// return when the context ends. Package audit/audittest checks the contract.
type Store interface {
	// Append makes all events durable or none, and returns nil only after
	// that: they survive a crash and a power failure, and every later call of
	// this store finds them. Other processes find them at once by Get and by a
	// Query of times or ids, and by other fields after Result.Lag at the latest.
	//
	// Append is idempotent: an event that the log has already, with the same
	// canonical bytes, is skipped, so a write with a lost response can be
	// retried. An Append whose least id belongs to a different event is
	// ErrConflict, and nothing of it is recorded; so is one with two events of
	// one id. Several completions of one release may be recorded; event.Fold
	// shows the first one.
	//
	// Events must be clean (event.Clean), and each id must be a ULID of the
	// event's time. One Append has at most MaxTimes different times, as the events
	// of one request have one.
	Append(ctx context.Context, events []event.Event) error

	// Get returns the events with these ids, in any order. Unknown ids are
	// skipped.
	Get(ctx context.Context, ids []string) ([]event.Event, error)

	// Query returns one page of the matching events. The work for one page is
	// bounded, so a page may be short or empty although more events match.
	Query(ctx context.Context, filter event.Filter, page Page) (Result, error)

	// Hours counts the events of n hours, in order, empty hours included. The
	// first hour begins at from, a full hour in UTC.
	Hours(ctx context.Context, from time.Time, n int) (Summary, error)

	// Count returns the number of events in the log.
	Count(ctx context.Context) (int64, error)

	// Check makes a durable write that adds no event. It returns nil if Append
	// would succeed now.
	Check(ctx context.Context) error
}

// Policies keeps the text of each version of the grants that was in force: a
// decision of the log can be made again from it. A store in DynamoDB has none,
// because the table of the grants keeps them.
type Policies interface {
	// KeepPolicy makes the text of a version durable. A known version is skipped.
	KeepPolicy(ctx context.Context, version string, text []byte) error
	// Policy returns the text of a version, or ErrNoPolicy.
	Policy(ctx context.Context, version string) ([]byte, error)
}

// ErrNoPolicy: the log has no text of this version of the grants.
var ErrNoPolicy = errors.New("the log does not have this version of the grants")

// MaxTimes is the maximum number of different times in one Append.
const MaxTimes = 100

// MaxPage is the maximum number of events in a page.
const MaxPage = 1000

// Page selects a part of the matching events: the newest first or, with
// Ascending, the oldest first. Each page continues from the Position of the
// previous one, and new events do not shift it.
//
// A reader that follows the log reads ascending pages up to an empty Position,
// and continues later After the last event. Ascending pages end Result.Lag
// before now. An event that is recorded longer than that after its own time can
// be before the reader's last event; a query of its time finds it.
type Page struct {
	Limit     int    // 1..MaxPage
	Position  string // of the previous page; "" for the first one
	Ascending bool
	After     string // without Position: id of the event before the page, in its order
	Lookup    bool   // query by usher itself, not queued behind searches by people
}

// Result is one page. Position is "" after the last page. Otherwise every matching
// event up to Reached, in the order of reading, is in this page or an earlier one.
type Result struct {
	Events   []event.Event
	Records  []int64 // number of each event in the log, from 1; nil: the store has none
	Position string
	Reached  time.Time     // with a Position
	Lag      time.Duration // see Store.Append and Page; 0 for a store of one process
}

// Summary counts events per hour, and over all those hours.
type Summary struct {
	Hours     []Hour
	People    int   // distinct subs
	Downloads int   // released objects; a renewed URL is not counted again
	Denied    int   // denied decisions, those summed up in suppressed events included
	Events    int64 // in the whole log
}

// Hour counts the events of the hour that begins at Start (UTC).
type Hour struct {
	Start  time.Time
	Events int
	Denied int
}

// Denials returns the number of denied decisions that an event represents.
func Denials(e event.Event) int { return e.Denials() }

// Releases returns 1 for an event that begins a download, and else 0.
func Releases(e event.Event) int { return e.Releases() }
