// Package event is the audit event: its fields, its canonical bytes and hash,
// the filter grammar, and the checks by which anyone who holds events can tell
// that none was changed, dropped or reordered. It is pure: no storage, no
// clock, no network, so that an auditor's client can run it by itself.
package event

import "time"

// Actions that usher records; Actions lists them.
const (
	SessionStart  = "session-start" // the first request of a sign-in
	SignOut       = "sign-out"
	List          = "list"
	Stat          = "stat"
	Download      = "download"  // a URL was released
	Completed     = "completed" // the client's word on how a download ended
	Explain       = "explain"
	GrantsChanged = "grants-changed" // in force once this event is durable
	AuditRead     = "audit-read"
	ServiceStart  = "service-start"
	ServiceStop   = "service-stop"
	Suppressed    = "suppressed" // stands for Count denied decisions over the budget
)

// Outcomes.
const (
	Allowed = "allowed"
	Denied  = "denied"
	Failed  = "failed"
)

// Event says who did what to which object, when and from where, and how it
// ended. Time is the server's, UTC, with milliseconds.
type Event struct {
	ID        string    `json:"id"` // ULID, minted by the server
	Time      time.Time `json:"time"`
	User      User      `json:"user"`
	Session   string    `json:"session"` // a fingerprint of origin_jti
	Action    string    `json:"action"`
	Purpose   string    `json:"purpose,omitempty"` // of a download: download, preview, link
	Bucket    string    `json:"bucket"`
	Key       string    `json:"key"` // of a list: the prefix
	Version   string    `json:"version,omitempty"`
	ETag      string    `json:"etag,omitempty"`
	Size      *int64    `json:"size,omitempty"`
	Outcome   string    `json:"outcome"`
	Reason    string    `json:"reason,omitempty"`
	Grant     string    `json:"grant,omitempty"`     // the grant that allowed or denied
	Bound     int       `json:"bound,omitempty"`     // seconds of the revocation bound in force, when not the default
	Continues string    `json:"continues,omitempty"` // the first event of the chain this one belongs to
	Bytes     *int64    `json:"bytes,omitempty"`     // completed: reported by the client
	Seconds   *float64  `json:"seconds,omitempty"`   // completed: reported by the client
	Verified  string    `json:"verified,omitempty"`  // completed: reported by the client
	Count     int       `json:"count,omitempty"`     // suppressed: how many
	// Of service-start and grants-changed: the version of the grants in force
	// from here on. Of grants-changed: the version before, and the number of
	// grants that only one of the two has.
	GrantsVersion string `json:"grants_version,omitempty"`
	GrantsBefore  string `json:"grants_before,omitempty"`
	GrantsAdded   int    `json:"grants_added,omitempty"`
	GrantsRemoved int    `json:"grants_removed,omitempty"`

	SourceIP  string `json:"source_ip"`
	UserAgent string `json:"user_agent"`
	RequestID string `json:"request_id"`
}

// User is the person as the verified token and the directory name them. Sub
// alone is identity.
type User struct {
	Sub      string `json:"sub"`
	Username string `json:"username"`
	Email    string `json:"email,omitempty"`
}
