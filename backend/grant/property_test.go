package grant_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/grant"
)

// decider is Decide, or a mutant of it.
type decider func(w *scenario, groups []string, bucket, key string, now time.Time) bool

func shipped(w *scenario, groups []string, bucket, key string, now time.Time) bool {
	return w.set.Decide(groups, bucket, key, now).Allowed
}

// disagreements compares the decider with the reference in n random cases.
func disagreements(n int, seed uint64, decide decider) (count, letIn, allowed int, firstOne string) {
	rng := rand.New(rand.NewPCG(seed, 0))
	for done := 0; done < n; {
		w := newScenario(rng, 12)
		for range 50 {
			mine, now := w.person(), w.instant()
			for range 5 {
				bucket, key := buckets[rng.IntN(len(buckets))], w.key()
				want := refAllowed(w.grants, mine, bucket, key, now)
				if done++; want {
					allowed++
				}
				if got := decide(w, mine, bucket, key, now); got != want {
					if got {
						letIn++
					}
					if count++; count == 1 {
						firstOne = fmt.Sprintf("%q asks %s/%q at %v: %v, want %v, of %v", mine, bucket, key, now, got, want, w.grants)
					}
				}
			}
		}
	}
	return count, letIn, allowed, firstOne
}

func TestDecideAgainstReference(t *testing.T) {
	const cases = 1_000_000
	count, letIn, allowed, example := disagreements(cases, 1, shipped)
	t.Logf("AUTHZ cases=%d allow=%d deny=%d disagreements=%d let_in=%d", cases, allowed, cases-allowed, count, letIn)
	if count > 0 {
		t.Errorf("%d disagreements, the first: %s", count, example)
	}
	if allowed < cases/20 || allowed > cases*19/20 {
		t.Errorf("%d of %d cases are allowed: too one-sided", allowed, cases)
	}
}

// TestDecideControls puts one fault at a time into the evaluator: the comparison
// with the reference must find each.
func TestDecideControls(t *testing.T) {
	// rebuilt decides with changed grants.
	rebuilt := func(change func(grant.Grant) (grant.Grant, bool)) decider {
		var of *scenario
		var set *grant.Set
		return func(w *scenario, groups []string, bucket, key string, now time.Time) bool {
			if of != w {
				var changed []grant.Grant
				for _, g := range w.grants {
					g, keep := change(g)
					if keep && !slices.ContainsFunc(changed, func(o grant.Grant) bool { return grant.Same(o, g) }) {
						changed = append(changed, g)
					}
				}
				of, set = w, mustSet(t, changed...)
			}
			return set.Decide(groups, bucket, key, now).Allowed
		}
	}
	onKey := func(change func(string) string) decider {
		return func(w *scenario, groups []string, bucket, key string, now time.Time) bool {
			return shipped(w, groups, bucket, change(key), now)
		}
	}
	mutants := map[string]decider{
		"matches prefixes without their slash": func(w *scenario, groups []string, bucket, key string, now time.Time) bool {
			if shipped(w, groups, bucket, key, now) {
				return true
			}
			for _, g := range w.grants {
				if g.Prefix != "" && strings.HasPrefix(key, strings.TrimSuffix(g.Prefix, "/")) && shipped(w, groups, bucket, g.Prefix+fresh, now) {
					return true
				}
			}
			return false
		},
		"ignores denials": rebuilt(func(g grant.Grant) (grant.Grant, bool) { return g, g.Effect != grant.Deny }),
		"ignores windows": rebuilt(func(g grant.Grant) (grant.Grant, bool) {
			g.NotBefore, g.Expires = time.Time{}, time.Time{}
			return g, true
		}),
		"ignores expiry": rebuilt(func(g grant.Grant) (grant.Grant, bool) { g.Expires = time.Time{}; return g, true }),
		"expires a nanosecond late": rebuilt(func(g grant.Grant) (grant.Grant, bool) {
			if !g.Expires.IsZero() {
				g.Expires = g.Expires.Add(1)
			}
			return g, true
		}),
		"starts a nanosecond late": rebuilt(func(g grant.Grant) (grant.Grant, bool) {
			if !g.NotBefore.IsZero() {
				g.NotBefore = g.NotBefore.Add(1)
			}
			return g, true
		}),
		"folds case": onKey(strings.ToLower),
		"cleans paths": onKey(func(key string) string {
			return strings.ReplaceAll(strings.ReplaceAll(key, "/./", "/"), "//", "/")
		}),
		"decodes":    onKey(func(key string) string { return strings.ReplaceAll(key, "%2e", ".") }),
		"normalizes": onKey(func(key string) string { return strings.ReplaceAll(key, "e\u0301", "\u00e9") }),
		"ignores the bucket": func(w *scenario, groups []string, bucket, key string, now time.Time) bool {
			return shipped(w, groups, "bkt", key, now) || shipped(w, groups, "bkt2", key, now)
		},
		"checks one group only": func(w *scenario, groups []string, bucket, key string, now time.Time) bool {
			return shipped(w, groups[:min(1, len(groups))], bucket, key, now)
		},
		"allows":     func(*scenario, []string, string, string, time.Time) bool { return true },
		"allows NUL": onKey(func(key string) string { return strings.ReplaceAll(key, "\x00", "") }),
		"denies":     func(*scenario, []string, string, string, time.Time) bool { return false },
		"lets the longest path win": func(w *scenario, groups []string, bucket, key string, now time.Time) bool {
			longest, allowed := -1, false
			for _, g := range w.grants {
				if p := g.Prefix + g.Object; refMatches(g, groups, bucket, key, now) && len(p) >= longest {
					longest, allowed = len(p), g.Effect != grant.Deny
				}
			}
			return allowed && grant.ValidKey(key)
		},
	}
	killed := 0
	for name, mutant := range mutants {
		if count, _, _, _ := disagreements(20_000, 2, mutant); count == 0 {
			t.Errorf("an evaluator that %s agrees with the reference", name)
			continue
		}
		killed++
	}
	t.Logf("controls killed %d/%d", killed, len(mutants))
}

