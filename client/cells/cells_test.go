package cells_test

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"usher/client/cells"
)

// names have characters of which terminals disagree, or about which they agree.
var names = []string{
	"report.csv", "mañana.csv", "東京-気温.csv", "서울-기온.csv", "погода-Київ.csv", "दोस्त", "मौसम-रिपोर्ट.csv", "আবহাওয়া.csv", "வானிலை.csv", "อากาศ นำ้.csv", "ការធ្វើ.csv",
	"👩🏽🔬 notes.md", "👨\u200d👩\u200d👧.png", "❤\ufe0f.txt", "🇯🇵🇩🇪.csv", "1\ufe0f\u20e3.txt", "e\u0301te\u0301", "የአየር ሁኔታ", "ཨོཾ་མ་ཎི.txt", "\u1112\u1161\u11ab.txt", "a\u0897b", "🫨🪿.csv", "𠀀𠀁.csv",
}

func TestWidthIsTheLargerMeasure(t *testing.T) {
	for text, want := range map[string]int{
		"":                           0,
		"plain":                      5,
		"\x1b[1mbold\x1b[m":          4,
		"मौसम-रिपोर्ट.csv":           15, // 11 as characters, 15 as code points
		"👨\u200d👩\u200d👧.png":        10, // one glyph of 2 cells, three of 2
		"❤\ufe0f":                    2,  // 2 with the selector, 1 without
		"東京":                         4,
		"e\u0301":                    1,
		"\x1b]8;;https://x\x07a":     1,
		"a\tb\n":                     2,
		"\u0301":                     0,
		"\x1b[31mक्ष\x1b[0m \x1b[1m": 3,
	} {
		if got := cells.Width(text); got != want {
			t.Errorf("Width(%q) = %d, not %d", text, got, want)
		}
	}
	for r := rune(0xa0); r < 0x20000; r++ {
		if got, want := cells.Width(string(r)), max(ansi.StringWidth(string(r)), ansi.StringWidthWc(string(r))); got != want {
			t.Errorf("Width(%q) = %d, not %d", r, got, want)
		}
	}
	for _, name := range names {
		if w, a, b := cells.Width(name), ansi.StringWidth(name), ansi.StringWidthWc(name); w < a || w < b {
			t.Errorf("%q has %d cells: less than %d and %d", name, w, a, b)
		}
	}
}

// Each cut has at most the wanted cells in both measures, and loses nothing that fits.
func TestCuts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	for range rounds {
		var text strings.Builder
		for range random.IntN(6) {
			text.WriteString(names[random.IntN(len(names))])
			text.WriteString([]string{"", " ", "\x1b[1m", "…"}[random.IntN(4)])
		}
		s, w := text.String(), random.IntN(40)
		plain := ansi.Strip(s)
		for what, got := range map[string]string{"Truncate": cells.Truncate(s, w, "…"), "Last": cells.Last(s, w), "Cut": cells.Cut(s, 3, 3+w)} {
			if a, b := ansi.StringWidth(got), ansi.StringWidthWc(got); max(a, b) > w+7 || what != "Cut" && max(a, b) > w {
				t.Fatalf("%s of %q to %d cells: %q has %d and %d", what, s, w, got, a, b)
			}
			if cells.Width(s) <= w && ansi.Strip(got) != plain && what != "Cut" {
				t.Fatalf("%s of %q to %d cells: %q", what, s, w, got)
			}
		}
		if head, tail := cells.Truncate(plain, w, ""), cells.Last(plain, cells.Width(plain)-w); !strings.HasPrefix(plain, head) || !strings.HasSuffix(plain, tail) {
			t.Fatalf("%q and %q are not the ends of %q", head, tail, plain)
		}
		for _, lines := range [][]string{cells.Wrap(plain, max(w, 2)), cells.Hardwrap(plain, max(w, 2))} {
			for _, l := range lines {
				if cells.Width(l) > max(w, 2) && len([]rune(l)) > 9 { // one character may be wider
					t.Fatalf("a line of %d cells, not %d: %q", cells.Width(l), max(w, 2), l)
				}
			}
		}
		if joined := strings.Join(cells.Hardwrap(plain, max(w, 2)), ""); joined != plain {
			t.Fatalf("Hardwrap loses text: %q of %q", joined, plain)
		}
	}
}

// The screen and the commands measure text with this package alone.
func TestOneMeasure(t *testing.T) {
	other := regexp.MustCompile(`ansi\.(StringWidth|StringWidthWc|Truncate|TruncateLeft|Cut|Wrap|Hardwrap|Wordwrap)\(|lipgloss\.(Width|Size|Join|Place|NewStyle)|runewidth|uniseg`)
	files := 0
	for _, root := range []string{"../../tui", "../../client", "../../session"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(filepath.ToSlash(path), "../../client/cells/") || strings.HasPrefix(filepath.ToSlash(path), "../../tui/tuitest/") {
				return err
			}
			text, err := os.ReadFile(path)
			if found := other.Find(text); found != nil {
				t.Errorf("%s uses %s", path, found)
			}
			files++
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Errorf("only %d files were read", files)
	}
}

func TestUncertain(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "plain.csv": false, "mañana … ✓": false, "東京-気温.csv": false, "서울": false, "погода": false,
		"\x1b[31mred\x1b[m": false,
		"मौसम":              true, "น้ำ": true, "❤\ufe0f": true, "e\u0301": true, "a 👩🏽‍🔬": true, "soft\u00adhyphen": true,
	} {
		if cells.Uncertain(text) != want {
			t.Errorf("%q: not %v", text, want)
		}
	}
	for _, name := range names { // a name about which the measures differ is uncertain
		if ansi.StringWidth(name) != ansi.StringWidthWc(name) && !cells.Uncertain(name) {
			t.Errorf("%q", name)
		}
	}
}
