package event

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"usher/backend/api/shape"
)

// Purposes of a release.
const (
	PurposeDownload = "download"
	PurposePreview  = "preview"
	PurposeLink     = "link"
)

func purposes() []string { return []string{PurposeDownload, PurposePreview, PurposeLink} }

// isPattern reports whether a value is a pattern.
func isPattern(value string) bool { return strings.Contains(value, "*") }

// prefixOrPattern reports whether a text has a prefix or matches a pattern.
func prefixOrPattern(value, text string) bool {
	if isPattern(value) {
		return pattern(value, text)
	}
	return strings.HasPrefix(text, value)
}

// pattern reports whether the whole text matches a pattern, in which * is any
// text. Its time is at most the product of both lengths.
func pattern(p, text string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(text) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && p[i] == text[j]:
			i++
			j++
		case star >= 0: // the star takes one more byte
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(p[i:], "*") == ""
}

// grantGroup returns the group of a grant's line: its second word.
func grantGroup(grant string) string {
	_, rest, _ := strings.Cut(grant, " ")
	group, _, _ := strings.Cut(rest, " ")
	return group
}

// canonicalAddress returns the form of an address that the server records, or of
// a network without the bits of its hosts.
func canonicalAddress(v string) (string, bool) {
	if strings.Contains(v, "/") {
		network, err := netip.ParsePrefix(v)
		return plainNetwork(network).String(), err == nil
	}
	addr, err := netip.ParseAddr(v)
	return addr.Unmap().String(), err == nil && addr.Zone() == ""
}

// plainNetwork returns a network of IPv4-mapped addresses (RFC 4291, 2.5.5.2) as one of
// IPv4, which the addresses of events are.
func plainNetwork(n netip.Prefix) netip.Prefix {
	const mapped = 96 // bits before an IPv4 address
	if n.Addr().Is4In6() && n.Bits() >= mapped {
		n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-mapped)
	}
	return n.Masked()
}

// sameAddress reports whether an address is the value's, or in its network.
func sameAddress(value, address string) bool {
	if !strings.Contains(value, "/") {
		return value == address
	}
	network, err := netip.ParsePrefix(value)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(address)
	return err == nil && network.Contains(addr.Unmap())
}

// canonicalSize returns a comparison with a number of bytes: >, <, >=, <= or
// nothing, and the number.
func canonicalSize(v string) (string, bool) {
	operator, number := splitSize(v)
	n, ok := shape.Bytes(number)
	if !ok || strings.ContainsAny(number, "eE+") || n > 1<<53 || n != math.Trunc(n) {
		return "", false
	}
	return operator + strconv.FormatInt(int64(n), 10), true
}

func splitSize(v string) (operator, number string) {
	number = strings.TrimLeft(v, "<>=")
	operator = strings.TrimSuffix(v, number)
	switch operator {
	case "=":
		operator = ""
	case "", "<", ">", "<=", ">=":
	default:
		return "", "x" // no number
	}
	return operator, number
}

func sizeHolds(value string, size int64) bool {
	operator, number := splitSize(value)
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return false
	}
	switch operator {
	case "<":
		return size < n
	case "<=":
		return size <= n
	case ">":
		return size > n
	case ">=":
		return size >= n
	}
	return size == n
}

// canonicalHours returns two hours, 00 to 24, in two digits each.
func canonicalHours(v string) (string, bool) {
	text, zone := zoned(v)
	from, until, ok := hours(text)
	if _, seconds := (time.Time{}).In(zone).Zone(); seconds != 0 && ok {
		shift := seconds / 3600
		ok = seconds%3600 == 0 // an hour of UTC is tested, not a minute
		if until-from != 24 {
			from, until = (from-shift+48)%24, (until-shift+47)%24+1
		}
	}
	return fmt.Sprintf("%02d-%02d", from, until), ok
}

func hours(v string) (from, until int, ok bool) {
	first, last, ok := strings.Cut(v, "-")
	a, err1 := strconv.ParseUint(first, 10, 8)
	b, err2 := strconv.ParseUint(last, 10, 8)
	return int(a), int(b), ok && err1 == nil && err2 == nil && a < 24 && b <= 24 && a != b && len(first) <= 2 && len(last) <= 2
}

