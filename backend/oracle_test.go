package backend_test

import (
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// Whoever may not read an object cannot learn whether it is there: storage is
// not asked, whatever is asked of the backend. What the two answers cost in
// time is printed; on a busy machine it proves nothing.
func TestRefusalsDoNotAskStorage(t *testing.T) {
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
	ask := []func(folder string) api.Code{
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
	}
	ask[0]("board-packs/warm")
	before := log.count()
	var took [2][]time.Duration
	for i := range pairs {
		way := ask[rng.IntN(len(ask))]
		for _, there := range rng.Perm(2) {
			folder := fmt.Sprintf("%s/%02d", []string{"board-packz", "board-packs"}[there], rng.IntN(20))
			began := time.Now()
			if code := way(folder); code != api.NotFound {
				t.Fatalf("%s: %q, want not_found", folder, code)
			}
			took[there] = append(took[there], time.Since(began))
		}
		if i%20 == 19 {
			now.Pass(10 * time.Second) // within the budgets
		}
	}
	if n := log.count() - before; n != 0 {
		t.Errorf("%d refused questions reached S3 %d times", 2*pairs, n)
	}
	median := func(d []time.Duration) time.Duration { slices.Sort(d); return d[len(d)/2] }
	present, absent := median(took[1]), median(took[0])
	t.Logf("ORACLE pairs=%d s3_calls=%d median_present=%s median_absent=%s median_diff=%s", pairs, log.count()-before, present, absent, (present - absent).Abs())
	// The count would show a question that is asked: one object of her own.
	if _, err := releaseOne(t.Context(), grace, "company-reports", "annual/audited/none.csv"); codeOf(err) != api.NotFound || log.count() == before {
		t.Errorf("a question within a grant: %v, and S3 was asked %d times", err, log.count()-before)
	}
}
