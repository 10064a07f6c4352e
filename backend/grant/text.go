package grant

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrText: a text is none of Set.Text.
var ErrText = errors.New("the text is not that of a version of the grants")

// ParseText is the reverse of Set.Text. It accepts only the text that Text returns.
func ParseText(text []byte) (*Set, error) {
	var grants []Grant
	for line := range strings.Lines(string(text)) {
		g, err := parseLine(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("%w: line %d", ErrText, len(grants)+1)
		}
		grants = append(grants, g)
	}
	set, err := NewSet(grants)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrText, err)
	}
	if !bytes.Equal(set.Text(), text) {
		return nil, fmt.Errorf("%w: it has another form", ErrText)
	}
	return set, nil
}

// parseLine parses a line of Set.Text: a grant and its reason, in quotes.
func parseLine(line string) (Grant, error) {
	quoted, err := strconv.QuotedPrefix(line)
	if err != nil {
		return Grant{}, ErrText
	}
	text, err := strconv.Unquote(quoted)
	if err != nil {
		return Grant{}, ErrText
	}
	g, err := parseGrant(text)
	if err != nil {
		return g, err
	}
	rest, ok := strings.CutPrefix(line[len(quoted):], " ")
	if !ok {
		return g, ErrText
	}
	g.Reason, err = strconv.Unquote(rest)
	return g, err
}

// parseGrant is the reverse of Grant.String. Names of groups and buckets have no blanks,
// so the first word with a slash behind the group begins the path.
func parseGrant(text string) (g Grant, err error) {
	word := func() (w string) {
		w, text, _ = strings.Cut(text, " ")
		return w
	}
	g.Effect, g.Group = Effect(word()), word()
	for _, bound := range []struct {
		keyword string
		at      *time.Time
	}{{"from ", &g.NotBefore}, {"until ", &g.Expires}} {
		rest, ok := strings.CutPrefix(text, bound.keyword)
		if !ok {
			continue
		}
		text = rest
		if *bound.at, err = time.Parse(time.RFC3339Nano, word()); err != nil {
			return g, ErrText
		}
	}
	path := &g.Prefix
	if rest, ok := strings.CutPrefix(text, "object "); ok {
		text, path = rest, &g.Object
	}
	var slash bool
	if g.Bucket, *path, slash = strings.Cut(text, "/"); !slash {
		return g, ErrText
	}
	return g, nil
}
