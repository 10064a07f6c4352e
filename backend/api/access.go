package api

import "time"

// MaxDiffBody is the bytes of a grants/diff body.
const MaxDiffBody = 1 << 20

// Grant is a grant on the wire. Text is the line by which events and
// explanations name it.
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

// ExplainRequest asks why a person may or may not read an object.
type ExplainRequest struct {
	User   string `json:"user"`
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

// ExplainResponse is the evaluator's answer for one person and one object.
type ExplainResponse struct {
	User    string   `json:"user"`
	Groups  []string `json:"groups"`
	Allowed bool     `json:"allowed"`
	By      *Grant   `json:"by,omitempty"` // the grant that decided
	Allows  []Grant  `json:"allows"`       // of the person's groups, reaching the object
	Denies  []Grant  `json:"denies"`
	Asleep  []Grant  `json:"asleep"`  // out of their window now
	Nearest []Grant  `json:"nearest"` // what else these groups have in the bucket
	Others  []Grant  `json:"others"`  // of other groups, allowing the object
	Missing []Grant  `json:"missing"` // one of these would allow it
}

// WhoRequest asks who can read a path: an object, or a folder (Key "" or
// ending in "/").
type WhoRequest struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

// WhoResponse lists the groups that reach the path and the people in them.
type WhoResponse struct {
	Groups []GroupAccess  `json:"groups"`
	People []PersonAccess `json:"people"`
}

// GroupAccess is a group that reaches a path, wholly or in parts.
type GroupAccess struct {
	Group  string  `json:"group"`
	Whole  bool    `json:"whole"`
	Grants []Grant `json:"grants"`
}

// PersonAccess is a person who can read a path now, all their groups counted.
type PersonAccess struct {
	Username string   `json:"username"`
	Enabled  bool     `json:"enabled"`
	Whole    bool     `json:"whole"`
	Groups   []string `json:"groups"` // by which the person reaches it
}

// CanRequest asks what a person can see.
type CanRequest struct {
	User string `json:"user"`
}

// CanResponse is the fewest places that hold all that the person can read.
type CanResponse struct {
	User   string   `json:"user"`
	Groups []string `json:"groups"`
	Roots  []Root   `json:"roots"`
}

// Root is a granted place, less the denials below it.
type Root struct {
	Grant  Grant   `json:"grant"`
	Except []Grant `json:"except"`
}

// GrantsListResponse is the set in force. Problem is why a newer one is not.
type GrantsListResponse struct {
	Version string  `json:"version"`
	Grants  []Grant `json:"grants"`
	Problem string  `json:"problem,omitempty"`
}

// GrantsDiffRequest sends the text of a grants file to try; nothing changes.
type GrantsDiffRequest struct {
	Text string `json:"text"`
}

// GrantsDiffResponse has either Problems, or what would change for each person.
type GrantsDiffResponse struct {
	Problems []GrantsProblem `json:"problems,omitempty"`
	Added    []Grant         `json:"added"`
	Removed  []Grant         `json:"removed"`
	People   []PersonChange  `json:"people"` // only those for whom something changes
}

// GrantsProblem is one thing wrong with a grants file, with the fix.
type GrantsProblem struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Problem string `json:"problem"`
	Fix     string `json:"fix"`
}

// PersonChange is what appears and disappears for one person: bucket/path,
// folders ending in "/".
type PersonChange struct {
	Username   string   `json:"username"`
	Appears    []string `json:"appears"`
	Disappears []string `json:"disappears"`
}
