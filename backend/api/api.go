// Package api is the contract between usher's client and its backend: the JSON
// requests and answers over HTTPS, and the table of errors for server, commands
// and browser (errors.go).
//
// Every call is POST /v1/<verb> with a JSON body, except GET /v1/config.
// Buckets and keys are literal bytes in the body, never in the URL, so that no
// proxy or router can clean, decode or fold them. Wire strings are untrusted:
// they pass through safetext before they are shown.
//
// Transport belongs to package client, decisions to backend and grant, and the
// form of an audit event to event.
package api

import (
	"time"

	"usher/backend/api/shape"
	"usher/backend/event"
)

// Limits that client and server share.
const (
	MaxBody        = 64 << 10     // bytes of a request body, except release and complete
	MaxReleaseBody = 1 << 20      // bytes of a release or complete body
	MaxRelease     = 250          // objects in one release
	MaxList        = 1000         // entries in one page of a listing
	MaxPageURLs    = 1000         // URLs in one page of a listing
	MaxReport      = 1000         // items in one complete
	SmallObject    = 8 << 20      // bytes; up to this size one request fetches an object, and a page can have its URL
	MaxKey         = shape.MaxKey // bytes of an object key
	MaxAuditPage   = 1000         // events in one page of the audit log
)

// Config is the public configuration of a server, available before sign-in.
type Config struct {
	Organisation    string   `json:"organisation"`
	Region          string   `json:"region"`
	UserPoolID      string   `json:"user_pool_id"`
	ClientID        string   `json:"client_id"`
	Issuer          string   `json:"issuer"`
	CognitoEndpoint string   `json:"cognito_endpoint,omitempty"` // used only if the server is on loopback
	HostedUI        string   `json:"hosted_ui,omitempty"`
	S3Hosts         []string `json:"s3_hosts"` // host[:port] that download URLs may name; BUCKET.host is allowed too
	URLSeconds      int      `json:"url_seconds"`
	BoundSeconds    int      `json:"bound_seconds"`
	AuditorsGroup   string   `json:"auditors_group"`
	AdminsGroup     string   `json:"admins_group"`
	OldestClient    string   `json:"oldest_client"`
	SignIn          SignIn   `json:"sign_in,omitzero"`       // without ways: see Offer
	IdleMinutes     int      `json:"idle_minutes,omitempty"` // without a key press until the browser locks; 0: never
	AuditLog        AuditLog `json:"audit_log,omitzero"`
}

// Person is the verified caller. Only Sub is identity; the other fields are
// annotations that may change.
type Person struct {
	Sub      string `json:"sub"`
	Username string `json:"username"`
	Email    string `json:"email,omitempty"`
}

// Whoami is the response to whoami: the person, the current groups in the
// directory, and the bound on revocation in force.
type Whoami struct {
	Person        Person    `json:"person"`
	Groups        []string  `json:"groups"`
	GrantsVersion string    `json:"grants_version"`
	BoundSeconds  int       `json:"bound_seconds"`
	SessionStart  time.Time `json:"session_start"`
	OpenRequests  int       `json:"open_requests,omitempty"` // for admins: open requests for access of all people
}

// Kind is the kind of an entry. It never follows from the form of the name.
type Kind string

const (
	KindBucket Kind = "bucket"
	KindFolder Kind = "folder"
	KindObject Kind = "object"
)

// ListRequest requests the visible entries under a prefix. An empty bucket
// requests the buckets in the caller's grants.
type ListRequest struct {
	Bucket    string `json:"bucket"`
	Prefix    string `json:"prefix"`
	Recursive bool   `json:"recursive,omitempty"` // every object below, no folders
	Start     string `json:"start,omitempty"`     // start after this name (relative to the prefix)
	Cursor    string `json:"cursor,omitempty"`    // from the previous answer; sealed
	Limit     int    `json:"limit,omitempty"`     // 1..MaxList; 0 means MaxList
	// URLs is the number of objects whose download the caller can start within
	// 30 s: 0..MaxPageURLs, and 0 without Recursive. As many small objects of the
	// page have a Release. There can be fewer: after the caller's budget of
	// objects, and in an answer of more than 5 MiB.
	URLs int `json:"urls,omitempty"`
}

