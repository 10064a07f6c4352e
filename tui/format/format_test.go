package format_test

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"usher/tui/format"
)

func TestFitTakesTheFirstThatFits(t *testing.T) {
	for w, want := range map[int]string{20: "24.1 MB/s, 1m 10s", 17: "24.1 MB/s, 1m 10s", 16: "1m 10s", 3: "1m"} {
		if got := format.Fit(w, "24.1 MB/s, 1m 10s", "1m 10s", "1m"); got != want {
			t.Errorf("in %d cells %q, want %q", w, got, want)
		}
	}
}

// TestCuts checks cuts in the middle, at the start and at the end of a text.
func TestCuts(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{format.Middle("2025-consolidated-ledger.parquet", 31, "…"), "2025-consolidated…edger.parquet"},
		{format.Middle("short.pdf", 31, "…"), "short.pdf"},
		{format.Start("company-reports/annual/audited/2025-annual-report.pdf", 30, "…"), "…udited/2025-annual-report.pdf"},
		{format.End("alice.moreau@example.com", 8, "…"), "alice.m…"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func FuzzCutsFit(f *testing.F) {
	for _, s := range []string{"", "a.pdf", "2023-財務諸表-日本語版.pdf", "👩‍👩‍👧.png", "é́́.txt", strings.Repeat("漢", 40), "no-extension", ".hidden", "a." + strings.Repeat("x", 60)} {
		f.Add(s, 12)
	}
	f.Fuzz(func(t *testing.T, s string, w int) {
		if w < 0 || w > 500 || strings.ContainsAny(s, "\x1b\u009b\u0090\u009d\u009e\u009f\u0098") {
			t.Skip()
		}
		for name, cut := range map[string]func(string, int, string) string{"Middle": format.Middle, "Start": format.Start, "End": format.End} {
			if got := cut(s, w, "…"); ansi.StringWidth(got) > w {
				t.Errorf("%s(%q, %d) = %q: %d cells", name, s, w, got, ansi.StringWidth(got))
			}
		}
	})
}
