package name

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Marks in local names.
const (
	ClashMark = "%~"      // ends the name of an object whose plain name is taken
	PartMark  = ".usher-" // begins the names of part files; no object may have one

	emptyMark    = "%-"
	continueMark = "%+"
	maxBytes     = 240 // file systems accept 255; the rest is room for marks and " (1)"
)

// Form is the set of characters of a local name.
type Form int

// The forms.
const (
	Unix     Form = iota // accepted by the file systems of Unix
	Portable             // accepted by the file systems of every system
	Strict               // Portable, and distinct where only case or Unicode form differs
)

// Native returns the form of this machine.
func Native() Form {
	if runtime.GOOS == "windows" {
		return Portable
	}
	return Unix
}

// Local maps a key, or the rest of a key below a prefix, to a relative local
// path with "/" between its parts, in the form of this machine.
func Local(key string) string { return In(Native(), key) }

// In is Local in a given form.
func In(form Form, key string) string {
	segments := strings.Split(key, "/")
	for i, s := range segments {
		segments[i] = split(escapeSegment(s, form))
	}
	return strings.Join(segments, "/")
}

// KeyOf returns the key of a path that Local or In returned, in any form.
func KeyOf(path string) (string, error) {
	var key, segment strings.Builder
	open := false
	for i, part := range strings.Split(path, "/") {
		if i > 0 && !open {
			key.WriteByte('/')
		}
		part = strings.TrimSuffix(part, ClashMark)
		if open {
			rest, ok := strings.CutPrefix(part, continueMark)
			if !ok {
				return "", errors.New("reading a local name: a long name breaks off")
			}
			part = rest
		}
		part, open = strings.CutSuffix(part, continueMark)
		segment.WriteString(part)
		if open {
			continue
		}
		s, err := unescapeSegment(segment.String())
		if err != nil {
			return "", err
		}
		segment.Reset()
		key.WriteString(s)
	}
	if open {
		return "", errors.New("reading a local name: a long name breaks off")
	}
	return key.String(), nil
}

// escapeSegment escapes one segment. The strict form also escapes capitals, the
// first letter and everything outside ASCII.
func escapeSegment(s string, form Form) string {
	switch s {
	case "":
		return emptyMark
	case ".":
		return "%2E"
	case "..":
		return "%2E%2E"
	}
	var b strings.Builder
	seenLetter := false
	portable := form != Unix
	first := portable && (reserved(s) || s[0] == '~') || HasFoldPrefix(s, PartMark)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		last := i+n == len(s)
		esc := i == 0 && first || portable && (last && (r == '.' || r == ' ') || unportable(r)) || forbidden(r, n) || percentMark(s[i:])
		if form == Strict && !esc {
			letter := r < utf8.RuneSelf && unicode.IsLetter(r)
			esc = r >= utf8.RuneSelf || unicode.IsUpper(r) || letter && !seenLetter
			seenLetter = seenLetter || letter
		}
		if esc {
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// unportable reports characters that some file systems refuse, and spaces that
// look like the plain one.
func unportable(r rune) bool {
	return strings.ContainsRune(`\:*?"<>|`, r) || r != ' ' && unicode.Is(unicode.Zs, r)
}

// forbidden reports characters that no local name holds. IsPrint is false for
// control and format characters (bidi, zero width) and for all spaces but one.
// Spaces with a width are harmless.
func forbidden(r rune, size int) bool {
	switch {
	case r == utf8.RuneError && size == 1: // an invalid byte
		return true
	case !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r):
		return true
	case unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), r == 0x2800: // printable, and blank
		return true
	case unicode.Is(unicode.Variation_Selector, r):
		return true
	}
	return false
}

// percentMark reports whether s begins with a "%" that could be read as an escape.
func percentMark(s string) bool {
	if s[0] != '%' || len(s) < 2 {
		return false
	}
	return strings.IndexByte("-+~", s[1]) >= 0 || len(s) > 2 && isHex(s[1]) && isHex(s[2])
}

// reserved reports whether the name is a device of Windows, with or without an
// extension (Microsoft, "Naming Files, Paths, and Namespaces").
func reserved(s string) bool {
	base, _, _ := strings.Cut(s, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	for _, device := range []string{"COM", "LPT"} {
		if n, ok := strings.CutPrefix(base, device); ok && utf8.RuneCountInString(n) == 1 && strings.Contains("0123456789¹²³", n) {
			return true
		}
	}
	return false
}

// HasFoldPrefix reports whether s begins with prefix, in any case.
func HasFoldPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// split breaks an escaped segment that is too long, at the border of a character
// and of an escape.
func split(s string) string {
	if len(s) <= maxBytes {
		return s
	}
	var b strings.Builder
	for len(s) > maxBytes-2*len(continueMark) {
		at := maxBytes - 2*len(continueMark)
		for !utf8.RuneStart(s[at]) || s[at-1] == '%' || at > 1 && s[at-2] == '%' {
			at--
		}
		b.WriteString(s[:at] + continueMark + "/" + continueMark)
		s = s[at:]
	}
	b.WriteString(s)
	return b.String()
}

func unescapeSegment(s string) (string, error) {
	if s == emptyMark {
		return "", nil
	}
	if s == "" {
		return "", errors.New("reading a local name: a name is empty")
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String(), nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}

// Fold returns the same text for all names that a case-insensitive file system
// may take for one name.
func Fold(name string) string { return strings.ToLower(strings.ToUpper(name)) }

// Composed reports whether a name holds characters that some file systems (APFS,
// HFS+) store in another form: combining marks and compatibility characters. Such
// a system needs the strict form.
func Composed(name string) bool {
	for _, r := range name {
		switch {
		case r < 0x300:
		case unicode.Is(unicode.Mn, r), r >= 0x1100 && r <= 0x11ff, r >= 0x2000 && r <= 0x2001,
			r == 0x2126, r == 0x212a, r == 0x212b, r >= 0xf900 && r <= 0xfaff, r >= 0x2f800 && r <= 0x2fa1f:
			return true
		}
	}
	return false
}
