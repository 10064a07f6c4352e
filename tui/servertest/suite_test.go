package servertest_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/tui/browse"
	"usher/tui/servertest"
	"usher/tui/tuitest"
)

// fake opens beds with the fake server of the screens' tests. The function change
// may break it.
func fake(change func(*tuitest.Server) browse.Backend) func() (servertest.Bed, error) {
	return func() (servertest.Bed, error) {
		s := tuitest.NewServer("ada", "finance-team")
		b := servertest.Bed{
			Server: s, Bucket: "reports", Prefix: "suite/",
			Put: func(name string, size int64) error {
				s.Put("reports/suite/"+name, size, "2026-01-02 03:04")
				return nil
			},
			Remove: func(name string) error { s.Hide("reports/suite/" + name); return nil },
		}
		if change != nil {
			b.Server = change(s)
		}
		return b, nil
	}
}

func TestFakeServer(t *testing.T) { servertest.Run(t, servertest.Listing(), fake(nil)) }

// The backend passes the suite over HTTP.
func TestBackend(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	ada := w.SignIn(t, "ada")
	n := 0
	servertest.Run(t, servertest.Listing(), func() (servertest.Bed, error) {
		n++
		prefix := fmt.Sprintf("quarterly/suite-%02d/", n)
		return servertest.Bed{
			Server: ada, Bucket: "company-reports", Prefix: prefix,
			Put: func(name string, size int64) error {
				w.Put(t, "company-reports", prefix+name, strings.Repeat("x", int(size)))
				return nil
			},
			Remove: func(name string) error {
				out, err := w.S3().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("company-reports"), Prefix: aws.String(prefix + name)})
				for i := 0; err == nil && i < len(out.Contents); i++ {
					_, err = w.S3().DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("company-reports"), Key: out.Contents[i].Key})
				}
				return err
			},
		}, nil
	})
}

// The audit log of the backend passes the suite over HTTP.
func TestAuditLog(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	grace := w.SignIn(t, "grace")
	n := 0
	servertest.Run(t, servertest.Audit(), func() (servertest.AuditBed, error) {
		n++
		name := fmt.Sprintf("suite-%02d", n)
		person := w.AddPerson(t, name, "finance-team")
		return servertest.AuditBed{Log: grace, Filter: "who:" + name + " action:list", Record: func(n int) error {
			for range n {
				if _, err := person.List(t.Context(), api.ListRequest{}); err != nil {
					return err
				}
			}
			return nil
		}}, nil
	})
}

// The access queries of the backend pass the suite over HTTP, on a grants file.
func TestAccess(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	margaret := w.SignIn(t, "margaret")
	for name, groups := range servertest.Members() {
		w.AddPerson(t, name, groups...)
	}
	text := "grants:\n"
	for _, r := range servertest.Rules() {
		part, effect := "prefix", "allow"
		if !strings.HasSuffix(r.Path, "/") {
			part = "object"
		}
		if r.Deny {
			effect = "deny"
		}
		text += fmt.Sprintf("  - {group: %s, bucket: %s, %s: %s, effect: %s}\n", r.Group, r.Bucket, part, r.Path, effect)
	}
	if err := os.WriteFile(w.GrantsFile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; <-time.After(20 * time.Millisecond) {
		r, err := margaret.GrantsList(t.Context())
		if err == nil && len(r.Grants) == len(servertest.Rules()) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the grants are not in force after 20 s: %d grants, problem %q, error %v", len(r.Grants), r.Problem, err)
		}
	}
	servertest.Run(t, servertest.Access(), func() (servertest.AccessBed, error) { return servertest.AccessBed{Server: margaret}, nil })
}

// The requests for access of the backend pass the suite over HTTP, with grants in
// DynamoDB.
func TestRequests(t *testing.T) {
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 1})
	margaret := f.SignIn(t, "margaret")
	var amy demotest.Actor
	for name, groups := range servertest.Members() {
		if person := f.AddPerson(t, name, groups...); name == "suite-amy" {
			amy = person
		}
	}
	var add []api.Grant
	for _, r := range servertest.Rules() {
		g := api.Grant{Group: r.Group, Bucket: r.Bucket, Effect: "allow", Prefix: &r.Path}
		if r.Deny {
			g.Effect = "deny"
		}
		if !strings.HasSuffix(r.Path, "/") {
			g.Prefix, g.Object = nil, r.Path
		}
		add = append(add, g)
	}
	if out, err := margaret.GrantsEdit(t.Context(), api.GrantsEditRequest{Add: add}); err != nil || len(out.Problems) > 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	servertest.Run(t, servertest.Requests(), func() (servertest.AccessBed, error) {
		return servertest.AccessBed{Server: margaret, Ask: func(path, reason string) error {
			_, err := amy.Ask(t.Context(), api.AskRequest{Bucket: "suite-bucket", Key: path, Reason: reason})
			return err
		}}, nil
	})
}