// Entry is one row of a listing. Name is relative to the requested prefix. The
// name of a folder ends in "/", that of a bucket does not.
type Entry struct {
	Name     string     `json:"name"`
	Kind     Kind       `json:"kind"`
	Size     int64      `json:"size,omitempty"`
	Modified *time.Time `json:"modified,omitempty"`
	ETag     string     `json:"etag,omitempty"` // with its quotes, as in S3's answer
	Archived bool       `json:"archived,omitempty"`
	// Mark proves the size of a small object without a URL. Its release request
	// returns it.
	Mark string `json:"mark,omitempty"`
	// Release is the released URL of a small object, pinned to ETag. It has no
	// Error. Only a page with URLs has it.
	Release *ReleaseItem `json:"release,omitempty"`
}

// Unsized reports whether the listing did not tell the object's size: one that
// only its own grant shows, or one whose size was no number. Its Size is 0.
func (e Entry) Unsized() bool {
	return e.Kind == KindObject && e.Size == 0 && e.ETag == "" && e.Modified == nil
}

// ListResponse is one page. An empty page with a Cursor has a next page.
type ListResponse struct {
	Entries       []Entry `json:"entries"`
	Cursor        string  `json:"cursor,omitempty"`
	Event         string  `json:"event"`
	GrantsVersion string  `json:"grants_version"`
	// Omitted is the number of names below the prefix, in folders that the caller
	// may read, that the page leaves out because they are not valid keys.
	Omitted   int    `json:"omitted,omitempty"`
	RequestID string `json:"-"` // as in ReleaseResponse
}

// The purposes of a release.
const (
	PurposeDownload = event.PurposeDownload
	PurposePreview  = event.PurposePreview
	PurposeLink     = event.PurposeLink // for a browser or curl: only the host header is signed
)

// ReleaseObject names one object. With an ETag the URL is valid for that
// content only, and no HEAD is made. Without an ETag the answer has size,
// checksum and parts.
type ReleaseObject struct {
	Bucket    string `json:"bucket"`
	Key       string `json:"key"`
	ETag      string `json:"etag,omitempty"`
	Version   string `json:"version,omitempty"`   // the URL is for this version; "": the current content
	Continues string `json:"continues,omitempty"` // the first event of a resumed transfer
	Mark      string `json:"mark,omitempty"`      // of the listing with ETag; without it the server calls HEAD
}

// ReleaseRequest requests 1..MaxRelease presigned URLs.
type ReleaseRequest struct {
	Objects []ReleaseObject `json:"objects"`
	Purpose string          `json:"purpose,omitempty"` // "" means download
}

// ReleaseResponse has one item for each requested object, in the same order.
type ReleaseResponse struct {
	Items     []ReleaseItem `json:"items"`
	RequestID string        `json:"-"` // from the answer's X-Request-Id, for a support request
}

// ReleaseItem is a URL or an error. Headers must be sent unchanged; Range may
// be added. Life is in seconds from the arrival of the answer, because the
// client's clock may be wrong.
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

// Checksum is the checksum that S3 stores with an object. Algorithm is
// CRC64NVME, CRC32C, CRC32, SHA256, SHA1 or MD5 (MD5 only where the ETag is
// known to be one); Type is FULL_OBJECT or COMPOSITE; Value is base64, for COMPOSITE with
// "-<parts>".
type Checksum struct {
	Algorithm string `json:"algorithm"`
	Type      string `json:"type"`
	Value     string `json:"value"`
}

// Parts describes a multipart object. All parts but the last have equal size.
type Parts struct {
	Count int   `json:"count"`
	Size  int64 `json:"size"`
}

// ItemError is an error of one item of a batch.
type ItemError struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// StatRequest requests the metadata of one object. It is recorded as an event.
type StatRequest struct {
	Bucket  string `json:"bucket"`
	Key     string `json:"key"`
	Version string `json:"version,omitempty"` // "": the current one
}

// StatResponse is the result of HEAD. Grant is the grant that allows it.
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
	// StorageClass is "" for STANDARD.
	StorageClass string `json:"storage_class,omitempty"`
}

// The outcomes that a client may report with complete.
const (
	CompletedDone      = "done"
	CompletedFailed    = "failed"
	CompletedCancelled = "cancelled"
)

