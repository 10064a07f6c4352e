// Package requesttest is the conformance suite of stores of requests for access: a
// file, and the state that several instances share.
//
//	func TestFile(t *testing.T) { requesttest.Run(t, newFixture) }
package requesttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/accessrequest"
)

// Store is the backend's view of a store.
type Store interface {
	All(ctx context.Context) ([]accessrequest.Request, error)
	Update(ctx context.Context, edit func([]accessrequest.Request) (accessrequest.Change, error)) error
}

// Fixture is the place of one store, which is empty at first. Every part is required.
type Fixture struct {
	Open    func() (Store, error) // opens one more store in the place; a store of one process returns the same
	Now     func() time.Time
	Advance func(d time.Duration)
}

// Run reports each requirement that the store violates.
func Run(t *testing.T, newFixture func(t *testing.T) Fixture) {
	t.Helper()
	for name, check := range map[string]func(*testing.T, Fixture){
		"an empty place has no requests":                  empty,
		"every field is read back":                        readsBack,
		"a request for the same path replaces the first":  replaces,
		"an error of the edit changes nothing":            refuses,
		"a canceled caller changes nothing":               canceled,
		"the bounds hold for concurrent people":           bounds,
		"a dropped request is gone":                       drops,
		"requests that have ended do not come back":       ends,
		"an answer is kept, and only one of two is taken": answers,
		"a withdrawal or an answer is taken, not both":    withdraws,
		"one withdrawn request of a person is kept":       lastWithdrawn,
	} {
		t.Run(name, func(t *testing.T) { check(t, newFixture(t)) })
	}
}

