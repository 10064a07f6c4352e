package access_test

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	"usher/backend/api"
	"usher/tui/access"
	"usher/tui/servertest"
)

// suiteBed opens beds with the fake server of this package's tests. The function
// change may break it.
func suiteBed(change func(*adminServer) access.Backend) func() (servertest.AccessBed, error) {
	return func() (servertest.AccessBed, error) {
		o := &adminServer{}
		for _, r := range servertest.Rules() {
			o.rules = append(o.rules, rule{group: r.Group, path: r.Bucket + "/" + r.Path, deny: r.Deny})
		}
		for name, groups := range servertest.Members() {
			o.people = append(o.people, account{name: name, groups: groups})
		}
		slices.SortFunc(o.people, func(a, b account) int { return cmp.Compare(a.name, b.name) })
		b := servertest.AccessBed{Server: o, Ask: func(path, reason string) error {
			o.wishes = append(o.wishes, wish{user: "suite-amy", path: "suite-bucket/" + path, reason: reason})
			return nil
		}}
		if change != nil {
			b.Server = change(o)
		}
		return b, nil
	}
}

// The fake server passes the same suite as the backend.
func TestAdminServer(t *testing.T) {
	servertest.Run(t, append(servertest.Access(), servertest.Requests()...), suiteBed(nil))
}

// Each broken server fails the named check.
func TestAccessSuiteBites(t *testing.T) {
	for name, change := range map[string]func(*bent){
		"the readers of a folder are groups and people":                    func(b *bent) { b.who = func(r *api.WhoResponse) { slices.Reverse(r.People) } },
		"a denial below a folder leaves parts of it":                       func(b *bent) { b.who = func(r *api.WhoResponse) { r.Groups[1].Whole = true } },
		"a denied object has no readers":                                   func(b *bent) { b.who = func(r *api.WhoResponse) { r.People = make([]api.PersonAccess, 1) } },
		"an allowed object is explained by its allow":                      func(b *bent) { b.explain = func(r *api.ExplainResponse) { r.Allows = nil } },
		"a denied object is explained by its denial":                       func(b *bent) { b.explain = func(r *api.ExplainResponse) { r.Allowed = true } },
		"an object without a grant is explained by grants that would help": func(b *bent) { b.explain = func(r *api.ExplainResponse) { r.Missing = nil } },
		"a person's roots are the fewest":                                  func(b *bent) { b.can = func(r *api.CanResponse) { r.Roots = append(r.Roots, r.Roots[0]) } },
		"an unknown person is not found":                                   func(b *bent) { b.lenient = true },
		"all grants are listed, with a version":                            func(b *bent) { b.list = func(r *api.GrantsListResponse) { r.Grants = r.Grants[1:] } },
		"an open request is listed with the facts for its answer":          func(b *bent) { b.asking = func(r *api.AskingResponse) { r.Requests[0].Groups = nil } },
		"a declined request is closed, and gives no access": func(b *bent) {
			b.answering = func(in *api.AnswerRequest) { in.Approve = true; in.Group = "suite-team"; in.Expires = &b.end }
		},
		"the preview of an approval changes nothing":                     func(b *bent) { b.answering = func(in *api.AnswerRequest) { in.Preview = false } },
		"an approval gives access until its end, and closes the request": func(b *bent) { b.answering = func(in *api.AnswerRequest) { in.Approve = false } },
		"an approval for a group of other people is a problem":           func(b *bent) { b.answering = func(in *api.AnswerRequest) { in.Group = "suite-team" } },
		"an answer to no request is not found":                           func(b *bent) { b.lenient = true },
	} {
		found := false
		for _, p := range append(servertest.Access(), servertest.Requests()...) {
			if p.Name != name {
				continue
			}
			found = true
			if p.Check(suiteBed(func(o *adminServer) access.Backend { b := &bent{adminServer: o}; change(b); return b })) == nil {
				t.Errorf("the suite does not notice: %s", name)
			}
		}
		if !found {
			t.Errorf("there is no promise %q", name)
		}
	}
}

// bent changes the responses of a server.
type bent struct {
	*adminServer
	who     func(*api.WhoResponse)
	explain func(*api.ExplainResponse)
	can     func(*api.CanResponse)
	list    func(*api.GrantsListResponse)
	lenient bool // an unknown person or request has an empty response

	asking    func(*api.AskingResponse)
	answering func(*api.AnswerRequest)
	end       time.Time
}

func (b *bent) Asking(ctx context.Context, in api.AskingRequest) (api.AskingResponse, error) {
	out, err := b.adminServer.Asking(ctx, in)
	if b.asking != nil && err == nil {
		b.asking(&out)
	}
	return out, err
}

func (b *bent) Answer(ctx context.Context, in api.AnswerRequest) (api.AnswerResponse, error) {
	if b.answering != nil {
		b.answering(&in)
	}
	out, err := b.adminServer.Answer(ctx, in)
	if b.lenient {
		return out, nil
	}
	return out, err
}

func (b *bent) Who(ctx context.Context, in api.WhoRequest) (api.WhoResponse, error) {
	out, err := b.adminServer.Who(ctx, in)
	if b.who != nil && err == nil {
		b.who(&out)
	}
	return out, err
}

func (b *bent) Explain(ctx context.Context, in api.ExplainRequest) (api.ExplainResponse, error) {
	out, err := b.adminServer.Explain(ctx, in)
	if b.explain != nil && err == nil {
		b.explain(&out)
	}
	return out, err
}

func (b *bent) Can(ctx context.Context, in api.CanRequest) (api.CanResponse, error) {
	out, err := b.adminServer.Can(ctx, in)
	if b.lenient {
		return out, nil
	}
	if b.can != nil && err == nil {
		b.can(&out)
	}
	return out, err
}

func (b *bent) GrantsList(ctx context.Context) (api.GrantsListResponse, error) {
	out, err := b.adminServer.GrantsList(ctx)
	if b.list != nil && err == nil {
		b.list(&out)
	}
	return out, err
}
