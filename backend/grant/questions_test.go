package grant_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"usher/backend/grant"
)

func officeSet(t *testing.T) *grant.Set {
	return mustSet(t,
		grant.Grant{Group: "finance-team", Bucket: "company-reports", Prefix: "quarterly/"},
		grant.Grant{Group: "finance-team", Bucket: "company-reports", Prefix: "annual/"},
		grant.Grant{Group: "external-auditors", Bucket: "company-reports", Prefix: "annual/audited/"},
		grant.Grant{Group: "external-auditors", Bucket: "company-reports", Object: "annual/letter.pdf", Expires: epoch},
		grant.Grant{Group: "engineering", Bucket: "builds"},
		grant.Grant{Group: "engineering", Bucket: "builds", Prefix: "secret/", Effect: grant.Deny},
		grant.Grant{Group: "contractors", Bucket: "builds", Effect: grant.Deny},
	)
}

func lines(grants []*grant.Grant) string {
	var all []string
	for _, g := range grants {
		all = append(all, g.String())
	}
	return strings.Join(all, "; ")
}

func TestExplain(t *testing.T) {
	set := officeSet(t)
	for _, c := range []struct {
		groups, bucket, key                              string
		allows, denies, asleep, nearest, others, missing string
	}{
		{groups: "external-auditors usher-auditors", bucket: "company-reports", key: "quarterly/q3.csv",
			nearest: "allow external-auditors company-reports/annual/audited/",
			others:  "allow finance-team company-reports/quarterly/",
			missing: "allow external-auditors company-reports/quarterly/; allow usher-auditors company-reports/quarterly/"},
		{groups: "finance-team", bucket: "company-reports", key: "quarterly/q3.csv", allows: "allow finance-team company-reports/quarterly/"},
		{groups: "external-auditors", bucket: "company-reports", key: "annual/letter.pdf",
			asleep:  "allow external-auditors until 2026-11-01T00:00:00Z object company-reports/annual/letter.pdf",
			nearest: "allow external-auditors company-reports/annual/audited/",
			others:  "allow finance-team company-reports/annual/",
			missing: "allow external-auditors company-reports/annual/"},
		{groups: "engineering contractors", bucket: "builds", key: "a", allows: "allow engineering builds/", denies: "deny contractors builds/"},
		{groups: "contractors", bucket: "builds", key: "a", denies: "deny contractors builds/"},
		{groups: "finance-team", bucket: "builds", key: "top", others: "allow engineering builds/", missing: "allow finance-team object builds/top"},
		{groups: "", bucket: "builds", key: "a", others: "allow engineering builds/"},
		{groups: "engineering", bucket: "builds", key: "a\x00"},
	} {
		e := set.Explain(strings.Fields(c.groups), c.bucket, c.key, epoch)
		missing := make([]*grant.Grant, len(e.Missing))
		for i := range e.Missing {
			missing[i] = &e.Missing[i]
		}
		got := fmt.Sprintf("allows %q denies %q asleep %q nearest %q others %q missing %q", lines(e.Allows), lines(e.Denies), lines(e.Asleep), lines(e.Nearest), lines(e.Others), lines(missing))
		want := fmt.Sprintf("allows %q denies %q asleep %q nearest %q others %q missing %q", c.allows, c.denies, c.asleep, c.nearest, c.others, c.missing)
		if got != want {
			t.Errorf("groups %q, %s/%s:\n got %s\nwant %s", c.groups, c.bucket, c.key, got, want)
		}
		if e.Decision.Allowed != (c.allows != "" && c.denies == "") {
			t.Errorf("groups %q, %s/%s: allowed is %v", c.groups, c.bucket, c.key, e.Decision.Allowed)
		}
	}
}

// TestMissingWouldAllow: each grant in Missing allows the object.
func TestMissingWouldAllow(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 0))
	tried := 0
	for range 5_000 {
		w := newScenario(rng, 8)
		mine, now, key := w.person(), w.instant(), w.key()
		e := w.set.Explain(mine, "bkt", key, now)
		for _, g := range e.Missing {
			tried++
			if !refAllowed(append(slices.Clone(w.grants), g), mine, "bkt", key, now) {
				t.Fatalf("with %v in place %q may still not read %q, of %v", g, mine, key, w.grants)
			}
		}
		if allowed := refAllowed(w.grants, mine, "bkt", key, now); grant.ValidKey(key) && (len(e.Allows) > 0 && len(e.Denies) == 0) != allowed {
			t.Fatalf("%q and %q: explained by %s less %s, allowed is %v", mine, key, lines(e.Allows), lines(e.Denies), allowed)
		}
	}
	if tried < 1000 {
		t.Errorf("only %d missing grants were tried", tried)
	}
}