func open(t *testing.T, f Fixture) Store {
	t.Helper()
	s, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// live returns the stored requests that have not ended.
func live(t *testing.T, f Fixture, s Store) []accessrequest.Request {
	t.Helper()
	all, err := s.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return accessrequest.Live(all, f.Now())
}

// ask returns the edit of a request.
func ask(f Fixture, sub, key, reason string) func([]accessrequest.Request) (accessrequest.Change, error) {
	return func(all []accessrequest.Request) (accessrequest.Change, error) {
		q := accessrequest.Request{Sub: sub, Username: "name of " + sub, Bucket: "builds", Key: key, Reason: reason}
		return accessrequest.Ask(all, q, f.Now())
	}
}

func update(t *testing.T, s Store, edit func([]accessrequest.Request) (accessrequest.Change, error)) {
	t.Helper()
	if err := s.Update(t.Context(), edit); err != nil {
		t.Fatal(err)
	}
}

func empty(t *testing.T, f Fixture) {
	if all := live(t, f, open(t, f)); len(all) != 0 {
		t.Errorf("%v", all)
	}
}

func readsBack(t *testing.T, f Fixture) {
	s := open(t, f)
	keys := []string{"", "a/", "a/../%2e/é\u202e\x1b[2J", strings.Repeat("é", 512)}
	for _, key := range keys {
		update(t, s, ask(f, "ada", key, "why: \"\x00\n\u2028\x1b[31m"+strings.Repeat("r", 400)))
		f.Advance(time.Second)
	}
	got := live(t, f, open(t, f))
	if len(got) != len(keys) {
		t.Fatalf("%d requests", len(got))
	}
	for i, r := range got {
		want := accessrequest.Request{
			ID: accessrequest.ID("ada", "builds", keys[i]), Sub: "ada", Username: "name of ada", Bucket: "builds", Key: keys[i],
			Reason: "why: \"\x00\n\u2028\x1b[31m" + strings.Repeat("r", 400), State: accessrequest.Open, Asked: r.Asked,
		}
		if r != want || r.Asked.IsZero() {
			t.Errorf("%+v, want %+v", r, want)
		}
	}
}

func replaces(t *testing.T, f Fixture) {
	s := open(t, f)
	update(t, s, ask(f, "ada", "a/", "first"))
	first := live(t, f, s)[0].Asked
	f.Advance(time.Hour)
	update(t, s, ask(f, "ada", "a/", "second"))
	update(t, s, ask(f, "grace", "a/", "another person"))
	got := live(t, f, s)
	if len(got) != 2 || !slices.ContainsFunc(got, func(r accessrequest.Request) bool {
		return r.Sub == "ada" && r.Reason == "second" && r.Asked.Sub(first) == time.Hour
	}) {
		t.Errorf("%+v", got)
	}
}

func refuses(t *testing.T, f Fixture) {
	s, mistake := open(t, f), errors.New("refused")
	update(t, s, ask(f, "ada", "a/", "first"))
	err := s.Update(t.Context(), func(all []accessrequest.Request) (accessrequest.Change, error) {
		all[0].Reason = "changed in place"
		return accessrequest.Change{Put: all[0]}, mistake
	})
	if got := live(t, f, s); !errors.Is(err, mistake) || len(got) != 1 || got[0].Reason != "first" {
		t.Errorf("%v, %+v", err, got)
	}
}

func canceled(t *testing.T, f Fixture) {
	s := open(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Update(ctx, ask(f, "ada", "a/", "")); err == nil || len(live(t, f, s)) != 0 {
		t.Errorf("%v", err)
	}
}

// bounds lets eight requests of one person through a second store at once.
func bounds(t *testing.T, f Fixture) {
	stores := []Store{open(t, f), open(t, f)}
	for i := range accessrequest.MaxOpen - 1 {
		update(t, stores[0], ask(f, "ada", fmt.Sprint(i, "/"), ""))
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	refused, stored := 0, 0
	for i := range 6 {
		all.Go(func() {
			err := stores[i%2].Update(t.Context(), ask(f, "ada", fmt.Sprint("new-", i, "/"), ""))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				stored++
			case errors.Is(err, accessrequest.ErrMany):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := len(live(t, f, stores[1])); stored != 1 || refused != 5 || got != accessrequest.MaxOpen {
		t.Errorf("%d stored, %d refused, %d kept", stored, refused, got)
	}
}

func drops(t *testing.T, f Fixture) {
	s := open(t, f)
	update(t, s, ask(f, "ada", "a/", ""))
	update(t, s, func(all []accessrequest.Request) (accessrequest.Change, error) {
		change, err := accessrequest.Ask(all, accessrequest.Request{Sub: "grace", Bucket: "builds", Key: "b/"}, f.Now())
		change.Drop = accessrequest.ID("ada", "builds", "a/")
		return change, err
	})
	if got := live(t, f, open(t, f)); len(got) != 1 || got[0].Sub != "grace" {
		t.Errorf("%+v", got)
	}
}

func ends(t *testing.T, f Fixture) {
	s := open(t, f)
	update(t, s, ask(f, "ada", "a/", ""))
	f.Advance(accessrequest.Life - time.Second)
	if len(live(t, f, s)) != 1 {
		t.Error("the request ended early")
	}
	f.Advance(time.Second)
	if got := live(t, f, s); len(got) != 0 {
		t.Errorf("after its end: %+v", got)
	}
	update(t, s, ask(f, "grace", "b/", ""))
	if got := live(t, f, s); len(got) != 1 || got[0].Sub != "grace" {
		t.Errorf("%+v", got)
	}
}

func answers(t *testing.T, f Fixture) {
	stores := []Store{open(t, f), open(t, f)}
	update(t, stores[0], ask(f, "ada", "a/", ""))
	q := live(t, f, stores[0])[0]
	var all sync.WaitGroup
	errs := make([]error, 2)
	for i, a := range []accessrequest.Answer{{State: accessrequest.Approved, By: "margaret", Grant: "allow g builds/a/"}, {State: accessrequest.Declined, By: "joan", Text: "no"}} {
		all.Go(func() {
			errs[i] = stores[i].Update(t.Context(), func(all []accessrequest.Request) (accessrequest.Change, error) {
				return accessrequest.Close(all, q.ID, q.Asked, a, f.Now())
			})
		})
	}
	all.Wait()
	got := live(t, f, open(t, f))
	if len(got) != 1 || got[0].State == accessrequest.Open || got[0].Answered.IsZero() {
		t.Fatalf("%+v", got)
	}
	won := 0
	if got[0].State == accessrequest.Declined {
		won = 1
	}
	if errs[won] != nil || !errors.Is(errs[1-won], accessrequest.ErrAnswered) {
		t.Errorf("%v: %+v", errs, got)
	}
}

// withdraw returns the edit of a withdrawal.
func withdraw(f Fixture, sub, key string) func([]accessrequest.Request) (accessrequest.Change, error) {
	return func(all []accessrequest.Request) (accessrequest.Change, error) {
		return accessrequest.Withdraw(all, accessrequest.ID(sub, "builds", key), sub, f.Now())
	}
}

func withdraws(t *testing.T, f Fixture) {
	stores := []Store{open(t, f), open(t, f)}
	update(t, stores[0], ask(f, "ada", "a/", ""))
	q := live(t, f, stores[0])[0]
	edits := []func([]accessrequest.Request) (accessrequest.Change, error){
		withdraw(f, "ada", "a/"),
		func(all []accessrequest.Request) (accessrequest.Change, error) {
			return accessrequest.Close(all, q.ID, q.Asked, accessrequest.Answer{State: accessrequest.Declined, By: "joan"}, f.Now())
		},
	}
	var all sync.WaitGroup
	errs := make([]error, 2)
	for i, edit := range edits {
		all.Go(func() { errs[i] = stores[i].Update(t.Context(), edit) })
	}
	all.Wait()
	got := live(t, f, open(t, f))
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	won, refusal := 0, accessrequest.ErrUnknown
	if got[0].State == accessrequest.Declined {
		won, refusal = 1, accessrequest.ErrAnswered
	}
	if got[0].State == accessrequest.Open || errs[won] != nil || !errors.Is(errs[1-won], refusal) {
		t.Errorf("%v: %+v", errs, got)
	}
}

func lastWithdrawn(t *testing.T, f Fixture) {
	s := open(t, f)
	update(t, s, ask(f, "grace", "a/", ""))
	update(t, s, withdraw(f, "grace", "a/"))
	for i := range 3 {
		key := fmt.Sprint(i, "/")
		update(t, s, ask(f, "ada", key, ""))
		f.Advance(time.Second)
		update(t, s, withdraw(f, "ada", key))
	}
	var kept []string
	for _, r := range live(t, f, open(t, f)) {
		kept = append(kept, fmt.Sprint(r.Sub, " ", r.Key, " ", r.State))
	}
	if slices.Sort(kept); !slices.Equal(kept, []string{"ada 2/ withdrawn", "grace a/ withdrawn"}) {
		t.Errorf("%q", kept)
	}
}
