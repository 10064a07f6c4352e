package access

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/grant"
)

// Review lists the grants that reach a path, for each member of their groups, in the order of ReviewKey. An empty bucket is all buckets. A person is listed
// once for each group and grant.
func (r *Reporter) Review(ctx context.Context, set *grant.Set, in api.ReviewRequest, now time.Time) ([]api.ReviewRow, error) {
	people, err := r.members(ctx, set.Groups())
	if err != nil {
		return nil, err
	}
	byGroup := map[string][]member{}
	for _, p := range people {
		for _, g := range p.groups {
			byGroup[g] = append(byGroup[g], p)
		}
	}
	rows := []api.ReviewRow{}
	for _, g := range set.Grants() {
		if g = g.Canonical(); g.Effect == grant.Deny || !reaches(g, in.Bucket, in.Key) || !g.NotBefore.IsZero() && now.Before(g.NotBefore) || !g.Expires.IsZero() && !now.Before(g.Expires) {
			continue
		}
		row := api.ReviewRow{Group: g.Group, Grant: wire(g)}
		if len(byGroup[g.Group]) == 0 {
			rows = append(rows, row)
		}
		for _, p := range byGroup[g.Group] {
			row.Username, row.Enabled, row.Denied = p.Username, p.Enabled, denied(set.For(p.groups, now), g)
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b api.ReviewRow) int { return cmp.Compare(ReviewKey(a), ReviewKey(b)) })
	return rows, nil
}

// ReviewKey is the place of a row in a review.
func ReviewKey(r api.ReviewRow) string {
	return r.Username + "\x00" + r.Group + "\x00" + r.Grant.Text
}

// reaches reports whether a grant and a path overlap.
func reaches(g grant.Grant, bucket, key string) bool {
	if bucket == "" {
		return true
	}
	if g.Bucket != bucket {
		return false
	}
	folder := key == "" || strings.HasSuffix(key, "/")
	if g.Object != "" {
		return g.Object == key || folder && strings.HasPrefix(g.Object, key)
	}
	return strings.HasPrefix(key, g.Prefix) || folder && strings.HasPrefix(g.Prefix, key)
}

// denied reports whether other grants deny all of a grant to a person.
func denied(p *grant.Principal, g grant.Grant) bool {
	if g.Object != "" {
		return !p.Decide(g.Bucket, g.Object).Allowed
	}
	return p.Folder(g.Bucket, g.Prefix) == grant.None
}
