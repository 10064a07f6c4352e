package event

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrNotCanonical reports bytes that Canonical returns for no event.
var ErrNotCanonical = errors.New("not the canonical bytes of an event")

// Parse parses the bytes of Canonical. It refuses any other bytes with
// ErrNotCanonical: each event has exactly one text.
func Parse(canonical []byte) (e Event, err error) {
	err = ParseInto(&e, canonical)
	return e, err
}

// ParseInto is Parse for many events: it replaces *e. After an error *e is the zero
// Event.
func ParseInto(e *Event, canonical []byte) error {
	*e = Event{}
	r := reader{rest: string(canonical), odd: control(canonical)}
	r.object(func(name string) { r.field(e, name) })
	if !r.failed && !r.odd && r.rest == "" && r.complete(e) && utf8.Valid(canonical) {
		return nil
	}
	*e = Clean(*e)
	// The reader accepts other forms too; this comparison refuses them.
	if r.failed || !bytes.Equal(Canonical(*e), canonical) {
		*e = Event{}
		return fmt.Errorf("reading an event: %w", ErrNotCanonical)
	}
	return nil
}

// control reports whether b has a control character. It tests eight bytes at once.
func control(b []byte) bool {
	const ones = 0x0101010101010101
	for ; len(b) >= 8; b = b[8:] {
		if v := binary.LittleEndian.Uint64(b); (v-0x20*ones)&^v&(0x80*ones) != 0 {
			return true
		}
	}
	for _, c := range b {
		if c < 0x20 {
			return true
		}
	}
	return false
}

// reader parses the JSON of events alone. It is several times faster than
// encoding/json, and the verification of a log parses every record.
type reader struct {
	rest   string
	failed bool
	// odd is set by every form that is not surely canonical. Without it, the
	// comparison with Canonical is not necessary.
	odd bool
	// members counts the members that every event has.
	members int
	scratch [40]byte
}

// membersOfAll is the number of members that every event has: those that Canonical
// writes without a condition, and those of the user.
const membersOfAll = 13

// complete reports whether no required member is missing.
func (r *reader) complete(e *Event) bool {
	return r.members == membersOfAll && len(e.UserAgent) <= MaxUserAgent
}

// required counts a member that every event has.
func (r *reader) required(s string) string {
	r.members++
	return s
}

// present notes an optional member, which is absent where it is empty.
func (r *reader) present(s string) string {
	r.odd = r.odd || s == ""
	return s
}

// nonzero notes an optional number, which is absent where it is 0.
func (r *reader) nonzero(n int64) int64 {
	r.odd = r.odd || n == 0
	return n
}

func (r *reader) field(e *Event, name string) {
	switch name {
	case "action":
		e.Action = r.required(r.text())
	case "bound":
		e.Bound = int(r.nonzero(r.integer()))
	case "browser_ip":
		e.BrowserIP = r.present(r.text())
	case "bucket":
		e.Bucket = r.required(r.text())
	case "bytes":
		e.Bytes = new(r.integer())
	case "claimed_host":
		e.ClaimedHost = r.present(r.text())
	case "continues":
		e.Continues = r.present(r.text())
	case "count":
		e.Count = int(r.nonzero(r.integer()))
	case "entries":
		e.Entries = int(r.nonzero(r.integer()))
	case "entries_first":
		e.EntriesFirst = r.present(r.text())
	case "entries_hash":
		e.EntriesHash = r.present(r.text())
	case "entries_last":
		e.EntriesLast = r.present(r.text())
	case "etag":
		e.ETag = r.present(r.text())
	case "first_record":
		e.FirstRecord = r.nonzero(r.integer())
	case "from":
		e.From = new(r.time())
	case "grant":
		e.Grant = r.present(r.text())
	case "grants_added":
		e.GrantsAdded = int(r.nonzero(r.integer()))
	case "grants_before":
		e.GrantsBefore = r.present(r.text())
	case "grants_diff":
		e.GrantsDiff = r.list()
	case "grants_removed":
		e.GrantsRemoved = int(r.nonzero(r.integer()))
	case "grants_version":
		e.GrantsVersion = r.present(r.text())
	case "group_names":
		e.GroupNames = r.list()
	case "group_names_before":
		e.GroupNamesBefore = r.list()
	case "groups":
		e.Groups = r.present(r.text())
	case "id":
		e.ID = r.required(r.text())
	case "implausible":
		e.Implausible = r.flag()
	case "key":
		e.Key = r.required(r.text())
	case "last_record":
		e.LastRecord = r.nonzero(r.integer())
	case "outcome":
		e.Outcome = r.required(r.text())
	case "policy":
		e.Policy = r.present(r.text())
	case "purpose":
		e.Purpose = r.present(r.text())
	case "query":
		e.Query = r.present(r.text())
	case "records":
		e.Records = r.nonzero(r.integer())
	case "reason":
		e.Reason = r.present(r.text())
	case "request_id":
		e.RequestID = r.required(r.text())
	case "root":
		e.Root = r.present(r.text())
	case "seconds":
		e.Seconds = new(r.float())
	case "session":
		e.Session = r.required(r.text())
	case "signed_in":
		e.SignedIn = new(r.time())
	case "size":
		e.Size = new(r.integer())
	case "source_ip":
		e.SourceIP = r.required(r.text())
	case "terminal_ip":
		e.TerminalIP = r.present(r.text())
	case "time":
		r.members++
		e.Time = r.time()
	case "until":
		e.Until = new(r.time())
	case "user":
		r.members++
		r.object(func(name string) { r.user(&e.User, name) })
	case "user_agent":
		e.UserAgent = r.required(r.text())
	case "verified":
		e.Verified = r.present(r.text())
	case "version":
		e.Version = r.present(r.text())
	case "way":
		e.Way = r.present(r.text())
	default:
		r.failed = true
	}
}

