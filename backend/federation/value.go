package federation

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/backend/api/shape"
)

const (
	// MaxValue is the size of an attribute. SPEC: Cognito developer guide,
	// "Mapping IdP attributes": 2,048 characters.
	MaxValue = 2048
	maxInput = 64 << 10 // bytes of a parsed text
	maxNames = 1000     // names in a parsed text
)

// Value is the content of a groups attribute.
type Value struct {
	Groups []string  // sorted, without duplicates
	At     time.Time // of the sign-in that wrote it; zero without a stamp
}

// Parse reads a groups attribute: with the stamp of Format, or as an identity
// provider sends it (List). A text that is none of them has no groups.
func Parse(s string) Value {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	// 12 digits are the year 33658. A group can begin with a digit, but a list
	// has no bracket inside.
	if digits > 0 && digits <= 12 && strings.HasPrefix(s[digits:], "[") {
		at, err := strconv.ParseInt(s[:digits], 10, 64)
		if err != nil || at == 0 {
			return Value{}
		}
		return Value{List(s[digits:]), time.Unix(at, 0).UTC()}
	}
	return Value{Groups: List(s)}
}

// Format returns a groups attribute with a stamp, in whole seconds:
// 1764345600[finance-team,engineering]. It is never empty. Groups that do not fit
// into MaxValue are left out, the last ones first.
func Format(at time.Time, groups []string) string {
	var b strings.Builder
	b.WriteString(strconv.FormatInt(max(1, at.Unix()), 10))
	b.WriteByte('[')
	first := true
	for _, g := range normal(slices.Clone(groups)) {
		encoded := url.QueryEscape(g)
		if b.Len()+len(encoded)+2 > MaxValue {
			break
		}
		if !first {
			b.WriteByte(',')
		}
		b.WriteString(encoded)
		first = false
	}
	b.WriteByte(']')
	return b.String()
}

// List reads the groups of an identity provider, in one of three forms:
//   - [a,b%2Fc]: several values, flattened by Cognito, each in URL form encoding.
//     The text is split before it is decoded: a group's name with a comma must
//     not become two groups.
//   - ["a","b"]: a JSON array.
//   - a,b: names with commas between them. A single name is a list of one.
//
// SPEC: Cognito developer guide, "Mapping IdP attributes". Names that no group of
// Cognito can have are dropped.
func List(s string) []string {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > maxInput {
		return nil
	}
	var names []string
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if json.Unmarshal([]byte(s), &names) == nil {
			return normal(names)
		}
		if inner, ok = strings.CutSuffix(inner, "]"); !ok || strings.ContainsAny(inner, `[]"`) {
			return nil
		}
		for name := range strings.SplitSeq(inner, ",") {
			decoded, err := url.QueryUnescape(strings.TrimSpace(name))
			if err != nil {
				continue
			}
			names = append(names, decoded)
		}
		return normal(names)
	}
	return normal(strings.Split(s, ","))
}

// normal trims, sorts and deduplicates names, and drops those that are not names
// of groups.
func normal(names []string) []string {
	out := make([]string, 0, min(len(names), maxNames))
	for _, name := range names {
		if name = strings.TrimSpace(name); shape.CognitoName(name) && len(out) < maxNames {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
