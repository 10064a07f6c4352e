package tui

import "usher/tui/keys"

// remapped returns the checked table of sets with other keys of some actions.
func remapped(sets []keys.Set, to map[string][]string) (keys.Map, error) {
	sets, err := keys.Remap(sets, to)
	if err != nil {
		return keys.Map{}, err
	}
	return keys.New(sets...)
}

// CheckKeys returns the reason that other keys of some actions are refused, or nil.
func CheckKeys(to map[string][]string) error {
	_, err := remapped(keys.Default(), to)
	return err
}
