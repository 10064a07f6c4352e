package pane_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/backend/safetext"
	"usher/tui/format"
	"usher/tui/pane"
	"usher/tui/theme"
	"usher/tui/tuitest"
)

// Each class of hostile name, at each width, is painted with the theme's colors
// only and within its cells.
func TestNamesFitAndStayText(t *testing.T) {
	sgr := regexp.MustCompile("\x1b\\[[0-9;]*m")
	th := theme.New(theme.Options{Profile: colorprofile.TrueColor, Dark: true})
	tried := 0
	for _, name := range tuitest.HostileNames() {
		for _, w := range []int{0, 1, 2, 5, 20, 43} {
			for _, cut := range []func(string, int, string) string{format.Middle, format.Start, format.End} {
				tried++
				got := pane.Name(th, th.Text, safetext.New(name), w, cut)
				if n := ansi.StringWidth(got); n > w {
					t.Errorf("%q at %d takes %d cells: %q", name, w, n, got)
				}
				for _, r := range sgr.ReplaceAllString(got, "") {
					if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u200b' || r == '\ufeff' {
						t.Errorf("%q at %d prints %U", name, w, r)
					}
				}
			}
		}
	}
	if tried < 46*6*3 {
		t.Errorf("only %d names were tried", tried)
	}
}

// A text breaks after a space or a slash where one is near the end of the line, and no
// byte is lost.
func TestWrapBreaksAtSpacesAndSlashes(t *testing.T) {
	th := theme.New(theme.Options{})
	for _, row := range []struct {
		text string
		w    int
		want []string
	}{
		{"I need the minutes for the audit 2026", 35, []string{"I need the minutes for the audit ", "2026"}},
		{"allow finance-team company-reports/annual/", 34, []string{"allow finance-team ", "company-reports/annual/"}},
		{"allow finance-team company-reports/annual/", 36, []string{"allow finance-team company-reports/", "annual/"}},
		{"a statement-without-a-break-in-its-second-half", 20, []string{"a statement-without-", "a-break-in-its-secon", "d-half"}},
		{"I need the minutes for the audit x.", 34, []string{"I need the minutes for the ", "audit x."}},
		{"company-reports/annual/audited/x", 31, []string{"company-reports/annual/", "audited/x"}},
		{"and\u202e then b", 14, []string{"and\\u{202e} ", "then b"}},
		{"世界", 1, nil},
		{"x", 0, nil},
	} {
		got := pane.Wrap(th, th.Text, safetext.New(row.text), row.w)
		if !slices.Equal(got, row.want) {
			t.Errorf("%q in %d: %q, not %q", row.text, row.w, got, row.want)
		}
		if whole := strings.Join(got, ""); row.want != nil && whole != safetext.New(row.text).Distinct() {
			t.Errorf("%q becomes %q", row.text, whole)
		}
	}
}

// Different names look different when they are not truncated.
func TestDifferentNamesLookDifferent(t *testing.T) {
	th := theme.New(theme.Options{})
	seen := make(map[string]string)
	for _, name := range tuitest.HostileNames() {
		shown := pane.Name(th, th.Text, safetext.New(name), 10_000, format.Middle)
		if other, ok := seen[shown]; ok && other != name {
			t.Errorf("%q and %q both show %q", name, other, shown)
		}
		seen[shown] = name
	}
}
