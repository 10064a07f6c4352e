package backend_test

import (
	"fmt"
	"strings"
	"testing"

	"usher/backend/api"
	"usher/backend/demo/demotest"
)

// BenchmarkCallsOfActions prints the calls to AWS and the write units of each
// action, with a session that the servers know. The last column has the write
// units of a prototype with one item for each request, and with one item for each
// event and three indexes.
func BenchmarkCallsOfActions(b *testing.B) {
	f := demotest.StartFleet(b, demotest.FleetOptions{Size: 1})
	for i := range 1000 {
		f.Put(b, "company-reports", fmt.Sprintf("annual/%04d.csv", i), "content")
	}
	ctx := b.Context()
	ada := f.SignIn(b, "ada")
	page, err := ada.List(ctx, api.ListRequest{Bucket: "company-reports", Prefix: "annual/", Recursive: true})
	if err != nil {
		b.Fatal(err)
	}
	var objects []api.ReleaseObject // their sizes are proven by the listing
	for _, e := range page.Entries {
		if e.Kind == api.KindObject && e.Mark != "" && len(objects) < api.MaxRelease {
			objects = append(objects, api.ReleaseObject{Bucket: "company-reports", Key: "annual/" + e.Name, ETag: e.ETag, Mark: e.Mark})
		}
	}
	if len(objects) < api.MaxRelease {
		b.Fatalf("%d objects with a mark", len(objects))
	}
	var ids []string
	release := func(n int) func() error {
		return func() error {
			out, err := ada.Release(ctx, api.ReleaseRequest{Objects: objects[:n]})
			if err != nil {
				return err
			}
			ids = ids[:0]
			for _, item := range out.Items {
				ids = append(ids, item.Event)
			}
			return nil
		}
	}
	list := func(in api.ListRequest) func() error {
		return func() error { _, err := ada.List(ctx, in); return err }
	}
	complete := func() error {
		in := api.CompleteRequest{}
		for _, id := range ids {
			in.Items = append(in.Items, api.CompleteItem{Event: id, Outcome: api.CompletedDone, Bytes: 7, Verified: "size"})
		}
		return ada.Complete(ctx, in)
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-28s %-44s %4s %12s   %s\n", "action", "DynamoDB", "S3", "write units", "prototype: one item; an item an event")
	for _, action := range []struct {
		name, prototype string
		do              func() error
	}{
		{"whoami", "0; 0", func() error { _, err := ada.Whoami(ctx); return err }},
		{"list", "1; 4", list(api.ListRequest{Bucket: "company-reports", Prefix: "annual/"})},
		{"release of 1", "1; 4", release(1)},
		{"release of 20", "-; 80", release(20)},
		{"page with 1,000 URLs", "-; 4,000", list(api.ListRequest{Bucket: "company-reports", Prefix: "annual/", Recursive: true, URLs: api.MaxPageURLs})},
		{"release of 250", "9; 1,000", release(250)},
		{"complete of 250", "-; 1,000", complete},
	} {
		calls, units, s3 := map[string]int(nil), 0, 0
		for range 3 { // the indexer writes beside the requests
			if _, err := ada.Release(ctx, api.ReleaseRequest{Objects: objects[:1]}); err != nil { // a fresh answer of the pool
				b.Fatal(err)
			}
			f.DynamoDB.Reset()
			before := f.Storage.Count()
			if err := action.do(); err != nil {
				b.Fatalf("%s: %v", action.name, err)
			}
			got, n := f.DynamoDB.Calls(), f.DynamoDB.WriteUnits()
			if calls == nil || sum(got) < sum(calls) {
				calls, units, s3 = got, n, f.Storage.Count()-before
			}
		}
		fmt.Fprintf(&table, "%-28s %-44s %4d %12d   %s\n", action.name, strings.TrimPrefix(fmt.Sprint(calls), "map"), s3, units, action.prototype)
	}
	b.Log(strings.TrimSpace(table.String()))
}
