package api

import "strings"

const maxETag = 128 // characters between the quotes; S3 writes at most 38

// ETag returns an entity tag in the form that usher compares and sends: quoted,
// strong, printable ASCII. It adds missing quotes. It returns "" for a text that
// cannot be used with If-Match: empty, weak, too long, or with a character that
// is not allowed in an entity tag.
//
// SPEC: RFC 9110 §8.8.3 (form) and §13.1.1 (If-Match compares strongly).
func ETag(text string) string {
	tag := strings.Trim(text, " \t\r\n")
	if len(tag) >= 2 && tag[0] == '"' && tag[len(tag)-1] == '"' {
		tag = tag[1 : len(tag)-1]
	}
	if tag == "" || len(tag) > maxETag || strings.HasPrefix(tag, "W/") {
		return ""
	}
	for i := range len(tag) {
		if tag[i] < '!' || tag[i] > '~' || tag[i] == '"' {
			return ""
		}
	}
	return `"` + tag + `"`
}
