package format_test

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"usher/tui/format"
)

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 98: "98 B", 999: "999 B", 1000: "1.00 kB", 9994: "9.99 kB", 9995: "10.0 kB", 99_949: "99.9 kB", 99_950: "100 kB",
		812_000: "812 kB", 999_499: "999 kB", 999_500: "1.00 MB", 4_213_904: "4.21 MB", 1_020_000_000: "1.02 GB", 2 << 40: "2.20 TB", 1<<63 - 1: "9.22 EB", -1: "?",
	} {
		got := format.Size(n)
		if got != want || len(got) > format.SizeWidth {
			t.Errorf("Size(%d) = %q, want %q in %d cells", n, got, want, format.SizeWidth)
		}
	}
}

func TestRemaining(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "", 13*time.Second + 1: "14 s", 70 * time.Second: "1 min 10 s", 2*time.Hour + 5*time.Minute: "2 h 05 min", 240 * time.Hour: "10 days",
	} {
		if got := format.Remaining(d); got != want {
			t.Errorf("Remaining(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestShortTimes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "", 40 * time.Second: "40 s", 70 * time.Second: "1m 10s", 125 * time.Minute: "2h 05m", 240 * time.Hour: "10 days", 1e9 * time.Second: "",
	} {
		if got := format.Short(d); got != want {
			t.Errorf("Short(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestFitTakesTheFirstThatFits(t *testing.T) {
	for w, want := range map[int]string{20: "24.1 MB/s, 1m 10s", 17: "24.1 MB/s, 1m 10s", 16: "1m 10s", 3: "1m"} {
		if got := format.Fit(w, "24.1 MB/s, 1m 10s", "1m 10s", "1m"); got != want {
			t.Errorf("in %d cells %q, want %q", w, got, want)
		}
	}
}

func TestPercentSaysAllOnlyOfAll(t *testing.T) {
	if got := format.Percent(999_999_999, 1_000_000_000); got != "99%" {
		t.Errorf("nearly all is %s", got)
	}
	if got := format.Percent(5, 5); got != "100%" {
		t.Errorf("all is %s", got)
	}
}

func TestCutsAsInThePictures(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{format.Middle("2025-consolidated-ledger.parquet", 31, "…"), "2025-consolidated…edger.parquet"},
		{format.Middle("short.pdf", 31, "…"), "short.pdf"},
		{format.Start("company-reports/annual/audited/2025-annual-report.pdf", 30, "…"), "…udited/2025-annual-report.pdf"},
		{format.End("alice.moreau@example.com", 8, "…"), "alice.m…"},
		{format.Count(1_284_112), "1,284,112"}, {format.Count(-1234), "-1,234"}, {format.Plural(1, "file", "files"), "1 file"},
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
