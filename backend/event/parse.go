package event

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"usher/backend/api/shape"
)

// FilterError is a syntax error in a filter, with the position of the word and the
// possible replacements.
type FilterError struct {
	Offset   int      // bytes before Word
	Length   int      // bytes of Word
	Word     string   // as typed; shown through safetext only
	Problem  string   // a sentence without typed text
	Possible []string // possible replacements of Word
}

func (e *FilterError) Error() string {
	s := fmt.Sprintf("filter: at byte %d: %s", e.Offset, e.Problem)
	if len(e.Possible) > 0 {
		s += " Possible: " + strings.Join(e.Possible, ", ") + "."
	}
	return s
}

// ParseFilter parses terms separated by spaces:
//
//	bucket:builds action:download since:2026-11-01
//	path:company-reports/annual/        paths with this prefix
//	path:s3://company-reports/annual/   the same; ARNs too
//	path:="company-reports/q3 2026.csv" exactly this path
//	path:*salar*                        paths with this text; * is any text
//	touched:company-reports/annual/x    events of this path, and the listings that showed it
//	ip:10.0.0.0/8 hours:19-07           a network; from 19:00 until 07:00
//	size:>100MB agent:curl              larger objects; a prefix of the user agent
//	-outcome:allowed                    all other outcomes
//
// A value with spaces is in quotes; there, \" and \\ are a quote and a backslash.
// The value of since and until is a day (2026-11-01, today, yesterday), a month
// (2026-11), a quarter (2026-Q3), a year (2026), an instant (2026-11-01T10:00,
// optionally with seconds) or an age (30m, 24h, 7d, 4w) before now. until includes
// the whole day, month, quarter or year. All times are UTC, or of the zone that
// follows (+01:00). since is inclusive, until is exclusive. A word
// without a field is an error, as is any other unknown text. Every error is a
// *FilterError.
func ParseFilter(text string, now time.Time) (Filter, error) {
	if len(text) > MaxFilter {
		return Filter{}, &FilterError{Offset: MaxFilter, Length: len(text) - MaxFilter, Word: text[MaxFilter:],
			Problem: fmt.Sprintf("A filter has at most %d bytes.", MaxFilter)}
	}
	if !utf8.ValidString(text) {
		at := 0
		for r, size := utf8.DecodeRuneInString(text); r != utf8.RuneError || size != 1; r, size = utf8.DecodeRuneInString(text[at:]) {
			at += size
		}
		return Filter{}, &FilterError{Offset: at, Length: 1, Word: text[at : at+1], Problem: "This byte is not UTF-8."}
	}
	var f Filter
	p := parser{text: text, now: now}
	for p.skip(); p.at < len(text); p.skip() {
		start := p.at
		t, err := p.term()
		if err != nil {
			return Filter{}, err
		}
		if len(f.Terms) == MaxTerms {
			return Filter{}, p.wrong(start, fmt.Sprintf("A filter has at most %d terms.", MaxTerms))
		}
		f.Terms = append(f.Terms, t)
	}
	return f, nil
}

type parser struct {
	text string
	at   int
	now  time.Time
}

func (p *parser) skip() {
	for p.at < len(p.text) && space(p.text[p.at]) {
		p.at++
	}
}

// wrong returns an error about the bytes from start to the parser's position.
func (p *parser) wrong(start int, problem string, possible ...string) *FilterError {
	return &FilterError{Offset: start, Length: p.at - start, Word: p.text[start:p.at], Problem: problem, Possible: possible}
}

func (p *parser) term() (Term, error) {
	var t Term
	start := p.at
	if p.text[p.at] == '-' {
		t.Not = true
		p.at++
	}
	name := p.at
	for p.at < len(p.text) && p.text[p.at] != ':' && !space(p.text[p.at]) {
		p.at++
	}
	if p.at == len(p.text) || p.text[p.at] != ':' {
		return t, p.wrong(start, "A term is a field, a colon and a value.", fieldNames()...)
	}
	t.Field = Field(p.text[name:p.at])
	if !slices.Contains(Fields(), t.Field) {
		return t, p.wrong(name, "There is no such field.", fieldNames()...)
	}
	if t.Not && (t.Field == BySince || t.Field == ByUntil) {
		p.at++
		return t, p.wrong(start, "A time cannot be negated.", "since:", "until:")
	}
	p.at++
	if (t.Field == ByPath || t.Field == ByAgent) && strings.HasPrefix(p.text[p.at:], "=") {
		t.Exact = true
		p.at++
	}
	value := p.at
	var err error
	if t.Value, err = p.value(); err != nil {
		return t, err
	}
	if t.Value == "" {
		return t, p.wrong(start, "The value is missing.", examples(t.Field)...)
	}
	return t, p.check(&t, value)
}

