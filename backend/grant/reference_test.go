package grant_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"usher/backend/grant"
)

// This file has a second implementation of decisions, written from the rules and
// not from the code. It scans every grant without an index: slow but obvious.

func refMatches(g grant.Grant, groups []string, bucket, key string, now time.Time) bool {
	if !slices.Contains(groups, g.Group) || g.Bucket != bucket {
		return false
	}
	if !g.NotBefore.IsZero() && now.Before(g.NotBefore) || !g.Expires.IsZero() && !now.Before(g.Expires) {
		return false
	}
	if g.Object != "" {
		return key == g.Object
	}
	return len(key) >= len(g.Prefix) && key[:len(g.Prefix)] == g.Prefix
}

func refAllowed(grants []grant.Grant, groups []string, bucket, key string, now time.Time) bool {
	if key == "" || len(key) > 1024 || !utf8.ValidString(key) || strings.Contains(key, "\x00") {
		return false
	}
	allowed := false
	for _, g := range grants {
		if refMatches(g, groups, bucket, key, now) {
			if g.Effect == grant.Deny {
				return false
			}
			allowed = true
		}
	}
	return allowed
}

// fresh is the end of a key that no grant names. The decision for such a key is
// the decision for its folder as a whole.
const fresh = "~no grant names this"

// refView tests keys: the path of each grant, and a fresh key below it. Every
// visible row of a folder follows from one of these keys.
func refView(grants []grant.Grant, groups []string, bucket, prefix string, now time.Time) (inside bool, next []grant.Step) {
	if refAllowed(grants, groups, bucket, prefix+fresh, now) {
		return true, nil
	}
	for _, g := range grants {
		keys := []string{g.Object}
		if g.Object == "" {
			keys = []string{g.Prefix + fresh}
		}
		for _, key := range keys {
			rest, below := strings.CutPrefix(key, prefix)
			if !below || !refAllowed(grants, groups, bucket, key, now) {
				continue
			}
			if folder, _, found := strings.Cut(rest, "/"); found {
				next = append(next, grant.Step{Name: folder + "/"})
			} else {
				next = append(next, grant.Step{Name: rest, Object: true})
			}
		}
	}
	slices.SortFunc(next, func(a, b grant.Step) int { return strings.Compare(a.Name, b.Name) })
	return false, slices.Compact(next)
}

// scenario has random grants, and makes random persons, times and keys. All are
// combined from few pieces, so near misses are common: missing slashes, empty and
// dot segments, case, encodings, both Unicode spellings of é.
type scenario struct {
	rng    *rand.Rand
	grants []grant.Grant
	set    *grant.Set
}

var (
	segments = []string{"a", "b", "ab", "A", "", ".", "..", "%2e", "\u00e9", "e\u0301"}
	groups   = []string{"g", "G", "gg", "h"}
	buckets  = []string{"bkt", "bkt2"}
	epoch    = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
)

func (w *scenario) path(folder bool) string {
	var b strings.Builder
	for range w.rng.IntN(4) {
		b.WriteString(segments[w.rng.IntN(len(segments))])
		b.WriteByte('/')
	}
	if !folder && w.rng.IntN(8) > 0 {
		b.WriteString(segments[w.rng.IntN(len(segments))])
	}
	return b.String()
}

func (w *scenario) instant() time.Time {
	return epoch.Add(time.Duration(w.rng.IntN(4)) * time.Hour)
}

func (w *scenario) drawGrant() grant.Grant {
	g := grant.Grant{Group: groups[w.rng.IntN(len(groups))], Bucket: buckets[w.rng.IntN(len(buckets))]}
	if w.rng.IntN(3) > 0 {
		g.Prefix = w.path(true)
	} else if g.Object = w.path(false); g.Object == "" {
		g.Object = "a"
	}
	if w.rng.IntN(4) == 0 {
		g.Effect = grant.Deny
	}
	if w.rng.IntN(4) == 0 {
		g.NotBefore = w.instant()
	}
	if w.rng.IntN(4) == 0 {
		g.Expires = w.instant().Add(time.Hour)
	}
	return g
}

// newScenario makes up to most valid grants.
func newScenario(rng *rand.Rand, most int) *scenario {
	w := &scenario{rng: rng}
	for range rng.IntN(most + 1) {
		g := w.drawGrant()
		if g.Validate() == nil && !slices.ContainsFunc(w.grants, func(o grant.Grant) bool { return grant.Same(o, g) }) {
			w.grants = append(w.grants, g)
		}
	}
	set, err := grant.NewSet(w.grants)
	if err != nil {
		panic(fmt.Sprintf("the random grants are refused: %v", err))
	}
	w.set = set
	return w
}

func (w *scenario) person() []string {
	var mine []string
	for _, g := range append(groups, "unknown") {
		if w.rng.IntN(2) == 0 {
			mine = append(mine, g)
		}
	}
	w.rng.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
	return mine
}

// key returns a random path, or the path of a grant with a small change.
func (w *scenario) key() string {
	if len(w.grants) == 0 || w.rng.IntN(2) == 0 {
		return w.path(false)
	}
	g := w.grants[w.rng.IntN(len(w.grants))]
	key := g.Prefix + g.Object
	switch w.rng.IntN(7) {
	case 0:
		return strings.TrimSuffix(key, "/")
	case 1:
		return strings.TrimSuffix(key, "/") + "b/x"
	case 2:
		return key + "/"
	case 3:
		return key + "x"
	case 4:
		return "/" + key
	case 5:
		return key + "\x00"
	}
	return key
}
