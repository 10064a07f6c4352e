package selection

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"usher/backend/api"
	"usher/backend/api/shape"
	"usher/client/glob"
)

// ParseQuery parses a typed search:
//
//	annual report            names that contain this text, in any case
//	*.csv  q?/**/*.md        names that match a glob
//	"[draft] a*b"            this text, without wildcards; \" and \\ are characters
//	size:>100M size:<=1G     sizes (shape.Bytes)
//	modified:<7d             modified in the last 7 days; > is before them
//	modified:>2026-11-01     since a date or a time; < is before it (ParseTime)
func ParseQuery(text string, now time.Time) (in api.SearchRequest, err error) {
	words, err := queryWords(text)
	if err != nil {
		return in, err
	}
	var names []string
	var pattern []string
	wild := false
	for _, w := range words {
		limit, isSize := strings.CutPrefix(w.text, "size:")
		age, isTime := strings.CutPrefix(w.text, "modified:")
		switch {
		case w.quoted:
			names, pattern = append(names, w.text), append(pattern, glob.Escape(w.text))
		case isSize:
			err = LimitSize(&in.Size, limit)
		case isTime:
			err = limitTime(&in.Modified, age, now)
		default:
			wild = wild || strings.ContainsAny(w.text, glob.Signs)
			names, pattern = append(names, w.text), append(pattern, w.text)
		}
		if err != nil {
			return in, err
		}
	}
	if wild {
		in.Glob = strings.Join(pattern, " ")
	} else {
		in.Text = strings.Join(names, " ")
	}
	switch {
	case len(words) == 0:
		return in, errors.New("the search has no text")
	case len(in.Text)+len(in.Glob) > api.MaxQuery:
		return in, fmt.Errorf("the search has more than %d bytes", api.MaxQuery)
	}
	return in, nil
}

// queryWord is a word of a typed search.
type queryWord struct {
	text   string
	quoted bool
}

// queryWords splits a typed search at spaces outside quotation marks.
func queryWords(text string) (words []queryWord, err error) {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		if text[0] != '"' {
			end := strings.IndexFunc(text, unicode.IsSpace)
			if end < 0 {
				end = len(text)
			}
			words, text = append(words, queryWord{text: text[:end]}), text[end:]
			continue
		}
		var b strings.Builder
		i := 1
		for ; i < len(text) && text[i] != '"'; i++ {
			if text[i] == '\\' && i+1 < len(text) {
				i++
			}
			b.WriteByte(text[i])
		}
		if i >= len(text) {
			return nil, errors.New("a quotation mark is not closed")
		}
		words, text = append(words, queryWord{b.String(), true}), text[i+1:]
	}
	return words, nil
}

// LimitSize narrows a range of sizes by a limit such as >100M, >=1, <1k or <=2MiB.
func LimitSize(r *api.SizeRange, limit string) error {
	sign, amount := comparison(limit)
	n, ok := shape.Bytes(amount)
	if sign == "" || !ok || n >= 1<<62 {
		return fmt.Errorf("%q is not a limit of sizes (write it like >100M or <2MiB)", limit)
	}
	switch at := int64(n); sign {
	case ">":
		at++
		fallthrough
	case ">=":
		if r.Min == nil || *r.Min < at {
			r.Min = &at
		}
	case "<":
		at--
		fallthrough
	default:
		if r.Max == nil || *r.Max > at {
			r.Max = &at
		}
	}
	return nil
}

// limitTime narrows a range of times by a limit of ages (<7d) or of times.
func limitTime(r *api.TimeRange, limit string, now time.Time) error {
	sign, text := comparison(limit)
	t, err := ParseTime(text, now)
	if sign == "" || err != nil {
		return fmt.Errorf("%q is not a limit of times (write it like <7d, for the last 7 days, or >2026-11-01)", limit)
	}
	_, age := parseAge(text)
	if t = t.UTC(); age == (sign[0] == '<') { // younger than an age, or later than a time
		if r.From == nil || r.From.Before(t) {
			r.From = &t
		}
	} else if r.Until == nil || r.Until.After(t) {
		r.Until = &t
	}
	return nil
}

// comparison splits a limit into its sign and its value.
func comparison(limit string) (sign, value string) {
	for _, sign := range []string{">=", "<=", ">", "<"} {
		if value, ok := strings.CutPrefix(limit, sign); ok {
			return sign, value
		}
	}
	return "", limit
}
