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
	Stat          = "stat"
	Download      = "download"  // a URL was released
	Completed     = "completed" // a download's outcome, as reported by the client
	Explain       = "explain"
	GrantsChanged = "grants-changed" // the new grants are active once this event is durable
	AuditRead     = "audit-read"
	ServiceStart  = "service-start"
	ServiceStop   = "service-stop"
	Suppressed    = "suppressed"     // Count denied decisions over the budget
	Alarm         = "alarm"          // Count granted objects without a session of the reader role
	LogVerified   = "log-verified"   // the server read the whole log and compared it with its checkpoints
	DeviceRefused = "device-refused" // a device sign-in was refused in the browser, or after three wrong numbers
)

// The outcomes of an event.
const (
	Allowed = "allowed"
	Denied  = "denied"
	Failed  = "failed"
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
	Grant     string    `json:"grant,omitempty"`     // the grant that allowed or denied
	Bound     int       `json:"bound,omitempty"`     // revocation bound in seconds, if above the default
	Continues string    `json:"continues,omitempty"` // id of the first event of this event's chain
	Bytes     *int64    `json:"bytes,omitempty"`     // completed: reported by the client
	Seconds   *float64  `json:"seconds,omitempty"`   // completed: reported by the client
	Verified  string    `json:"verified,omitempty"`  // completed: reported by the client
	Count     int       `json:"count,omitempty"`     // suppressed: number of decisions

	GrantsVersion string `json:"grants_version,omitempty"` // service-start, grants-changed: version of the active grants
	GrantsBefore  string `json:"grants_before,omitempty"`  // grants-changed: version of the previous grants
	GrantsAdded   int    `json:"grants_added,omitempty"`   // grants-changed: grants only in the new version
	GrantsRemoved int    `json:"grants_removed,omitempty"` // grants-changed: grants only in the previous version

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