// viewer is Visible, or a mutant of it.
type viewer func(w *scenario, groups []string, bucket, prefix string, now time.Time) grant.View

func viewDisagreements(n int, seed uint64, see viewer) (count int, kinds map[string]int, firstOne string) {
	rng := rand.New(rand.NewPCG(seed, 0))
	kinds = map[string]int{}
	for done := 0; done < n; {
		w := newScenario(rng, 12)
		for range 20 {
			done++
			mine, now, bucket := w.person(), w.instant(), buckets[rng.IntN(len(buckets))]
			prefix := w.path(true)
			if rng.IntN(3) == 0 {
				prefix = "" // the root of a bucket, above most grants
			}
			inside, next := refView(w.grants, mine, bucket, prefix, now)
			switch {
			case inside:
				kinds["inside"]++
			case len(next) > 0:
				kinds["on the way"]++
			default:
				kinds["nothing"]++
			}
			got := see(w, mine, bucket, prefix, now)
			if got.Inside != inside || !slices.Equal(got.Next, next) || got.Nothing() != (!inside && len(next) == 0) {
				if count++; count == 1 {
					firstOne = fmt.Sprintf("%q sees %s/%q at %v as %+v, want %v %v, of %v", mine, bucket, prefix, now, got, inside, next, w.grants)
				}
			}
		}
	}
	return count, kinds, firstOne
}

func TestVisibleAgainstReference(t *testing.T) {
	count, kinds, example := viewDisagreements(200_000, 3, func(w *scenario, groups []string, bucket, prefix string, now time.Time) grant.View {
		return w.set.Visible(groups, bucket, prefix, now)
	})
	t.Logf("VISIBLE %v disagreements=%d", kinds, count)
	if count > 0 {
		t.Errorf("%d disagreements, the first: %s", count, example)
	}
	for _, kind := range []string{"inside", "on the way", "nothing"} {
		if kinds[kind] < 5_000 {
			t.Errorf("only %d cases are %s", kinds[kind], kind)
		}
	}
}

func TestVisibleControls(t *testing.T) {
	mutants := map[string]viewer{
		"shows the steps to a denied folder": func(w *scenario, groups []string, bucket, prefix string, now time.Time) grant.View {
			v := w.set.Visible(groups, bucket, prefix, now)
			if v.Grant != nil && !v.Inside {
				return grant.View{Next: []grant.Step{{Name: "a/"}}}
			}
			return v
		},
		"treats a step as inside": func(w *scenario, groups []string, bucket, prefix string, now time.Time) grant.View {
			v := w.set.Visible(groups, bucket, prefix, now)
			return grant.View{Inside: !v.Nothing()}
		},
		"uses another time": func(w *scenario, groups []string, bucket, prefix string, now time.Time) grant.View {
			return w.set.Visible(groups, bucket, prefix, now.Add(time.Hour))
		},
		"drops the last row": func(w *scenario, groups []string, bucket, prefix string, now time.Time) grant.View {
			v := w.set.Visible(groups, bucket, prefix, now)
			v.Next = v.Next[:max(0, len(v.Next)-1)]
			return v
		},
	}
	for name, mutant := range mutants {
		if count, _, _ := viewDisagreements(5_000, 4, mutant); count == 0 {
			t.Errorf("a view that %s agrees with the reference", name)
		}
	}
}

