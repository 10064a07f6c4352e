package backend_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// leaver is a person whose access is revoked during downloads.
type leaver struct {
	demotest.Actor
	name     string
	gone     atomic.Int64 // instant of the pool's confirmation, in Unix nanoseconds
	refused  atomic.Int64 // start of the first refused request, in Unix nanoseconds
	late     atomic.Int64 // URLs for requests that began after the bound
	last     api.ReleaseItem
	requests atomic.Int64 // that got a URL
	pages    bool         // URLs come with the page of their folder, not by release
}

// request requests one URL.
func (l *leaver) request(ctx context.Context) (api.ReleaseItem, error) {
	if l.pages {
		return pageOne(ctx, l.Actor, "company-reports", "annual/revoked/")
	}
	return releaseOne(ctx, l.Actor, "company-reports", "annual/revoked/one.csv")
}

// pageOne requests a page with one URL.
func pageOne(ctx context.Context, a demotest.Actor, bucket, prefix string) (api.ReleaseItem, error) {
	page, err := a.List(ctx, api.ListRequest{Bucket: bucket, Prefix: prefix, Recursive: true, URLs: 1})
	if err != nil {
		return api.ReleaseItem{}, err
	}
	for _, e := range page.Entries {
		if e.Release != nil {
			return *e.Release, nil
		}
	}
	return api.ReleaseItem{}, &api.Error{Code: api.NotFound}
}

// poll requests URLs until a request is refused after the revocation.
func (l *leaver) poll(ctx context.Context, bound func() time.Duration, every time.Duration) {
	for ctx.Err() == nil {
		began := time.Now()
		item, err := l.request(ctx)
		gone := l.gone.Load()
		switch {
		case err == nil:
			l.last = item
			l.requests.Add(1)
			if gone != 0 && began.After(time.Unix(0, gone).Add(bound())) {
				l.late.Add(1)
			}
		case ctx.Err() == nil && gone != 0 && (codeOf(err) == api.NotFound || codeOf(err) == api.SessionRevoked || codeOf(err) == ""):
			l.refused.CompareAndSwap(0, began.UnixNano())
			return
		}
		select {
		case <-time.After(every - time.Since(began)):
		case <-ctx.Done():
		}
	}
}

