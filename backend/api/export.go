package api

import "time"

// AuditExportRequest is one step of an export of the audit log, for auditors. The first
// step has no cursor; each later one has the cursor of the answer before it and the same
// Filter and Complete. The steps count the matching events, record the export as an
// event, wait for a checkpoint that has this event, and then return the events.
type AuditExportRequest struct {
	Filter   string `json:"filter"`
	Complete bool   `json:"complete,omitempty"` // all events of the range of the filter's times
	Cursor   string `json:"cursor,omitempty"`
	// Policy requests the grants of this version instead of a step. It needs the
	// cursor of the last answer.
	Policy string `json:"policy,omitempty"`
	// Groups requests the names of these groups instead of a step: the hash of a
	// decision, and the session of its request. It needs the cursor of the last answer.
	Groups  string `json:"groups,omitempty"`
	Session string `json:"session,omitempty"`
}

// Stages of an export and of a review.
const (
	StageCounting = "counting" // Done of Total events of the log are read
	StageWaiting  = "waiting"  // for the next checkpoint: repeat the step after a pause
	StageReading  = "reading"  // the answer has events and hashes
	StageDone     = "done"     // the answer has the last events and hashes
)

// AuditExportResponse is the answer to one step.
type AuditExportResponse struct {
	Stage  string `json:"stage"`
	Done   int64  `json:"done"`
	Total  int64  `json:"total"`
	Events int64  `json:"events"`          // events that match, as far as they are counted
	Event  string `json:"event,omitempty"` // id of the record of the export
	Cursor string `json:"cursor"`

	// The checkpoint of the export is in the first answer with StageReading. The
	// proof of its CheckpointResponse is empty.
	Checkpoint *CheckpointResponse `json:"checkpoint,omitempty"`
	Records    []ExportRecord      `json:"records,omitempty"`
	Nodes      []ExportNode        `json:"nodes,omitempty"`
	Policy     []byte              `json:"policy,omitempty"` // text of the requested version
	// GroupNames are the names of the requested groups, sorted; absent if the log has
	// no event of the session with them.
	GroupNames []string `json:"group_names,omitempty"`
}

// ExportRecord is an event of the log with its place in the order of recording.
type ExportRecord struct {
	Index int64  `json:"index"` // from 0 on
	Event string `json:"event"` // its canonical bytes
}

// ExportNode is the hash of the subtree of the leaves Lo to Hi (exclusive).
type ExportNode struct {
	Lo   int64  `json:"lo"`
	Hi   int64  `json:"hi"`
	Hash []byte `json:"hash"`
}

// AuditReviewRequest records the finding of a review of the events that match a filter.
// Its steps are those of AuditExportRequest.
type AuditReviewRequest struct {
	Filter  string `json:"filter"`
	Finding string `json:"finding"` // one line of at most MaxFinding bytes
	Cursor  string `json:"cursor,omitempty"`
}

// MaxFinding is the greatest length of a finding in bytes.
const MaxFinding = 1000

// AuditReviewResponse is the answer to one step. After the last one, Event is the id of
// the recorded review.
type AuditReviewResponse struct {
	Stage       string `json:"stage"`
	Done        int64  `json:"done"`
	Total       int64  `json:"total"`
	Cursor      string `json:"cursor,omitempty"`
	Event       string `json:"event,omitempty"`
	Query       string `json:"query,omitempty"` // with absolute times
	Count       int64  `json:"count"`           // events that match
	FirstRecord int64  `json:"first_record,omitempty"`
	LastRecord  int64  `json:"last_record,omitempty"`
	Records     int64  `json:"records,omitempty"` // events of the checkpoint
	Root        string `json:"root,omitempty"`    // of the checkpoint, in base64
}

// AuditVerifiedRequest records the result of a verification that an auditor ran on
// another machine.
type AuditVerifiedRequest struct {
	Records int64  `json:"records"` // events that were verified
	Root    string `json:"root"`    // of their tree, in base64
	Faults  int    `json:"faults"`
	Of      string `json:"of"` // log or export
}

// AuditVerifiedResponse has the id of the event.
type AuditVerifiedResponse struct {
	Event string `json:"event"`
}

// Review is a configured review of the log.
type Review struct {
	Name      string     `json:"name"`
	Query     string     `json:"query"`
	EveryDays int        `json:"every_days"`
	Last      *time.Time `json:"last,omitempty"`  // absent: never
	By        string     `json:"by,omitempty"`    // person of the last review
	Event     string     `json:"event,omitempty"` // of the last review
	Due       time.Time  `json:"due"`
	Overdue   bool       `json:"overdue"`
}

// AuditReviewsRequest requests the configured reviews.
type AuditReviewsRequest struct{}

// AuditReviewsResponse has the configured reviews, in the order of the configuration.
type AuditReviewsResponse struct {
	Reviews []Review `json:"reviews"`
}
