package selection_test

import (
	"fmt"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/selection"
)

// shown returns a search as one text.
func shown(in api.SearchRequest) string {
	s := fmt.Sprintf("text %q glob %q", in.Text, in.Glob)
	if n := in.Size.Min; n != nil {
		s += fmt.Sprintf(" min %d", *n)
	}
	if n := in.Size.Max; n != nil {
		s += fmt.Sprintf(" max %d", *n)
	}
	if t := in.Modified.From; t != nil {
		s += " from " + t.Format(time.DateTime)
	}
	if t := in.Modified.Until; t != nil {
		s += " until " + t.Format(time.DateTime)
	}
	return s
}

func TestParseQuery(t *testing.T) {
	now := time.Date(2026, 11, 8, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"report":                            `text "report" glob ""`,
		"  Annual   report ":                `text "Annual report" glob ""`,
		"*.csv":                             `text "" glob "*.csv"`,
		"q?/**/x y.md":                      `text "" glob "q?/**/x y.md"`,
		`"[draft]  a*b"`:                    `text "[draft]  a*b" glob ""`,
		`"[draft]" *.md`:                    `text "" glob "\\[draft\\] *.md"`,
		`"a \"b\" \\"`:                      `text "a \"b\" \\" glob ""`,
		`"size:>1"`:                         `text "size:>1" glob ""`,
		`5"`:                                `text "5\"" glob ""`,
		"size:>100M":                        `text "" glob "" min 100000001`,
		"size:>=1k size:<2MiB x":            `text "x" glob "" min 1000 max 2097151`,
		"size:<=0":                          `text "" glob "" max 0`,
		"size:>1k size:>1M size:<9 size:<8": `text "" glob "" min 1000001 max 7`,
		"modified:<7d":                      `text "" glob "" from 2026-11-01 12:00:00`,
		"modified:>7d *":                    `text "" glob "*" until 2026-11-01 12:00:00`,
		"modified:>2026-11-01":              `text "" glob "" from 2026-11-01 00:00:00`,
		"modified:>=2026-11-01 modified:<2026-11-02T03:04": `text "" glob "" from 2026-11-01 00:00:00 until 2026-11-02 03:04:00`,
	} {
		in, err := selection.ParseQuery(text, now)
		if got := shown(in); err != nil || got != want {
			t.Errorf("%s:\n got %s, %v\nwant %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "  ", `"`, `"a\"`, "size:", "size:100M", "size:>", "size:>x", "size:>-1", "modified:7d", "modified:<", "modified:<soon"} {
		if in, err := selection.ParseQuery(text, now); err == nil {
			t.Errorf("%q: %s", text, shown(in))
		}
	}
}
