package grant

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// maxNearest is the largest length of the lists Nearest and Others.
const maxNearest = 10

// Explanation has the reasons of a decision. All grants in it belong to the set
// and must not be changed.
type Explanation struct {
	Decision Decision
	// Grants of the person's groups that reach the object.
	Allows []*Grant // allow, in force
	Denies []*Grant // deny, in force
	Asleep []*Grant // outside of their time window
	// Only if Allows is empty.
	Nearest []*Grant // other grants of the person's groups in the bucket, nearest first
	// Only if Allows and Denies are empty.
	Others  []*Grant // grants of other groups that allow the object now
	Missing []Grant  // for each of the person's groups, a grant that would allow the object
}

// Explain returns the reasons of Decide for one object. Missing names the
// object's folder, or the object itself if it is at the top of its bucket.
func (s *Set) Explain(groups []string, bucket, key string, now time.Time) Explanation {
	e := Explanation{Decision: s.Decide(groups, bucket, key, now)}
	if !ValidKey(key) || !ValidBucket(bucket) {
		return e
	}
	var others []*Grant
	for i := range s.grants {
		g := &s.grants[i]
		mine, reaches := slices.Contains(groups, g.Group), g.reaches(bucket, key)
		switch {
		case mine && reaches && !g.inForce(now):
			e.Asleep = append(e.Asleep, g)
		case mine && reaches && g.Effect == Deny:
			e.Denies = append(e.Denies, g)
		case mine && reaches:
			e.Allows = append(e.Allows, g)
		case mine && g.Bucket == bucket && g.Effect == Allow && g.inForce(now):
			e.Nearest = append(e.Nearest, g)
		case !mine && reaches && g.Effect == Allow && g.inForce(now):
			others = append(others, g)
		}
	}
	if len(e.Allows) == 0 && len(e.Denies) == 0 {
		e.Others = others[:min(len(others), maxNearest)]
	}
	if len(e.Allows) > 0 {
		e.Nearest = nil
		return e
	}
	slices.SortStableFunc(e.Nearest, func(a, b *Grant) int { return cmp.Compare(shared(b.path(), key), shared(a.path(), key)) })
	e.Nearest = e.Nearest[:min(len(e.Nearest), maxNearest)]
	if len(e.Denies) == 0 {
		e.Missing = missing(groups, bucket, key)
	}
	return e
}

// missing returns one grant for each group. Any one of them would allow the
// object.
func missing(groups []string, bucket, key string) []Grant {
	var all []Grant
	for _, group := range groups {
		g := Grant{Group: group, Bucket: bucket, Effect: Allow, Object: key}
		if i := strings.LastIndexByte(key, '/'); i >= 0 {
			g.Object, g.Prefix = "", key[:i+1]
		}
		if g.Validate() == nil {
			all = append(all, g)
		}
	}
	return all
}

// shared returns the number of leading folders that two paths have in common.
func shared(a, b string) int {
	n := 0
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			break
		}
		if a[i] == '/' {
			n++
		}
	}
	return n
}

// GroupReach is the part of a path that one group alone can read, with the allow
// and deny grants that decide it.
type GroupReach struct {
	Group  string
	Reach  Reach // Some: only parts of a folder
	Grants []*Grant
}

// WhoGroups returns the groups that reach a path, or, if the path is empty or
// ends in "/", any part of that folder. A person in several groups may reach
// less, because a deny of one group wins over the allow of another: use Decide
// or Folder for one person.
func (s *Set) WhoGroups(bucket, path string, now time.Time) []GroupReach {
	var all []GroupReach
	folder := ValidPrefix(path)
	for id, name := range s.names {
		list := s.lists[groupBucket{int32(id), bucket}]
		if list == nil {
			continue
		}
		p := Principal{s, []int32{int32(id)}, now}
		r := GroupReach{Group: name}
		if folder {
			r.Reach = p.Folder(bucket, path)
		}
		if r.Reach == None && p.Decide(bucket, path).Allowed {
			r.Reach = All // an object, perhaps one whose name ends in "/"
		}
		if r.Reach == None {
			continue
		}
		for _, g := range slices.Concat(list.allow, list.deny) {
			within := folder && strings.HasPrefix(g.path(), path)
			if g.inForce(now) && (g.reaches(bucket, path) || within) {
				r.Grants = append(r.Grants, g)
			}
		}
		all = append(all, r)
	}
	return all
}

