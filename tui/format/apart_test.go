package format_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"usher/backend/safetext"
	"usher/tui/format"
)

func ExampleApart() {
	names := []string{"usher_1.0.0_darwin_amd64.tar.gz", "usher_1.0.0_darwin_arm64.tar.gz", "usher_1.0.0_linux_amd64.tar.gz"}
	for _, n := range names {
		fmt.Println(format.Apart(n, 21, "…", names))
	}
	// Output:
	// …_darwin_amd64.tar.gz
	// …_darwin_arm64.tar.gz
	// u…_linux_amd64.tar.gz
}

// Names that differ anywhere in a part that fits are told apart in every width.
func TestApart(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	letters := []string{"a", "b", "_", ".", "-", "世", "é", "e\u0301", "\u202e", "\\", "मौ", "\n", " "}
	word := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(letters[r.IntN(len(letters))])
		}
		return b.String()
	}
	for range 800 {
		before, after := word(r.IntN(24)), word(r.IntN(24))
		var names []string
		widest := 0
		for range 2 + r.IntN(4) {
			middle := word(1 + r.IntN(3))
			names = append(names, safetext.Line(before+middle+after))
			widest = max(widest, format.Width(safetext.Line(middle)))
		}
		slices.Sort(names)
		names = slices.Compact(names)
		for w := widest + 24; w < 60; w += 1 + r.IntN(9) {
			seen := map[string]string{}
			for _, n := range names {
				got := format.Apart(n, w, "…", names)
				if format.Width(got) > w {
					t.Fatalf("%q has %d cells, not %d", got, format.Width(got), w)
				}
				if other, ok := seen[got]; ok {
					t.Fatalf("in %d cells %q and %q are both %q", w, other, n, got)
				}
				seen[got] = n
			}
		}
	}
}

// Paths that differ anywhere in a part that fits are told apart, in any order of the
// rows of a page.
func TestStartOfARow(t *testing.T) {
	var paths []string
	for year := 2021; year < 2026; year++ {
		for _, region := range []string{"north", "south", "north-east"} {
			paths = append(paths, fmt.Sprintf("builds/%d/reports/%s/audited/statement.csv", year, region))
		}
	}
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
	for w := 28; w < 50; w++ {
		seen := map[string]string{}
		for i, p := range paths {
			got := format.Row{At: i, N: len(paths), Name: func(j int) string { return paths[j] }}.Start(p, w, "…")
			if format.Width(got) > w {
				t.Fatalf("%q has %d cells, not %d", got, format.Width(got), w)
			}
			if other, ok := seen[got]; ok {
				t.Errorf("in %d cells %q and %q are both %q", w, other, p, got)
			}
			seen[got] = p
		}
	}
	alone := format.Row{N: 2, Name: func(int) string { return "builds/other.csv" }}
	if got := alone.Start("builds/2025/statement.csv", 18, "…"); got != "…025/statement.csv" {
		t.Errorf("a path without a similar one is %q", got)
	}
	years := format.Row{N: 2, Name: func(int) string { return "the-consolidated-accounts-of-2024-of-the-northern-subsidiaries.csv" }}
	if got := years.Apart("the-consolidated-accounts-of-2025-of-the-northern-subsidiaries.csv", 22, "…"); got != "…2025…subsidiaries.csv" {
		t.Errorf("a year is %q", got)
	}
	if got := alone.Start("builds", 1, "…"); got != "b" {
		t.Errorf("in one cell %q", got)
	}
}

// No cut is within an escape: a part of one looks like part of another.
func TestCutsKeepEscapes(t *testing.T) {
	name := safetext.Line("re\u202eport\r" + strings.Repeat("\u202e", 6) + `\u{2}` + "end\x9b.txt")
	for w := range 90 {
		for _, got := range []string{
			format.Middle(name, w, "…"), format.Start(name, w, "…"), format.End(name, w, "…"),
			format.Apart(name, w, "…", []string{name + "x", "x" + name}),
		} {
			if rest := strings.Split(got, "…"); !whole(rest) || format.Width(got) > w {
				t.Errorf("in %d cells %q", w, got)
			}
		}
	}
}

// whole reports whether every backslash begins a whole escape, and no escape's end is
// alone.
func whole(parts []string) bool {
	for _, p := range parts {
		for p != "" {
			switch {
			case strings.HasPrefix(p, `\\`):
				p = p[2:]
			case strings.HasPrefix(p, `\u{`):
				end := strings.IndexByte(p, '}')
				if end < 0 {
					return false
				}
				p = p[end+1:]
			case strings.HasPrefix(p, `\x`) && len(p) >= 4:
				p = p[4:]
			case p[0] == '\\':
				return false
			default:
				p = p[1:]
			}
		}
	}
	return true
}
