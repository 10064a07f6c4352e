package event

import (
	"slices"
	"strings"
	"time"
)

// Bounds of a filter's text.
const (
	MaxFilter = 4096 // bytes; a quoted path of a key of 1,024 bytes fits
	MaxTerms  = 16
)

// Field is the field of an event that a term tests, in the spelling of filters.
type Field string

// The fields of a filter.
const (
	ByWho     Field = "who"     // the username or the sub, exactly
	ByAction  Field = "action"  // one of Actions
	ByOutcome Field = "outcome" // one of Outcomes
	ByBucket  Field = "bucket"  // exactly
	ByPath    Field = "path"    // a prefix of bucket/key, exactly with path:=, or a pattern with *
	ByTouched Field = "touched" // a path: its events, and the listings that showed its name
	BySession Field = "session" // exactly
	ByIP      Field = "ip"      // one address, or a network such as 10.0.0.0/8
	ByID      Field = "id"      // the event's id
	ByRequest Field = "request" // the request's id
	ByGroup   Field = "group"   // the group of the deciding grant, or of a changed membership
	ByGrant   Field = "grant"   // the deciding grant, as the log has it; a pattern with *
	ByPurpose Field = "purpose" // download, preview or link
	ByAgent   Field = "agent"   // a prefix of the user agent, exactly with agent:=, or a pattern with *
	BySize    Field = "size"    // bytes of the object: >100MB, <1k, 0
	ByHours   Field = "hours"   // hours of the day in UTC: 19-07 is from 19:00 until 07:00
	BySince   Field = "since"   // at or after
	ByUntil   Field = "until"   // before
)

// Fields returns all fields, in the order of the help text.
func Fields() []Field {
	return []Field{ByWho, ByAction, ByOutcome, ByBucket, ByPath, ByTouched, BySession, ByIP, ByID, ByRequest,
		ByGroup, ByGrant, ByPurpose, ByAgent, BySize, ByHours, BySince, ByUntil}
}

// Actions returns exactly the actions that usher records. A filter for any other
// action would silently find nothing.
func Actions() []string {
	return []string{
		SessionStart, SignOut, SignOutAll, List, Search, Stat, Versions, Download, Completed, Explain, GrantsChanged,
		AccessRequested, AccessAnswered, AccessWithdrawn, AuditRead, ServiceStart, ServiceStop, Suppressed, Alarm, LogVerified, LogRestarted, DeviceRefused, MembershipChanged,
		UncleanStop, AuditGap, TokenRefused, RetentionApplied, AuditExport, AuditVerify, AuditReview, Alert,
	}
}

// Outcomes returns all outcomes of events.
func Outcomes() []string { return []string{Allowed, Denied, Failed} }

// Filter selects events. Terms of one field are alternatives: "action:list
// action:stat" selects both actions. All fields must match, and so must each negated
// term and each since and until. The zero Filter selects all events.
//
// ParseFilter parses a filter. String returns its text, which parses to the same
// filter.
type Filter struct{ Terms []Term }

// Term is one condition.
type Term struct {
	Field Field
	Not   bool
	Exact bool      // path and agent: the whole value and not a prefix
	Value string    // all fields except since and until
	Time  time.Time // since and until, in UTC
}

// Match reports whether the filter selects an event. Every store must return
// exactly the events that match.
func (f Filter) Match(e Event) bool {
	for _, t := range f.Terms {
		switch holds := t.holds(e); {
		case t.Not:
			if holds {
				return false
			}
		case t.Field == BySince || t.Field == ByUntil:
			if !holds {
				return false
			}
		case !holds && !f.alternative(t.Field, e):
			return false
		}
	}
	return true
}

// alternative reports whether any of the field's terms holds.
func (f Filter) alternative(field Field, e Event) bool {
	for _, t := range f.Terms {
		if t.Field == field && !t.Not && t.holds(e) {
			return true
		}
	}
	return false
}

func (t Term) holds(e Event) bool {
	switch t.Field {
	case ByWho:
		return t.Value == e.User.Username || t.Value == e.User.Sub
	case ByAction:
		return t.Value == e.Action
	case ByOutcome:
		return t.Value == e.Outcome
	case ByBucket:
		return t.Value == e.Bucket
	case ByPath:
		if t.Exact {
			return t.Value == e.Path()
		}
		return prefixOrPattern(t.Value, e.Path())
	case ByTouched:
		return touched(t.Value, e)
	case BySession:
		return t.Value == e.Session
	case ByIP:
		return sameAddress(t.Value, e.SourceIP)
	case ByID:
		return t.Value == e.ID
	case ByRequest:
		return t.Value == e.RequestID
	case ByGroup:
		return t.Value == grantGroup(e.Grant) || slices.Contains(e.GroupNames, t.Value) || slices.Contains(e.GroupNamesBefore, t.Value)
	case ByGrant:
		return t.Value == e.Grant || isPattern(t.Value) && pattern(t.Value, e.Grant)
	case ByPurpose:
		return t.Value == e.Purpose || t.Value == PurposeDownload && e.Purpose == "" && e.Action == Download
	case ByAgent:
		if t.Exact {
			return t.Value == e.UserAgent
		}
		return prefixOrPattern(t.Value, e.UserAgent)
	case BySize:
		return e.Size != nil && sizeHolds(t.Value, *e.Size)
	case ByHours:
		return hoursHold(t.Value, e.Time)
	case BySince:
		return !e.Time.Before(t.Time)
	case ByUntil:
		return e.Time.Before(t.Time)
	}
	return false
}

// Path returns the event's bucket/key, or "" if the event has no bucket.
func (e Event) Path() string {
	if e.Bucket == "" {
		return ""
	}
	return e.Bucket + "/" + e.Key
}

// String returns the text of the filter: its terms in order, with instants in
// full.
func (f Filter) String() string {
	var b strings.Builder
	for i, t := range f.Terms {
		if i > 0 {
			b.WriteByte(' ')
		}
		if t.Not {
			b.WriteByte('-')
		}
		b.WriteString(string(t.Field))
		b.WriteByte(':')
		if t.Exact {
			b.WriteByte('=')
		}
		if t.Field == BySince || t.Field == ByUntil {
			b.WriteString(t.Time.UTC().Format(instant))
		} else {
			b.WriteString(quoted(t.Value))
		}
	}
	return b.String()
}

// instant is the time layout with the full precision of events.
const instant = "2006-01-02T15:04:05.000Z"

// quoted returns the text of a value: in quotes, with \" and \\, if it needs
// them.
func quoted(v string) string {
	if v != "" && v[0] != '"' && v[0] != '=' && !strings.ContainsFunc(v, func(r rune) bool { return r < 0x80 && space(byte(r)) }) {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
