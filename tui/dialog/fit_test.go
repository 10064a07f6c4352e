package dialog_test

import (
	"strings"
	"testing"

	"usher/tui/dialog"
)

// A long text of another person keeps its two ends.
func TestExcerpt(t *testing.T) {
	for text, want := range map[string]string{
		"short":                  "short",
		strings.Repeat("a", 150): strings.Repeat("a", 150),
		strings.Repeat("a", 80) + strings.Repeat("b", 80): strings.Repeat("a", 75) + "..." + strings.Repeat("b", 72),
		strings.Repeat("中", 100):                          strings.Repeat("中", 37) + "..." + strings.Repeat("中", 36),
	} {
		if got := dialog.Excerpt(text, "..."); got != want {
			t.Errorf("%q", got)
		}
	}
}

// A box that is too high keeps its title and its keys.
func TestFit(t *testing.T) {
	for _, c := range []struct {
		box, want string
		h         int
	}{
		{"title\na\nb\nkeys", "title\na\nb\nkeys", 4},
		{"title\na\nb\nkeys", "title\nb\nkeys", 3},
		{"title\na\nb\nkeys", "title\nkeys", 2},
	} {
		got, cut := dialog.Fit(c.box, c.h)
		if got != c.want || cut != strings.Count(c.box, "\n")-strings.Count(c.want, "\n") {
			t.Errorf("%d lines: %q, %d are removed", c.h, got, cut)
		}
	}
}
