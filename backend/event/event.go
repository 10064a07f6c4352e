// Package event defines the audit event: its fields, its canonical bytes, and the
// grammar of filters.
//
// The package is pure: it uses no storage, no clock and no network. An auditor's
// client can run it alone.
package event

import (
	"cmp"
	"strings"
	"time"
)

// Actions that usher records; Actions lists them.
const (
	SessionStart  = "session-start" // the first request of a sign-in
	SignOut       = "sign-out"
	SignOutAll    = "sign-out-everywhere" // the end of all sessions of a person, by that person
	List          = "list"
	Search        = "search" // Key is the prefix, Reason the query
	Stat          = "stat"
	Versions      = "versions"  // Count versions of one object were shown
	Download      = "download"  // a URL was released
	Completed     = "completed" // a download's outcome, as reported by the client
	Explain       = "explain"
	GrantsChanged = "grants-changed" // the new grants are active once this event is durable
	AuditRead     = "audit-read"

	AccessRequested = "access-requested" // a request of a person for access to a path; Reason is the person's text
	AccessAnswered  = "access-answered"  // an admin answered such a request; Grant is the added grant
	AccessWithdrawn = "access-withdrawn" // the person withdrew such a request

	ServiceStart  = "service-start"
	ServiceStop   = "service-stop"
	Suppressed    = "suppressed"     // Count denied decisions over the budget
	Alarm         = "alarm"          // Count granted objects without a session of the reader role, or a late sink
	LogVerified   = "log-verified"   // the server read the whole log and compared it with its checkpoints
	LogRestarted  = "log-restarted"  // the first event of a log that replaces another one; the reason names that one
	DeviceRefused = "device-refused" // a device sign-in was refused in the browser, or after three wrong numbers

	MembershipChanged = "membership-changed" // a live check found other groups than the one before it
	UncleanStop       = "unclean-stop"       // found at a start: the service had ended without a service-stop
	AuditGap          = "audit-gap"          // the log refused Count records, and nothing was released for them
	TokenRefused      = "token-refused"      // Count requests of one address had an invalid token
	RetentionApplied  = "retention-applied"  // expired events were deleted; their hashes stay

	AuditExport = "audit-export" // Count events that match Query leave as evidence
	AuditVerify = "audit-verify" // an auditor reports the result of a verification
	AuditReview = "audit-review" // a finding, Reason, about the Count events that match Query
	Alert       = "alert"        // Count events of the time From to Until match the alert's Query
)

// The outcomes of an event.
const (
	Allowed = "allowed"
	Denied  = "denied"
	Failed  = "failed"
)

// Ways of a sign-in.
const (
	WayNative = "native" // in the terminal, with a password or a code
	WaySSO    = "sso"    // in a browser on the same machine
	WayDevice = "device" // in a browser on another machine
)

// Event records one action: the person, the object, the instant, the source and
// the outcome. Time is the server's time in UTC, with milliseconds.
type Event struct {
	ID        string    `json:"id"` // ULID, made by the server
	Time      time.Time `json:"time"`
	User      User      `json:"user"`
	Session   string    `json:"session"` // a fingerprint of origin_jti
	Action    string    `json:"action"`
	Purpose   string    `json:"purpose,omitempty"` // download: download, preview or link
	Bucket    string    `json:"bucket"`
	Key       string    `json:"key"` // list: the prefix
	Version   string    `json:"version,omitempty"`
	ETag      string    `json:"etag,omitempty"`
	Size      *int64    `json:"size,omitempty"`
	Outcome   string    `json:"outcome"`
	Reason    string    `json:"reason,omitempty"`
	Query     string    `json:"query,omitempty"`     // audit-export, audit-review, alert: a filter
	Grant     string    `json:"grant,omitempty"`     // the grant that allowed or denied
	Policy    string    `json:"policy,omitempty"`    // version of the grants that decided
	Groups    string    `json:"groups,omitempty"`    // HashGroups of the person's groups
	Bound     int       `json:"bound,omitempty"`     // revocation bound in seconds, if above the default
	Continues string    `json:"continues,omitempty"` // id of the first event of this event's chain
	Bytes     *int64    `json:"bytes,omitempty"`     // completed: reported by the client
	Seconds   *float64  `json:"seconds,omitempty"`   // completed: reported by the client
	Verified  string    `json:"verified,omitempty"`  // completed: reported by the client
	Count     int       `json:"count,omitempty"`     // number of decisions, objects, requests or events in this one event

	Implausible bool `json:"implausible,omitempty"` // completed: more bytes than the object has

	Entries     int    `json:"entries,omitempty"`      // list: number of disclosed names
	EntriesHash string `json:"entries_hash,omitempty"` // list: HashNames of the disclosed names

	EntriesFirst string `json:"entries_first,omitempty"` // list: least disclosed name below Key, of a page that is a part of the listing
	EntriesLast  string `json:"entries_last,omitempty"`  // list: greatest one

	GroupNames       []string   `json:"group_names,omitempty"`        // session-start, membership-changed: the person's groups, sorted
	GroupNamesBefore []string   `json:"group_names_before,omitempty"` // membership-changed: the groups of the previous live check
	SignedIn         *time.Time `json:"signed_in,omitempty"`          // session-start: time of the sign-in, from the token
	Way              string     `json:"way,omitempty"`                // session-start: WayNative, WaySSO or WayDevice

	GrantsVersion string `json:"grants_version,omitempty"` // service-start, grants-changed: version of the active grants
	GrantsBefore  string `json:"grants_before,omitempty"`  // grants-changed: version of the previous grants
	GrantsAdded   int    `json:"grants_added,omitempty"`   // grants-changed: grants only in the new version
	GrantsRemoved int    `json:"grants_removed,omitempty"` // grants-changed: grants only in the previous version

	GrantsDiff []string `json:"grants_diff,omitempty"` // grants-changed: the first lines of the difference

	From        *time.Time `json:"from,omitempty"`         // audit-gap, token-refused: first refusal; unclean-stop: last event before it; alert: first event
	Until       *time.Time `json:"until,omitempty"`        // audit-gap, token-refused: last refusal; alert: last event
	FirstRecord int64      `json:"first_record,omitempty"` // retention-applied, audit-export, audit-review: first record of the range
	LastRecord  int64      `json:"last_record,omitempty"`  // retention-applied, audit-export, audit-review: last record of the range
	Root        string     `json:"root,omitempty"`         // retention-applied: base64 of the tree's root up to LastRecord; audit-verify, audit-review: of the checkpoint
	Records     int64      `json:"records,omitempty"`      // audit-export, audit-verify, audit-review: number of events of the checkpoint; retention-applied: of all deleted events

	TerminalIP  string `json:"terminal_ip,omitempty"`  // device-refused: address of the terminal
	BrowserIP   string `json:"browser_ip,omitempty"`   // device sign-in: address of the browser
	ClaimedHost string `json:"claimed_host,omitempty"` // device sign-in: the terminal's host name, by its own claim

	SourceIP  string `json:"source_ip"`
	UserAgent string `json:"user_agent"`
	RequestID string `json:"request_id"`
}

// Compare orders events by time and, within a millisecond, by id: the order of
// the log.
func Compare(a, b Event) int {
	return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.ID, b.ID))
}

// User is the person, from the verified token and the directory. Sub is the only
// identity.
type User struct {
	Sub      string `json:"sub"`
	Username string `json:"username"`
	Email    string `json:"email,omitempty"`
}

// Record is an event of a log with its canonical bytes. Index is its place in the
// order of recording, from 0 on.
type Record struct {
	Index     int64
	Canonical []byte
	Event     Event
}