// value parses a word or a quoted text.
func (p *parser) value() (string, error) {
	start := p.at
	if !strings.HasPrefix(p.text[p.at:], `"`) {
		for p.at < len(p.text) && !space(p.text[p.at]) {
			p.at++
		}
		return p.text[start:p.at], nil
	}
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case '"':
			p.at++
			if p.at < len(p.text) && !space(p.text[p.at]) {
				return "", p.wrong(start, "A closing quote must be followed by a space.")
			}
			return b.String(), nil
		case '\\':
			if p.at++; p.at == len(p.text) || p.text[p.at] != '"' && p.text[p.at] != '\\' {
				return "", p.wrong(start, "In quotes, a backslash must precede a quote or a backslash.", `\"`, `\\`)
			}
			b.WriteByte(p.text[p.at])
		default:
			b.WriteByte(c)
		}
	}
	return "", p.wrong(start, "The closing quote is missing.")
}

// check validates the value of a field, and parses times.
func (p *parser) check(t *Term, start int) error {
	switch t.Field {
	case ByAction:
		if !slices.Contains(Actions(), t.Value) {
			return p.wrong(start, "There is no such action.", Actions()...)
		}
	case ByOutcome:
		if !slices.Contains(Outcomes(), t.Value) {
			return p.wrong(start, "There is no such outcome.", Outcomes()...)
		}
	case ByPath, ByTouched:
		return p.checkPath(t, start)
	case ByIP:
		var ok bool
		if t.Value, ok = canonicalAddress(t.Value); !ok {
			return p.wrong(start, "This is not an IP address and not a network.", examples(ByIP)...)
		}
	case ByPurpose:
		if !slices.Contains(purposes(), t.Value) {
			return p.wrong(start, "There is no such purpose.", purposes()...)
		}
	case BySize:
		var ok bool
		if t.Value, ok = canonicalSize(t.Value); !ok {
			return p.wrong(start, "This is not a size.", examples(BySize)...)
		}
	case ByHours:
		var ok bool
		if t.Value, ok = canonicalHours(t.Value); !ok {
			return p.wrong(start, "These are no hours of a day.", examples(ByHours)...)
		}
	case BySince, ByUntil:
		at, ok := parseTime(t.Value, t.Field == ByUntil, p.now)
		if !ok {
			return p.wrong(start, "This is not a time.", examples(t.Field)...)
		}
		t.Time, t.Value = at, ""
	}
	return nil
}

// checkPath stores the form that the log has of a path that another tool wrote.
func (p *parser) checkPath(t *Term, start int) error {
	path, problem := shape.TrimScheme(t.Value)
	if bucket, _, _ := strings.Cut(path, "/"); problem == "" && path != t.Value && (bucket == "" || strings.Contains(bucket, ":")) {
		problem = "it has no bucket"
	}
	if problem != "" {
		return p.wrong(start, "This is not a path in a bucket: "+problem+".", examples(ByPath)...)
	}
	t.Value = path
	return nil
}

func fieldNames() []string {
	var names []string
	for _, f := range Fields() {
		names = append(names, string(f)+":")
	}
	return names
}

// examples returns valid values of a field.
func examples(f Field) []string {
	switch f {
	case ByAction:
		return Actions()
	case ByOutcome:
		return Outcomes()
	case ByWho:
		return []string{"who:ada"}
	case ByBucket:
		return []string{"bucket:company-reports"}
	case ByPath:
		return []string{"path:company-reports/annual/", "path:=company-reports/annual/letter.pdf"}
	case ByTouched:
		return []string{"touched:company-reports/annual/letter.pdf"}
	case ByIP:
		return []string{"192.0.2.77", "2001:db8::7", "10.0.0.0/8"}
	case ByGroup:
		return []string{"group:finance-team"}
	case ByGrant:
		return []string{"grant:*finance-team*"}
	case ByPurpose:
		return purposes()
	case ByAgent:
		return []string{"agent:curl", "agent:*python*", "agent:=curl/8.5.0"}
	case BySize:
		return []string{">100MB", "<1k", "0"}
	case ByHours:
		return []string{"19-07", "09-17"}
	case BySince, ByUntil:
		return []string{"2026-11-01", "2026-11-01T10:00", "24h", "7d", "yesterday", "2026-10", "2026-Q3"}
	}
	return []string{string(f) + ":…"}
}
