package device

import (
	"strings"
	"testing"

	"usher/backend/safetext"
)

// No value of a page is read as HTML, and no value is replaced inside of another.
func TestPagesEscape(t *testing.T) {
	const hostile = `<b>"'&{style}{code}`
	p := page{
		Organization: hostile, Text: hostile, Code: hostile, Host: safetext.New(hostile), Terminal: hostile, Age: hostile,
		Form: hostile, Target: hostile, First: hostile, Last: hostile,
	}
	const escaped = "&lt;b&gt;&#34;&#39;&amp;{style}{code}"
	for name, values := range map[string]int{pageCode: 2, pageConfirm: 8, pageGo: 2, pageNumber: 5, pageDone: 2, pageProblem: 2} {
		out := p.html(name)
		if strings.Contains(out, "<b>") || strings.Contains(out, hostile) {
			t.Errorf("%s: %s", name, out)
		}
		if n := strings.Count(out, escaped); n != values {
			t.Errorf("%s: %d values, want %d: %s", name, n, values, out)
		}
		if strings.Count(out, "<style>"+pagesCSS+"</style>") != 1 {
			t.Errorf("%s: the style differs from that of the policy", name)
		}
	}
	if out := (page{}).html(pageCode); strings.Contains(out, "warning\" role") {
		t.Errorf("a warning without a text: %s", out)
	}
	if out := (page{}).html(pageConfirm); !strings.Contains(out, "<dd>not given</dd>") {
		t.Errorf("%s", out)
	}
}
