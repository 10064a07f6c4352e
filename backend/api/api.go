// Package api is the contract between usher's client and its backend: the
// requests and answers that travel as JSON over HTTPS, and the one table of
// errors that server, commands and browser all read (errors.go).
//
// Every call is POST /v1/<verb> with a JSON body, except GET /v1/config.
// Buckets and keys travel as literal bytes in the body, never in the URL, so
// that no proxy or router can clean, decode or fold them. Wire strings are
// what others wrote: whoever shows one goes through safetext first.
//
// The package leaves transport to client, deciding to backend and grant, and
// the audit event's own shape to event.
package api

import (
	"time"

	"usher/backend/event"
)

// Sizes and counts that both sides keep to.
const (
	MaxBody        = 64 << 10 // bytes of a request body, except release
	MaxReleaseBody = 1 << 20  // bytes of a release body
	MaxRelease     = 250      // objects in one release
	MaxList        = 1000     // entries in one page of a listing
	MaxKey         = 1024     // bytes of an object key (S3 user guide, object-keys)
	MaxAuditPage   = 1000     // events in one page of the audit log
)

// Config is what anyone may know of a server before signing in.
type Config struct {
	Organisation    string   `json:"organisation"`
	Region          string   `json:"region"`
	UserPoolID      string   `json:"user_pool_id"`
	ClientID        string   `json:"client_id"`
	Issuer          string   `json:"issuer"`
	CognitoEndpoint string   `json:"cognito_endpoint,omitempty"` // counts only when the server is on loopback
	HostedUI        string   `json:"hosted_ui,omitempty"`
	S3Hosts         []string `json:"s3_hosts"` // host[:port] that download URLs may name; BUCKET.host is allowed too
	URLSeconds      int      `json:"url_seconds"`
	BoundSeconds    int      `json:"bound_seconds"`
	AuditorsGroup   string   `json:"auditors_group"`
	AdminsGroup     string   `json:"admins_group"`
	OldestClient    string   `json:"oldest_client"`
}

// Person is who the backend takes the caller to be. Sub alone is identity;
// the others are annotations that may change.
type Person struct {
	Sub      string `json:"sub"`
	Username string `json:"username"`
	Email    string `json:"email,omitempty"`
}

// Whoami answers whoami: the person, the directory's current groups, and the
// bound on revocation in force.
type Whoami struct {
	Person        Person    `json:"person"`
	Groups        []string  `json:"groups"`
	GrantsVersion string    `json:"grants_version"`
	BoundSeconds  int       `json:"bound_seconds"`
	SessionStart  time.Time `json:"session_start"`
}

// Kind says what an entry is; a name's shape never does.
type Kind string

const (
	KindBucket Kind = "bucket"
	KindFolder Kind = "folder"
	KindObject Kind = "object"
)

// ListRequest asks for what the caller may see under a prefix. An empty
// bucket asks for the buckets the caller's grants name.
type ListRequest struct {
	Bucket    string `json:"bucket"`
	Prefix    string `json:"prefix"`
	Recursive bool   `json:"recursive,omitempty"` // every object below, no folders
	Start     string `json:"start,omitempty"`     // begin after this name (relative to the prefix)
	Cursor    string `json:"cursor,omitempty"`    // of the answer before; sealed
	Limit     int    `json:"limit,omitempty"`     // 1..MaxList; 0 means MaxList
}

// Entry is one row of a listing. Name is relative to the prefix asked for; a
// folder's name ends in "/", a bucket's is bare.
type Entry struct {
	Name     string     `json:"name"`
	Kind     Kind       `json:"kind"`
	Size     int64      `json:"size,omitempty"`
	Modified *time.Time `json:"modified,omitempty"`
	ETag     string     `json:"etag,omitempty"` // with its quotes, as S3 gives it
	Archived bool       `json:"archived,omitempty"`
}

// ListResponse is one page. It may be empty while Cursor is set: ask on.
type ListResponse struct {
	Entries       []Entry `json:"entries"`
	Cursor        string  `json:"cursor,omitempty"`
	Event         string  `json:"event"`
	GrantsVersion string  `json:"grants_version"`
}

// Purpose of a release.
const (
	PurposeDownload = "download"
	PurposePreview  = "preview"
	PurposeLink     = "link" // for a browser or curl: only the host header is signed
)

// ReleaseObject names one object. With an ETag the URL holds S3 to that
// content and no HEAD is made; without one the answer carries size, checksum
// and parts.
type ReleaseObject struct {
	Bucket    string `json:"bucket"`
	Key       string `json:"key"`
	ETag      string `json:"etag,omitempty"`
	Continues string `json:"continues,omitempty"` // the first event of a transfer that goes on
}

// ReleaseRequest asks for 1..MaxRelease presigned URLs.
type ReleaseRequest struct {
	Objects []ReleaseObject `json:"objects"`
	Purpose string          `json:"purpose,omitempty"` // "" means download
}

// ReleaseResponse has one item for each object asked for, in that order.
type ReleaseResponse struct {
	Items     []ReleaseItem `json:"items"`
	RequestID string        `json:"-"` // from the answer's X-Request-Id: what a person can quote
}

