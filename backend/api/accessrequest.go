package api

import (
	"strings"
	"time"
)

// AskRequest is a request for access to a path: an object, or a folder (Key "" or ending in
// "/").
type AskRequest struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Reason string `json:"reason,omitempty"` // at most MaxAskReason bytes
}

// MaxAskReason is the greatest length of the reason of a request and of an answer, in
// bytes.
const MaxAskReason = 500

// ValidAskID reports whether a text can be the id of a request for access.
func ValidAskID(s string) bool {
	const digits = "0123456789abcdef"
	return len(s) == len(digits) && strings.Trim(s, digits) == ""
}

// AskResponse is the same for every path, but for the ids.
type AskResponse struct {
	Request string `json:"request"` // id of the request for access
	Event   string `json:"event"`
	Days    int    `json:"days"` // after which the request ends without an answer
}

// The states of a request for access.
const (
	AskOpen     = "open"
	AskApproved = "approved"
	AskDeclined = "declined"
)

// Asked is a request for access with its answer.
type Asked struct {
	Request  string     `json:"request"`
	Bucket   string     `json:"bucket"`
	Key      string     `json:"key"`
	Reason   string     `json:"reason,omitempty"`
	Asked    time.Time  `json:"asked"`
	Ends     time.Time  `json:"ends"` // until then it is kept
	State    string     `json:"state"`
	Answered *time.Time `json:"answered,omitempty"`
	Answer   string     `json:"answer,omitempty"`
}

// AskedResponse lists the caller's own requests, the oldest first.
type AskedResponse struct {
	Requests []Asked `json:"requests"`
}

// WithdrawRequest withdraws an open request of the caller.
type WithdrawRequest struct {
	Request string `json:"request"`
}

// WithdrawResponse has the path of the withdrawn request. The event is "" for a
// repetition, which changes nothing.
type WithdrawResponse struct {
	Request string `json:"request"`
	Bucket  string `json:"bucket"`
	Key     string `json:"key"`
	Event   string `json:"event,omitempty"`
}

// AskingRequest requests a page of the open requests of all people. After is the id of
// the last request of the page before, or "".
type AskingRequest struct {
	After string `json:"after,omitempty"`
}

// AskingResponse has open requests, the oldest first. More is true if others follow.
type AskingResponse struct {
	Requests []Asking `json:"requests"`
	More     bool     `json:"more,omitempty"`
	Fixed    bool     `json:"fixed,omitempty"` // the grants are a file: an approval changes nothing in it
}

// Asking is a request for access with the facts for its answer.
type Asking struct {
	Asked
	User    string   `json:"user"`
	Gone    bool     `json:"gone,omitempty"` // there is no such person now
	Groups  []string `json:"groups"`         // of the person now
	Allowed bool     `json:"allowed"`        // the person can read the path now
	Nearest *Grant   `json:"nearest,omitempty"`
	Group   string   `json:"group,omitempty"` // proposed: that of the nearest grant, else the first
}

// AnswerRequest answers a request for access. An approval adds a grant of the path for
// a group of the person, until Expires. With Preview nothing is changed.
type AnswerRequest struct {
	Request string     `json:"request"`
	Approve bool       `json:"approve"`
	Group   string     `json:"group,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
	Reason  string     `json:"reason,omitempty"` // of the grant; for a refusal, the text for the person
	Preview bool       `json:"preview,omitempty"`
}

// MaxGrantDays is the longest access by an approved request, in days.
const MaxGrantDays = 366

// AnswerResponse has either Problems, or the answer. Members are the other people in
// the group: they get the access too. Others is the number of those that are not listed.
type AnswerResponse struct {
	Problems []GrantsProblem `json:"problems,omitempty"`
	User     string          `json:"user,omitempty"`
	State    string          `json:"state,omitempty"`
	Grant    *Grant          `json:"grant,omitempty"` // nil: no grant is needed
	Members  []string        `json:"members,omitempty"`
	Others   int             `json:"others,omitempty"`
	Version  string          `json:"version,omitempty"` // of the grants in force
	Event    string          `json:"event,omitempty"`
}
