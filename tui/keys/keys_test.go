package keys_test

import (
	"os"
	"strings"
	"testing"

	"usher/tui/keys"
)

func TestDefaultHasNoConflict(t *testing.T) {
	m, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range m.Contexts() {
		for _, b := range m.All(c) {
			if len(b.Keys) == 0 || b.Label == "" || b.Group == "" {
				t.Errorf("%s in %s lacks a key, a label or a heading", b.Action, c)
			}
			for _, k := range b.Keys {
				n++
				if a, ok := m.Find(c, k); !ok || a != b.Action {
					t.Errorf("%q in %s finds %s, want %s", k, c, a, b.Action)
				}
			}
		}
	}
	if n < 150 {
		t.Errorf("only %d bindings were looked at", n)
	}
}

func TestConflictsAndUnusableKeysAreRefused(t *testing.T) {
	bind := func(a keys.Action, k string) keys.Binding {
		return keys.Binding{Action: a, Keys: []string{k}, Label: "x", Group: "x"}
	}
	for name, sets := range map[string][]keys.Set{
		"twice in one pane":   {{Context: "a", Bindings: []keys.Binding{bind("one", "x"), bind("two", "x")}}},
		"pane and list":       {{Context: keys.List, Bindings: []keys.Binding{bind("one", "x")}}, {Context: "a", On: keys.List, Bindings: []keys.Binding{bind("two", "x")}}},
		"pane and everywhere": {{Context: keys.Everywhere, Bindings: []keys.Binding{bind("one", "x")}}, {Context: "a", Bindings: []keys.Binding{bind("two", "x")}}},
		"context twice":       {{Context: "a"}, {Context: "a"}},
		"alt":                 {{Context: "a", Bindings: []keys.Binding{bind("one", "alt+x")}}},
		"function key":        {{Context: "a", Bindings: []keys.Binding{bind("one", "f5")}}},
		"tmux prefix":         {{Context: "a", Bindings: []keys.Binding{bind("one", "ctrl+b")}}},
		"flow control":        {{Context: "a", Bindings: []keys.Binding{bind("one", "ctrl+s")}}},
		"tab's twin":          {{Context: "a", Bindings: []keys.Binding{bind("one", "ctrl+i")}}},
	} {
		if _, err := keys.New(sets...); err == nil {
			t.Errorf("%s was accepted", name)
		} else if strings.HasPrefix(name, "pane") && !(strings.Contains(err.Error(), "one") && strings.Contains(err.Error(), "two")) {
			t.Errorf("%s: %v does not name both", name, err)
		}
	}
	alone := []keys.Set{{Context: keys.Everywhere, Bindings: []keys.Binding{bind("one", "x")}}, {Context: "menu", Alone: true, Bindings: []keys.Binding{bind("two", "x")}}}
	if _, err := keys.New(alone...); err != nil {
		t.Errorf("a menu of its own may use any letter: %v", err)
	}
}

// The table of the page of transfers in docs/browser.md has each of its keys.
func TestKeysOfTransfersAreDocumented(t *testing.T) {
	raw, err := os.ReadFile("../../docs/browser.md")
	if err != nil {
		t.Fatal(err)
	}
	table := ""
	for _, l := range strings.Split(string(raw), "\n") {
		if strings.HasPrefix(l, "| `") {
			table += strings.Split(l, "|")[1]
		}
	}
	n := 0
	for _, s := range keys.Default() {
		if s.Context != keys.Transfers {
			continue
		}
		for _, b := range s.Bindings {
			for _, k := range b.Keys {
				n++
				if !strings.Contains(table, "`"+k+"`") {
					t.Errorf("no row for %s (%s)", k, b.Action)
				}
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d keys were looked at", n)
	}
}
