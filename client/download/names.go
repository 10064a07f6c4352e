package download

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Object keys are hostile input. LocalName makes of any key a relative path
// that reads back: KeyOf gives the key again, so two keys never share a name.
// Most keys come out unchanged.
//
//   - A byte that must not stand in a name becomes %XX. In every form these are
//     control and invisible characters and invalid UTF-8, which harm a terminal
//     or a reader, and the names "." and "..". The portable form, which every
//     system takes, adds \ : * ? " < > |, odd spaces, a dot or space at the end,
//     a "~" at the start, and the first letter of CON, NUL, COM1 and the like.
//   - A "%" that could be taken for one of ours becomes %25.
//   - An empty segment becomes "%-".
//   - A segment over 240 bytes goes on in a folder: "aaa%+/%+bbb".
//   - "%~" at the end is a name that would stand where a folder, or a file of
//     the same name, already is.
const (
	emptyMark = "%-"
	goesOn    = "%+"
	clashMark = "%~"
	maxName   = 240       // bytes; 255 is what file systems take, less room for marks and " (1)"
	partMark  = ".usher-" // begins the names of part files; no object may have one
)

// nameForm says which characters a local name may hold.
type nameForm int

const (
	localForm    nameForm = iota // what the file systems of this machine take
	portableForm                 // what those of every machine take
	strictForm                   // the same, and tells apart what differs in case or Unicode form alone
)

// LocalName maps a key, or the rest of one below a prefix, to a relative
// local path with "/" between its parts, in the form of this machine.
func LocalName(key string) string {
	if runtime.GOOS == "windows" {
		return localName(key, portableForm)
	}
	return localName(key, localForm)
}

func localName(key string, form nameForm) string {
	segments := strings.Split(key, "/")
	for i, s := range segments {
		segments[i] = split(escapeSegment(s, form))
	}
	return strings.Join(segments, "/")
}

// KeyOf gives the key that LocalName made path from.
func KeyOf(path string) (string, error) {
	var key, segment strings.Builder
	open := false
	for i, part := range strings.Split(path, "/") {
		if i > 0 && !open {
			key.WriteByte('/')
		}
		part = strings.TrimSuffix(part, clashMark)
		if open {
			rest, ok := strings.CutPrefix(part, goesOn)
			if !ok {
				return "", errors.New("reading a local name: a long name breaks off")
			}
			part = rest
		}
		part, open = strings.CutSuffix(part, goesOn)
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

// escapeSegment makes one segment safe. The strict form escapes capitals, the
// first letter and everything outside ASCII.
func escapeSegment(s string, form nameForm) string {
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
	portable := form != localForm
	first := portable && (reserved(s) || s[0] == '~') || hasFoldPrefix(s, partMark)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		last := i+n == len(s)
		esc := i == 0 && first || portable && (last && (r == '.' || r == ' ') || unportable(r)) || forbidden(r, n) || percentMark(s[i:])
		if form == strictForm && !esc {
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

// unportable reports characters that some file systems do not take, and spaces
// that look like the plain one.
func unportable(r rune) bool {
	return strings.ContainsRune(`\:*?"<>|`, r) || r != ' ' && unicode.Is(unicode.Zs, r)
}

// forbidden reports characters that no local name holds. IsPrint is false for
// control and format characters (bidi, zero width) and for all spaces but one;
// spaces that have a width harm nobody.
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

// percentMark tells whether s begins with a "%" that would read as ours.
func percentMark(s string) bool {
	if s[0] != '%' || len(s) < 2 {
		return false
	}
	return strings.IndexByte("-+~", s[1]) >= 0 || len(s) > 2 && isHex(s[1]) && isHex(s[2])
}

// reserved tells whether Windows takes the name for a device, with or without
// an extension (Microsoft, "Naming Files, Paths, and Namespaces").
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

func hasFoldPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// split breaks an escaped segment that is too long, never inside a character
// or an escape.
func split(s string) string {
	if len(s) <= maxName {
		return s
	}
	var b strings.Builder
	for len(s) > maxName-2*len(goesOn) {
		at := maxName - 2*len(goesOn)
		for !utf8.RuneStart(s[at]) || s[at-1] == '%' || at > 1 && s[at-2] == '%' {
			at--
		}
		b.WriteString(s[:at] + goesOn + "/" + goesOn)
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

// foldName maps names that a case-insensitive file system may take for one to
// the same text.
func foldName(name string) string { return strings.ToLower(strings.ToUpper(name)) }

// composed tells whether a name holds characters that some file systems
// (APFS, HFS+) store in another form: combining marks and compatibility
// characters. On such a system the strict form is used.
func composed(name string) bool {
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
