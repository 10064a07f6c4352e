package s3

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// target is the parsed request line. Parsing neither cleans nor normalizes its
// bytes.
type target struct {
	path   string // decoded
	bucket string
	key    string // exact bytes; "" for the bucket itself
	query  params
}

type param struct{ name, value string }

// params preserves the order and the duplicates of a query string, because a
// signature covers them all.
type params []param

func (p params) get(name string) string {
	for _, q := range p {
		if q.name == name {
			return q.value
		}
	}
	return ""
}

func (p params) has(name string) bool {
	return slices.ContainsFunc(p, func(q param) bool { return q.name == name })
}

func (p params) count(name string) (n int) {
	for _, q := range p {
		if q.name == name {
			n++
		}
	}
	return n
}

// parseTarget parses r.RequestURI, which net/http does not change. A mux or a
// proxy may have changed r.URL.Path.
func parseTarget(r *http.Request) (target, error) {
	bad := fail("InvalidURI", "Couldn't parse the specified URI.")
	raw := r.RequestURI
	if !strings.HasPrefix(raw, "/") { // absolute form, "*", or CONNECT's authority
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" {
			return target{}, bad
		}
		_, after, _ := strings.Cut(raw, "//")
		i := strings.IndexAny(after, "/?")
		if i < 0 {
			raw = "/"
		} else if raw = after[i:]; raw[0] == '?' {
			raw = "/" + raw
		}
	}
	rawPath, rawQuery, _ := strings.Cut(raw, "?")
	path, ok := percentDecode(rawPath, false)
	if !ok {
		return target{}, bad
	}
	query, ok := parseQuery(rawQuery)
	if !ok {
		return target{}, bad
	}
	t := target{path: path, query: query}
	t.bucket, t.key, _ = strings.Cut(path[1:], "/")
	return t, nil
}

func parseQuery(raw string) (params, bool) {
	var p params
	for len(raw) > 0 {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, ok1 := percentDecode(name, true)
		v, ok2 := percentDecode(value, true)
		if !ok1 || !ok2 {
			return nil, false
		}
		p = append(p, param{n, v})
	}
	return p, true
}

// percentDecode decodes %XX and, in a query, "+". The second result is false for
// an invalid escape.
func percentDecode(s string, plus bool) (string, bool) {
	if !strings.ContainsAny(s, "%+") {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%':
			if i+2 >= len(s) {
				return "", false
			}
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi < 0 || lo < 0 {
				return "", false
			}
			b = append(b, byte(hi<<4|lo))
			i += 2
		case c == '+' && plus:
			b = append(b, ' ')
		default:
			b = append(b, c)
		}
	}
	return string(b), true
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

const upperHex = "0123456789ABCDEF"

// uriEncode is SigV4's UriEncode. It encodes everything except unreserved
// characters and, in a path, "/".
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
func uriEncode(b []byte, s string, keepSlash bool) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c == '-' || c == '.' || c == '_' || c == '~' || c == '/' && keepSlash {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

// listEncode is the encoding of encoding-type=url, which is that of HTML forms: a
// space becomes "+", and "/" stays.
func listEncode(s string) string {
	b := make([]byte, 0, len(s)+8)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c == '-' || c == '.' || c == '_' || c == '*' || c == '/':
			b = append(b, c)
		case c == ' ':
			b = append(b, '+')
		default:
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}
