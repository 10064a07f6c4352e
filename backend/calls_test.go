package backend_test

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"usher/backend/api"
	"usher/backend/demo/demotest"
)

// The calls of each action to DynamoDB, on a server that knows nothing of the
// session but has the grants. An action with one call more fails here.
func TestCallsOfActions(t *testing.T) {
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 1})
	for i := range 20 {
		f.Put(t, "company-reports", fmt.Sprintf("annual/%02d.csv", i), "content")
	}
	ctx := t.Context()
	ada := f.SignIn(t, "ada")
	page, err := ada.List(ctx, api.ListRequest{Bucket: "company-reports", Prefix: "annual/", Recursive: true})
	if err != nil {
		t.Fatal(err)
	}
	var objects []api.ReleaseObject
	for _, e := range page.Entries {
		if e.Kind == api.KindObject {
			objects = append(objects, api.ReleaseObject{Bucket: "company-reports", Key: "annual/" + e.Name, ETag: e.ETag, Mark: e.Mark})
		}
	}
	if len(objects) < 20 {
		t.Fatalf("%d objects", len(objects))
	}
	read, write := map[string]int{"BatchGetItem": 1}, map[string]int{"BatchGetItem": 1, "PutItem": 1}
	release := func(n int) func(context.Context) error {
		return func(ctx context.Context) error {
			out, err := ada.Release(ctx, api.ReleaseRequest{Objects: objects[:n]})
			if err == nil && (len(out.Items) != n || out.Items[0].URL == "") {
				err = fmt.Errorf("%d items, the first is %v", len(out.Items), out.Items[0].Error)
			}
			return err
		}
	}
	for _, action := range []struct {
		name string
		do   func(context.Context) error
		want map[string]int
		s3   int
	}{
		{"whoami", func(ctx context.Context) error { _, err := ada.Whoami(ctx); return err }, read, 0},
		{"the buckets", func(ctx context.Context) error { _, err := ada.List(ctx, api.ListRequest{}); return err }, write, 0},
		{"a folder", func(ctx context.Context) error {
			_, err := ada.List(ctx, api.ListRequest{Bucket: "company-reports", Prefix: "annual/"})
			return err
		}, write, 1},
		{"a folder with URLs", func(ctx context.Context) error {
			_, err := ada.List(ctx, api.ListRequest{Bucket: "company-reports", Prefix: "annual/", Recursive: true, URLs: 20})
			return err
		}, write, 1},
		{"a release of 1", release(1), write, 0},
		{"a release of 20", release(20), write, 0},
		{"a refusal", func(ctx context.Context) error {
			_, err := ada.Release(ctx, api.ReleaseRequest{Objects: []api.ReleaseObject{{Bucket: "builds", Key: "x", ETag: `"e"`}}})
			return err
		}, write, 0},
	} {
		// The answers of the pool are at most 5 s old; the index step and its lease
		// call DynamoDB beside the requests, so the least of several tries counts.
		var least map[string]int
		units := 0
		for range 6 {
			if _, err := ada.Release(ctx, api.ReleaseRequest{Objects: objects[:1]}); err != nil {
				t.Fatal(err)
			}
			f.DynamoDB.Reset()
			s3 := f.Storage.Count()
			if err := action.do(ctx); err != nil {
				t.Fatalf("%s: %v", action.name, err)
			}
			got, n := f.DynamoDB.Calls(), f.DynamoDB.WriteUnits()
			if n := f.Storage.Count() - s3; n != action.s3 {
				t.Errorf("%s makes %d calls to S3, want %d", action.name, n, action.s3)
			}
			if least == nil || sum(got) < sum(least) {
				least, units = got, n
			}
			if maps.Equal(least, action.want) {
				break
			}
		}
		t.Logf("%-20s %v, %d write units", action.name, least, units)
		if !maps.Equal(least, action.want) {
			t.Errorf("%s makes the calls %v, want %v", action.name, least, action.want)
		}
	}
}

func sum(calls map[string]int) (n int) {
	for _, c := range calls {
		n += c
	}
	return n
}
