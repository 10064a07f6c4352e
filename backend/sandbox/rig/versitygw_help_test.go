package rig

import (
	"context"
	"errors"
	"testing"

	"usher/backend/api"
	"usher/backend/demo/demotest"
)

func codeOf(err error) api.Code {
	var e *api.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// names returns the names of a whole listing, in pages of limit (0: the maximum).
func names(ctx context.Context, person demotest.Actor, prefix string, limit int) ([]string, error) {
	var out []string
	in := api.ListRequest{Bucket: reports, Prefix: prefix, Limit: limit}
	for {
		page, err := person.List(ctx, in)
		if err != nil {
			return out, err
		}
		for _, e := range page.Entries {
			out = append(out, e.Name)
		}
		if in.Cursor = page.Cursor; in.Cursor == "" {
			return out, nil
		}
	}
}

func release(ctx context.Context, person demotest.Actor, o api.ReleaseObject, purpose string) (api.ReleaseItem, error) {
	out, err := person.Release(ctx, api.ReleaseRequest{Objects: []api.ReleaseObject{o}, Purpose: purpose})
	if err != nil {
		return api.ReleaseItem{}, err
	}
	if e := out.Items[0].Error; e != nil {
		return out.Items[0], &api.Error{Code: e.Code}
	}
	return out.Items[0], nil
}

// mustRelease returns the URL of one object in the reports bucket.
func mustRelease(t *testing.T, person demotest.Actor, key string) api.ReleaseItem {
	t.Helper()
	item, err := release(t.Context(), person, api.ReleaseObject{Bucket: reports, Key: key}, "")
	if err != nil {
		t.Fatalf("releasing %q: %v", key, err)
	}
	return item
}
