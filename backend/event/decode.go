package event

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrNotCanonical reports bytes that Canonical returns for no event.
var ErrNotCanonical = errors.New("not the canonical bytes of an event")

// Parse parses the bytes of Canonical. It refuses any other bytes with
// ErrNotCanonical: each event has exactly one text.
func Parse(canonical []byte) (Event, error) {
	r := reader{rest: string(canonical)}
	var e Event
	r.object(func(name string) { r.field(&e, name) })
	e = Clean(e)
	// The reader accepts other forms too; this comparison refuses them.
	if r.failed || !bytes.Equal(Canonical(e), canonical) {
		return Event{}, fmt.Errorf("reading an event: %w", ErrNotCanonical)
	}
	return e, nil
}

// reader parses the JSON of events alone. It is several times faster than
// encoding/json, and the verification of a log parses every record.
type reader struct {
	rest   string
	failed bool
}

func (r *reader) field(e *Event, name string) {
	switch name {
	case "action":
		e.Action = r.text()
	case "bound":
		e.Bound = int(r.integer())
	case "browser_ip":
		e.BrowserIP = r.text()
	case "bucket":
		e.Bucket = r.text()
	case "bytes":
		e.Bytes = new(r.integer())
	case "claimed_host":
		e.ClaimedHost = r.text()
	case "continues":
		e.Continues = r.text()
	case "count":
		e.Count = int(r.integer())
	case "entries":
		e.Entries = int(r.integer())
	case "entries_hash":
		e.EntriesHash = r.text()
	case "etag":
		e.ETag = r.text()
	case "first_record":
		e.FirstRecord = r.integer()
	case "from":
		e.From = new(r.time())
	case "grant":
		e.Grant = r.text()
	case "grants_added":
		e.GrantsAdded = int(r.integer())
	case "grants_before":
		e.GrantsBefore = r.text()
	case "grants_diff":
		e.GrantsDiff = r.list()
	case "grants_removed":
		e.GrantsRemoved = int(r.integer())
	case "grants_version":
		e.GrantsVersion = r.text()
	case "group_names":
		e.GroupNames = r.list()
	case "group_names_before":
		e.GroupNamesBefore = r.list()
	case "groups":
		e.Groups = r.text()
	case "id":
		e.ID = r.text()
	case "implausible":
		e.Implausible = r.flag()
	case "key":
		e.Key = r.text()
	case "last_record":
		e.LastRecord = r.integer()
	case "outcome":
		e.Outcome = r.text()
	case "policy":
		e.Policy = r.text()
	case "purpose":
		e.Purpose = r.text()
	case "reason":
		e.Reason = r.text()
	case "request_id":
		e.RequestID = r.text()
	case "root":
		e.Root = r.text()
	case "seconds":
		e.Seconds = new(r.float())
	case "session":
		e.Session = r.text()
	case "signed_in":
		e.SignedIn = new(r.time())
	case "size":
		e.Size = new(r.integer())
	case "source_ip":
		e.SourceIP = r.text()
	case "terminal_ip":
		e.TerminalIP = r.text()
	case "time":
		e.Time = r.time()
	case "until":
		e.Until = new(r.time())
	case "user":
		r.object(func(name string) { r.user(&e.User, name) })
	case "user_agent":
		e.UserAgent = r.text()
	case "verified":
		e.Verified = r.text()
	case "version":
		e.Version = r.text()
	case "way":
		e.Way = r.text()
	default:
		r.failed = true
	}
}

func (r *reader) user(u *User, name string) {
	switch name {
	case "email":
		u.Email = r.text()
	case "sub":
		u.Sub = r.text()
	case "username":
		u.Username = r.text()
	default:
		r.failed = true
	}
}

// object parses members up to the closing brace. value parses the value of one
// member.
func (r *reader) object(value func(name string)) {
	for next := byte('{'); !r.failed && r.take(next); next = ',' {
		name := r.text()
		if !r.take(':') {
			break
		}
		value(name)
		if strings.HasPrefix(r.rest, "}") {
			r.rest = r.rest[1:]
			return
		}
	}
	r.failed = true
}

// list parses a list of at least one text.
func (r *reader) list() (all []string) {
	for next := byte('['); !r.failed && r.take(next); next = ',' {
		all = append(all, r.text())
		if strings.HasPrefix(r.rest, "]") {
			r.rest = r.rest[1:]
			return all
		}
	}
	r.failed = true
	return nil
}

// flag parses true, the only value of a flag that is present.
func (r *reader) flag() bool {
	rest, ok := strings.CutPrefix(r.rest, "true")
	r.rest, r.failed = rest, r.failed || !ok
	return ok
}

func (r *reader) take(c byte) bool {
	if r.rest == "" || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// text parses a string in the form of appendString.
func (r *reader) text() string {
	if !r.take('"') {
		r.failed = true
		return ""
	}
	end := strings.IndexAny(r.rest, `"\`)
	if end >= 0 && r.rest[end] == '"' { // without escapes: the usual case
		s := r.rest[:end]
		r.rest = r.rest[end+1:]
		return s
	}
	var b strings.Builder
	for i := 0; i < len(r.rest); i++ {
		switch c := r.rest[i]; c {
		case '"':
			r.rest = r.rest[i+1:]
			return b.String()
		case '\\':
			if i++; i == len(r.rest) {
				break
			}
			if r.rest[i] == 'u' && len(r.rest)-i > 4 {
				n, err := strconv.ParseUint(r.rest[i+1:i+5], 16, 8)
				r.failed = r.failed || err != nil
				b.WriteByte(byte(n)) // a control character; Parse refuses any other
				i += 4
			} else if at := strings.IndexByte("btnfr", r.rest[i]); at >= 0 {
				b.WriteByte("\b\t\n\f\r"[at])
			} else {
				b.WriteByte(r.rest[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	r.failed = true
	return ""
}

// number returns the text up to the next comma or brace.
func (r *reader) number() string {
	end := strings.IndexAny(r.rest, ",}")
	if end < 0 {
		r.failed = true
		return ""
	}
	s := r.rest[:end]
	r.rest = r.rest[end:]
	return s
}

func (r *reader) integer() int64 {
	n, err := strconv.ParseInt(r.number(), 10, 64)
	r.failed = r.failed || err != nil
	return n
}

func (r *reader) float() float64 {
	f, err := strconv.ParseFloat(r.number(), 64)
	r.failed = r.failed || err != nil
	return f
}

func (r *reader) time() time.Time {
	t, err := time.Parse(time.RFC3339Nano, r.text())
	r.failed = r.failed || err != nil
	return t
}