func (r *reader) user(u *User, name string) {
	switch name {
	case "email":
		u.Email = r.present(r.text())
	case "sub":
		u.Sub = r.required(r.text())
	case "username":
		u.Username = r.required(r.text())
	default:
		r.failed = true
	}
}

// object parses members up to the closing brace. value parses the value of one
// member.
func (r *reader) object(value func(name string)) {
	before := ""
	for next := byte('{'); !r.failed && r.take(next); next = ',' {
		name := r.name()
		r.odd = r.odd || name <= before // Canonical writes the names in order
		before = name
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

// name parses the name of a member.
func (r *reader) name() string {
	if r.take('"') {
		for i := range len(r.rest) {
			switch r.rest[i] {
			case '"':
				s := r.rest[:i]
				r.rest = r.rest[i+1:]
				return s
			case '\\':
				return r.escaped()
			}
		}
	}
	r.failed = true
	return ""
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
	end := strings.IndexByte(r.rest, '"')
	if end < 0 {
		r.failed = true
		return ""
	}
	s := r.rest[:end]
	if strings.IndexByte(s, '\\') >= 0 {
		return r.escaped()
	}
	r.rest = r.rest[end+1:] // the usual case
	return s
}

// escaped parses the rest of a string with escapes.
func (r *reader) escaped() string {
	var b strings.Builder
	b.Grow(min(len(r.rest), 64)) // the length of an ETag, the usual text with an escape
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
				r.odd = true
				n, err := strconv.ParseUint(r.rest[i+1:i+5], 16, 8)
				r.failed = r.failed || err != nil
				b.WriteByte(byte(n)) // a control character; Parse refuses any other
				i += 4
			} else if at := strings.IndexByte("btnfr", r.rest[i]); at >= 0 {
				b.WriteByte("\b\t\n\f\r"[at])
			} else {
				r.odd = r.odd || r.rest[i] != '"' && r.rest[i] != '\\'
				b.WriteByte(r.rest[i])
			}
		default:
			r.odd = r.odd || c < 0x20
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
	text := r.number()
	n, err := strconv.ParseInt(text, 10, 64)
	r.failed = r.failed || err != nil
	// One form of each number: no plus, no leading zero, no -0.
	digits := strings.TrimPrefix(text, "-")
	r.odd = r.odd || digits == "" || digits[0] == '+' || digits[0] == '0' && text != "0"
	return n
}

func (r *reader) float() float64 {
	text := r.number()
	f, err := strconv.ParseFloat(text, 64)
	r.failed = r.failed || err != nil
	r.odd = r.odd || f == 0 || math.IsNaN(f) || math.IsInf(f, 0) || string(appendFloat(r.scratch[:0], f)) != text
	return f
}

func (r *reader) time() time.Time {
	text := r.text()
	if t, ok := usualTime(text); ok {
		return t
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	r.failed = r.failed || err != nil
	t = t.UTC().Truncate(time.Millisecond)
	r.odd = r.odd || string(t.AppendFormat(r.scratch[:0], time.RFC3339Nano)) != text
	return t
}

// usualTime parses the usual form of an instant: UTC with at most three decimals, the last
// one not 0. It returns false for any other text.
func usualTime(text string) (time.Time, bool) {
	const whole = len("2006-01-02T15:04:05")
	if len(text) < whole+1 || text[len(text)-1] != 'Z' || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' {
		return time.Time{}, false
	}
	ok := true
	number := func(digits string) (n int) {
		for i := range len(digits) {
			ok = ok && digits[i] >= '0' && digits[i] <= '9'
			n = 10*n + int(digits[i]-'0')
		}
		return n
	}
	year, month, day := number(text[:4]), number(text[5:7]), number(text[8:10])
	hour, minute, second := number(text[11:13]), number(text[14:16]), number(text[17:whole])
	ms := 0
	if fraction := text[whole : len(text)-1]; fraction != "" {
		digits := fraction[1:]
		if fraction[0] != '.' || len(digits) == 0 || len(digits) > 3 || digits[len(digits)-1] == '0' {
			return time.Time{}, false
		}
		ms = number(digits) * [...]int{100, 10, 1}[len(digits)-1]
	}
	if !ok || month < 1 || month > 12 || day < 1 || day > 28 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false // a day at the end of a month is one for time.Parse
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, ms*1_000_000, time.UTC), true
}
