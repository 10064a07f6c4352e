// Package accessrequest has the requests of people for access to a path, and the
// rules of their number and age: one request for a person and a path, a bounded
// number for each person and in total, and an end.
//
// The package is pure. Storage is left to its stores (accessrequest/file,
// state), which requesttest checks. Admission, the record and the grants are left to
// backend. No rule depends on the content of a bucket or on a grant.
package accessrequest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
)

// Bounds of the requests.
const (
	Life    = 30 * 24 * time.Hour // of a request, and of an answer
	MaxOpen = 10                  // open requests of one person
	MaxKept = 1000                // requests of all people, with the answered ones

	ClaimLife = time.Minute // of a claim, longer than one call of an admin
)

// State is the state of a request.
type State string

// The states. A request leaves Open once, and only its person opens it again.
const (
	Open      State = "open"
	Approved  State = "approved"
	Declined  State = "declined"
	Withdrawn State = "withdrawn" // by its person
)

// Request is one request. The texts are those of people: they are escaped where they
// are printed.
type Request struct {
	ID       string    `json:"id"` // see ID
	Sub      string    `json:"sub"`
	Username string    `json:"username"`
	Bucket   string    `json:"bucket"`
	Key      string    `json:"key"` // "" or with "/" at its end: a folder
	Reason   string    `json:"reason,omitempty"`
	Asked    time.Time `json:"asked"`
	State    State     `json:"state"`

	By       string    `json:"by,omitempty"`      // the admin
	Answered time.Time `json:"answered,omitzero"` // or withdrawn
	Answer   string    `json:"answer,omitempty"`
	Grant    string    `json:"grant,omitempty"` // the log's form of the grant, if one was added

	Claim   string    `json:"claim,omitempty"` // of the answer in progress; see Claim
	Claimed time.Time `json:"claimed,omitzero"`
}

// The refusals of Ask, Withdraw and Close.
var (
	ErrMany     = errors.New("the person has too many open requests")
	ErrFull     = errors.New("there are too many open requests")
	ErrUnknown  = errors.New("there is no such request")
	ErrAnswered = errors.New("the request has another answer already")
)

// ID returns the id of the request of a person for a path. It is the same for a
// repetition.
func ID(sub, bucket, key string) string {
	sum := sha256.Sum256([]byte(sub + "\x00" + bucket + "\x00" + key)) // none of the three has a NUL
	return hex.EncodeToString(sum[:8])
}

// Ends returns the end of a request: it is neither shown nor counted from then on.
func (r Request) Ends() time.Time {
	if r.State != Open {
		return r.Answered.Add(Life)
	}
	return r.Asked.Add(Life)
}

// Folder reports whether the path is a folder or a bucket.
func (r Request) Folder() bool { return r.Key == "" || strings.HasSuffix(r.Key, "/") }

// Live returns the requests that have not ended, the oldest first.
func Live(all []Request, now time.Time) []Request {
	live := slices.DeleteFunc(slices.Clone(all), func(r Request) bool { return !now.Before(r.Ends()) })
	slices.SortFunc(live, Compare)
	return live
}

// Pending returns the open requests that have not ended, the oldest first.
func Pending(all []Request, now time.Time) []Request {
	return slices.DeleteFunc(Live(all, now), func(r Request) bool { return r.State != Open })
}

// Compare orders requests by age, the oldest first.
func Compare(a, b Request) int {
	return cmp.Or(a.Asked.Compare(b.Asked), strings.Compare(a.ID, b.ID))
}

// Change is a change of the stored requests.
type Change struct {
	Put  Request
	Drop string // id of a request that makes place, or ""
}

