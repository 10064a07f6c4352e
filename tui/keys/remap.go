package keys

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Remap returns the sets with other keys for some actions. A name is an action, in
// all contexts that bind it, or a context and an action: "browser.download". The
// second form has precedence. The result still needs New, which refuses conflicts.
// The sets of the argument do not change.
func Remap(sets []Set, to map[string][]string) ([]Set, error) {
	names := actionNames(sets)
	for _, name := range slices.Sorted(maps.Keys(to)) {
		if !names[name] {
			return nil, fmt.Errorf("there is no action %q%s", name, suggestion(name, names))
		}
		if len(to[name]) == 0 {
			return nil, fmt.Errorf("%s needs a key", name)
		}
		for _, k := range to[name] {
			if why := unusable(k, name); why != "" {
				return nil, fmt.Errorf("key %q of %s: %s", k, name, why)
			}
		}
	}
	out := slices.Clone(sets)
	for i, s := range out {
		out[i].Bindings = s.remapped(to)
	}
	return out, nil
}

// actionNames returns the names that Remap accepts.
func actionNames(sets []Set) map[string]bool {
	names := make(map[string]bool)
	for _, s := range sets {
		for _, b := range s.Bindings {
			names[string(b.Action)] = true
			names[string(s.Context)+"."+string(b.Action)] = true
		}
	}
	return names
}

// remapped returns the bindings with other keys. A Show of several keys, such as
// "J K", follows the first key of each of them.
func (s Set) remapped(to map[string][]string) []Binding {
	out := slices.Clone(s.Bindings)
	first := make(map[string]string) // the first key of an action, before and after
	changed := make([]bool, len(out))
	for i, b := range out {
		ks, ok := to[string(s.Context)+"."+string(b.Action)]
		if !ok {
			if ks, ok = to[string(b.Action)]; !ok {
				continue
			}
		}
		first[b.Keys[0]] = ks[0]
		changed[i] = true
		out[i].Keys = nil
		for _, k := range ks {
			if !slices.Contains(out[i].Keys, k) {
				out[i].Keys = append(out[i].Keys, k)
			}
		}
	}
	for i, b := range out {
		shown := strings.Fields(b.Show)
		if len(shown) < 2 {
			if changed[i] {
				out[i].Show = ""
			}
			continue
		}
		for j, k := range shown {
			if now, ok := first[k]; ok {
				shown[j] = now
			}
		}
		out[i].Show = strings.Join(shown, " ")
	}
	return out
}

// named are the keys with names, beside letters and ctrl with a letter.
func named() []string {
	return []string{"enter", "tab", "shift+tab", "esc", "space", "backspace", "delete", "insert", "up", "down", "left", "right", "home", "end", "pgup", "pgdown"}
}

// unusable returns the reason that an action cannot have a key, or "".
func unusable(k, action string) string {
	if why := refused(k); why != "" {
		return why
	}
	if k == "ctrl+c" && action != string(Quit) && action != string(Everywhere)+"."+string(Quit) {
		return "it always quits"
	}
	if slices.Contains(named(), k) {
		return ""
	}
	letter, ctrl := strings.CutPrefix(k, "ctrl+")
	r, n := utf8.DecodeRuneInString(letter)
	if n == len(letter) && n > 0 && r != utf8.RuneError {
		if ctrl && r >= 'a' && r <= 'z' || !ctrl && unicode.IsGraphic(r) && !unicode.Is(unicode.M, r) && !unicode.IsSpace(r) {
			return ""
		}
	}
	return "a key is one character, ctrl+ with a small letter, or one of " + strings.Join(named(), ", ")
}

// suggestion names the action that is spelled like a name, or "".
func suggestion(name string, names map[string]bool) string {
	best, least := "", 1+max(2, len(name)/3)
	for _, n := range slices.Sorted(maps.Keys(names)) {
		if strings.Contains(n, ".") != strings.Contains(name, ".") {
			continue
		}
		if d := edits(name, n); d < least {
			best, least = n, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(". Did you mean %s?", best)
}

// edits returns the number of insertions, deletions and replacements between two
// words (Levenshtein).
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