// Root is one visible subtree: a grant, less the denials below it.
type Root struct {
	Grant  *Grant
	Except []*Grant
}

// Tree returns the smallest set of roots that cover every readable key of a
// person in these groups, sorted by bucket and path. It omits a grant that another
// grant covers or a deny hides.
func (s *Set) Tree(groups []string, now time.Time) []Root {
	p := s.For(groups, now)
	var allows, denies []*Grant
	for i := range s.grants {
		g := &s.grants[i]
		switch {
		case !slices.Contains(groups, g.Group) || !g.inForce(now):
		case g.Effect == Deny:
			denies = append(denies, g)
		case p.alive(g):
			allows = append(allows, g)
		}
	}
	byPath := func(a, b *Grant) int {
		// A prefix comes before the object of the same name, and so covers it.
		return cmp.Or(strings.Compare(a.Bucket, b.Bucket), strings.Compare(a.path(), b.path()), strings.Compare(a.Object, b.Object))
	}
	slices.SortStableFunc(allows, byPath)
	slices.SortStableFunc(denies, byPath)
	var roots []Root
	for _, g := range allows {
		if n := len(roots); n > 0 && covers(roots[n-1].Grant, g) {
			continue
		}
		r := Root{Grant: g}
		for _, d := range denies {
			if covers(g, d) && (len(r.Except) == 0 || !covers(r.Except[len(r.Except)-1], d)) {
				r.Except = append(r.Except, d)
			}
		}
		roots = append(roots, r)
	}
	return roots
}

// NextChange returns the next start or end of a grant of these groups after now.
// It is zero if no grant of them starts or ends.
func (s *Set) NextChange(groups []string, now time.Time) time.Time {
	var next time.Time
	for i := range s.grants {
		g := &s.grants[i]
		if !slices.Contains(groups, g.Group) {
			continue
		}
		for _, t := range []time.Time{g.NotBefore, g.Expires} {
			if t.After(now) && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
	}
	return next
}

// covers reports whether grant a covers every key of grant b.
func covers(a, b *Grant) bool {
	if a.Object != "" {
		return a.Bucket == b.Bucket && a.Object == b.Object
	}
	return a.reaches(b.Bucket, b.path())
}

// Change is a folder or an object with a different visibility in two sets. Parts
// below a changed folder may be unchanged.
type Change struct {
	Bucket  string
	Path    string
	Object  bool
	Appears bool // else it disappears
}

// Diff returns the folders and objects that appear or disappear for a person in
// these groups when next replaces old, sorted by bucket and path. It omits a
// change that follows from the change of a parent folder.
func Diff(old, next *Set, groups []string, now time.Time) []Change {
	before, after := old.For(groups, now), next.For(groups, now)
	// Within a bucket, visibility can only change at the path of a grant.
	// Between two such paths it equals that of the upper one.
	var all []Change
	for _, s := range []*Set{old, next} {
		for i := range s.grants {
			if g := &s.grants[i]; slices.Contains(groups, g.Group) {
				all = append(all, Change{Bucket: g.Bucket, Path: g.path(), Object: g.Object != ""})
			}
		}
	}
	slices.SortFunc(all, func(a, b Change) int {
		folderFirst := 0
		if a.Object != b.Object {
			folderFirst = 1
			if b.Object {
				folderFirst = -1
			}
		}
		return cmp.Or(strings.Compare(a.Bucket, b.Bucket), strings.Compare(a.Path, b.Path), folderFirst)
	})
	all = slices.Compact(all)

	var changes []Change
	var above []Change // the parent folders of the current path
	var moved []bool
	for _, c := range all {
		for n := len(above); n > 0 && (above[n-1].Bucket != c.Bucket || !strings.HasPrefix(c.Path, above[n-1].Path)); n-- {
			above, moved = above[:n-1], moved[:n-1]
		}
		was, is := before.whole(c), after.whole(c)
		c.Appears = is
		n := len(above)
		if was != is && !(n > 0 && moved[n-1] && above[n-1].Appears == is) {
			changes = append(changes, c)
		}
		if !c.Object {
			above, moved = append(above, c), append(moved, was != is)
		}
	}
	return changes
}

// whole reports whether the person may read the object, or a key directly in the
// folder that has no grant of its own.
func (p *Principal) whole(c Change) bool {
	allow, deny := p.walk(c.Bucket, c.Path, c.Object)
	return allow != nil && deny == nil
}
