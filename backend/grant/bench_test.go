package grant_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/backend/grant"
)

// company returns n grants as in a company: teams with their own folders, three
// levels deep, in eight buckets, and a person in five of the teams. Each key has
// six segments and is reached by one team.
func company(tb testing.TB, n int) (set *grant.Set, groups []string, bucket string, keys []string) {
	grants := make([]grant.Grant, n)
	for i := range grants {
		grants[i] = grant.Grant{
			Group: fmt.Sprintf("team-%d", i%(n/2)), Bucket: fmt.Sprintf("company-%d", i%8),
			Prefix: fmt.Sprintf("division-%d/department-%d/project-%d/", i%16, i%512, i),
		}
		if i%10 == 9 {
			grants[i].Effect = grant.Deny
		}
		if i%5 == 4 {
			grants[i].Expires = epoch.Add(time.Hour)
		}
	}
	for i := range 5 {
		groups = append(groups, fmt.Sprintf("team-%d", i*n/2/5))
	}
	for i := range 1024 {
		g := grants[i*(n-1)/1023]
		if g.Bucket == "company-0" {
			keys = append(keys, g.Prefix+"2026/november/report.csv")
		}
	}
	return mustSet(tb, grants...), groups, "company-0", keys
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10, 1_000, 100_000} {
		set, groups, bucket, keys := company(b, n)
		b.Run(fmt.Sprintf("grants=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				set.Decide(groups, bucket, keys[i%len(keys)], epoch)
			}
		})
		b.Run(fmt.Sprintf("prepared/grants=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			p := set.For(groups, epoch)
			for i := 0; b.Loop(); i++ {
				p.Decide(bucket, keys[i%len(keys)])
			}
		})
	}
}

// BenchmarkDecideFloor measures the minimum work of a decision: one map access
// and one comparison of a prefix.
func BenchmarkDecideFloor(b *testing.B) {
	set, groups, _, keys := company(b, 1_000)
	prefixes := map[string]string{}
	for _, g := range set.Grants() {
		prefixes[g.Group] = g.Prefix
	}
	allowed := false
	for i := 0; b.Loop(); i++ {
		allowed = strings.HasPrefix(keys[i%len(keys)], prefixes[groups[0]])
	}
	_ = allowed
}

func BenchmarkDecideHundredGroups(b *testing.B) {
	set, _, bucket, keys := company(b, 100_000)
	groups := set.Groups()[:100]
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		set.Decide(groups, bucket, keys[i%len(keys)], epoch)
	}
}

func BenchmarkVisible(b *testing.B) {
	for _, n := range []int{10, 1_000, 100_000} {
		set, groups, bucket, _ := company(b, n)
		b.Run(fmt.Sprintf("grants=%d", n), func(b *testing.B) {
			for b.Loop() {
				set.Visible(groups, bucket, "", epoch)
			}
		})
	}
}

func BenchmarkNewSet(b *testing.B) {
	set, _, _, _ := company(b, 100_000)
	grants := set.Grants()
	for b.Loop() {
		mustSet(b, grants...)
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	set, groups, bucket, keys := company(t, 1_000)
	denied, allowed := 0, 0
	if n := testing.AllocsPerRun(10, func() {
		for _, key := range keys {
			if set.Decide(groups, bucket, key, epoch).Allowed {
				allowed++
			} else {
				denied++
			}
		}
	}); n > 0 {
		t.Errorf("%v allocations for %d decisions", n, len(keys))
	}
	if allowed == 0 || denied == 0 {
		t.Errorf("%d allowed and %d denied: want both", allowed, denied)
	}
}

// TestCostDoesNotGrowWithGrants compares decisions on sets of very different
// size. The bound is loose, because test machines are busy. The benchmarks have
// the exact costs.
func TestCostDoesNotGrowWithGrants(t *testing.T) {
	cost := func(n int) time.Duration {
		set, groups, bucket, keys := company(t, n)
		best := time.Hour
		for range 20 {
			start := time.Now()
			for i := range 2_000 {
				set.Decide(groups, bucket, keys[i%len(keys)], epoch)
			}
			best = min(best, time.Since(start)/2_000)
		}
		return best
	}
	few, many := cost(10), cost(20_000)
	t.Logf("a decision costs %v of 10 grants and %v of 20,000", few, many)
	if many > 20*few+time.Microsecond {
		t.Errorf("a decision costs %v of 10 grants and %v of 20,000", few, many)
	}
}
