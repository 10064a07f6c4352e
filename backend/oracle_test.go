package backend_test

import (
	"fmt"
	"math"
	mrand "math/rand/v2"
	"slices"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// A person without access to an object cannot find out whether it exists: no verb
// calls the storage. The test logs the timing of the two refusals; it proves
// nothing on a busy machine.
func TestRefusalsDoNotReachStorage(t *testing.T) {
	pairs := 200
	if testing.Short() {
		pairs = 40
	}
	log, now := &accessLog{}, &clock{}
	w := demotest.Start(t, demo.Options{AccessLog: log, Now: now.Now})
	for i := range 20 {
		w.Put(t, "company-reports", fmt.Sprintf("board-packs/%02d/minutes.csv", i), "x")
	}
	grace := w.SignIn(t, "grace")
	rng := mrand.New(mrand.NewPCG(6, 1))
	calls := []func(folder string) api.Code{
		func(folder string) api.Code {
			_, err := releaseOne(t.Context(), grace, "company-reports", folder+"/minutes.csv")
			return codeOf(err)
		},
		func(folder string) api.Code {
			_, err := grace.Stat(t.Context(), api.StatRequest{Bucket: "company-reports", Key: folder + "/minutes.csv"})
			return codeOf(err)
		},
		func(folder string) api.Code {
			_, err := grace.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: folder + "/", Recursive: rng.IntN(2) == 0})
			return codeOf(err)
		},
		func(folder string) api.Code {
			_, err := grace.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: folder + "/", Recursive: true, URLs: 1000})
			return codeOf(err)
		},
	}
	calls[0]("board-packs/warm")
	before := log.count()
	var took [2][]time.Duration
	for i := range pairs {
		call := calls[rng.IntN(len(calls))]
		for _, there := range rng.Perm(2) {
			folder := fmt.Sprintf("%s/%02d", []string{"board-packz", "board-packs"}[there], rng.IntN(20))
			began := time.Now()
			if code := call(folder); code != api.NotFound {
				t.Fatalf("%s: %q, want not_found", folder, code)
			}
			took[there] = append(took[there], time.Since(began))
		}
		if i%20 == 19 {
			now.Pass(10 * time.Second) // stays within the budgets
		}
	}
	if n := log.count() - before; n != 0 {
		t.Errorf("%d refused requests caused %d S3 calls", 2*pairs, n)
	}
	slices.Sort(took[0])
	slices.Sort(took[1])
	diff, p := (took[1][pairs/2] - took[0][pairs/2]).Abs(), sameSource(took[0], took[1])
	apart := "no"
	if p < 0.01 && diff > 200*time.Microsecond {
		apart = "yes"
	}
	t.Logf("ORACLE pairs=%d s3_calls=%d median_diff_us=%d ks_p=%.3f distinguishable=%s", pairs, log.count()-before, diff.Microseconds(), p, apart)
	// Negative control: a request within a grant increases the count.
	if _, err := releaseOne(t.Context(), grace, "company-reports", "annual/audited/none.csv"); codeOf(err) != api.NotFound || log.count() == before {
		t.Errorf("a request within a grant: %v, %d S3 calls", err, log.count()-before)
	}
}

// sameSource returns the probability that two samples of one distribution differ
// at least as much as these (Kolmogorov-Smirnov). The samples are sorted and of
// one size.
func sameSource(a, b []time.Duration) float64 {
	most, i, j := 0, 0, 0
	for i < len(a) && j < len(b) {
		at := min(a[i], b[j])
		for i < len(a) && a[i] == at {
			i++
		}
		for j < len(b) && b[j] == at {
			j++
		}
		most = max(most, i-j, j-i)
	}
	n := float64(len(a))
	root := math.Sqrt(n / 2)
	lambda := (root + 0.12 + 0.11/root) * float64(most) / n
	p := 0.0
	for k := 1; k <= 100; k++ {
		p += 2 * math.Pow(-1, float64(k-1)) * math.Exp(-2*float64(k*k)*lambda*lambda)
	}
	if lambda < 0.2 { // the series does not converge there; the probability is 1
		return 1
	}
	return min(max(p, 0), 1)
}

// Negative control of sameSource.
func TestSameSource(t *testing.T) {
	rng := mrand.New(mrand.NewPCG(1, 2))
	draw := func(n int, later time.Duration) []time.Duration {
		d := make([]time.Duration, n)
		for i := range d {
			d[i] = later + time.Duration(rng.NormFloat64()*float64(100*time.Microsecond))
		}
		slices.Sort(d)
		return d
	}
	one := draw(500, time.Millisecond)
	if p := sameSource(one, one); p < 0.99 {
		t.Errorf("a sample and itself: %v", p)
	}
	if p := sameSource(one, draw(500, time.Millisecond)); p < 0.001 {
		t.Errorf("two samples of one distribution: %v", p)
	}
	if p := sameSource(one, draw(500, time.Millisecond+50*time.Microsecond)); p > 0.001 {
		t.Errorf("two distributions half a deviation apart: %v", p)
	}
}
