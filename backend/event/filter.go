package event

import (
	"strings"
	"time"
)

// Bounds of a filter's text.
const (
	MaxFilter = 1024 // bytes
	MaxTerms  = 16
)

// Field is what a term looks at, spelled as people type it.
type Field string

// Fields.
const (
	ByWho     Field = "who"     // the username or the sub, exactly
	ByAction  Field = "action"  // one of Actions
	ByOutcome Field = "outcome" // one of Outcomes
	ByBucket  Field = "bucket"  // exactly
	ByPath    Field = "path"    // bucket/key: all that begins with these bytes, or exactly with path:=
	BySession Field = "session" // exactly
	ByIP      Field = "ip"      // one address
	ByID      Field = "id"      // the event's
	ByRequest Field = "request" // the request's id
	BySince   Field = "since"   // at or after
	ByUntil   Field = "until"   // before
)

// Fields lists them all, in the order in which help shows them.
func Fields() []Field {
	return []Field{ByWho, ByAction, ByOutcome, ByBucket, ByPath, BySession, ByIP, ByID, ByRequest, BySince, ByUntil}
}

// Actions lists the actions that usher records, and no other: a filter for an
// action that nothing records would find nothing, silently.
func Actions() []string {
	return []string{
		SessionStart, SignOut, List, Stat, Download, Completed, Explain, GrantsChanged,
		AuditRead, ServiceStart, ServiceStop, Suppressed,
	}
}

// Outcomes lists every outcome an event can have.
func Outcomes() []string { return []string{Allowed, Denied, Failed} }

// Filter chooses events. Terms of one field are alternatives (who:ada
// who:grace finds both), different fields must all hold, and so must each
// negated term and each since or until. The zero Filter chooses all.
//
// ParseFilter makes filters from text; String writes one back as text that
// parses to the same.
type Filter struct{ Terms []Term }

// Term is one condition.
type Term struct {
	Field Field
	Not   bool
	Exact bool      // of a path: this one and not what begins with it
	Value string    // all but since and until
	Time  time.Time // since and until, in UTC
}

// Match is what a filter means. Every store gives exactly the events that
// match.
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

// alternative says whether any of the field's terms holds.
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
		return strings.HasPrefix(e.Path(), t.Value)
	case BySession:
		return t.Value == e.Session
	case ByIP:
		return t.Value == e.SourceIP
	case ByID:
		return t.Value == e.ID
	case ByRequest:
		return t.Value == e.RequestID
	case BySince:
		return !e.Time.Before(t.Time)
	case ByUntil:
		return e.Time.Before(t.Time)
	}
	return false
}

// Path is the event's bucket/key, or nothing where it names no bucket.
func (e Event) Path() string {
	if e.Bucket == "" {
		return ""
	}
	return e.Bucket + "/" + e.Key
}

// String is the filter as text: terms in their order, instants written out.
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

// instant is the layout that loses nothing.
const instant = "2006-01-02T15:04:05.000Z"

// quoted writes a value so that it reads back: as it is where it can stand
// alone, in quotes with \" and \\ otherwise.
func quoted(v string) string {
	if v != "" && v[0] != '"' && v[0] != '=' && !strings.ContainsFunc(v, func(r rune) bool { return r < 0x80 && space(byte(r)) }) {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
