package file

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"usher/backend/grant"
)

// Print returns a grants file with one line for each grant, in the given order.
// Parse returns the same grants.
func Print(grants []grant.Grant) []byte {
	if len(grants) == 0 {
		return []byte("grants: []\n")
	}
	var b strings.Builder
	b.WriteString("grants:\n")
	for _, g := range grants {
		b.WriteString("  - {group: " + scalar(g.Group) + ", bucket: " + scalar(g.Bucket))
		if g.Object != "" {
			b.WriteString(", object: " + scalar(g.Object))
		} else {
			b.WriteString(", prefix: " + scalar(g.Prefix))
		}
		if g.Effect == grant.Deny {
			b.WriteString(", effect: deny")
		}
		if !g.NotBefore.IsZero() {
			b.WriteString(", not_before: " + g.NotBefore.UTC().Format(time.RFC3339Nano))
		}
		if !g.Expires.IsZero() {
			b.WriteString(", expires: " + g.Expires.UTC().Format(time.RFC3339Nano))
		}
		if g.Reason != "" {
			b.WriteString(", reason: " + scalar(g.Reason))
		}
		b.WriteString("}\n")
	}
	return []byte(b.String())
}

var (
	plainText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]*$`)
	otherWord = regexp.MustCompile(`^(?i:true|false|null|yes|no|on|off|y|n|nan|inf)$`) // other types for some YAML parsers
)

// scalar returns unambiguous text unquoted, and other text in double quotes with
// escapes for characters that are not printable.
func scalar(s string) string {
	if plainText.MatchString(s) && !otherWord.MatchString(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
