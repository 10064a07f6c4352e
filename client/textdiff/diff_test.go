package textdiff_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"usher/client/textdiff"
)

// unified returns the unified diff of two texts.
func unified(t testing.TB, old, next string) (*textdiff.Diff, string) {
	t.Helper()
	d := textdiff.Compare(old, next)
	if d == nil {
		t.Fatal("the texts are not compared")
	}
	var b strings.Builder
	if err := d.Write(&b, "old", "new"); err != nil {
		t.Fatal(err)
	}
	return d, b.String()
}

func TestUnified(t *testing.T) {
	numbers := func(n int, change ...string) string {
		var b strings.Builder
		for i := range n {
			line := fmt.Sprintf("line %d\n", i+1)
			for j := 0; j < len(change); j += 2 {
				line = strings.ReplaceAll(line, change[j]+"\n", change[j+1])
			}
			b.WriteString(line)
		}
		return b.String()
	}
	for name, c := range map[string]struct{ old, next, want string }{
		"equal":        {"a\nb\n", "a\nb\n", ""},
		"both empty":   {"", "", ""},
		"from nothing": {"", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n"},
		"to nothing":   {"a\n", "", "@@ -1 +0,0 @@\n-a\n"},
		"one line":     {"a\nb\nc\n", "a\nB\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"},
		"no end":       {"a\nb", "a\nb\n", "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n"},
		"context":      {numbers(20), numbers(20, "line 10", "ten\n"), "@@ -7,7 +7,7 @@\n line 7\n line 8\n line 9\n-line 10\n+ten\n line 11\n line 12\n line 13\n"},
		"near":         {numbers(20), numbers(20, "line 8", "", "line 15", ""), "@@ -5,14 +5,12 @@\n line 5\n line 6\n line 7\n-line 8\n line 9\n line 10\n line 11\n line 12\n line 13\n line 14\n-line 15\n line 16\n line 17\n line 18\n"},
		"apart": {numbers(20), numbers(20, "line 4", "", "line 12", "line 12\nmore\n"),
			"@@ -1,7 +1,6 @@\n line 1\n line 2\n line 3\n-line 4\n line 5\n line 6\n line 7\n@@ -10,6 +9,7 @@\n line 10\n line 11\n line 12\n+more\n line 13\n line 14\n line 15\n"},
		"a block moves": {"f\n{\n}\ng\n{\n}\n", "g\n{\n}\nf\n{\n}\n", "@@ -1,6 +1,6 @@\n-f\n+g\n {\n }\n-g\n+f\n {\n }\n"},
	} {
		_, got := unified(t, c.old, c.next)
		if want := strings.Repeat("--- old\n+++ new\n", min(1, len(c.want))) + c.want; got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
}

// apply applies a unified diff to a text, as patch(1) does.
func apply(old, diff string) (string, error) {
	if diff == "" {
		return old, nil
	}
	from := strings.SplitAfter(old, "\n")
	rows := strings.SplitAfter(diff, "\n")
	if len(rows) < 3 || rows[0] != "--- old\n" || rows[1] != "+++ new\n" {
		return "", errors.New("no head")
	}
	var out strings.Builder
	at := 0
	for i := 2; i < len(rows); i++ {
		row := rows[i]
		if row == "" {
			continue
		}
		text := row[1:]
		if i+1 < len(rows) && strings.HasPrefix(rows[i+1], `\`) {
			text = strings.TrimSuffix(text, "\n")
		}
		switch row[0] {
		case '@':
			start, _, _ := strings.Cut(strings.TrimPrefix(row, "@@ -"), " ")
			line, count, many := strings.Cut(start, ",")
			n, err := strconv.Atoi(line)
			if err != nil {
				return "", err
			}
			if many && count == "0" {
				n++
			}
			if n-1 < at || n-1 > len(from) {
				return "", fmt.Errorf("%q after line %d", row, at)
			}
			for ; at < n-1; at++ {
				out.WriteString(from[at])
			}
		case '+':
			out.WriteString(text)
		case ' ', '-':
			if at >= len(from) || from[at] != text {
				return "", fmt.Errorf("line %d is not %q", at+1, text)
			}
			if at++; row[0] == ' ' {
				out.WriteString(text)
			}
		case '\\':
		default:
			return "", fmt.Errorf("row %q", row)
		}
	}
	return out.String() + strings.Join(from[at:], ""), nil
}

// check compares two texts, and checks all guarantees of the result.
func check(t testing.TB, old, next string) *textdiff.Diff {
	t.Helper()
	d, diff := unified(t, old, next)
	if got, err := apply(old, diff); err != nil || got != next {
		t.Fatalf("%q to %q by\n%s\ngives %q, %v", old, next, diff, got, err)
	}
	at, removed, added := textdiff.Change{}, 0, 0
	for i, c := range d.Changes {
		if i > 0 && c.OldFrom == at.OldTo || c.OldFrom < at.OldTo || c.NewFrom < at.NewTo || c.OldFrom == c.OldTo && c.NewFrom == c.NewTo ||
			!slices.Equal(d.Old[at.OldTo:c.OldFrom], d.New[at.NewTo:c.NewFrom]) {
			t.Fatalf("change %+v after %+v", c, at)
		}
		at, removed, added = c, removed+c.OldTo-c.OldFrom, added+c.NewTo-c.NewFrom
	}
	if removed != d.Removed || added != d.Added || (old == next) != (len(d.Changes) == 0) {
		t.Fatalf("%q to %q: %+v", old, next, d)
	}
	rows := 0
	for h := range d.Hunks() {
		for r := range h.Rows() {
			if rows++; r.Op == textdiff.Equal {
				rows--
			}
		}
	}
	if rows != d.Removed+d.Added {
		t.Fatalf("%d rows for %+v", rows, d)
	}
	return d
}

func FuzzCompare(f *testing.F) {
	for _, pair := range [][2]string{{"", ""}, {"a\nb\n", "b\na\n"}, {"a\r\nb", "a\nb\n"}, {"\x00\xff\n\n\n", "\n\x1b[2J\n"},
		{strings.Repeat("a\nb\n", 300), strings.Repeat("b\nb\na\n", 300)}, {"one\ntwo\nthree\n", "two\nthree\none\nfour"}} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, old, next string) { check(t, old, next) })
}

// lines joins n lines.
func lines[L int | string](n int, line func(i int) L) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintln(&b, line(i))
	}
	return b.String()
}

// The work of a comparison is in proportion to the texts: each of these pairs would
// take hours with work in proportion to their product.
func TestLargeTexts(t *testing.T) {
	n := textdiff.MostLines / 4
	if testing.Short() {
		n /= 10
	}
	same := func(i int) int { return i }
	for name, c := range map[string]struct {
		old, next       string
		removed, coarse int // coarse: 0 no, 1 yes
	}{
		"no common line":      {lines(n, same), lines(n, func(i int) int { return -i - 1 }), n, 0},
		"every tenth changed": {lines(n, same), lines(n, func(i int) int { return i + i%10/9*(2*n) }), n / 10, 0},
		"reversed":            {lines(n, same), lines(n, func(i int) int { return n - 1 - i }), n - 1, 0},
		"two lines":           {lines(n, func(i int) int { return i % 2 }), lines(n, func(i int) int { return i * i / 7 % 2 }), -1, 1},
		"three lines":         {lines(n, func(i int) int { return i % 3 }), lines(n, func(i int) int { return i * 7 / 5 % 3 }), -1, 0},
		"empty lines":         {strings.Repeat("\n", n), strings.Repeat("\n", n/2), n - n/2, 0},
	} {
		d := check(t, c.old, c.next)
		if c.removed >= 0 && d.Removed != c.removed || d.Coarse != (c.coarse == 1) {
			t.Errorf("%s: %d removed, %d added in %d changes, coarse %v", name, d.Removed, d.Added, len(d.Changes), d.Coarse)
		}
	}
	if textdiff.Compare("\n", strings.Repeat("\n", textdiff.MostLines+1)) != nil || textdiff.Compare(strings.Repeat("\n", textdiff.MostLines)+"x", "") != nil {
		t.Error("a text of too many lines is compared")
	}
	if textdiff.Compare(strings.Repeat("\n", textdiff.MostLines-1)+"x", "\n") == nil {
		t.Error("a text of MostLines lines is not compared")
	}
}

// More changed lines than the library compares as a whole are compared by other lines:
// here by some that occur several times, as in a log.
func TestManyChanges(t *testing.T) {
	old := lines(5000, func(i int) int { return i / 2 * 2 })
	next := strings.NewReplacer("00\n", "00 changed\n").Replace(old)
	unique := "head\n" + old + "middle\n" + old + "tail\n"
	d := check(t, unique, "head\n"+next+"middle\n"+next+"tail\n")
	if d.Removed != 196 || d.Added != 196 || d.Coarse {
		t.Errorf("%d removed, %d added, coarse %v", d.Removed, d.Added, d.Coarse)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestWriteFails(t *testing.T) {
	if err := textdiff.Compare("a\n", "b\n").Write(fullDisk{}, "a", "b"); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("%v", err)
	}
}
