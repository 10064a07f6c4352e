package pane_test

import (
	"testing"

	"usher/tui/pane"
)

// Only the home folder itself and paths below it have a ~.
func TestShortPath(t *testing.T) {
	for _, c := range [][3]string{
		{"/home/ada/usher/x", "/home/ada", "~/usher/x"}, {"/home/ada", "/home/ada", "~"}, {"/home/adam/x", "/home/ada", "/home/adam/x"},
		{"/home/ada/x", "", "/home/ada/x"}, {"/data/x", "/home/ada", "/data/x"},
	} {
		if got := pane.Short(c[0], c[1]); got != c[2] {
			t.Errorf("%s with home %q: %s, want %s", c[0], c[1], got, c[2])
		}
	}
}