// TestFolderAndBuckets compares Folder and Buckets with Visible and the
// reference. A row without an allowed key below it must be hidden.
func TestFolderAndBuckets(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 0))
	seen := map[grant.Reach]int{}
	for range 20_000 {
		w := newScenario(rng, 12)
		mine, now := w.person(), w.instant()
		p := w.set.For(mine, now)
		var want []string
		for _, bucket := range buckets {
			if !w.set.Visible(mine, bucket, "", now).Nothing() {
				want = append(want, bucket)
			}
			prefix := w.path(true)
			reach := p.Folder(bucket, prefix)
			seen[reach]++
			if (reach == grant.None) != p.Visible(bucket, prefix).Nothing() {
				t.Fatalf("Folder %s/%q is %v, Visible %+v, of %v", bucket, prefix, reach, p.Visible(bucket, prefix), w.grants)
			}
			if all := refWhole(w.grants, mine, bucket, prefix, now); (reach == grant.All) != all {
				t.Fatalf("Folder %s/%q is %v, all of it allowed: %v, of %v", bucket, prefix, reach, all, w.grants)
			}
		}
		if got := w.set.Buckets(mine, now); !slices.Equal(got, want) {
			t.Fatalf("Buckets = %v, want %v, of %v", got, want, w.grants)
		}
	}
	if len(seen) != 3 {
		t.Errorf("the cases reach only %v", seen)
	}
}

// refWhole reports whether a folder is allowed without a deny below it.
func refWhole(grants []grant.Grant, groups []string, bucket, prefix string, now time.Time) bool {
	if !refAllowed(grants, groups, bucket, prefix+fresh, now) {
		return false
	}
	for _, g := range grants {
		if g.Effect == grant.Deny && strings.HasPrefix(g.Prefix+g.Object, prefix) && refMatches(g, groups, bucket, g.Prefix+g.Object, now) {
			return false
		}
	}
	return true
}

func FuzzDecide(f *testing.F) {
	f.Add(uint64(1), "a/b", "a/", "bkt")
	f.Add(uint64(2), "finance-secret/x", "finance/", "bkt2")
	f.Add(uint64(3), "a/../b", "a//", "bkt")
	f.Add(uint64(4), "\xff/\x00", "e\u0301/", "bkt")
	f.Add(uint64(5), strings.Repeat("/", 1024), strings.Repeat("/", 512), "bkt")
	f.Fuzz(func(t *testing.T, seed uint64, key, path, bucket string) {
		w := newScenario(rand.New(rand.NewPCG(seed, 6)), 12)
		extra := grant.Grant{Group: "g", Bucket: bucket, Prefix: path}
		if seed%2 == 0 {
			extra.Prefix, extra.Object = "", path
		}
		if set, err := grant.NewSet(append(slices.Clone(w.grants), extra)); err == nil {
			w.grants, w.set = append(w.grants, extra), set
		}
		mine, now := w.person(), w.instant()
		if got, want := shipped(w, mine, bucket, key, now), refAllowed(w.grants, mine, bucket, key, now); got != want {
			t.Fatalf("%q asks %q/%q at %v: %v, want %v, of %v", mine, bucket, key, now, got, want, w.grants)
		}
		if !grant.ValidPrefix(key) {
			return
		}
		inside, next := refView(w.grants, mine, bucket, key, now)
		if len(key)+len(fresh) > grant.MaxKey {
			return // the reference's fresh key would be too long
		}
		if v := w.set.Visible(mine, bucket, key, now); v.Inside != inside || !slices.Equal(v.Next, next) {
			t.Fatalf("%q sees %q/%q as %+v, want %v %v, of %v", mine, bucket, key, v, inside, next, w.grants)
		}
	})
}

func mustSet(t testing.TB, grants ...grant.Grant) *grant.Set {
	t.Helper()
	set, err := grant.NewSet(grants)
	if err != nil {
		t.Fatal(err)
	}
	return set
}