// hoursHold reports whether an instant is in the hours. They may pass midnight.
func hoursHold(value string, at time.Time) bool {
	from, until, ok := hours(value)
	h := at.UTC().Hour()
	if from < until {
		return ok && h >= from && h < until
	}
	return ok && (h >= from || h < until)
}

// parseTime parses a day, a month, a quarter, a year, an instant or an age. With
// until, the time is the end of the named day, month, quarter or year.
func parseTime(v string, until bool, now time.Time) (time.Time, bool) {
	const maxAge = 200 * 365 * 24 * time.Hour // below the maximum of a Duration
	now = now.UTC()
	units := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	if unit, ok := units[v[len(v)-1]]; ok {
		if n, err := strconv.ParseUint(v[:len(v)-1], 10, 32); err == nil {
			return now.Add(-time.Duration(n) * unit).Truncate(time.Millisecond), n <= uint64(maxAge/unit)
		}
	}
	if from, end, ok := calendar(v, now); ok {
		if until {
			from = end
		}
		return from, from.Year() >= 0 && from.Year() <= 9999
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04:05Z07:00"} {
		if at, err := time.Parse(layout, v); err == nil {
			at = at.UTC().Truncate(time.Millisecond)
			return at, at.Year() >= 0 && at.Year() <= 9999
		}
	}
	return time.Time{}, false
}

// calendar returns the first instant of a day, month, quarter or year, and of the
// next one. They are those of UTC, or of the zone that follows: 2026-10+01:00.
func calendar(v string, now time.Time) (from, end time.Time, ok bool) {
	day, utc := strings.CutSuffix(v, "Z")
	zone := time.UTC
	if utc && len(day) == len(time.DateOnly) {
		v = day
	} else {
		v, zone = zoned(v)
	}
	from, end, ok = period(v, now.In(zone), zone)
	return from.UTC(), end.UTC(), ok
}

// zoned splits a value from the zone that follows it; without one it is UTC.
func zoned(v string) (string, *time.Location) {
	if at := len(v) - len("+01:00"); at > 0 && (v[at] == '+' || v[at] == '-') {
		if offset, err := time.Parse("-07:00", v[at:]); err == nil {
			_, seconds := offset.Zone()
			return v[:at], time.FixedZone("", seconds)
		}
	}
	return v, time.UTC
}

// period returns the bounds of a named part of the calendar in a zone.
func period(v string, now time.Time, zone *time.Location) (from, end time.Time, ok bool) {
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone)
	switch v {
	case "today":
		return today, today.AddDate(0, 0, 1), true
	case "yesterday":
		return today.AddDate(0, 0, -1), today, true
	}
	for layout, days := range map[string][3]int{time.DateOnly: {0, 0, 1}, "2006-01": {0, 1, 0}, "2006": {1, 0, 0}} {
		if at, err := time.ParseInLocation(layout, v, zone); err == nil {
			return at, at.AddDate(days[0], days[1], days[2]), true
		}
	}
	if year, quarter, found := strings.Cut(v, "-Q"); found && len(quarter) == 1 && quarter >= "1" && quarter <= "4" {
		if at, err := time.ParseInLocation("2006", year, zone); err == nil {
			at = at.AddDate(0, 3*int(quarter[0]-'1'), 0)
			return at, at.AddDate(0, 3, 0), true
		}
	}
	return from, end, false
}

// Split returns the part of a filter that a store can answer from columns of
// equal values, prefixes and times, and the rest. An event matches the filter if it
// matches both. Alternatives of one field stay together.
func (f Filter) Split() (indexed, rest Filter) {
	apart := map[Field]bool{} // fields with an alternative that no column has
	for _, t := range f.Terms {
		if !t.Not && !t.column() {
			apart[t.Field] = true
		}
	}
	for _, t := range f.Terms {
		if t.Not && t.column() || !t.Not && !apart[t.Field] {
			indexed.Terms = append(indexed.Terms, t)
		} else {
			rest.Terms = append(rest.Terms, t)
		}
	}
	return indexed, rest
}

// column reports whether the term is an equality, a prefix or a time.
func (t Term) column() bool {
	switch t.Field {
	case ByTouched, ByGroup, ByGrant, ByPurpose, ByAgent, BySize, ByHours:
		return false
	case ByIP:
		return !strings.Contains(t.Value, "/")
	case ByPath:
		return t.Exact || !isPattern(t.Value)
	}
	return true
}
