package object

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// listBody is the XML of a page. All values are text: a value that does not parse
// spoils only its own row.
// SPEC: S3 API reference, ListObjectsV2, "Response Syntax".
type listBody struct {
	XMLName   xml.Name     `xml:"ListBucketResult"`
	Encoding  string       `xml:"EncodingType"`
	Truncated string       `xml:"IsTruncated"`
	Next      string       `xml:"NextContinuationToken"`
	Contents  []listObject `xml:"Contents"`
	Folders   []listFolder `xml:"CommonPrefixes"`

	replaced bool // the page had characters that are not allowed in XML
}

type listObject struct {
	Key          string
	Modified     string `xml:"LastModified"`
	ETag         string
	Size         string
	StorageClass string
	Restore      *struct {
		Running string `xml:"IsRestoreInProgress"`
		Expiry  string `xml:"RestoreExpiryDate"`
	} `xml:"RestoreStatus"`
}

type listFolder struct{ Prefix string }

// restored reports whether an archived object can be read now.
// SPEC: S3 API reference, RestoreStatus.
func (o *listObject) restored() bool {
	r := o.Restore
	return r != nil && !strings.EqualFold(strings.TrimSpace(r.Running), "true") && strings.TrimSpace(r.Expiry) != ""
}

// substitute replaces a character that is not allowed in XML. A name with it, on a
// page with replaced characters, is dropped: it could be the name of another
// object.
const substitute = "\U0010FFFF"

// parseList parses a page. Some storages send raw control characters in spite of
// encoding-type. parseList then replaces them and parses the page again.
func parseList(raw []byte) (listBody, error) {
	var body listBody
	err := xml.Unmarshal(raw, &body)
	if err == nil {
		return body, nil
	}
	second := listBody{replaced: true}
	if text := replaceInvalid(string(raw)); text == string(raw) || xml.Unmarshal([]byte(text), &second) != nil {
		return listBody{}, fmt.Errorf("the response is not a listing: %w", err)
	}
	return second, nil
}

var charRef = regexp.MustCompile(`&#(?:x[0-9A-Fa-f]{1,8}|[0-9]{1,10});`)

// replaceInvalid replaces all characters that are not XML 1.0 characters.
// SPEC: XML 1.0 §2.2, Char.
func replaceInvalid(raw string) string {
	text := charRef.ReplaceAllStringFunc(raw, func(ref string) string {
		digits, base := ref[2:len(ref)-1], 10
		if digits[0] == 'x' {
			digits, base = digits[1:], 16
		}
		if n, err := strconv.ParseUint(digits, base, 32); err == nil && n <= utf8.MaxRune && valid(rune(n)) {
			return ref
		}
		return substitute
	})
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 || !valid(r) {
			b.WriteString(substitute)
		} else {
			b.WriteString(text[i : i+size])
		}
		i += size
	}
	return b.String()
}

func valid(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// truncated parses IsTruncated. ok is false if it is neither true nor false.
func (b *listBody) truncated() (yes, ok bool) {
	text := strings.TrimSpace(b.Truncated)
	if text == "" {
		return strings.TrimSpace(b.Next) != "", true
	}
	yes, err := strconv.ParseBool(strings.ToLower(text))
	return yes, err == nil
}

// decode returns a name without its encoding. With encoding-type url, S3 encodes a
// space as "+" and a plus as "%2B".
func (b *listBody) decode(text string) (string, bool) {
	if b.replaced && strings.Contains(text, substitute) {
		return "", false
	}
	if !strings.EqualFold(strings.TrimSpace(b.Encoding), "url") {
		return text, true
	}
	name, err := url.QueryUnescape(text)
	return name, err == nil
}
