package event

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// MaxUserAgent is the maximum size of a recorded User-Agent, in bytes.
const MaxUserAgent = 256

// Clean returns e in recordable form. Time is in UTC and truncated to
// milliseconds, each byte that is not UTF-8 is U+FFFD, the user agent has at most
// MaxUserAgent bytes, and numbers without a JSON form are dropped. The result
// shares no memory with e: later changes of e do not change it.
func Clean(e Event) Event {
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
	for _, s := range []*string{
		&e.ID, &e.User.Sub, &e.User.Username, &e.User.Email, &e.Session, &e.Action, &e.Purpose,
		&e.Bucket, &e.Key, &e.Version, &e.ETag, &e.Outcome, &e.Reason, &e.Query, &e.Grant, &e.Continues,
		&e.Policy, &e.Groups, &e.EntriesHash, &e.EntriesFirst, &e.EntriesLast, &e.Way, &e.Root,
		&e.Verified, &e.GrantsVersion, &e.GrantsBefore, &e.TerminalIP, &e.BrowserIP, &e.ClaimedHost, &e.SourceIP, &e.UserAgent, &e.RequestID,
	} {
		*s = valid(*s)
	}
	for _, list := range []*[]string{&e.GroupNames, &e.GroupNamesBefore, &e.GrantsDiff} {
		*list = validAll(*list)
	}
	if len(e.UserAgent) > MaxUserAgent { // after the replacement, which lengthens the text
		cut := MaxUserAgent
		for !utf8.RuneStart(e.UserAgent[cut]) {
			cut--
		}
		e.UserAgent = e.UserAgent[:cut]
	}
	e.SignedIn, e.From, e.Until = instantOf(e.SignedIn), instantOf(e.From), instantOf(e.Until)
	e.Size, e.Bytes = copied(e.Size), copied(e.Bytes)
	e.Seconds = copied(e.Seconds)
	if e.Seconds != nil {
		switch s := *e.Seconds; {
		case math.IsNaN(s) || math.IsInf(s, 0):
			e.Seconds = nil
		case s == 0:
			*e.Seconds = 0 // JSON has one zero
		}
	}
	return e
}

func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// validAll returns a copy of a list, or nil for an empty one.
func validAll(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = valid(s)
	}
	return all
}

// instantOf returns a copy of t in UTC, truncated to milliseconds.
func instantOf(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC().Truncate(time.Millisecond)
	return &u
}