// CompleteRequest reports the results of transfers: the client's claim, not
// proof.
type CompleteRequest struct {
	Items []CompleteItem `json:"items"` // 1..MaxReport
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

// CompleteResponse is the same for known and unknown events.
type CompleteResponse struct{}

// SignoutResponse is sent after the event is durable.
type SignoutResponse struct {
	Event string `json:"event"`
}

// AuditQueryRequest requests events, the newest first: all of them or, with Before,
// those before an ID. With After these are the events after an ID in ascending order,
// to follow the log, and with Oldest all events in ascending order. Cursor continues
// each of them. At most one of the four is set.
type AuditQueryRequest struct {
	Filter string `json:"filter"` // the grammar of event.ParseFilter; at most event.MaxFilter bytes
	Cursor string `json:"cursor,omitempty"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	Oldest bool   `json:"oldest,omitempty"`
	Limit  int    `json:"limit,omitempty"` // 1..MaxAuditPage; 0 means 200
}

// AuditQueryResponse is one page of events. It may be short or empty although
// more events match; Cursor is empty after the last page.
//
// Events of the last LagSeconds may be absent: those that another server recorded,
// and, in ascending order, all of them.
type AuditQueryResponse struct {
	Events     []event.Event `json:"events"`
	Records    []int64       `json:"records,omitempty"` // number of each event in the log, from 1; absent if the log has none
	Cursor     string        `json:"cursor,omitempty"`
	Reached    *time.Time    `json:"reached,omitempty"` // with a cursor: all matches up to it were returned
	LagSeconds int           `json:"lag_seconds,omitempty"`
}

// AuditByRequest requests counts of the matching events, in groups.
type AuditByRequest struct {
	By     string `json:"by"` // the grammar of event.ParseBy, for example "file" or "file,ip"
	Filter string `json:"filter"`
	Cursor string `json:"cursor,omitempty"`
}

// AuditByResponse has the groups of one page of events, the newest ones first. The
// client sums up the groups of all pages (event.Sums); Cursor is empty after the last
// one.
type AuditByResponse struct {
	Groups     []event.Group `json:"groups"`
	Events     int           `json:"events"` // counted in this page
	Cursor     string        `json:"cursor,omitempty"`
	Reached    *time.Time    `json:"reached,omitempty"` // with a cursor: all matches after it were counted
	LagSeconds int           `json:"lag_seconds,omitempty"`
}

// AuditSummaryRequest requests counts per hour over the last Hours (1..168).
type AuditSummaryRequest struct {
	Hours int `json:"hours"`
}

// AuditSummaryResponse has one AuditHour for each hour, oldest first, and totals.
type AuditSummaryResponse struct {
	Hours     []AuditHour `json:"hours"`
	People    int         `json:"people"`
	Downloads int         `json:"downloads"`
	Denied    int         `json:"denied"`
	Events    int64       `json:"events"` // in the whole log
	Sinks     []Sink      `json:"sinks,omitempty"`
	Reviews   []Review    `json:"reviews,omitempty"`
	// Signer is the ARN of the principal that signs the URLs, or "" if it is not known.
	// SignerPerPerson reports a session of it for each person, named by the sub.
	Signer          string `json:"signer,omitempty"`
	SignerPerPerson bool   `json:"signer_per_person,omitempty"`
}

// Sink is a receiver of the audit log. A stuck one has failed at its last
// delivery; an idle one has everything.
type Sink struct {
	Name       string     `json:"name"`
	LagSeconds int        `json:"lag_seconds"` // age of the oldest event that was not delivered; 0 without one
	Stuck      bool       `json:"stuck"`
	Late       bool       `json:"late"`      // an event waits for more than five minutes, stuck or not
	Delivered  int64      `json:"delivered"` // events
	LastSent   *time.Time `json:"last_sent,omitempty"`
}

// AuditHour counts the events of the hour that begins at Start (UTC).
type AuditHour struct {
	Start  time.Time `json:"start"`
	Events int       `json:"events"`
	Denied int       `json:"denied"`
}

// Health is the answer to GET and HEAD of /healthz and /readyz. The status is
// 503 if it is not OK.
type Health struct {
	OK            bool            `json:"ok"`
	Problems      []HealthProblem `json:"problems,omitempty"`
	GrantsVersion string          `json:"grants_version"`
	GrantsError   string          `json:"grants_error,omitempty"` // a new grants file was refused; the old one is in force
	BoundSeconds  int             `json:"bound_seconds"`
	ClockSeconds  *int            `json:"clock_difference_seconds,omitempty"` // the storage's time minus the server's, at the last comparison; absent before it
	Sinks         []Sink          `json:"sinks,omitempty"`                    // a late sink is no problem of the server
}

// HealthProblem is a failing part: log, grants, clock, pool, directory, signer
// or storage. The server's log has the cause and the fix.
type HealthProblem struct {
	Part    string `json:"part"`
	Problem string `json:"problem"`
}
