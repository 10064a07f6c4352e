package accessrequest_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"usher/backend/accessrequest"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func ExampleAsk() {
	q := accessrequest.Request{Sub: "1", Username: "ada", Bucket: "builds", Key: "nightly/", Reason: "release 12"}
	change, err := accessrequest.Ask(nil, q, now)
	fmt.Println(change.Put.State, change.Put.Ends().Format(time.DateOnly), err)
	// Output: open 2026-12-01 <nil>
}

// kept returns n requests of different people in a state.
func kept(n int, state accessrequest.State) (all []accessrequest.Request) {
	for i := range n {
		change, _ := accessrequest.Ask(nil, accessrequest.Request{Sub: fmt.Sprint(i), Bucket: "builds"}, now.Add(time.Duration(i)))
		r := change.Put
		if r.State = state; state != accessrequest.Open {
			r.Answered = now.Add(time.Duration(n - i))
		}
		all = append(all, r)
	}
	return all
}

func TestPlaces(t *testing.T) {
	later := now.Add(time.Hour)
	q := accessrequest.Request{Sub: "new", Bucket: "builds"}
	full := kept(accessrequest.MaxKept, accessrequest.Open)
	if _, err := accessrequest.Ask(full[1:], q, later); err != nil {
		t.Errorf("the last place: %v", err)
	}
	if _, err := accessrequest.Ask(full, q, later); !errors.Is(err, accessrequest.ErrFull) {
		t.Errorf("no place: %v", err)
	}
	if change, err := accessrequest.Ask(full, full[3], later); err != nil || change.Drop != "" {
		t.Errorf("a repetition needs no place: %v", err)
	}
	if change, err := accessrequest.Ask(full, q, now.Add(accessrequest.Life+time.Hour)); err != nil || change.Drop != "" {
		t.Errorf("ended requests take no place: %v", err)
	}
	answered := kept(accessrequest.MaxKept, accessrequest.Declined)
	if change, err := accessrequest.Ask(answered, q, later); err != nil || change.Drop != answered[len(answered)-1].ID {
		t.Errorf("the oldest answer makes place: %+v, %v", change, err)
	}
}

// An id has no ambiguity between its parts, and is the same for a repetition.
func TestID(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range [][3]string{{"a", "b", "c"}, {"ab", "", "c"}, {"a", "bc", ""}, {"", "ab", "c"}, {"a", "b", "c/"}} {
		id := accessrequest.ID(p[0], p[1], p[2])
		if seen[id] || id != accessrequest.ID(p[0], p[1], p[2]) || len(id) != 16 {
			t.Errorf("%q: %s", p, id)
		}
		seen[id] = true
	}
}

