package audit_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/event"
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

// Random keys on the pages of a log in a file: those of a log on a server, without an
// export and a proof.
func TestRandomKeysInALogFile(t *testing.T) {
	fresh := func() linear.Program {
		m, err := tui.NewLogFile(tui.LogFileDeps{
			Log: sample(), Name: "copy.db", Now: now, Theme: "dark", Zone: time.UTC, Mouse: true,
			Verify: func(context.Context) (string, string) { return "", "log whole up to 37" },
			Sent: func(context.Context, []event.By, string) (func([]string) string, error) {
				return func([]string) string { return "3 B" }, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	pages := maps.Clone(storms)
	delete(pages, keys.Export)
	delete(pages, keys.Proof)
	for c, open := range pages { // the first page of the file is that of the log
		front := tuitest.Plainly(keys.Audit)
		(&tuitest.Storm{New: fresh, Open: slices.Clone(open[1:]), At: tuitest.AtPage(c), Back: front}).Test(t, string(c))
	}
	for title, key := range map[string]string{"Keys in": "?", "Commands": ":"} {
		(&tuitest.Storm{New: fresh, Open: []string{key}, Back: tuitest.Plainly(keys.Audit), At: func(s linear.Scene) bool { return s.Dialog && strings.HasPrefix(s.Title, title) }}).Test(t, "dialog "+title)
	}
}
