package places

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"usher/backend/api"
)

// Bounds of the sets of a State. Their texts leave room for the rest of the file.
const (
	MaxSets     = 20
	MaxSetPaths = 500
	maxSetName  = 40     // characters
	maxSetBytes = 30_000 // of all names and paths, as JSON
)

// Errors of Fits.
var (
	ErrSetName  = errors.New("a set has a name of 1 to 40 characters, without control characters and without spaces at its ends")
	ErrSetPaths = fmt.Errorf("a set has 1 to %d paths of files and folders", MaxSetPaths)
	ErrSetsFull = fmt.Errorf("there is no room for this set: there are at most %d sets with %d bytes of paths in all. Remove a set", MaxSets, maxSetBytes)
)

// Fits returns the reason that a set cannot be stored beside the other ones, nil if it
// can. A set of the same name is replaced.
func (s State) Fits(name string, paths []string) error {
	switch {
	case !validSetName(name):
		return ErrSetName
	case !validPaths(paths):
		return ErrSetPaths
	}
	all := maps.Clone(s.Sets)
	if all == nil {
		all = make(map[string][]string)
	}
	all[name] = paths
	if len(all) > MaxSets || setBytes(all) > maxSetBytes {
		return ErrSetsFull
	}
	return nil
}

// SetNames returns the names of the sets, sorted.
func (s State) SetNames() []string { return slices.Sorted(maps.Keys(s.Sets)) }

func validSetName(name string) bool {
	n := utf8.RuneCountInString(name)
	return utf8.ValidString(name) && n > 0 && n <= maxSetName && strings.TrimSpace(name) == name && !strings.ContainsFunc(name, unicode.IsControl)
}

func validPaths(paths []string) bool {
	if len(paths) == 0 || len(paths) > MaxSetPaths {
		return false
	}
	return !slices.ContainsFunc(paths, func(path string) bool {
		p, err := api.ParsePath(path)
		return err != nil || p.Key == "" || p.String() != path
	})
}

// setBytes returns the greatest number of bytes of sets in the file.
func setBytes(sets map[string][]string) int {
	n := 0
	for name, paths := range sets {
		n += jsonBytes(name)
		for _, p := range paths {
			n += jsonBytes(p)
		}
	}
	return n
}

// jsonBytes returns the greatest number of bytes of a text in JSON, with its quotes and
// the comma after it. A control character has six.
func jsonBytes(s string) int {
	n := len(s) + 3
	for _, r := range s {
		switch {
		case r < ' ' || r == '\u2028' || r == '\u2029':
			n += 5
		case r == '"' || r == '\\':
			n++
		}
	}
	return n
}

// withSets returns a state after changes of sets. A set without paths is removed; one
// without room is left out.
func (s State) withSets(changes map[string][]string) State {
	s.Sets = maps.Clone(s.Sets)
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		paths := changes[name]
		switch {
		case len(paths) == 0:
			delete(s.Sets, name)
		case s.Fits(name, paths) == nil:
			if s.Sets == nil {
				s.Sets = make(map[string][]string)
			}
			s.Sets[name] = slices.Clone(paths)
		}
	}
	return s
}

// validSets returns a state without invalid and surplus sets.
func (s State) validSets() State {
	all := s.Sets
	s.Sets = nil
	return s.withSets(all)
}
