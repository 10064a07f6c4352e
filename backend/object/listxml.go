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

// listBody is the XML of a page. Everything is text, so that one value that
// does not parse costs its own row alone.
// SPEC: S3 API reference, ListObjectsV2, "Response Syntax".
type listBody struct {
	XMLName   xml.Name     `xml:"ListBucketResult"`
	Encoding  string       `xml:"EncodingType"`
	Truncated string       `xml:"IsTruncated"`
	Next      string       `xml:"NextContinuationToken"`
	Contents  []listObject `xml:"Contents"`
	Folders   []listFolder `xml:"CommonPrefixes"`

	mended bool // the page held characters that XML cannot carry
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

// unfit stands in for a character that XML cannot carry. A name that holds it,
// on a page that was mended, is dropped: it would be another object's.
const unfit = "\U0010FFFF"

// parseList reads a page. Some storages send raw control characters in spite of
// encoding-type; those are exchanged for unfit, and the page is read again.
func parseList(raw []byte) (listBody, error) {
	var body listBody
	err := xml.Unmarshal(raw, &body)
	if err == nil {
		return body, nil
	}
	again := listBody{mended: true}
	if mended := mend(string(raw)); mended == string(raw) || xml.Unmarshal([]byte(mended), &again) != nil {
		return listBody{}, fmt.Errorf("the answer is no listing: %w", err)
	}
	return again, nil
}

var charRef = regexp.MustCompile(`&#(?:x[0-9A-Fa-f]{1,8}|[0-9]{1,10});`)

// mend exchanges everything that is no XML 1.0 character.
// SPEC: XML 1.0 §2.2, Char.
func mend(raw string) string {
	text := charRef.ReplaceAllStringFunc(raw, func(ref string) string {
		digits, base := ref[2:len(ref)-1], 10
		if digits[0] == 'x' {
			digits, base = digits[1:], 16
		}
		if n, err := strconv.ParseUint(digits, base, 32); err == nil && n <= utf8.MaxRune && fits(rune(n)) {
			return ref
		}
		return unfit
	})
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 || !fits(r) {
			b.WriteString(unfit)
		} else {
			b.WriteString(text[i : i+size])
		}
		i += size
	}
	return b.String()
}

func fits(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// truncated reads IsTruncated; ok is false when it is neither.
func (b *listBody) truncated() (yes, ok bool) {
	text := strings.TrimSpace(b.Truncated)
	if text == "" {
		return strings.TrimSpace(b.Next) != "", true
	}
	yes, err := strconv.ParseBool(strings.ToLower(text))
	return yes, err == nil
}

// decode reads a name. With encoding-type url S3 writes a space as "+" and a
// plus as "%2B".
func (b *listBody) decode(text string) (string, bool) {
	if b.mended && strings.Contains(text, unfit) {
		return "", false
	}
	if !strings.EqualFold(strings.TrimSpace(b.Encoding), "url") {
		return text, true
	}
	name, err := url.QueryUnescape(text)
	return name, err == nil
}
