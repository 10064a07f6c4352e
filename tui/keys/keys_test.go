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

// A table of keys in a document has keys of its page alone, and that of the transfers
// has all of them.
func TestKeysAreDocumented(t *testing.T) {
	m, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []struct {
		file, section string
		page          keys.Context
		least         int
		all           bool
	}{
		{"browser.md", "Find, mark and open", keys.Browser, 20, false},
		{"browser.md", "Requests for access", keys.Requests, 5, false},
		{"browser.md", "The page of versions", keys.Versions, 6, false},
		{"browser.md", "The page of transfers", keys.Transfers, 15, true},
		{"audit.md", "In the browser", keys.Audit, 15, false},
	} {
		t.Run(table.section, func(t *testing.T) {
			raw, err := os.ReadFile("../../docs/" + table.file)
			if err != nil {
				t.Fatal(err)
			}
			_, section, _ := strings.Cut(string(raw), "\n## "+table.section+"\n")
			section, _, _ = strings.Cut(section, "\n## ")
			documented := map[string]bool{}
			for l := range strings.Lines(section) {
				if !strings.HasPrefix(l, "| `") {
					continue
				}
				for i, key := range strings.Split(strings.Split(strings.ReplaceAll(l, `\|`, ""), "|")[1], "`") {
					if i%2 == 1 {
						documented[key] = true
					}
				}
			}
			for key := range documented {
				if _, ok := m.Find(table.page, key); !ok {
					t.Errorf("%s: no key %s on this page", table.file, key)
				}
			}
			if len(documented) < table.least {
				t.Errorf("only %d keys were found in the table", len(documented))
			}
			for _, set := range keys.Default() {
				if !table.all || set.Context != table.page {
					continue
				}
				for _, b := range set.Bindings {
					for _, key := range b.Keys {
						if !documented[key] {
							t.Errorf("%s: no row for %s (%s)", table.file, key, b.Action)
						}
					}
				}
			}
		})
	}
}
