package sqlite

import (
	"net/netip"

	"github.com/oklog/ulid/v2"

	"usher/backend/event"
)

// The index stores ids, sessions and addresses in their binary form, which is half
// as long. A text of another form stays a text: SQLite never finds a text equal to
// a BLOB, so no two values have one key.

// idKey returns the key of the id of an event or a request: the 16 bytes of a ULID.
// Their order is the order of the text.
func idKey(text string) any {
	if u, err := ulid.ParseStrict(text); err == nil && u.String() == text {
		return u[:]
	}
	return text
}

// sessionKey returns the key of a session's name.
func sessionKey(text string) any {
	if raw, ok := event.SessionBytes(text); ok {
		return raw
	}
	return text
}

// ipKey returns the key of an address: its 4 or 16 bytes.
func ipKey(text string) any {
	if a, err := netip.ParseAddr(text); err == nil && a.String() == text && a.Zone() == "" && !a.Is4In6() {
		return a.AsSlice()
	}
	return text
}

// plain returns the bytes of a key, as a query returns them.
func plain(key any) string {
	if raw, ok := key.([]byte); ok {
		return string(raw)
	}
	text, _ := key.(string)
	return text
}