// Ask returns the change by a request of a person. The request replaces an earlier one
// for the same path. If all places are taken, the oldest answered request makes place.
func Ask(all []Request, r Request, now time.Time) (Change, error) {
	r.ID, r.Asked, r.State = ID(r.Sub, r.Bucket, r.Key), now, Open
	r.By, r.Answered, r.Answer, r.Grant, r.Claim, r.Claimed = "", time.Time{}, "", "", "", time.Time{}
	live := Live(all, now)
	open, known := 0, false
	var oldest Request // answered
	for _, o := range live {
		switch {
		case o.ID == r.ID:
			known = true
		case o.State != Open:
			if oldest.ID == "" || o.Answered.Before(oldest.Answered) {
				oldest = o
			}
		case o.Sub == r.Sub:
			open++
		}
	}
	switch {
	case open >= MaxOpen:
		return Change{}, ErrMany
	case known || len(live) < MaxKept:
		return Change{Put: r}, nil
	case oldest.ID == "":
		return Change{}, ErrFull
	}
	return Change{Put: r, Drop: oldest.ID}, nil
}

// Withdraw returns the change by the withdrawal of an open request by its person, with
// the sub of the caller. The request of another person is ErrUnknown, like one that does
// not exist. A repetition changes nothing. Only the last withdrawn request of a person
// is kept, for a repetition: requests and withdrawals in turn fill no places.
func Withdraw(all []Request, id, sub string, now time.Time) (Change, error) {
	r, ok := Find(all, id, now)
	switch {
	case !ok || r.Sub != sub:
		return Change{}, ErrUnknown
	case r.State == Withdrawn:
		return Change{Put: r}, nil
	case r.State != Open:
		return Change{}, ErrAnswered
	}
	r.State, r.Answered = Withdrawn, now
	change := Change{Put: r}
	if i := slices.IndexFunc(all, func(o Request) bool { return o.Sub == sub && o.State == Withdrawn }); i >= 0 {
		change.Drop = all[i].ID
	}
	return change, nil
}

// Answer is the answer of an admin.
type Answer struct {
	State State // Approved or Declined
	By    string
	Text  string
	Grant string
}

// claim identifies an answer.
func (a Answer) claim() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{string(a.State), a.By, a.Text, a.Grant}, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// claimed reports whether another answer to the request is in progress.
func (r Request) claimed(a Answer, now time.Time) bool {
	return r.Claim != "" && r.Claim != a.claim() && now.Before(r.Claimed.Add(ClaimLife))
}

// Claim returns the change at the beginning of an answer, whose grant and record come
// before Close. Until then any other answer is ErrAnswered, so that no two answers have an
// effect. A claim without a Close ends by itself.
func Claim(all []Request, id string, asked time.Time, a Answer, now time.Time) (Change, error) {
	change, err := Close(all, id, asked, a, now)
	if err != nil {
		return Change{}, err
	}
	if r, _ := Find(all, id, now); r.State == Open {
		r.Claim, r.Claimed = a.claim(), now
		change.Put = r
	}
	return change, nil
}

// Release returns the change by the failure of a claimed answer.
func Release(all []Request, id string, _ time.Time, a Answer, now time.Time) (Change, error) {
	r, ok := Find(all, id, now)
	if !ok {
		return Change{}, ErrUnknown
	}
	if r.Claim == a.claim() {
		r.Claim, r.Claimed = "", time.Time{}
	}
	return Change{Put: r}, nil
}

// Close returns the change by an answer. A repetition of the answer changes nothing,
// and another answer is ErrAnswered.
func Close(all []Request, id string, asked time.Time, a Answer, now time.Time) (Change, error) {
	r, ok := Find(all, id, now)
	switch {
	case !ok || r.State == Withdrawn:
		return Change{}, ErrUnknown
	case r.State == a.State && r.By == a.By && r.Answer == a.Text && r.Grant == a.Grant:
		return Change{Put: r}, nil
	case r.State != Open || !r.Asked.Equal(asked) || r.claimed(a, now):
		return Change{}, ErrAnswered
	}
	r.State, r.By, r.Answer, r.Grant, r.Answered = a.State, a.By, a.Text, a.Grant, now
	r.Claim, r.Claimed = "", time.Time{}
	return Change{Put: r}, nil
}

// Find returns the request with an id that has not ended.
func Find(all []Request, id string, now time.Time) (Request, bool) {
	i := slices.IndexFunc(all, func(r Request) bool { return r.ID == id && now.Before(r.Ends()) })
	if i < 0 {
		return Request{}, false
	}
	return all[i], true
}
