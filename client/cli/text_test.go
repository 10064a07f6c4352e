package cli

import (
	"bytes"
	"encoding/json"
	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"usher/backend/api"
	"usher/backend/event"
)

func TestBytesOf(t *testing.T) {
	for in, want := range map[string]int64{
		"1": 1, "800k": 800_000, "800KB": 800_000, "10M": 10_000_000, "1.5G": 1_500_000_000, "2MiB": 2 << 20, "1Ti": 1 << 40, "5 B": 0,
		"": 0, "-1": 0, "0": 0, "M": 0, "1e3": 1000, "NaN": 0, "Inf": 0, "1MM": 0, "9999999999T": 0, "\x1b1": 0,
	} {
		got, err := bytesOf(in)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %d, %v; want %d", in, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q came back raw", in)
		}
	}
}

func TestOlderThan(t *testing.T) {
	for _, c := range []struct {
		have, least string
		want        bool
	}{
		{"0.1.0", "0.2.0", true}, {"0.10.0", "0.9.9", false}, {"1.0.0", "1.0.0", false}, {"0.9.12", "1.0.0-rc1", true},
		{"0.1.0", "", false}, {"devel", "1.0.0", false}, {"1.0.0", "x.y.z", false},
	} {
		if got := olderThan(c.have, c.least); got != c.want {
			t.Errorf("%s, %s: %v", c.have, c.least, got)
		}
	}
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"a/b-1.txt": "a/b-1.txt", "": "''", "a b": "'a b'", "$(touch x)": "'$(touch x)'", "it's": `'it'\''s'`, "a;b": "'a;b'", "\x1b[2J": `'\u{1b}[2J'`,
	} {
		if got := shellQuote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// A line of JSON decodes to the same text and has no control characters.
func FuzzJSONLine(f *testing.F) {
	for _, s := range []string{"", "plain", "\x1b[2J", "\u009b2J", "\u202efdp", "a\u0301\u0301", "\U000e0041", "世界", "<&>", "\x7f", "\u2028", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var out bytes.Buffer
		(&app{}).writeJSON(&out, map[string]string{"name": s})
		var back map[string]string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || utf8.ValidString(s) && back["name"] != s {
			t.Fatalf("%q became %q: %v", s, back["name"], err)
		}
		line := strings.TrimSuffix(out.String(), "\n")
		for _, r := range line {
			if r < ' ' || r == 0x7f || r >= 0x80 && safe(string(r)) != string(r) {
				t.Fatalf("%q holds %q", line, r)
			}
		}
	})
}

func TestTableKeepsColumnsUnderWideNames(t *testing.T) {
	var b table
	b.add("財務", "x")
	b.add("abc", "y", "")
	var out bytes.Buffer
	b.write(&out)
	if out.String() != "財務  x\nabc   y\n" {
		t.Errorf("%q", out.String())
	}
}

// On a terminal, a column after a name of uncertain width begins at its position. A
// position behind the end of the line would be in the wrong line.
func TestTablePlacesColumnsAfterUncertainNames(t *testing.T) {
	for screen, want := range map[int]string{
		0:  "मौसम   x     y\nabcde  財務  y\n",
		80: "मौसम   \x1b[8Gx     y\nabcde  財務  y\n",
		8:  "मौसम   \x1b[8Gx     y\nabcde  財務  y\n",
		7:  "मौसम   x     y\nabcde  財務  y\n",
	} {
		b := table{screen: screen}
		b.add("मौसम", "x", "y")
		b.add("abcde", "財務", "y")
		var out bytes.Buffer
		b.write(&out)
		if out.String() != want {
			t.Errorf("%d cells: %q", screen, out.String())
		}
	}
}

// The carets are under the wrong word, even after escaped or wide text.
func TestFilterCaret(t *testing.T) {
	for query, want := range map[string]string{
		"who:ada acton:list":      "  who:ada acton:list\n          ^^^^^",
		"path:世界 x:1":             "  path:世界 x:1\n            ^",
		"who:\x1b[2J outcome:bad": "  who:\\u{1b}[2J outcome:bad\n                        ^^^",
		"since:":                  "  since:\n  ^^^^^^",
	} {
		_, err := event.ParseFilter(query, time.Now())
		if err == nil {
			t.Fatalf("%q was accepted", query)
		}
		f := explain(filterError(query, err))
		if f.exit != api.ExitUsage || !strings.Contains(f.line, want) || strings.Contains(f.line, "\x1b") {
			t.Errorf("%q:\n%s\nwant\n%s", query, f.line, want)
		}
	}
}

// Help fits a terminal of 80 columns: examples have at most 72 cells, and all other
// lines wrap.
func TestExamplesFit(t *testing.T) {
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			if ansi.StringWidth(line) > 72 {
				t.Errorf("%s: %d cells: %s", cmd.CommandPath(), ansi.StringWidth(line), line)
			}
		}
		for _, c := range cmd.Commands() {
			check(c)
		}
	}
	check(Root(Program{Version: "1.2.3"}))
}
