// Package keys is the one table of key bindings. Update, the key line, the help
// and the palette use the same bindings, so they cannot disagree.
//
// A Map is a value built at start by New; a key bound twice where both could
// answer, or a key that some terminal or multiplexer keeps for itself, is
// refused with the names of both. Contexts stack: a page's context may build
// on List (movement in any list), and everything builds on Everywhere.
//
//	m, err := keys.New(keys.Default()...)
//	if a, ok := m.Find(keys.Browser, msg.String()); ok { cmd = page.Do(a) }
//
// The package knows keys and words. The effect of an action belongs to the page.
package keys

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Context names a set of bindings.
type Context string

// Action names the effect of a key. It is stable: tests and the palette use it.
type Action string

// Binding is one row of the table.
type Binding struct {
	Action Action
	Keys   []string // as tea.KeyPressMsg.String gives them; the first is shown
	Show   string   // the key in the key line and in the help; "" means Keys[0]
	Label  string   // two or three words: "next pane"
	Long   string   // for the palette: "Download marked files"; "" means not listed there
	Group  string   // heading in the help
}

// Shown is the key as the person reads it.
func (b Binding) Shown() string {
	if b.Show != "" {
		return b.Show
	}
	if len(b.Keys) == 0 {
		return ""
	}
	return b.Keys[0]
}

// Set is the bindings of one context and the context it builds on ("" for
// none; Everywhere comes last in any case).
type Set struct {
	Context  Context
	On       Context
	Alone    bool // not on Everywhere either: a one-letter menu
	Bindings []Binding
}

// Map is a checked table.
type Map struct {
	sets  map[Context]Set
	order []Context
}

// New checks the sets and makes a Map of them.
func New(sets ...Set) (Map, error) {
	m := Map{sets: make(map[Context]Set)}
	for _, s := range sets {
		if _, twice := m.sets[s.Context]; twice {
			return Map{}, fmt.Errorf("key context %s is defined twice", s.Context)
		}
		m.sets[s.Context] = s
		m.order = append(m.order, s.Context)
	}
	for _, c := range m.order {
		seen := make(map[string]Action)
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

// refused returns the reason for which a key must not be bound, or "".
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

// All gives every binding in force in a context, its own first.
func (m Map) All(c Context) []Binding {
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

// Find gives the action of a key in a context.
func (m Map) Find(c Context, key string) (Action, bool) {
	for _, b := range m.All(c) {
		if slices.Contains(b.Keys, key) {
			return b.Action, true
		}
	}
	return "", false
}

// Binding gives the row of an action in a context.
func (m Map) Binding(c Context, a Action) (Binding, bool) {
	for _, b := range m.All(c) {
		if b.Action == a {
			return b, true
		}
	}
	return Binding{}, false
}

// Contexts gives every context, in the order of the table.
func (m Map) Contexts() []Context { return slices.Clone(m.order) }

// Groups gives a context's bindings under their headings, in table order.
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

// Group is bindings under one heading of the help.
type Group struct {
	Name     string
	Bindings []Binding
}

// Hints gives key and label of some actions, for theme.Keys. An action that
// the context does not bind is left out.
func (m Map) Hints(c Context, actions ...Action) [][2]string {
	var out [][2]string
	for _, a := range actions {
		if b, ok := m.Binding(c, a); ok {
			out = append(out, [2]string{b.Shown(), b.Label})
		}
	}
	return out
}
