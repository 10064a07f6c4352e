package backend

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// unicodeText reports whether JSON is valid UTF-8 without escapes of half a
// surrogate pair. Go's decoders read both as U+FFFD: a request for one object
// would become a request for another.
// SPEC: RFC 8259 §8.1 and §8.2.
func unicodeText(body []byte) bool {
	if !utf8.Valid(body) {
		return false
	}
	for {
		i := bytes.IndexByte(body, '\\')
		if i < 0 || i+1 >= len(body) {
			return true
		}
		if body[i+1] != 'u' {
			body = body[i+2:]
			continue
		}
		first, ok := escape(body[i:])
		if !ok {
			return true // not JSON; the decoder refuses it
		}
		body = body[i+6:]
		if !utf16.IsSurrogate(first) {
			continue
		}
		second, ok := escape(body)
		if !ok || utf16.DecodeRune(first, second) == utf8.RuneError {
			return false
		}
		body = body[6:]
	}
}

// escape parses \uXXXX at the start of b.
func escape(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(n), err == nil
}