func copied[T int64 | float64](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// Canonical returns the bytes of e that the chain hashes: e's JSON in the form of
// RFC 8785. Keys are sorted, without white space; only `"`, `\` and control
// characters are escaped; numbers have the form of ECMAScript; empty optional
// fields are absent. Any RFC 8785 library makes the same bytes from an exported
// event. Canonical applies Clean first.
func Canonical(e Event) []byte {
	e = Clean(e)
	b := writer{buf: make([]byte, 0, 768)} // a download has about 550 bytes
	b.buf = append(b.buf, '{')
	b.text("action", e.Action)
	b.number("bound", int64(e.Bound))
	b.optional("browser_ip", e.BrowserIP)
	b.text("bucket", e.Bucket)
	b.integer("bytes", e.Bytes)
	b.optional("claimed_host", e.ClaimedHost)
	b.optional("continues", e.Continues)
	b.number("count", int64(e.Count))
	b.number("entries", int64(e.Entries))
	b.optional("entries_first", e.EntriesFirst)
	b.optional("entries_hash", e.EntriesHash)
	b.optional("entries_last", e.EntriesLast)
	b.optional("etag", e.ETag)
	b.number("first_record", e.FirstRecord)
	b.instant("from", e.From)
	b.optional("grant", e.Grant)
	b.number("grants_added", int64(e.GrantsAdded))
	b.optional("grants_before", e.GrantsBefore)
	b.list("grants_diff", e.GrantsDiff)
	b.number("grants_removed", int64(e.GrantsRemoved))
	b.optional("grants_version", e.GrantsVersion)
	b.list("group_names", e.GroupNames)
	b.list("group_names_before", e.GroupNamesBefore)
	b.optional("groups", e.Groups)
	b.text("id", e.ID)
	b.flag("implausible", e.Implausible)
	b.text("key", e.Key)
	b.number("last_record", e.LastRecord)
	b.text("outcome", e.Outcome)
	b.optional("policy", e.Policy)
	b.optional("purpose", e.Purpose)
	b.optional("query", e.Query)
	b.optional("reason", e.Reason)
	b.number("records", e.Records)
	b.text("request_id", e.RequestID)
	b.optional("root", e.Root)
	if e.Seconds != nil {
		b.name("seconds")
		b.buf = appendFloat(b.buf, *e.Seconds)
	}
	b.text("session", e.Session)
	b.instant("signed_in", e.SignedIn)
	b.integer("size", e.Size)
	b.text("source_ip", e.SourceIP)
	b.optional("terminal_ip", e.TerminalIP)
	b.instant("time", &e.Time)
	b.instant("until", e.Until)
	b.name("user")
	b.buf = append(b.buf, '{')
	b.optional("email", e.User.Email)
	b.text("sub", e.User.Sub)
	b.text("username", e.User.Username)
	b.buf = append(b.buf, '}')
	b.text("user_agent", e.UserAgent)
	b.optional("verified", e.Verified)
	b.optional("version", e.Version)
	b.optional("way", e.Way)
	return append(b.buf, '}')
}

// writer appends members of a JSON object.
type writer struct{ buf []byte }

func (w *writer) name(n string) {
	if w.buf[len(w.buf)-1] != '{' {
		w.buf = append(w.buf, ',')
	}
	w.buf = append(w.buf, '"')
	w.buf = append(w.buf, n...)
	w.buf = append(w.buf, '"', ':')
}

func (w *writer) text(n, v string) {
	w.name(n)
	w.buf = appendString(w.buf, v)
}

func (w *writer) optional(n, v string) {
	if v != "" {
		w.text(n, v)
	}
}

func (w *writer) flag(n string, v bool) {
	if v {
		w.name(n)
		w.buf = append(w.buf, "true"...)
	}
}

func (w *writer) instant(n string, t *time.Time) {
	if t != nil {
		w.name(n)
		w.buf = append(w.buf, '"')
		w.buf = t.AppendFormat(w.buf, time.RFC3339Nano)
		w.buf = append(w.buf, '"')
	}
}

func (w *writer) list(n string, all []string) {
	if len(all) == 0 {
		return
	}
	w.name(n)
	for i, s := range all {
		w.buf = append(w.buf, "[,"[min(i, 1)])
		w.buf = appendString(w.buf, s)
	}
	w.buf = append(w.buf, ']')
}

func (w *writer) number(n string, v int64) {
	if v != 0 {
		w.name(n)
		w.buf = strconv.AppendInt(w.buf, v, 10)
	}
}

func (w *writer) integer(n string, v *int64) {
	if v != nil {
		w.name(n)
		w.buf = strconv.AppendInt(w.buf, *v, 10)
	}
}

// appendString appends valid UTF-8 as a JSON string.
// SPEC: RFC 8785 §3.2.2.2: JSON's short escapes, lowercase \u00xx for the other
// control characters, all other characters unchanged.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= 0x20:
			b = append(b, c)
		case c == '\b':
			b = append(b, '\\', 'b')
		case c == '\t':
			b = append(b, '\\', 't')
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\f':
			b = append(b, '\\', 'f')
		case c == '\r':
			b = append(b, '\\', 'r')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(b, '"')
}

// appendFloat appends a finite number.
// SPEC: RFC 8785 §3.2.2.3: the shortest digits that parse to the same number, with
// an exponent below 1e-6 and from 1e21, as in ECMAScript.
func appendFloat(b []byte, f float64) []byte {
	if abs := math.Abs(f); abs == 0 || abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	if n := len(b); n >= 4 && b[n-4] == 'e' && b[n-2] == '0' { // e-09 becomes e-9
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}
