// Package selection chooses objects by name, size and time. All commands that
// take --include, --min-size, --newer-than and the like share it.
//
// The package is pure: it lists nothing. Names are relative to the folder of the
// PATH, and byte for byte.
package selection

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"usher/backend/api"
)

// Rule is one --include or --exclude, in the order of the command line.
type Rule struct {
	Pattern string
	Include bool
}

// Bounds limit sizes, times and depth. A zero field does not limit.
type Bounds struct {
	Newer, Older time.Time // modified at or after Newer, and before Older
	Min          int64     // bytes
	Max          *int64    // bytes; nil: no limit
	Depth        int       // greatest number of segments of a name
}

// Selection is a compiled choice. Its zero value takes everything.
type Selection struct {
	rules  []compiled
	bounds Bounds
}

// compiled is a rule as globs for the package doublestar.
type compiled struct {
	include bool
	self    string // matches the file itself; "": a rule for folders only
	folder  string // matches a folder of the rule's name
	below   string // matches everything below such a folder
}

// PatternError is the refusal of a rule's pattern.
type PatternError struct{ Pattern, Reason string }

func (e *PatternError) Error() string { return e.Reason }

// problem returns the reason that a pattern of a rule is refused, or "". gitignore
// inverts a rule that begins with "!". Here the flags choose the direction, and such a
// rule, read as a name, would choose the opposite of its meaning in gitignore.
func problem(pattern string) string {
	switch {
	case strings.Trim(pattern, "/") == "":
		return "it names nothing"
	case strings.HasPrefix(pattern, "!"):
		return `it begins with "!"; --include and --exclude choose the direction, and \! begins a name with "!"`
	case trailingBackslash(pattern):
		return "it ends in a backslash"
	case !doublestar.ValidatePattern(pattern):
		return "a bracket or brace of the pattern is not closed"
	}
	return ""
}

// trailingBackslash reports whether a pattern ends in a backslash that escapes nothing.
func trailingBackslash(pattern string) bool {
	return (len(pattern)-len(strings.TrimRight(pattern, `\`)))%2 == 1
}

// New compiles a selection. It returns a *PatternError for an invalid pattern.
func New(rules []Rule, b Bounds) (*Selection, error) {
	s := &Selection{bounds: b}
	for _, r := range rules {
		c, err := compile(r)
		if err != nil {
			return nil, err
		}
		s.rules = append(s.rules, c)
	}
	return s, nil
}

// compile translates a pattern of gitignore into globs. SPEC: gitignore(5),
// "PATTERN FORMAT": a slash at the beginning or in the middle ties a pattern to
// the top folder; one at the end limits it to folders; a pattern that matches a
// folder matches everything below it; a/** matches everything inside a.
func compile(r Rule) (compiled, error) {
	if reason := problem(r.Pattern); reason != "" {
		return compiled{}, &PatternError{r.Pattern, reason}
	}
	pattern, folder := strings.CutSuffix(r.Pattern, "/")
	anchored := strings.Contains(pattern, "/")
	pattern = strings.TrimPrefix(pattern, "/")
	if !anchored {
		pattern = "**/" + pattern
	}
	if strings.HasSuffix(pattern, "/**") { // without this, a/** would match the file a
		pattern += "/*"
	}
	c := compiled{include: r.Include, folder: pattern, below: pattern + "/**/*"}
	if !folder {
		c.self = pattern
	}
	return c, nil
}

// Empty reports whether the selection takes everything.
func (s *Selection) Empty() bool {
	return s == nil || len(s.rules) == 0 && !s.Facts() && s.bounds.Depth == 0
}

// Facts reports whether the selection depends on sizes or times.
func (s *Selection) Facts() bool {
	if s == nil {
		return false
	}
	b := s.bounds
	return !b.Newer.IsZero() || !b.Older.IsZero() || b.Min > 0 || b.Max != nil
}

// Flat reports whether only names without a folder can be taken.
func (s *Selection) Flat() bool { return s != nil && s.bounds.Depth == 1 }

// Takes reports whether an object, a folder or a bucket is taken. name is its name
// below the folder of the PATH; a folder's ends in "/". Folders have neither size
// nor time, so they are not taken by a selection that depends on one.
func (s *Selection) Takes(name string, e api.Entry) bool {
	if s.Empty() {
		return true
	}
	name, folder := strings.TrimSuffix(name, "/"), e.Kind != api.KindObject
	if d := s.bounds.Depth; d > 0 && strings.Count(name, "/") >= d {
		return false
	}
	if s.Facts() && (folder || !s.bounds.take(e)) {
		return false
	}
	return s.named(name, folder)
}

func (b Bounds) take(e api.Entry) bool {
	switch {
	case e.Unsized(),
		b.Min > e.Size, b.Max != nil && e.Size > *b.Max,
		!b.Newer.IsZero() && (e.Modified == nil || e.Modified.Before(b.Newer)),
		!b.Older.IsZero() && (e.Modified == nil || !e.Modified.Before(b.Older)):
		return false
	}
	return true
}

// named applies the rules. The last rule that matches the name or a folder above
// it decides. Without one, a name is taken unless the first rule is an include.
func (s *Selection) named(name string, folder bool) bool {
	for i := len(s.rules) - 1; i >= 0; i-- {
		if s.rules[i].matches(name, folder) {
			return s.rules[i].include
		}
	}
	return len(s.rules) == 0 || !s.rules[0].include
}

func (c compiled) matches(name string, folder bool) bool {
	return c.self != "" && doublestar.MatchUnvalidated(c.self, name) ||
		folder && doublestar.MatchUnvalidated(c.folder, name) ||
		doublestar.MatchUnvalidated(c.below, name)
}

// ParseTime parses a limit of --newer-than and --older-than: an age such as 90m,
// 24h, 7d or 2w before now, or a date or time. A date without a zone is local.
func ParseTime(text string, now time.Time) (time.Time, error) {
	if age, ok := parseAge(text); ok {
		return now.Add(-age), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither an age nor a date", text)
}

// parseAge parses the durations of Go and the units d and w. It refuses a negative
// one and one that overflows.
func parseAge(text string) (time.Duration, bool) {
	unit := map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour}
	for suffix, length := range unit {
		digits, ok := strings.CutSuffix(text, suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(digits, 64)
		if err != nil || !(n >= 0 && n*float64(length) < float64(1<<62)) {
			return 0, false
		}
		return time.Duration(n * float64(length)), true
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}
