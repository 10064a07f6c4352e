package servertest

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"usher/backend/api"
)

// searched reads a search in pages.
func (b Bed) searched(ctx context.Context, in api.SearchRequest) (all []string, scanned int, err error) {
	in.Bucket, in.Prefix = b.Bucket, b.Prefix
	for calls := 0; calls < 100; calls++ {
		page, err := b.Server.Search(ctx, in)
		if err != nil {
			return nil, 0, err
		}
		all, scanned = append(all, entryNames(page.Entries)...), scanned+page.Scanned
		if in.Cursor = page.Cursor; in.Cursor == "" {
			return all, scanned, nil
		}
	}
	return nil, 0, fmt.Errorf("the pages do not end")
}

func searches(ctx context.Context, b Bed) error {
	if err := b.fill(); err != nil {
		return err
	}
	small := int64(12)
	for _, row := range []struct {
		in   api.SearchRequest
		want []string
	}{
		{api.SearchRequest{Text: "B"}, []string{"B", "a b", "b"}},
		{api.SearchRequest{Text: "b/"}, []string{"b/y"}},
		{api.SearchRequest{Glob: "[bx]"}, []string{"a/x", "b"}},
		{api.SearchRequest{Glob: "a/**"}, []string{"a/deep/1", "a/x"}},
		{api.SearchRequest{Size: api.SizeRange{Max: &small}}, names()[:3]},
		{api.SearchRequest{Text: "none"}, nil},
	} {
		got, scanned, err := b.searched(ctx, row.in)
		if err != nil {
			return err
		}
		if !slices.Equal(got, row.want) {
			return fmt.Errorf("%+v finds %q, want %q", row.in, got, row.want)
		}
		if scanned != len(names()) {
			return fmt.Errorf("%d names scanned of %d", scanned, len(names()))
		}
	}
	in := api.SearchRequest{Bucket: b.Bucket, Prefix: b.Prefix + "absent/", Text: "b"}
	_, err := b.Server.Search(ctx, in)
	return code(err, api.NotFound)
}

// searchCursors sends a cursor that the server did not issue.
func searchCursors(ctx context.Context, b Bed) error {
	if err := b.fill(); err != nil {
		return err
	}
	in := api.SearchRequest{Bucket: b.Bucket, Prefix: b.Prefix, Text: "b", Cursor: "1 " + strconv.Quote("other")}
	_, err := b.Server.Search(ctx, in)
	return code(err, api.BadCursor)
}
