package audit_test

import (
	"context"
	"testing"

	"usher/tui"
	"usher/tui/audit"
	"usher/tui/keys"
	"usher/tui/linear"
	"usher/tui/tuitest"
)

// storms are the pages of this package for random keys, by context, with the keys to
// each from the first folder.
var storms = map[keys.Context][]string{
	keys.Audit:    {"A"},
	keys.Event:    {"A", "enter"},
	keys.Answer:   {"A", "b", "w"},
	keys.Grouping: {"A", "b"},
	keys.Export:   {"A", "e"},
	keys.Proof:    {"A", "V"},
}

// Random keys on each page: see tui.TestRandomKeys.
func TestRandomKeys(t *testing.T) {
	fresh := func() linear.Program {
		w := newProgram(func(w *program) {
			w.exporter = &audit.Exporter{Name: func() string { return "/home/grace/usher-audit.tar" }, Run: func(_ context.Context, x audit.Export) (audit.Exported, error) {
				return audit.Exported{Path: x.Path, Matches: 3, Events: 5, Size: 9_000, Checkpoint: 5}, nil
			}}
		})
		w.deps.Mouse = true
		m, err := tui.New(w.deps)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	tuitest.Storms(t, storms, fresh)
}