func TestWhoGroups(t *testing.T) {
	set := officeSet(t)
	reach := map[grant.Reach]string{grant.Some: "some", grant.All: "all"}
	for _, c := range []struct{ bucket, path, want string }{
		{"company-reports", "annual/audited/", "external-auditors all: allow external-auditors company-reports/annual/audited/ | finance-team all: allow finance-team company-reports/annual/"},
		{"company-reports", "annual/audited/x", "external-auditors all: allow external-auditors company-reports/annual/audited/ | finance-team all: allow finance-team company-reports/annual/"},
		{"company-reports", "annual/", "external-auditors some: allow external-auditors company-reports/annual/audited/ | finance-team all: allow finance-team company-reports/annual/"},
		{"company-reports", "annual", ""},
		{"builds", "", "engineering some: allow engineering builds/; deny engineering builds/secret/"},
		{"builds", "secret/", ""},
		{"builds", "x/", "engineering all: allow engineering builds/"},
		{"datasets", "", ""},
	} {
		var got []string
		for _, r := range set.WhoGroups(c.bucket, c.path, epoch) {
			got = append(got, r.Group+" "+reach[r.Reach]+": "+lines(r.Grants))
		}
		if s := strings.Join(got, " | "); s != c.want {
			t.Errorf("groups that reach %s/%s:\n got %s\nwant %s", c.bucket, c.path, s, c.want)
		}
	}
}

// candidates returns the keys at which decisions about these grants can differ.
func candidates(sets ...[]grant.Grant) (keys []string) {
	for _, grants := range sets {
		for _, g := range grants {
			keys = append(keys, g.Prefix+g.Object, g.Prefix+g.Object+fresh)
		}
	}
	return append(keys, fresh)
}

func covers(bucket, path string, object bool, inBucket, key string) bool {
	return bucket == inBucket && (key == path || !object && strings.HasPrefix(key, path))
}

// TestTreeAgainstReference compares the tree with the reference, key by key. No
// root may be inside another root.
func TestTreeAgainstReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 0))
	shown := 0
	for range 10_000 {
		w := newScenario(rng, 12)
		mine, now := w.person(), w.instant()
		tree := w.set.Tree(mine, now)
		for _, bucket := range buckets {
			for _, key := range candidates(w.grants) {
				in := 0
				for _, root := range tree {
					g := root.Grant
					if !covers(g.Bucket, g.Prefix+g.Object, g.Object != "", bucket, key) {
						continue
					}
					in++
					for _, d := range root.Except {
						if covers(d.Bucket, d.Prefix+d.Object, d.Object != "", bucket, key) {
							in--
							break
						}
					}
				}
				want := 0
				if refAllowed(w.grants, mine, bucket, key, now) {
					want = 1
					shown++
				}
				if key != "" && in != want {
					t.Fatalf("%s/%q is in %d roots, want %d: %+v of %v", bucket, key, in, want, tree, w.grants)
				}
			}
		}
	}
	if shown < 10_000 {
		t.Errorf("only %d keys were allowed", shown)
	}
}

func TestDiff(t *testing.T) {
	old := officeSet(t)
	grants := old.Grants()
	grants = slices.DeleteFunc(grants, func(g grant.Grant) bool { return g.Prefix == "quarterly/" || g.Prefix == "secret/" })
	now := mustSet(t, append(grants, grant.Grant{Group: "finance-team", Bucket: "company-reports", Prefix: "annual/drafts/", Effect: grant.Deny},
		grant.Grant{Group: "finance-team", Bucket: "datasets", Object: "index.csv"})...)
	for groups, want := range map[string]string{
		"finance-team":            "[{company-reports annual/drafts/ false false} {company-reports quarterly/ false false} {datasets index.csv true true}]",
		"engineering":             "[{builds secret/ false true}]",
		"engineering contractors": "[]",
		"external-auditors":       "[]",
	} {
		if got := fmt.Sprint(grant.Diff(old, now, strings.Fields(groups), epoch)); got != want {
			t.Errorf("%s: %s, want %s", groups, got, want)
		}
	}
}

// TestDiffNamesEveryChange: each key with a changed decision is inside a Change,
// and each Change holds such a key.
func TestDiffNamesEveryChange(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 0))
	found := 0
	for range 10_000 {
		w := newScenario(rng, 8)
		next := newScenario(rng, 4)
		if next.grants = append(next.grants, w.grants[:len(w.grants)/2]...); rng.IntN(2) == 0 {
			next.grants = w.grants[:len(w.grants)/2]
		}
		set, err := grant.NewSet(next.grants)
		if err != nil {
			continue // the same grant was drawn twice
		}
		mine, now := w.person(), w.instant()
		changes := grant.Diff(w.set, set, mine, now)
		proven := make([]bool, len(changes))
		for _, bucket := range buckets {
			for _, key := range candidates(w.grants, next.grants) {
				was, is := refAllowed(w.grants, mine, bucket, key, now), refAllowed(next.grants, mine, bucket, key, now)
				named := false
				for i, c := range changes {
					if covers(c.Bucket, c.Path, c.Object, bucket, key) && was != is && c.Appears == is {
						named, proven[i] = true, true
						found++
					}
				}
				if was != is && !named {
					t.Fatalf("%s/%q goes from %v to %v, changes are %v, old %v, new %v", bucket, key, was, is, changes, w.grants, next.grants)
				}
			}
		}
		if i := slices.Index(proven, false); i >= 0 {
			t.Fatalf("nothing changes at %+v, old %v, new %v", changes[i], w.grants, next.grants)
		}
		if same := grant.Diff(set, set, mine, now); len(same) > 0 {
			t.Fatalf("a set differs from itself: %v", same)
		}
	}
	if found < 10_000 {
		t.Errorf("only %d keys changed", found)
	}
}
