package access_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"usher/backend/access"
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
