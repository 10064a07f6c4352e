package event

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
)

// HashNames returns the hash of names in their order: the first 16 bytes of the
// SHA-256 of each name with its length ("5:annual,"), in base64url. An event has it
// in place of the names of a listing, which can be a thousand.
func HashNames(names []string) string {
	h := sha256.New()
	var b []byte
	for _, n := range names {
		b = append(strconv.AppendInt(b[:0], int64(len(n)), 10), ':')
		b = append(append(b, n...), ',')
		h.Write(b)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

// HashGroups returns HashNames of the sorted groups of a person. The names are in
// the events session-start and membership-changed.
func HashGroups(names []string) string { return HashNames(SortedGroups(names)) }

// SortedGroups returns groups in the order of HashGroups, each once.
func SortedGroups(names []string) []string {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}
