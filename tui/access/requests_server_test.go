package access_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/backend/api"
)

// wish is an open request of the fake.
type wish struct {
	user, path, reason string
	ago                time.Duration
}

// id returns the id of a request, which has the form of the server's.
func (q wish) id() string {
	n := uint64(14695981039346656037)
	for _, b := range []byte(q.user + " " + q.path) {
		n = (n ^ uint64(b)) * 1099511628211
	}
	return fmt.Sprintf("%016x", n)
}

// facts returns a request on the wire, with the facts of now.
func (o *adminServer) facts(q wish) api.Asking {
	bucket, key, _ := strings.Cut(q.path, "/")
	at := now().Add(-q.ago)
	out := api.Asking{
		Asked: api.Asked{Request: q.id(), Bucket: bucket, Key: key, Reason: q.reason, Asked: at, Ends: at.AddDate(0, 0, 30), State: api.AskOpen},
		User:  q.user, Groups: []string{},
	}
	who, err := o.find(q.user)
	if err != nil {
		out.Gone = true
		return out
	}
	out.Groups = who.groups
	for _, r := range o.rules {
		switch {
		case !slices.Contains(who.groups, r.group) || r.deny || !r.awake():
		case r.reaches(q.path):
			out.Allowed = true
		case out.Nearest == nil && strings.HasPrefix(r.path, bucket+"/"):
			g := r.wire()
			out.Nearest, out.Group = &g, r.group
		}
	}
	if out.Group == "" && len(who.groups) > 0 {
		out.Group = who.groups[0]
	}
	return out
}

// Asking lists a page of the open requests.
func (o *adminServer) Asking(ctx context.Context, in api.AskingRequest) (api.AskingResponse, error) {
	if err := o.begin(ctx, strings.TrimSpace("requests "+in.After)); err != nil {
		return api.AskingResponse{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	rest := o.wishes
	if i := slices.IndexFunc(rest, func(q wish) bool { return q.id() == in.After }); i >= 0 {
		rest = rest[i+1:]
	}
	size := o.page
	if size == 0 {
		size = 50
	}
	out := api.AskingResponse{Requests: []api.Asking{}, More: len(rest) > size, Fixed: o.fixed}
	for _, q := range rest[:min(size, len(rest))] {
		out.Requests = append(out.Requests, o.facts(q))
	}
	return out, nil
}

// Answer closes a request. An approval adds a rule.
func (o *adminServer) Answer(ctx context.Context, in api.AnswerRequest) (out api.AnswerResponse, err error) {
	what := "decline"
	switch {
	case in.Preview:
		what = "preview"
	case in.Approve:
		what = "approve"
	}
	if err := o.begin(ctx, strings.TrimSpace(what+" "+in.Group+" "+in.Reason)); err != nil {
		return out, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.wishes, func(q wish) bool { return q.id() == in.Request })
	if i < 0 {
		return out, &api.Error{Code: api.NotFound, RequestID: "r-01JD9X5C8M"}
	}
	q, facts := o.wishes[i], o.facts(o.wishes[i])
	out.User, out.State = q.user, api.AskDeclined
	if in.Approve {
		out.State = api.AskApproved
		switch {
		case o.fixed && facts.Allowed:
		case facts.Gone:
			out.Problems = []api.GrantsProblem{{Line: 1, Column: 1, Problem: "the person is no longer in the user pool", Fix: "decline the request"}}
			return out, nil
		case !slices.Contains(facts.Groups, in.Group):
			out.Problems = []api.GrantsProblem{{Line: 1, Column: 1, Problem: "the person is not in this group", Fix: "choose one of " + strings.Join(facts.Groups, ", ")}}
			return out, nil
		case in.Expires.After(now().AddDate(0, 0, api.MaxGrantDays)):
			out.Problems = []api.GrantsProblem{{Line: 1, Column: 1, Problem: "the access is longer than 366 days", Fix: "give an earlier end, or use usher grants add"}}
			return out, nil
		case o.fixed:
			return out, &api.Error{Code: api.GrantsFixed}
		default:
			r := rule{group: in.Group, path: q.path, until: in.Expires.Format(time.DateOnly), reason: in.Reason}
			g := r.wire()
			out.Grant = &g
			for _, a := range o.people {
				if a.name != q.user && slices.Contains(a.groups, in.Group) {
					out.Members = append(out.Members, a.name)
				}
			}
			if !in.Preview {
				o.rules = append(o.rules, r)
			}
		}
	}
	if in.Preview {
		return out, nil
	}
	o.wishes = slices.Delete(slices.Clone(o.wishes), i, i+1)
	out.Version, out.Event = "42", "01JD9X5C8MQ4T0V7"
	return out, nil
}

// wishes are the requests of the sample.
func wishes() []wish {
	return []wish{
		{"grace", "company-reports/quarterly/", "audit 2026", 52 * time.Hour},
		{"alan", "company-reports/annual/letter.pdf", "", 26 * time.Hour},
		{"chen.wei", "company-reports/annual/audited/", "the figures of 2018", 3 * time.Hour},
		{"barbara", "builds/nightly/", "release 12", time.Hour},
	}
}
