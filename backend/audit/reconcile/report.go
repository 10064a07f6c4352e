package reconcile

import "time"

// Reason is the reason of an alarm.
type Reason string

// Reasons of alarms.
const (
	NoEvent       Reason = "no event"               // the read has no event of a release
	OtherObject   Reason = "another object"         // the event released another bucket, key or version
	OutsideWindow Reason = "outside the URL's life" // the read was before the event or after the URL's end
	OtherPerson   Reason = "another session"        // the role session is another person's
	OtherSigner   Reason = "another requester"      // the requester is not the server's role
	NoDownload    Reason = "not a download"         // the operation, such as a copy, is none that usher releases
	Conflict      Reason = "two different lines"    // another line of the same request has another content
)

// Alarm is a read that no event explains.
type Alarm struct {
	Reason Reason `json:"reason"`
	Line   Line   `json:"line"`
}

// Fetched is a release with lines: the bytes that AWS sent for it.
type Fetched struct {
	Event    string    `json:"event"`
	User     string    `json:"user"`
	Sub      string    `json:"sub"`
	Path     string    `json:"path"`
	Released time.Time `json:"released"`
	Requests int       `json:"requests"`
	Bytes    int64     `json:"bytes"`
	Address  string    `json:"address"`                   // of the release
	Others   []string  `json:"other_addresses,omitempty"` // of reads, if they differ
}

// Release is a release without a line. AWS delivers logs at best effort, so it is
// no proof that nothing was fetched.
type Release struct {
	Event    string    `json:"event"`
	User     string    `json:"user"`
	Path     string    `json:"path"`
	Released time.Time `json:"released"`
}

// SignInFailed is a failed sign-in that Cognito logged.
type SignInFailed struct {
	Time      time.Time `json:"time"`
	User      string    `json:"user,omitempty"`
	Address   string    `json:"address"`
	Operation string    `json:"operation"`
	Error     string    `json:"error"`
}

// Report is the result of a comparison.
type Report struct {
	From  time.Time `json:"from"` // first and last line
	Until time.Time `json:"until"`

	Lines   int `json:"lines"`   // without duplicates
	Doubles int `json:"doubles"` // lines of a request that was read before
	Other   int `json:"other"`   // reads by the other requesters of Config

	Fetched []Fetched `json:"fetched"`
	Bytes   int64     `json:"bytes"`
	Unseen  []Release `json:"no_line_seen"`
	Alarms  []Alarm   `json:"alarms"`

	SignIns []SignInFailed `json:"failed_sign_ins"`

	// RequesterChecked reports that the signers were known. Unnamed lines have only the
	// account of their requester, which is the signer's.
	RequesterChecked bool        `json:"requester_checked"`
	Signers          []string    `json:"signers"`
	Unnamed          int         `json:"requester_unnamed"`
	NotCompared      []Operation `json:"not_compared"`
}

// Class is the reason why lines are not compared.
type Class string

// Classes of lines that are not compared.
const (
	NoContent Class = "no content"      // the operation sends no bytes of an object
	Failed    Class = "failed"          // the request failed
	Unknown   Class = "unknown"         // the operation is not known: it could be a read
	Others    Class = "another service" // of CloudTrail
)

// Operation counts the lines of an operation that are not compared.
type Operation struct {
	Operation string `json:"operation"` // for another service, its name
	Class     Class  `json:"class"`
	Lines     int    `json:"lines"`
	Strangers int    `json:"other_requesters"` // lines of requesters that are not the signers; 0 if these are not known
}

// UnknownLines returns the number of lines with an operation that is not known.
func (r Report) UnknownLines() (n int) {
	for _, o := range r.NotCompared {
		if o.Class == Unknown {
			n += o.Lines
		}
	}
	return n
}