// A repetition of an answer is no mistake, and another answer is refused.
func TestClose(t *testing.T) {
	all := kept(1, accessrequest.Open)
	yes := accessrequest.Answer{State: accessrequest.Approved, By: "margaret", Grant: "allow g builds/"}
	change, err := accessrequest.Close(all, all[0].ID, all[0].Asked, yes, now)
	if err != nil || change.Put.State != accessrequest.Approved || !change.Put.Answered.Equal(now) {
		t.Fatalf("%+v, %v", change, err)
	}
	closed := []accessrequest.Request{change.Put}
	if again, err := accessrequest.Close(closed, all[0].ID, all[0].Asked, yes, now.Add(time.Hour)); err != nil || again != change {
		t.Errorf("a repetition: %+v, %v", again, err)
	}
	for name, a := range map[string]accessrequest.Answer{
		"another admin": {State: accessrequest.Approved, By: "joan", Grant: yes.Grant},
		"another grant": {State: accessrequest.Approved, By: "margaret", Grant: "allow h builds/"},
		"another state": {State: accessrequest.Declined, By: "margaret"},
	} {
		if _, err := accessrequest.Close(closed, all[0].ID, all[0].Asked, a, now); !errors.Is(err, accessrequest.ErrAnswered) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := accessrequest.Close(all, all[0].ID, now.Add(-time.Hour), yes, now); !errors.Is(err, accessrequest.ErrAnswered) {
		t.Errorf("a request that was sent again meanwhile: %v", err)
	}
	for _, at := range []time.Time{now.Add(accessrequest.Life), now.Add(2 * accessrequest.Life)} {
		if _, err := accessrequest.Close(all, all[0].ID, all[0].Asked, yes, at); !errors.Is(err, accessrequest.ErrUnknown) {
			t.Errorf("at its end: %v", err)
		}
	}
}

// The first of two answers claims the request, and the other one is refused until the
// claim ends: by the answer itself, by its failure, or by time.
func TestClaim(t *testing.T) {
	all := kept(1, accessrequest.Open)
	id, asked := all[0].ID, all[0].Asked
	yes := accessrequest.Answer{State: accessrequest.Approved, By: "margaret", Grant: "allow g builds/"}
	claimed := func(change accessrequest.Change, err error) []accessrequest.Request {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return []accessrequest.Request{change.Put}
	}
	held := claimed(accessrequest.Claim(all, id, asked, yes, now))
	if held[0].State != accessrequest.Open {
		t.Fatalf("%+v", held)
	}
	again := claimed(accessrequest.Claim(held, id, asked, yes, now.Add(time.Second))) // a repetition
	for name, a := range map[string]accessrequest.Answer{
		"another admin":  {State: accessrequest.Declined, By: "hedy"},
		"the same admin": {State: accessrequest.Declined, By: "margaret"},
	} {
		for _, kept := range [][]accessrequest.Request{held, again} {
			if _, err := accessrequest.Claim(kept, id, asked, a, now.Add(time.Second)); !errors.Is(err, accessrequest.ErrAnswered) {
				t.Errorf("%s: a claim: %v", name, err)
			}
			if _, err := accessrequest.Close(kept, id, asked, a, now.Add(time.Second)); !errors.Is(err, accessrequest.ErrAnswered) {
				t.Errorf("%s: an answer: %v", name, err)
			}
		}
		other := claimed(accessrequest.Release(held, id, asked, a, now)) // not its claim
		if other[0] != held[0] {
			t.Errorf("%s releases the claim", name)
		}
		free := claimed(accessrequest.Release(held, id, asked, yes, now))
		if free[0] != all[0] {
			t.Errorf("after a release: %+v", free)
		}
		for _, kept := range [][]accessrequest.Request{free, held} { // held, after the end of its claim
			closed := claimed(accessrequest.Close(kept, id, asked, a, now.Add(accessrequest.ClaimLife)))
			if closed[0].State != a.State || closed[0].Claim != "" || !closed[0].Claimed.IsZero() {
				t.Errorf("%s: %+v", name, closed)
			}
		}
	}
	closed := claimed(accessrequest.Close(held, id, asked, yes, now))
	if closed[0].State != accessrequest.Approved || closed[0].Claim != "" {
		t.Errorf("%+v", closed)
	}
	if repeated := claimed(accessrequest.Claim(closed, id, asked, yes, now)); repeated[0] != closed[0] {
		t.Errorf("a repetition: %+v", repeated)
	}
	if sent := claimed(accessrequest.Ask(held, held[0], now.Add(time.Hour))); sent[0].Claim != "" {
		t.Errorf("a new request has the claim: %+v", sent)
	}
}

// Only the person of an open request withdraws it. A repetition is no mistake, and an
// answered request keeps its answer.
func TestWithdraw(t *testing.T) {
	all := kept(2, accessrequest.Open)
	mine, other := all[0], all[1]
	for name, id := range map[string]string{"the request of another person": other.ID, "no request": "0123456789abcdef"} {
		if change, err := accessrequest.Withdraw(all, id, mine.Sub, now); !errors.Is(err, accessrequest.ErrUnknown) || change != (accessrequest.Change{}) {
			t.Errorf("%s: %+v, %v", name, change, err)
		}
	}
	change, err := accessrequest.Withdraw(all, mine.ID, mine.Sub, now)
	if err != nil || change.Put.State != accessrequest.Withdrawn || !change.Put.Answered.Equal(now) || change.Drop != "" {
		t.Fatalf("%+v, %v", change, err)
	}
	after := []accessrequest.Request{change.Put, other}
	if again, err := accessrequest.Withdraw(after, mine.ID, mine.Sub, now.Add(time.Hour)); err != nil || again != change {
		t.Errorf("a repetition: %+v, %v", again, err)
	}
	if _, err := accessrequest.Close(after, mine.ID, mine.Asked, accessrequest.Answer{State: accessrequest.Declined}, now); !errors.Is(err, accessrequest.ErrUnknown) {
		t.Errorf("an answer to a withdrawn request: %v", err)
	}
	if open := accessrequest.Pending(after, now); len(open) != 1 || open[0].ID != other.ID {
		t.Errorf("%+v", open)
	}
	if again, err := accessrequest.Ask(after, mine, now); err != nil || again.Put.State != accessrequest.Open {
		t.Errorf("a new request: %+v, %v", again, err)
	}
	answered := kept(1, accessrequest.Declined)
	if _, err := accessrequest.Withdraw(answered, answered[0].ID, answered[0].Sub, now); !errors.Is(err, accessrequest.ErrAnswered) {
		t.Errorf("an answered request: %v", err)
	}
	if _, err := accessrequest.Withdraw(all, mine.ID, mine.Sub, now.Add(accessrequest.Life)); !errors.Is(err, accessrequest.ErrUnknown) {
		t.Errorf("at its end: %v", err)
	}
}