// Each broken server fails the check of its row.
func TestSuiteBites(t *testing.T) {
	for _, row := range []struct {
		promise string
		broken  func(*api.ListResponse, api.ListRequest)
	}{
		{"the root lists buckets", func(out *api.ListResponse, _ api.ListRequest) { kinds(out, api.KindFolder) }},
		{"a folder lists files and folders by their names' bytes", func(out *api.ListResponse, _ api.ListRequest) { slices.Reverse(out.Entries) }},
		{"a recursive listing names every object and no folder", func(out *api.ListResponse, in api.ListRequest) {
			if in.Recursive {
				kinds(out, api.KindFolder)
			}
		}},
		{"pages join to the whole listing", func(out *api.ListResponse, in api.ListRequest) {
			if in.Cursor != "" {
				out.Entries = out.Entries[1:]
			}
		}},
		{"pages join to the whole recursive listing", func(out *api.ListResponse, in api.ListRequest) {
			if in.Limit == 2 {
				out.Cursor = ""
			}
		}},
		{"a cursor belongs to its question", func(out *api.ListResponse, _ api.ListRequest) { out.Cursor = "" }},
		{"stat and listing agree", func(out *api.ListResponse, _ api.ListRequest) {
			for i := range out.Entries {
				out.Entries[i].ETag = strings.Trim(out.Entries[i].ETag, `"`)
			}
		}},
	} {
		t.Run(row.promise, func(t *testing.T) {
			for _, p := range servertest.Listing() {
				if p.Name != row.promise {
					continue
				}
				if p.Check(fake(func(s *tuitest.Server) browse.Backend { return bent{s, row.broken} })) == nil {
					t.Error("the suite does not notice")
				}
				return
			}
			t.Fatal("there is no such promise")
		})
	}
	for _, name := range []string{"an absent path is not found", "a removed object is not listed"} {
		for _, p := range servertest.Listing() {
			if p.Name == name && p.Check(fake(func(s *tuitest.Server) browse.Backend { return kind{s} })) == nil {
				t.Errorf("the suite does not notice: %s", name)
			}
		}
	}
}

// A server that does not search fails the checks of searches.
func TestSuiteBitesSearches(t *testing.T) {
	n := 0
	for _, p := range servertest.Listing() {
		if strings.Contains(p.Name, "search") {
			n++
			if p.Check(fake(func(s *tuitest.Server) browse.Backend { return everything{s} })) == nil {
				t.Errorf("the suite does not notice: %s", p.Name)
			}
		}
	}
	if n != 2 {
		t.Errorf("%d checks of searches", n)
	}
}

// everything finds all names, and takes any cursor.
type everything struct{ *tuitest.Server }

func (e everything) Search(ctx context.Context, in api.SearchRequest) (api.SearchResponse, error) {
	return e.Server.Search(ctx, api.SearchRequest{Bucket: in.Bucket, Prefix: in.Prefix})
}

// bent changes the pages of a server.
type bent struct {
	*tuitest.Server
	change func(*api.ListResponse, api.ListRequest)
}

func (b bent) List(ctx context.Context, in api.ListRequest) (api.ListResponse, error) {
	out, err := b.Server.List(ctx, in)
	if err == nil && len(out.Entries) > 0 {
		out.Entries = slices.Clone(out.Entries)
		b.change(&out, in)
	}
	return out, err
}

func kinds(out *api.ListResponse, k api.Kind) {
	for i := range out.Entries {
		out.Entries[i].Kind = k
	}
}

// kind returns an empty page for an absent folder.
type kind struct{ *tuitest.Server }

func (k kind) List(ctx context.Context, in api.ListRequest) (api.ListResponse, error) {
	out, err := k.Server.List(ctx, in)
	if err != nil {
		return api.ListResponse{Event: "e", GrantsVersion: "1"}, nil
	}
	return out, nil
}
