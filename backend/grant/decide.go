package grant

import (
	"slices"
	"strings"
	"time"
)

// Decision is the answer for one object. Grant is the one that decided: of
// those that allow it the one with the longest path, or, where a deny reaches
// it, the deny with the shortest; nil if none reaches it. It belongs to the
// set and must not be changed.
type Decision struct {
	Allowed bool
	Grant   *Grant
}

// Step is one row that grants alone put into a folder: the name of the next
// folder on the way to a grant, ending in "/", or of one granted object, both
// relative to that folder. (A granted object whose name is the folder's own
// path is a Step with an empty name.)
type Step struct {
	Name   string
	Object bool
}

// View says how a folder lies to a person's grants. Inside: the whole of it
// is granted, apart from denials below, and its content is what the bucket
// holds, filtered. Otherwise the rows are Next, and nothing else: they come
// from grants, so that asking tells nobody what the bucket holds.
type View struct {
	Inside bool
	Next   []Step // sorted by name; nil if Inside
	Grant  *Grant // what makes it Inside, or the deny that hides all of it
}

// Nothing says that no grant reaches into the folder: it is answered as if it
// did not exist.
func (v View) Nothing() bool { return !v.Inside && len(v.Next) == 0 }

// Reach says how much of a folder someone may read.
type Reach int8

// A folder of reach None is not shown; below one of reach Some, each folder
// and key is asked about again; All needs no more questions.
const (
	None Reach = iota
	Some
	All
)

// Principal is a person's groups at one instant, looked up once for the many
// questions of one request. It is as safe to share as its Set.
type Principal struct {
	set    *Set
	groups []int32 // those that any grant names, in no order
	now    time.Time
}

// For prepares questions about whoever is in these groups at this instant.
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

// usualGroups is how many groups a person may be in.
//
// SPEC: Amazon Cognito developer guide, quotas: 100 groups for each user.
const usualGroups = 100

// Decide says whether someone in these groups may read this object now. It
// allocates nothing.
func (s *Set) Decide(groups []string, bucket, key string, now time.Time) Decision {
	var ids [usualGroups]int32
	p := s.principal(ids[:0], groups, now)
	return p.Decide(bucket, key)
}

// Visible says how the folder lies to the grants of someone in these groups.
func (s *Set) Visible(groups []string, bucket, prefix string, now time.Time) View {
	return s.For(groups, now).Visible(bucket, prefix)
}

// Buckets lists the buckets in which someone in these groups can see anything.
func (s *Set) Buckets(groups []string, now time.Time) []string {
	return s.For(groups, now).Buckets()
}

// Decide says whether this person may read this object.
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

// walk goes down the tree along a path and returns the last grant in force
// that allows it, and the first that denies it, which ends the walk. Prefixes
// of the path count, and, if object is set, grants of the very object.
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

// fewRules is up to where each rule of a node is held against the groups;
// with more of them each group is looked up among the rules.
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

// Visible says how a folder lies to this person's grants. The prefix is empty
// for the bucket itself or ends in "/"; at any other there is nothing.
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

// Folder says how much of a folder this person may read. It is for the
// folders of a listing: None means that no row is shown.
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

// Buckets lists the buckets in which this person can see anything, sorted.
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

// next collects the steps that lead from a folder, which nothing allows or
// denies as a whole, to what is allowed below it: all, or one of them.
func (p *Principal) next(bucket, prefix string, one bool) []Step {
	var steps []Step
	for _, group := range p.groups {
		list := p.set.shares[share{group, bucket}]
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

// alive says whether a grant of this person allows anything: it is in force,
// and no deny covers all of it.
func (p *Principal) alive(g *Grant) bool {
	if !g.inForce(p.now) {
		return false
	}
	_, deny := p.walk(g.Bucket, g.path(), g.Object != "")
	return deny == nil
}

// deniedBelow says whether any deny in force of this person lies below prefix.
func (p *Principal) deniedBelow(bucket, prefix string) bool {
	for _, group := range p.groups {
		list := p.set.shares[share{group, bucket}]
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

// first is where the paths that begin with prefix start in a sorted list.
func first(sorted []*Grant, prefix string) int {
	i, _ := slices.BinarySearchFunc(sorted, prefix, func(g *Grant, path string) int { return strings.Compare(g.path(), path) })
	return i
}

// past is where the paths that begin with prefix end, in a sorted list that
// begins with them.
func past(sorted []*Grant, prefix string) int {
	i, _ := slices.BinarySearchFunc(sorted, prefix, func(g *Grant, path string) int {
		if strings.HasPrefix(g.path(), path) {
			return -1
		}
		return 1
	})
	return i
}