// Many people lose their access at once, by each kind of removal, during the
// downloads of others. No person gets a URL after the bound, and the pool gets no
// more calls than the budget allows.
func TestRevocationBound(t *testing.T) {
	each, others := 40, 20
	switch {
	case testing.Short():
		each, others = 10, 10
	case os.Getenv("USHER_SOAK") != "":
		each, others = 200, 100
	}
	now := &clock{}
	w := demotest.Start(t, demo.Options{Now: now.Now})
	w.Put(t, "company-reports", "annual/revoked/one.csv", "one")
	kinds := map[string]func(ctx context.Context, c *cognitoidentityprovider.Client, pool, name string) error{
		"disable": func(ctx context.Context, c *cognitoidentityprovider.Client, pool, name string) error {
			_, err := c.AdminDisableUser(ctx, &cognitoidentityprovider.AdminDisableUserInput{UserPoolId: &pool, Username: &name})
			return err
		},
		"signout": func(ctx context.Context, c *cognitoidentityprovider.Client, pool, name string) error {
			_, err := c.AdminUserGlobalSignOut(ctx, &cognitoidentityprovider.AdminUserGlobalSignOutInput{UserPoolId: &pool, Username: &name})
			return err
		},
		"group": func(ctx context.Context, c *cognitoidentityprovider.Client, pool, name string) error {
			_, err := c.AdminRemoveUserFromGroup(ctx, &cognitoidentityprovider.AdminRemoveUserFromGroupInput{UserPoolId: &pool, Username: &name, GroupName: aws.String("finance-team")})
			return err
		},
	}
	people := map[string][]*leaver{}
	for kind := range kinds {
		people[kind] = hire(t, w, kind, each)
	}
	stay := hire(t, w, "stay", others)

	bound := func() time.Duration { // the current bound without the life of a URL
		res, err := http.Get(w.Server + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		var health api.Health
		if err := json.NewDecoder(res.Body).Decode(&health); err != nil {
			t.Fatal(err)
		}
		return time.Duration(health.BoundSeconds)*time.Second - time.Minute
	}
	var inForce atomic.Int64
	inForce.Store(int64(5 * time.Second))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var work sync.WaitGroup
	for _, list := range people {
		for _, l := range list {
			work.Go(func() { l.poll(ctx, func() time.Duration { return time.Duration(inForce.Load()) }, 2*time.Second) })
		}
	}
	var staying sync.WaitGroup
	for _, l := range stay {
		staying.Go(func() { l.poll(ctx, func() time.Duration { return 0 }, 500*time.Millisecond) })
	}
	for deadline := time.Now().Add(time.Minute); !everyone(people, func(l *leaver) bool { return l.requests.Load() > 0 }); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("some people have no URL after a minute")
		}
	}
	inForce.Store(int64(bound()))
	before, began := w.Sandbox.Pool.Calls(), time.Now()
	var admins sync.WaitGroup
	for kind, list := range people {
		admins.Go(func() {
			for _, l := range list {
				if err := kinds[kind](t.Context(), w.Admin(), w.UserPoolID, l.name); err != nil {
					t.Errorf("%s %s: %v", kind, l.name, err)
				}
				l.gone.Store(time.Now().UnixNano())
			}
		})
	}
	admins.Wait()
	work.Wait()
	seconds := time.Since(began).Seconds()
	after := w.Sandbox.Pool.Calls()
	alive := float64(after["GetUser"]-before["GetUser"]) / seconds
	groups := float64(after["AdminListGroupsForUser"]-before["AdminListGroupsForUser"]) / seconds
	stop()
	staying.Wait()

	for kind, list := range people {
		var took []float64
		late := int64(0)
		for _, l := range list {
			took = append(took, time.Duration(l.refused.Load()-l.gone.Load()).Seconds())
			late += l.late.Load()
		}
		slices.Sort(took)
		t.Logf("REVOKE kind=%s n=%d p50=%.1f p99=%.1f max=%.1f bound=%.0f+60 violations=%d cognito_rps=%.1f/120", kind, len(took),
			took[len(took)/2], took[len(took)*99/100], took[len(took)-1], time.Duration(inForce.Load()).Seconds(), late, alive)
		if late > 0 {
			t.Errorf("%s: %d URLs after the bound", kind, late)
		}
	}
	t.Logf("COGNITO GetUser=%.1f/s of 120, AdminListGroupsForUser=%.1f/s of 50", alive, groups)
	if alive > 61 || groups > 26 {
		t.Errorf("more than half of the pool's quotas is used: %.1f/s and %.1f/s", alive, groups)
	}
	now.Pass(66 * time.Second)
	for kind, list := range people {
		tried := 0
		for _, l := range list {
			if l.last.URL == "" {
				continue
			}
			tried++
			if status, _ := get(t, l.last, nil); status != http.StatusForbidden {
				t.Errorf("%s: the last URL of %s still opens 65 s later: %d", kind, l.name, status)
			}
		}
		if tried == 0 {
			t.Errorf("%s: no URL to try", kind)
		}
	}
}

// everyone reports whether ok is true for each person.
func everyone(people map[string][]*leaver, ok func(*leaver) bool) bool {
	for _, list := range people {
		if slices.ContainsFunc(list, func(l *leaver) bool { return !ok(l) }) {
			return false
		}
	}
	return true
}

// hire creates people of the finance team and signs them in. Half of them get
// their URLs with pages.
func hire(t *testing.T, w *demotest.Demo, prefix string, n int) []*leaver {
	t.Helper()
	list := make([]*leaver, n)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range n {
		name := fmt.Sprintf("%s-%03d", prefix, i)
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			list[i] = &leaver{Actor: w.AddPerson(t, name, "finance-team"), name: name, pages: i%2 == 0}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return list
}
