package api

import "time"

// MaxDiffBody is the limit of a grants/diff body in bytes.
const MaxDiffBody = 1 << 20

// Grant is a grant on the wire. Text is its one-line form in events and
// explanations.
type Grant struct {
	Group     string     `json:"group"`
	Bucket    string     `json:"bucket"`
	Prefix    *string    `json:"prefix,omitempty"` // "" is the whole bucket
	Object    string     `json:"object,omitempty"`
	Effect    string     `json:"effect"` // allow or deny
	NotBefore *time.Time `json:"not_before,omitempty"`
	Expires   *time.Time `json:"expires,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Text      string     `json:"text"`
}

// ExplainRequest names the person and the object of an explanation.
type ExplainRequest struct {
	User   string `json:"user"`
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

// ExplainResponse is the evaluator's decision for one person and one object.
type ExplainResponse struct {
	User    string   `json:"user"`
	Groups  []string `json:"groups"`
	Allowed bool     `json:"allowed"`
	By      *Grant   `json:"by,omitempty"` // the grant that decided
	Allows  []Grant  `json:"allows"`       // of the person's groups, matching the object
	Denies  []Grant  `json:"denies"`
	Asleep  []Grant  `json:"asleep"`  // matching, but outside their period of validity
	Nearest []Grant  `json:"nearest"` // other grants of these groups in the bucket
	Others  []Grant  `json:"others"`  // of other groups, allowing the object
	Missing []Grant  `json:"missing"` // hypothetical grants, each of which would allow it
}

// WhoRequest names a path whose readers are requested: an object, or a folder
// (Key "" or ending in "/").
type WhoRequest struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

// WhoResponse lists the groups with access to the path and their people.
type WhoResponse struct {
	Groups []GroupAccess  `json:"groups"`
	People []PersonAccess `json:"people"`
}

// GroupAccess is a group with access to a path. Whole is false for access to
// parts of it.
type GroupAccess struct {
	Group  string  `json:"group"`
	Whole  bool    `json:"whole"`
	Grants []Grant `json:"grants"`
}

// PersonAccess is a person with access to a path now, through any of their
// groups.
type PersonAccess struct {
	Username string   `json:"username"`
	Enabled  bool     `json:"enabled"`
	Whole    bool     `json:"whole"`
	Groups   []string `json:"groups"` // the groups that give access
}

// CanRequest names a person whose readable paths are requested.
type CanRequest struct {
	User string `json:"user"`
}

// CanResponse is the smallest set of paths that covers everything the person
// can read.
type CanResponse struct {
	User   string   `json:"user"`
	Groups []string `json:"groups"`
	Roots  []Root   `json:"roots"`
}

// Root is a granted path, minus the denials below it.
type Root struct {
	Grant  Grant   `json:"grant"`
	Except []Grant `json:"except"`
}

// GrantsListResponse is the set in force. Problem is the reason why a newer set
// was refused, or "".
type GrantsListResponse struct {
	Version string  `json:"version"`
	Grants  []Grant `json:"grants"`
	Problem string  `json:"problem,omitempty"`
}

// GrantsDiffRequest has the text of a grants file to compare with the set in
// force. Nothing is changed.
type GrantsDiffRequest struct {
	Text string `json:"text"`
}

// GrantsDiffResponse has either Problems, or the changes for each person.
type GrantsDiffResponse struct {
	Problems []GrantsProblem `json:"problems,omitempty"`
	Added    []Grant         `json:"added"`
	Removed  []Grant         `json:"removed"`
	People   []PersonChange  `json:"people"` // people with a change only
}

// GrantsProblem is one error in a grants file, with the fix.
type GrantsProblem struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Problem string `json:"problem"`
	Fix     string `json:"fix"`
}

// PersonChange lists the paths that appear and disappear for one person, as
// bucket/path. Folders end in "/".
type PersonChange struct {
	Username   string   `json:"username"`
	Appears    []string `json:"appears"`
	Disappears []string `json:"disappears"`
}

// MaxApplyBody is the limit of a grants/apply body in bytes. A compressed grants
// file of 32 MiB has a few of them, and AWS Lambda takes 6 MB.
const MaxApplyBody = 5 << 20

// GrantsApplyRequest replaces the grants by those of a file.
type GrantsApplyRequest struct {
	Before string `json:"before"` // version that the change is based on, from grants/list
	Gzip   []byte `json:"gzip"`   // text of the file, compressed; base64 in JSON
}

// GrantsEditRequest adds and removes single grants. The texts of the grants are
// ignored. BreakGlass gives emergency access: each grant expires within 24 hours,
// has a reason, and raises an alarm event.
type GrantsEditRequest struct {
	Add        []Grant `json:"add,omitempty"`
	Remove     []Grant `json:"remove,omitempty"`
	BreakGlass bool    `json:"break_glass,omitempty"`
}

// GrantsChangeResponse has either Problems, or the change in force. Without a
// difference, Before and Version are equal and there is no event. Problems of an
// edit have the number of the grant as their line.
type GrantsChangeResponse struct {
	Problems []GrantsProblem `json:"problems,omitempty"`
	Before   string          `json:"before,omitempty"`
	Version  string          `json:"version,omitempty"`
	Added    int             `json:"added"`
	Removed  int             `json:"removed"`
	Event    string          `json:"event,omitempty"`
}

// ExplainIDRequest names a request whose decisions are explained. The error message of
// a refusal has its id.
type ExplainIDRequest struct {
	Request string `json:"request"`
}

// ExplainIDResponse has the recorded decisions of a request, the oldest first: for
// auditors all, for admins the refused and failed ones.
type ExplainIDResponse struct {
	Request   string          `json:"request"`
	Decisions []ExplainedPast `json:"decisions"`
}

// ExplainedPast is a recorded decision. Now is the decision that the server would make
// at present; it is absent for a folder and behind the first 20 objects.
type ExplainedPast struct {
	Time          time.Time        `json:"time"`
	Event         string           `json:"event"`
	User          string           `json:"user"`
	Action        string           `json:"action"`
	Bucket        string           `json:"bucket"`
	Key           string           `json:"key"`
	Outcome       string           `json:"outcome"`
	Reason        string           `json:"reason,omitempty"`
	Grant         string           `json:"grant,omitempty"`
	Policy        string           `json:"policy,omitempty"`
	GroupsChanged bool             `json:"groups_changed"` // since then; false if the groups of then are unknown
	GrantsChanged bool             `json:"grants_changed"` // since then; false if their version of then is unknown
	Now           *ExplainResponse `json:"now,omitempty"`
}

// ReviewRequest names the path of an access review: an object, a folder, or with an
// empty Bucket all buckets.
type ReviewRequest struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Cursor string `json:"cursor,omitempty"`
}

// ReviewResponse is one page of a review. Cursor is empty after the last page. Log is
// false for a caller outside the auditors' group; the rows then have no facts from the
// log.
type ReviewResponse struct {
	Rows    []ReviewRow `json:"rows"`
	Version string      `json:"version"` // of the grants
	Log     bool        `json:"log"`
	Cursor  string      `json:"cursor,omitempty"`
}

// ReviewRow is a grant of one person, through a group. A group without members has one
// row without a person.
type ReviewRow struct {
	Username string `json:"username"`
	Enabled  bool   `json:"enabled"`
	Group    string `json:"group"`
	Grant    Grant  `json:"grant"`
	Denied   bool   `json:"denied"` // another grant denies all of it to the person

	Since      *time.Time `json:"since,omitempty"`       // of the change that gave the access; absent if the log has none
	SinceEvent string     `json:"since_event,omitempty"` // grants-changed, membership-changed, or the first sign-in with the group
	LastUsed   *time.Time `json:"last_used,omitempty"`   // newest allowed listing, look or download below the path by the person
	LastEvent  string     `json:"last_event,omitempty"`
	Searched   *time.Time `json:"searched,omitempty"` // without a last use: the log was searched back to here only
}
