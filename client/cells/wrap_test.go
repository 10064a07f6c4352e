package cells_test

import (
	"slices"
	"strings"
	"testing"

	"usher/client/cells"
)

func TestWrap(t *testing.T) {
	for _, x := range []struct {
		text string
		w    int
		want []string
	}{
		{"a lowercase letter, a digit and a symbol such as ! or #.", 53, []string{"a lowercase letter, a digit and a symbol such as !", "or #."}},
		{"a digit and a symbol such as ! or #.", 35, []string{"a digit and a symbol such as !", "or #."}},
		{"a digit and a symbol such as ! or #.", 36, []string{"a digit and a symbol such as ! or #."}},
		{"one two three\nfour five s.", 12, []string{"one two", "three", "four five s."}},
		{"one two three\nfour five s.", 11, []string{"one two", "three", "four", "five s."}},
		{"first a.\nsecond", 7, []string{"first", "a.", "second"}}, // no word precedes "first"
		{"see well-known x", 14, []string{"see", "well-known x"}},
		{"see the fly-by", 12, []string{"see the", "fly-by"}},
		{"see the end x  ", 12, []string{"see the", "end x"}},
		{"see the end  ", 7, []string{"see the", "end  "}},
		{"see some/long/path/here.x #", 25, []string{"see", "some/long/path/here.x #"}},
		{"see some/long/path/here.x #", 22, []string{"see", "some/long/path/here.x", "#"}}, // no room
		{"abcdefghijklm", 12, []string{"abcdefghijkl", "m"}},
		{"the end  s.", 8, []string{"the", "end s."}},
		{"", 8, []string{""}},
	} {
		if got := cells.Wrap(x.text, x.w); !slices.Equal(got, x.want) {
			t.Errorf("Wrap(%q, %d) = %q, not %q", x.text, x.w, got, x.want)
		}
	}
}

// FuzzWrap checks that no visible character is lost or moved, that no words are joined, and
// that the lines fit.
func FuzzWrap(f *testing.F) {
	f.Add("At least 8 characters, with a digit and a symbol such as ! or #.", 36)
	f.Add("well-known  s.\nx", 7)
	f.Fuzz(func(t *testing.T, s string, w int) {
		w = 1 + max(w, -w)%80
		plain := strings.Map(func(r rune) rune {
			if r != '\n' && (r < 0x20 || r > 0x7e) {
				return 'x'
			}
			return r
		}, s)
		lines := cells.Wrap(plain, w)
		bare := func(s string) string { return strings.NewReplacer(" ", "", "\n", "").Replace(s) }
		if got := strings.Join(lines, "\n"); bare(got) != bare(plain) {
			t.Fatalf("%q in %d cells loses text: %q", plain, w, got)
		}
		words := strings.Join(strings.Fields(plain), " ")
		for _, l := range lines {
			if !strings.Contains(words, strings.Join(strings.Fields(l), " ")) {
				t.Fatalf("%q in %d cells: the line %q is not in it", plain, w, l)
			}
			if cells.Width(l) > w {
				t.Fatalf("%q: a line of more than %d cells: %q", plain, w, l)
			}
		}
	})
}
