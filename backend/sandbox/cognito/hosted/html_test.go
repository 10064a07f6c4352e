package hosted

import (
	"strings"
	"testing"
)

// No value of a page is read as HTML.
func TestPagesEscape(t *testing.T) {
	const hostile = `<b>"'&%s`
	out := page{
		Title: hostile, Text: hostile, Action: hostile, CSRF: hostile, Token: hostile, Company: hostile, CompanyURL: hostile,
		Fields: []field{{hostile, hostile, hostile, hostile, hostile}},
	}.html()
	if strings.Contains(out, "<b>") || strings.Contains(out, hostile) {
		t.Error(out)
	}
	if n := strings.Count(out, "&lt;b&gt;&#34;&#39;&amp;%s"); n != 13 {
		t.Errorf("%d values, want 13: %s", n, out)
	}
}
