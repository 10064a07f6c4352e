package backend_test

import (
	"slices"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/grant"
)

// naive is a second authorizer, written from the rules and not from the code. For
// each query it checks every grant and every key, without an index.
type naive struct {
	grants []grant.Grant
	groups []string
	now    time.Time
	keys   map[string]map[string]int64 // bucket → key → size
}

// unnamed is the end of a key that no grant names. The decision about such a key
// holds for its whole folder.
const unnamed = "~no grant names this"

// mine returns the person's active grants of a bucket.
func (n naive) mine(bucket string) (mine []grant.Grant) {
	for _, g := range n.grants {
		early, late := !g.NotBefore.IsZero() && n.now.Before(g.NotBefore), !g.Expires.IsZero() && !n.now.Before(g.Expires)
		if g.Bucket == bucket && slices.Contains(n.groups, g.Group) && !early && !late {
			mine = append(mine, g)
		}
	}
	return mine
}

// may reports whether the person may read a key.
func (n naive) may(bucket, key string) (allowed bool) {
	for _, g := range n.mine(bucket) {
		if g.Object != "" && g.Object != key || g.Object == "" && !strings.HasPrefix(key, g.Prefix) {
			continue
		}
		if g.Effect == grant.Deny {
			return false
		}
		allowed = true
	}
	return allowed
}

// ways returns the keys in a folder that the person may read by grants alone: the
// granted objects, and one key below each granted prefix.
func (n naive) ways(bucket, folder string) (ways []string) {
	for _, g := range n.mine(bucket) {
		way := g.Object
		if way == "" {
			way = g.Prefix + unnamed
		}
		if strings.HasPrefix(way, folder) && n.may(bucket, way) {
			ways = append(ways, way)
		}
	}
	return ways
}

// inside reports whether a grant covers the whole folder.
func (n naive) inside(bucket, folder string) bool { return n.may(bucket, folder+unnamed) }

// seen reports whether the folder is visible.
func (n naive) seen(bucket, folder string) bool {
	return n.inside(bucket, folder) || len(n.ways(bucket, folder)) > 0
}

// list returns the expected rows of a listing, as "kind name", or not_found.
func (n naive) list(bucket, prefix string, recursive bool) ([]string, api.Code) {
	rows := map[string]bool{}
	if bucket == "" {
		for b := range n.keys {
			if n.seen(b, "") {
				rows["bucket "+b] = true
			}
		}
		return sorted(rows), ""
	}
	if !n.seen(bucket, prefix) {
		return nil, api.NotFound
	}
	inside := n.inside(bucket, prefix)
	there := slices.ContainsFunc(n.mine(bucket), func(g grant.Grant) bool {
		return g.Object == "" && g.Prefix == prefix && g.Effect != grant.Deny // a granted folder exists even if it is empty
	})
	for key, size := range n.keys[bucket] {
		name, below := strings.CutPrefix(key, prefix)
		folder, _, deeper := strings.Cut(name, "/")
		switch {
		case !below || !inside && !recursive:
		case name == "" && size == 0: // the folder's own marker
			there = there || n.may(bucket, key)
		case recursive && strings.HasSuffix(name, "/") && size == 0 && n.may(bucket, key):
			rows["folder "+name] = true
		case (recursive || !deeper) && n.may(bucket, key):
			rows["object "+name] = true
		case !recursive && deeper && n.seen(bucket, prefix+folder+"/"):
			rows["folder "+folder+"/"] = true
		}
	}
	if !inside && !recursive {
		for _, way := range n.ways(bucket, prefix) {
			if folder, _, deeper := strings.Cut(way[len(prefix):], "/"); deeper {
				rows["folder "+folder+"/"] = true
			} else {
				rows["object "+folder] = true // "" is an object with the name of the folder
			}
		}
	}
	if inside && !there && len(rows) == 0 {
		return nil, api.NotFound
	}
	return sorted(rows), ""
}

func sorted(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for s := range set {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}
