package access_test

import (
	"testing"

	"usher/tui"
	"usher/tui/keys"
	"usher/tui/linear"
	"usher/tui/tuitest"
)

// storms are the pages of this package for random keys, by context, with the keys to
// each from the first folder.
var storms = map[keys.Context][]string{
	keys.Access:   {"X"},
	keys.Places:   {"X", "a"},
	keys.Because:  {"X", "enter"},
	keys.Requests: {"X", "r"},
}

// Random keys on each page: see tui.TestRandomKeys.
func TestRandomKeys(t *testing.T) {
	fresh := func() linear.Program {
		w := newProgram(nil)
		w.deps.Mouse = true
		m, err := tui.New(w.deps)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	tuitest.Storms(t, storms, fresh)
}
