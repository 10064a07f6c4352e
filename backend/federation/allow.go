package federation

import (
	"fmt"
	"slices"
	"strings"

	"usher/backend/api/shape"
)

// Allow is the list of groups that a company can give. An entry is a name, or a
// prefix that ends in "*".
type Allow struct {
	names, prefixes, reserved []string
}

// NewAllow refuses entries that match no group. The reserved groups, those of
// admins and auditors, match no prefix: they are given only where an entry names
// them in full.
func NewAllow(entries, reserved []string) (*Allow, error) {
	a := &Allow{reserved: slices.Clone(reserved)}
	for _, entry := range entries {
		prefix, wild := strings.CutSuffix(entry, "*")
		switch {
		case entry == "*":
			a.prefixes = append(a.prefixes, "")
		case !shape.CognitoName(prefix) || strings.Contains(prefix, "*"):
			return nil, fmt.Errorf("%q is neither the name of a group nor a prefix that ends in *", entry)
		case wild:
			a.prefixes = append(a.prefixes, prefix)
		default:
			a.names = append(a.names, entry)
		}
	}
	return a, nil
}

// Filter returns the allowed groups.
func (a *Allow) Filter(groups []string) []string {
	var out []string
	for _, g := range groups {
		if a.allows(g) {
			out = append(out, g)
		}
	}
	return out
}

func (a *Allow) allows(group string) bool {
	if slices.Contains(a.names, group) {
		return true
	}
	return !slices.Contains(a.reserved, group) &&
		slices.ContainsFunc(a.prefixes, func(p string) bool { return strings.HasPrefix(group, p) })
}
