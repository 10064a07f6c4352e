package grant

import (
	"slices"
	"strings"
	"time"
)

// Decision is the result for one object. Grant is the deciding grant: the deny
// with the shortest path if a deny reaches the object, otherwise the allow with
// the longest path, otherwise nil. It belongs to the set and must not be
// changed.
type Decision struct {
	Allowed bool
	Grant   *Grant
}

// Step is one row of a folder that comes from grants alone: the name of the
// next folder on the way to a grant, ending in "/", or of one granted object.
// The name is relative to the folder. (A granted object whose key is the
// folder's own path is a Step with an empty name.)
type Step struct {
	Name   string
	Object bool
}

// View is the visible part of a folder. Inside a grant, the whole folder is
// granted apart from denials below it, and its rows are the filtered content of
// the bucket. Otherwise its only rows are Next. These come from grants, so
// the response reveals nothing about the bucket.
type View struct {
	Inside bool
	Next   []Step // sorted by name; nil if Inside
	Grant  *Grant // the allow that covers the folder, or the deny that hides all of it
}

// Nothing reports whether no grant reaches into the folder. The response for such
// a folder is the same as for a missing one.
func (v View) Nothing() bool { return !v.Inside && len(v.Next) == 0 }

// Reach is the readable part of a folder.
type Reach int8

// A folder of reach None is hidden. Below a folder of reach Some, each folder and
// key needs its own decision; below All, everything is readable.
const (
	None Reach = iota
	Some
	All
)

// Principal is a person's groups at one instant, resolved once for all decisions
// of a request. It is safe for concurrent use.
type Principal struct {
	set    *Set
	groups []int32 // the groups that occur in a grant, in no order
	now    time.Time
}

// For returns the principal with these groups at this instant.
func (s *Set) For(groups []string, now time.Time) *Principal {
	p := s.principal(make([]int32, 0, len(groups)), groups, now)
	return &p
}

func (s *Set) principal(ids []int32, groups []string, now time.Time) Principal {
	for _, name := range groups {
		if id, ok := s.groups[name]; ok {
			ids = append(ids, id)
		}
	}
	return Principal{s, ids, now}
}

// usualGroups is the largest number of groups of a person.
//
// SPEC: Amazon Cognito developer guide, quotas: 100 groups for each user.
const usualGroups = 100

// Decide returns the decision for one object and a person in these groups. It
// allocates nothing.
func (s *Set) Decide(groups []string, bucket, key string, now time.Time) Decision {
	var ids [usualGroups]int32
	p := s.principal(ids[:0], groups, now)
	return p.Decide(bucket, key)
}

// Visible returns the view of a folder for a person in these groups.
func (s *Set) Visible(groups []string, bucket, prefix string, now time.Time) View {
	return s.For(groups, now).Visible(bucket, prefix)
}

// Buckets returns the buckets with a visible part for a person in these groups.
func (s *Set) Buckets(groups []string, now time.Time) []string {
	return s.For(groups, now).Buckets()
}

// Decide returns the decision for one object.
func (p *Principal) Decide(bucket, key string) Decision {
	if !ValidKey(key) {
		return Decision{}
	}
	allow, deny := p.walk(bucket, key, true)
	if deny != nil {
		return Decision{Grant: deny}
	}
	return Decision{Allowed: allow != nil, Grant: allow}
}

// walk descends the tree along a path. It returns the last allow in force and
// the first deny in force, which ends the walk. Grants of prefixes of the path
// count, and, if object is set, grants of the object itself.
func (p *Principal) walk(bucket, path string, object bool) (allow, deny *Grant) {
	n := p.set.roots[bucket]
	for rest, atObject := path, false; n != nil; {
		if r := p.match(n.rules); r != nil {
			if r.deny {
				return allow, r.grant
			}
			allow = r.grant
		}
		if atObject || n.next == nil {
			break
		}
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			n, rest = n.next[rest[:i+1]], rest[i+1:]
			continue
		}
		if !object {
			break
		}
		n, atObject = n.next[rest], true
	}
	return allow, nil
}

// fewRules is the largest number of rules of a node for a linear scan. With more
// rules, each group is looked up by binary search.
const fewRules = 8

