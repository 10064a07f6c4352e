// Package keys is the table of key bindings. Update, the key line, the help and
// the palette use the same table, so they cannot disagree.
//
// New checks the table. It refuses a key with two actions in one context, and a
// key that a terminal or multiplexer reserves. A context may extend another, such
// as List (movement in any list), and every context extends Everywhere.
//
//	m, err := keys.New(keys.Default()...)
//	if a, ok := m.Find(keys.Browser, msg.String()); ok { cmd = page.Do(a) }
//
// The package has keys and labels only. Pages implement the actions.
package keys

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Context names a set of bindings.
type Context string

// Action names the effect of a key.
type Action string

// Binding is one row of the table.
type Binding struct {
	Action Action
	Keys   []string // in the form of tea.KeyPressMsg.String; the first is shown
	Show   string   // the key in the key line and in the help; "" means Keys[0]
	Label  string   // two or three words: "next pane"
	Long   string   // name in the palette: "Download marked files"; "" omits the action there
	Group  string   // heading in the help
}

// Shown returns the key as it is displayed.
func (b Binding) Shown() string {
	if b.Show != "" {
		return b.Show
	}
	if len(b.Keys) == 0 {
		return ""
	}
	return b.Keys[0]
}

// Set holds the bindings of one context, and the context that it extends ("" for
// none). Everywhere is the last extension of every context.
type Set struct {
	Context  Context
	On       Context
	Alone    bool // does not extend Everywhere: a one-letter menu
	Bindings []Binding
}

// Map is a checked table.
type Map struct {
	sets  map[Context]Set
	order []Context
	all   map[Context][]Binding
}

// New checks the sets and returns a Map of them.
func New(sets ...Set) (Map, error) {
	m := Map{sets: make(map[Context]Set), all: make(map[Context][]Binding)}
	for _, s := range sets {
		if _, twice := m.sets[s.Context]; twice {
			return Map{}, fmt.Errorf("key context %s is defined twice", s.Context)
		}
		m.sets[s.Context] = s
		m.order = append(m.order, s.Context)
	}
	for _, c := range m.order {
		m.all[c] = m.collect(c)
		seen := make(map[string]Action, 2*len(m.all[c]))
		for _, b := range m.All(c) {
			for _, k := range b.Keys {
				if why := refused(k); why != "" {
					return Map{}, fmt.Errorf("key %q of %s (%s): %s", k, b.Action, c, why)
				}
				if other, taken := seen[k]; taken {
					return Map{}, fmt.Errorf("key %q means both %s and %s in %s", k, other, b.Action, c)
				}
				seen[k] = b.Action
			}
		}
	}
	return m, nil
}

var functionKey = regexp.MustCompile(`^f\d+$`)

// refused returns the reason that a key must not be bound, or "".
func refused(k string) string {
	switch {
	case functionKey.MatchString(k), strings.Contains(k, "alt+"), strings.Contains(k, "meta+"):
		return "function and alt keys do not arrive in every terminal"
	case slices.Contains([]string{"ctrl+a", "ctrl+b"}, k):
		return "screen and tmux keep it"
	case slices.Contains([]string{"ctrl+s", "ctrl+q"}, k):
		return "terminals use it for flow control"
	case slices.Contains([]string{"ctrl+h", "ctrl+i", "ctrl+m"}, k):
		return "it is the same byte as another key"
	}
	return ""
}

// All returns every binding of a context, its own first. Do not change the slice.
func (m Map) All(c Context) []Binding {
	if all, ok := m.all[c]; ok {
		return all
	}
	return m.all[Everywhere]
}

func (m Map) collect(c Context) []Binding {
	var all []Binding
	alone := false
	for at := c; at != ""; {
		s, ok := m.sets[at]
		if !ok {
			break
		}
		all = append(all, s.Bindings...)
		alone = alone || s.Alone
		at = s.On
	}
	if c != Everywhere && !alone {
		all = append(all, m.sets[Everywhere].Bindings...)
	}
	return all
}

// Menu reports whether a context is a one-letter menu: any key without a binding in
// it closes it.
func (m Map) Menu(c Context) bool { return m.sets[c].Alone }

// Find returns the action of a key in a context.
func (m Map) Find(c Context, key string) (Action, bool) {
	for _, b := range m.All(c) {
		if slices.Contains(b.Keys, key) {
			return b.Action, true
		}
	}
	return "", false
}

// Binding returns the binding of an action in a context.
func (m Map) Binding(c Context, a Action) (Binding, bool) {
	for _, b := range m.All(c) {
		if b.Action == a {
			return b, true
		}
	}
	return Binding{}, false
}

// Contexts returns all contexts, in the order of the table.
func (m Map) Contexts() []Context { return slices.Clone(m.order) }

// Groups returns the bindings of a context under their headings, in table order.
func (m Map) Groups(c Context) []Group {
	var groups []Group
	for _, b := range m.All(c) {
		i := slices.IndexFunc(groups, func(g Group) bool { return g.Name == b.Group })
		if i < 0 {
			groups = append(groups, Group{Name: b.Group})
			i = len(groups) - 1
		}
		groups[i].Bindings = append(groups[i].Bindings, b)
	}
	return groups
}

// Group holds the bindings under one heading of the help.
type Group struct {
	Name     string
	Bindings []Binding
}

// Shown returns the displayed key of an action in a context, "" for an action that it
// does not bind.
func (m Map) Shown(c Context, a Action) string {
	b, _ := m.Binding(c, a)
	return b.Shown()
}

// Hint returns the displayed key of an action with another label.
func (m Map) Hint(c Context, a Action, label string) [2]string {
	return [2]string{m.Shown(c, a), label}
}

// Hints returns key and label of some actions, for theme.Keys. It omits an action
// that the context does not bind.
func (m Map) Hints(c Context, actions ...Action) [][2]string {
	var out [][2]string
	for _, a := range actions {
		if b, ok := m.Binding(c, a); ok {
			out = append(out, [2]string{b.Shown(), b.Label})
		}
	}
	return out
}
