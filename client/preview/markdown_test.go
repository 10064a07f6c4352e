package preview_test

import (
	"strings"
	"testing"

	"usher/client/preview"
)

func pageOf(t *testing.T, text string) *preview.Text {
	t.Helper()
	d, _ := open(t, "a.md", []byte(text))
	page, ok := d.Views[0].(*preview.Text)
	if !ok || page.Title != "page" {
		t.Fatalf("%q is %T (%q)", text, d.Views[0], d.Notes)
	}
	return page
}

func TestMarkdown(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"a\nb  \nc\n\nd", "a b|c||d"},
		{"Title\n=====\ntext", "Title|text"},
		{"- a\n  - b\n\n    c\n- [x] d", "- a|  - b||    c|- [x] d"},
		{"3. a\n4. b\n", "3. a|4. b"},
		{"> a\n> > b\n\nc", "| a|| | b||c"},
		{"a &amp; &copy; \\*b\\* `&amp; \\*`", "a & © *b* &amp; \\*"},
		{"[a](http://b) ![c](d) <http://e> [http://f](http://f)", "a (http://b) c (d) http://e http://f"},
		{"~~gone~~ <b>x</b>\n\n<div>\ny\n</div>", "gone <b>x</b>||<div>|y|</div>"},
		{"```go\nx  y\n\n```\n\n    z", "    x  y|    ||    z"},
		{"| a | b |\n|---|--:|\n| long cell | **c** |", "a          b|long cell  c"},
		{"&#27;[31m &#x9b;2J", "\x1b[31m \u009b2J"}, // the screen escapes it
		{"***", strings.Repeat("-", 40)},
	} {
		var got []string
		for _, l := range pageOf(t, row.text).Lines {
			got = append(got, l.Raw)
			at := 0
			for _, s := range l.Spans {
				if s.To <= at || s.To > len(l.Raw) {
					t.Errorf("%q: the spans of %q are %v", row.text, l.Raw, l.Spans)
				}
				at = s.To
			}
		}
		if strings.Join(got, "|") != row.want {
			t.Errorf("%q is %q, want %q", row.text, strings.Join(got, "|"), row.want)
		}
	}
}

// Long lines, deep quotations and lists stay within the bounds of a line.
func TestMarkdownIsBounded(t *testing.T) {
	for name, text := range map[string]string{
		"paragraph": strings.Repeat("word ", 20_000), "word": strings.Repeat("x", 80_000), "quotation": strings.Repeat("> ", 1_000) + "end",
		"list": strings.Repeat("- ", 1_000) + "end", "emphasis": strings.Repeat("*a **b ", 1_000), "code": "```\n" + strings.Repeat("x", 50_000),
	} {
		page := pageOf(t, text)
		for _, l := range page.Lines {
			if len(l.Raw) > 2*4_000+100 {
				t.Errorf("%s has a line of %d bytes", name, len(l.Raw))
			}
		}
		if len(page.Lines) == 0 {
			t.Errorf("%s has no line", name)
		}
	}
}