// ReleaseItem is a URL or an error. Headers must be sent exactly as given;
// Range may be added. Life counts in seconds from the moment the answer
// arrives, because the client's clock may be wrong.
type ReleaseItem struct {
	Event    string            `json:"event,omitempty"`
	URL      string            `json:"url,omitempty"`
	Life     int               `json:"life,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
	ETag     string            `json:"etag,omitempty"`
	Version  string            `json:"version,omitempty"`
	Size     *int64            `json:"size,omitempty"`
	Modified *time.Time        `json:"modified,omitempty"`
	Checksum *Checksum         `json:"checksum,omitempty"`
	Parts    *Parts            `json:"parts,omitempty"`
	Error    *ItemError        `json:"error,omitempty"`
}

// Checksum is what S3 keeps for an object. Algorithm is CRC64NVME, CRC32C,
// CRC32, SHA256, SHA1 or MD5 (MD5 only where the backend knows the ETag to be
// one); Type is FULL_OBJECT or COMPOSITE; Value is base64, for COMPOSITE with
// "-<parts>".
type Checksum struct {
	Algorithm string `json:"algorithm"`
	Type      string `json:"type"`
	Value     string `json:"value"`
}

// Parts of a multipart object whose parts, the last one apart, have equal size.
type Parts struct {
	Count int   `json:"count"`
	Size  int64 `json:"size"`
}

// ItemError is an error of one item of a batch.
type ItemError struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// StatRequest asks for one object's HEAD facts. It is an event.
type StatRequest struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

// StatResponse is what HEAD says. Grant names the grant that shows it.
type StatResponse struct {
	Event       string    `json:"event"`
	Size        int64     `json:"size"`
	Modified    time.Time `json:"modified"`
	ETag        string    `json:"etag"`
	Version     string    `json:"version,omitempty"`
	ContentType string    `json:"content_type,omitempty"`
	Checksum    *Checksum `json:"checksum,omitempty"`
	Parts       *Parts    `json:"parts,omitempty"`
	Archived    bool      `json:"archived,omitempty"`
	Grant       string    `json:"grant,omitempty"`
}

// Outcomes a client may report with complete.
const (
	CompletedDone      = "done"
	CompletedFailed    = "failed"
	CompletedCancelled = "cancelled"
)

// CompleteRequest reports how transfers ended: the client's word, not proof.
type CompleteRequest struct {
	Items []CompleteItem `json:"items"` // 1..MaxRelease
}

// CompleteItem reports one event that a release issued to the same person.
// Verified is the algorithm checked, "size" for size only, or "".
type CompleteItem struct {
	Event    string  `json:"event"`
	Outcome  string  `json:"outcome"`
	Bytes    int64   `json:"bytes"`
	Seconds  float64 `json:"seconds"`
	Verified string  `json:"verified,omitempty"`
}

// CompleteResponse is the same whether an event was known or not.
type CompleteResponse struct{}

// SignoutResponse answers signout, after the event is durable.
type SignoutResponse struct {
	Event string `json:"event"`
}

// AuditQueryRequest asks for events: newest first from Cursor, or, with
// After, those after an event id in ascending order, for following.
type AuditQueryRequest struct {
	Filter string `json:"filter"` // the grammar of event.ParseFilter; at most event.MaxFilter bytes
	Cursor string `json:"cursor,omitempty"`
	After  string `json:"after,omitempty"`
	Limit  int    `json:"limit,omitempty"` // 1..MaxAuditPage; 0 means 200
}

// AuditQueryResponse is one page of events.
type AuditQueryResponse struct {
	Events []event.Event `json:"events"`
	Cursor string        `json:"cursor,omitempty"`
}

// AuditSummaryRequest asks for counts per hour over the last Hours (1..168).
type AuditSummaryRequest struct {
	Hours int `json:"hours"`
}

// AuditSummaryResponse has one bucket for each hour, oldest first, and totals.
type AuditSummaryResponse struct {
	Hours     []AuditHour `json:"hours"`
	People    int         `json:"people"`
	Downloads int         `json:"downloads"`
	Denied    int         `json:"denied"`
	Events    int64       `json:"events"` // in the whole log
}

// AuditHour counts the events of the hour that begins at Start (UTC).
type AuditHour struct {
	Start  time.Time `json:"start"`
	Events int       `json:"events"`
	Denied int       `json:"denied"`
}

// Health answers GET and HEAD of /healthz and /readyz, with status 503 when it
// is not OK.
type Health struct {
	OK            bool            `json:"ok"`
	Problems      []HealthProblem `json:"problems,omitempty"`
	GrantsVersion string          `json:"grants_version"`
	GrantsError   string          `json:"grants_error,omitempty"` // a new grants file was refused; the old one is in force
	BoundSeconds  int             `json:"bound_seconds"`
}

// HealthProblem is a part that fails: log, grants, clock, pool, directory,
// signer or storage. The server's log has the cause and the fix.
type HealthProblem struct {
	Part    string `json:"part"`
	Problem string `json:"problem"`
}
