package access_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"usher/backend/access"
	"usher/backend/accessrequest"
	"usher/backend/api"
	"usher/backend/grant"
	"usher/backend/identity"
)

// pool is a user pool: the members of each group.
type pool map[string][]string

func (p pool) GroupsOf(_ context.Context, username string) (groups []string, err error) {
	for group, names := range p {
		for _, name := range names {
			if name == username {
				groups = append(groups, group)
			}
		}
	}
	return groups, nil
}

func (p pool) Members(_ context.Context, group string) (members []identity.Member, err error) {
	for _, name := range p[group] {
		members = append(members, identity.Member{Username: name, Enabled: true})
	}
	return members, nil
}

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func ExampleReporter_Readers() {
	set, err := grant.NewSet([]grant.Grant{{Group: "auditors", Bucket: "company-reports", Prefix: "annual/"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := access.New(pool{"auditors": {"grace"}, "engineers": {"alan"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := r.Readers(context.Background(), set, api.WhoRequest{Bucket: "company-reports", Key: "annual/report.pdf"}, now)
	for _, p := range out.People {
		fmt.Println(p.Username, p.Groups, err)
	}
	// Output: grace [auditors] <nil>
}

// A report that would name more than 5,000 people fails.
func TestTooManyPeople(t *testing.T) {
	set, err := grant.NewSet([]grant.Grant{{Group: "all", Bucket: "company-reports", Prefix: "annual/"}})
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]error{5000: nil, 5001: access.ErrTooMany} {
		people := pool{}
		for i := range n {
			people["all"] = append(people["all"], fmt.Sprint(i))
		}
		r, err := access.New(people)
		if err != nil {
			t.Fatal(err)
		}
		out, err := r.Readers(t.Context(), set, api.WhoRequest{Bucket: "company-reports", Key: "annual/x"}, now)
		if !errors.Is(err, want) || want == nil && len(out.People) != n {
			t.Errorf("%d people: %d, %v", n, len(out.People), err)
		}
	}
}

func TestNewNeedsAPool(t *testing.T) {
	if _, err := access.New(nil); err == nil {
		t.Error("a reporter without a user pool")
	}
}

// counted is a pool that counts its calls.
type counted struct {
	pool
	calls []string
}

func (c *counted) GroupsOf(ctx context.Context, username string) ([]string, error) {
	c.calls = append(c.calls, username)
	if username == "gone" {
		return nil, identity.ErrRevoked
	}
	return c.pool.GroupsOf(ctx, username)
}

// A page of requests looks each person up once, and the facts are those of each request.
func TestRequestedLooksEachPersonUpOnce(t *testing.T) {
	set, err := grant.NewSet([]grant.Grant{{Group: "auditors", Bucket: "company-reports", Prefix: "annual/"}})
	if err != nil {
		t.Fatal(err)
	}
	people := &counted{pool: pool{"auditors": {"grace"}, "engineers": {"alan"}}}
	r, err := access.New(people)
	if err != nil {
		t.Fatal(err)
	}
	var all []accessrequest.Request
	for i := range 10 {
		for _, name := range []string{"grace", "alan", "gone"} {
			key := "annual/"
			if i%2 == 1 {
				key = "board-packs/"
			}
			all = append(all, accessrequest.Request{ID: fmt.Sprint(name, i), Username: name, Bucket: "company-reports", Key: key, Asked: now})
		}
	}
	out, err := r.Requested(t.Context(), set, all, now)
	if err != nil || len(out) != len(all) {
		t.Fatalf("%d facts, %v", len(out), err)
	}
	for i, q := range out {
		if q.Request != all[i].ID || q.Allowed != (q.User == "grace" && q.Key == "annual/") || q.Gone != (q.User == "gone") {
			t.Errorf("%+v", q)
		}
	}
	if fmt.Sprint(people.calls) != "[grace alan gone]" {
		t.Errorf("the calls are %v", people.calls)
	}
	people.calls = nil // nothing is kept for the next page: groups change
	if _, err := r.Requested(t.Context(), set, all[:1], now); err != nil || len(people.calls) != 1 {
		t.Errorf("%v, %v", people.calls, err)
	}
}
