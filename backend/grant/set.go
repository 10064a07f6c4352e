package grant

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrChanged reports that another version of the grants is in force than the one
// that a change is based on.
var ErrChanged = errors.New("the grants were changed meanwhile")

// ErrUnknown: no store has this version of the grants.
var ErrUnknown = errors.New("this version of the grants is not kept")

// Set is an immutable collection of grants, indexed for decisions. It is safe
// for concurrent use. NewSet makes one.
//
// A Set has two indexes. For each bucket, a tree of path segments finds the
// grants that reach a key with one map access for each segment, regardless of the
// number of grants. For each group and bucket, a sorted list of paths finds the
// visible rows below a prefix, at a cost proportional to their number.
type Set struct {
	grants  []Grant
	version string
	groups  map[string]int32 // a group's name to its index in names
	names   []string         // sorted
	roots   map[string]*node // a bucket to the node of its empty prefix
	lists   map[groupBucket]*paths
	buckets [][]string // for each group: the buckets of its allow grants, sorted
}

// node is a prefix or one object, and rules are the grants with exactly that
// path. Segments of folders end in "/" and segments of objects contain no "/",
// so the two never have the same map key.
type node struct {
	next  map[string]*node
	rules []rule // sorted by group, denials first
}

type rule struct {
	group    int32
	deny     bool
	windowed bool // the grant has a window
	grant    *Grant
}

// groupBucket is the key of the index by group and bucket.
type groupBucket struct {
	group  int32
	bucket string
}

// paths are grants sorted by path.
type paths struct {
	allow, deny []*Grant
}

// NewSet builds a set. It refuses invalid grants, and two grants that differ only
// in their reason, because the removal of one of them would change nothing. A set
// without grants is valid and allows nothing.
func NewSet(grants []Grant) (*Set, error) {
	s := &Set{
		grants: make([]Grant, len(grants)),
		groups: map[string]int32{},
		roots:  map[string]*node{},
		lists:  map[groupBucket]*paths{},
	}
	for i, g := range grants {
		if err := g.Validate(); err != nil {
			return nil, fmt.Errorf("grant %d of %d: %w", i+1, len(grants), err)
		}
		s.grants[i] = g.Canonical()
		s.groups[g.Group] = 0
	}
	slices.SortFunc(s.grants, compare)
	for i := 1; i < len(s.grants); i++ {
		if Same(s.grants[i-1], s.grants[i]) {
			return nil, fmt.Errorf("a grant occurs twice: keep one of the two")
		}
	}
	for name := range s.groups {
		s.names = append(s.names, name)
	}
	slices.Sort(s.names)
	for id, name := range s.names {
		s.groups[name] = int32(id)
	}
	s.buckets = make([][]string, len(s.names))
	for i := range s.grants {
		s.index(&s.grants[i])
	}
	s.version = digest(s.grants)
	return s, nil
}

// index adds a grant. Calls in canonical order keep all lists sorted.
func (s *Set) index(g *Grant) {
	id := s.groups[g.Group]
	n := s.roots[g.Bucket]
	if n == nil {
		n = &node{}
		s.roots[g.Bucket] = n
	}
	for rest := g.path(); rest != ""; {
		segment := rest
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			segment = rest[:i+1]
		}
		n, rest = n.child(segment), rest[len(segment):]
	}
	if g.Object != "" && strings.HasSuffix(g.Object, "/") {
		n = n.child("") // an object whose name ends in "/" is not the folder
	}
	n.rules = append(n.rules, rule{id, g.Effect == Deny, !g.NotBefore.IsZero() || !g.Expires.IsZero(), g})

	key := groupBucket{id, g.Bucket}
	list := s.lists[key]
	if list == nil {
		list = &paths{}
		s.lists[key] = list
	}
	if g.Effect == Deny {
		list.deny = append(list.deny, g)
		return
	}
	list.allow = append(list.allow, g)
	if all := s.buckets[id]; len(all) == 0 || all[len(all)-1] != g.Bucket {
		s.buckets[id] = append(all, g.Bucket)
	}
}

func (n *node) child(segment string) *node {
	if n.next == nil {
		n.next = map[string]*node{}
	}
	c := n.next[segment]
	if c == nil {
		c = &node{}
		n.next[segment] = c
	}
	return c
}

// Canonical returns the grant with its effect spelled out and its instants in
// UTC, as Grants returns it. Two grants of the same meaning and reason have equal
// canonical forms.
func (g Grant) Canonical() Grant {
	g.Effect = g.effect()
	g.NotBefore = canonicalInstant(g.NotBefore)
	g.Expires = canonicalInstant(g.Expires)
	return g
}

func canonicalInstant(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Round(0).UTC() // Round drops the monotonic reading
}

// Same reports whether two grants are equal apart from their reason.
func Same(a, b Grant) bool {
	a.Reason, b.Reason = "", ""
	return a.Canonical() == b.Canonical()
}

// compare is the canonical order: by group, bucket and path, objects after
// prefixes and denials before allows.
func compare(a, b Grant) int {
	return cmp.Or(
		strings.Compare(a.Group, b.Group),
		strings.Compare(a.Bucket, b.Bucket),
		strings.Compare(a.path(), b.path()),
		strings.Compare(a.Object, b.Object),
		-strings.Compare(string(a.Effect), string(b.Effect)),
		a.NotBefore.Compare(b.NotBefore),
		a.Expires.Compare(b.Expires),
		strings.Compare(a.Reason, b.Reason),
	)
}

// digest returns the first 128 bits of the SHA-256 of sorted grants, in
// hexadecimal.
func digest(sorted []Grant) string {
	h := sha256.New()
	var line []byte
	for i := range sorted {
		line = appendLine(line[:0], sorted[i])
		h.Write(line)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func appendLine(b []byte, g Grant) []byte {
	b = strconv.AppendQuote(b, g.String())
	return append(strconv.AppendQuote(append(b, ' '), g.Reason), '\n')
}

// Text returns the text of which Version is the hash: a line with each grant and its
// reason, in quotes. Anyone with sha256sum can check it.
func (s *Set) Text() []byte {
	var text []byte
	for i := range s.grants {
		text = appendLine(text, s.grants[i])
	}
	return text
}

// Version identifies the content of the set: two sets with the same grants have
// the same version, in any order of the grants.
func (s *Set) Version() string { return s.version }

// Len returns the number of grants.
func (s *Set) Len() int { return len(s.grants) }

// Grants returns a copy of all grants in canonical form and order.
func (s *Set) Grants() []Grant { return slices.Clone(s.grants) }

// Allowed returns the buckets of all allow grants, sorted.
func (s *Set) Allowed() []string {
	all := slices.Concat(s.buckets...)
	slices.Sort(all)
	return slices.Compact(all)
}

// Groups returns the names of all groups in grants, sorted.
func (s *Set) Groups() []string { return slices.Clone(s.names) }

// Count returns the numbers of grants that are only in the second set, and only
// in the first set. An edited grant counts in both.
func Count(before, after *Set) (added, removed int) {
	old := make(map[Grant]bool, len(before.grants))
	for _, g := range before.grants {
		old[g] = true
	}
	for _, g := range after.grants {
		if !old[g] {
			added++
		}
		delete(old, g)
	}
	return added, len(old)
}
