package dialog_test

import (
	"testing"

	"usher/tui/dialog"
)

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
		if got := dialog.Fit(c.box, c.h); got != c.want {
			t.Errorf("%d lines: %q", c.h, got)
		}
	}
}