// match returns the first deny in force among the rules, else the first
// allow, else nil. The order of the person's groups makes no difference.
func (p *Principal) match(rules []rule) *rule {
	var best *rule
	consider := func(r *rule) {
		if r.windowed && !r.grant.inForce(p.now) {
			return
		}
		if best == nil || r.deny && !best.deny || r.deny == best.deny && r.group < best.group {
			best = r
		}
	}
	if len(rules) <= fewRules {
		for i := range rules {
			if slices.Contains(p.groups, rules[i].group) {
				consider(&rules[i])
			}
		}
		return best
	}
	for _, group := range p.groups {
		i, _ := slices.BinarySearchFunc(rules, group, func(r rule, id int32) int { return int(r.group) - int(id) })
		for ; i < len(rules) && rules[i].group == group; i++ {
			consider(&rules[i])
		}
	}
	return best
}

// Visible returns the view of a folder. The prefix is empty for the bucket
// itself or ends in "/"; any other prefix has an empty view.
func (p *Principal) Visible(bucket, prefix string) View {
	if !ValidPrefix(prefix) {
		return View{}
	}
	allow, deny := p.walk(bucket, prefix, false)
	if deny != nil {
		return View{Grant: deny}
	}
	if allow != nil {
		return View{Inside: true, Grant: allow}
	}
	return View{Next: p.next(bucket, prefix, false)}
}

// Folder returns the readable part of a folder. In a listing, a folder of reach
// None has no row.
func (p *Principal) Folder(bucket, prefix string) Reach {
	if !ValidPrefix(prefix) {
		return None
	}
	allow, deny := p.walk(bucket, prefix, false)
	switch {
	case deny != nil:
		return None
	case allow != nil && !p.deniedBelow(bucket, prefix):
		return All
	case allow != nil || len(p.next(bucket, prefix, true)) > 0:
		return Some
	}
	return None
}

// Buckets returns the buckets with a visible part, sorted.
func (p *Principal) Buckets() []string {
	var all []string
	for _, group := range p.groups {
		for _, bucket := range p.set.buckets[group] {
			if !slices.Contains(all, bucket) && p.Folder(bucket, "") != None {
				all = append(all, bucket)
			}
		}
	}
	slices.Sort(all)
	return all
}

// next returns the steps from a folder to the grants below it. It requires a
// folder that is neither allowed nor denied as a whole. If one is set, it stops
// after a single step.
func (p *Principal) next(bucket, prefix string, one bool) []Step {
	var steps []Step
	for _, group := range p.groups {
		list := p.set.lists[groupBucket{group, bucket}]
		if list == nil {
			continue
		}
		rest := list.allow[first(list.allow, prefix):]
		for len(rest) > 0 && strings.HasPrefix(rest[0].path(), prefix) {
			g := rest[0]
			if !p.alive(g) {
				rest = rest[1:]
				continue
			}
			name := g.path()[len(prefix):]
			i := strings.IndexByte(name, '/')
			if i < 0 {
				steps, rest = append(steps, Step{name, true}), rest[1:]
			} else {
				steps = append(steps, Step{name[:i+1], false})
				rest = rest[past(rest, g.path()[:len(prefix)+i+1]):]
			}
			if one {
				return steps
			}
		}
	}
	slices.SortFunc(steps, func(a, b Step) int { return strings.Compare(a.Name, b.Name) })
	return slices.Compact(steps)
}

// alive reports whether a grant of this person allows any key: it is in force,
// and no deny covers all of it.
func (p *Principal) alive(g *Grant) bool {
	if !g.inForce(p.now) {
		return false
	}
	_, deny := p.walk(g.Bucket, g.path(), g.Object != "")
	return deny == nil
}

// deniedBelow reports whether a deny in force of this person is below prefix.
func (p *Principal) deniedBelow(bucket, prefix string) bool {
	for _, group := range p.groups {
		list := p.set.lists[groupBucket{group, bucket}]
		if list == nil {
			continue
		}
		for _, g := range list.deny[first(list.deny, prefix):] {
			if !strings.HasPrefix(g.path(), prefix) {
				break
			}
			if g.inForce(p.now) {
				return true
			}
		}
	}
	return false
}

// first returns the index of the first path that begins with prefix.
func first(sorted []*Grant, prefix string) int {
	i, _ := slices.BinarySearchFunc(sorted, prefix, func(g *Grant, path string) int { return strings.Compare(g.path(), path) })
	return i
}

// past returns the number of leading paths that begin with prefix.
func past(sorted []*Grant, prefix string) int {
	i, _ := slices.BinarySearchFunc(sorted, prefix, func(g *Grant, path string) int {
		if strings.HasPrefix(g.path(), path) {
			return -1
		}
		return 1
	})
	return i
}
