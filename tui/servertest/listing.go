package servertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"usher/backend/api"
)

// names returns the objects of a bed in most checks.
func names() []string {
	return []string{"B", "a b", "a/deep/1", "a/x", "b", "b/y", "é", "財務"}
}

func (b Bed) fill() error {
	for i, name := range names() {
		if err := b.Put(name, int64(10+i)); err != nil {
			return fmt.Errorf("putting %q: %w", name, err)
		}
	}
	return nil
}

// whole reads a listing in pages of limit entries, and checks each page.
func (b Bed) whole(ctx context.Context, in api.ListRequest, limit int) ([]api.Entry, error) {
	in.Bucket, in.Limit = b.Bucket, limit
	if in.Prefix == "" {
		in.Prefix = b.Prefix
	}
	var all []api.Entry
	for calls := 0; calls < 100; calls++ {
		page, err := b.Server.List(ctx, in)
		if err != nil {
			return nil, err
		}
		if len(page.Entries) > limit {
			return nil, fmt.Errorf("a page of %d entries, asked for %d", len(page.Entries), limit)
		}
		if page.Event == "" || page.GrantsVersion == "" {
			return nil, errors.New("a page without an event or a version of the grants")
		}
		all = append(all, page.Entries...)
		if in.Cursor = page.Cursor; in.Cursor == "" {
			return all, nil
		}
	}
	return nil, errors.New("the pages do not end")
}

func entryNames(entries []api.Entry) []string {
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Name
	}
	return out
}

func buckets(ctx context.Context, b Bed) error {
	if err := b.fill(); err != nil {
		return err
	}
	page, err := b.Server.List(ctx, api.ListRequest{})
	if err != nil {
		return err
	}
	found := entryNames(page.Entries)
	switch {
	case !slices.Contains(found, b.Bucket):
		return fmt.Errorf("%q is not among %q", b.Bucket, found)
	case !slices.IsSorted(found):
		return fmt.Errorf("not in order: %q", found)
	}
	for _, e := range page.Entries {
		if e.Kind != api.KindBucket || strings.Contains(e.Name, "/") {
			return fmt.Errorf("%q is a %s", e.Name, e.Kind)
		}
	}
	return nil
}

func level(ctx context.Context, b Bed) error {
	if err := b.fill(); err != nil {
		return err
	}
	got, err := b.whole(ctx, api.ListRequest{}, api.MaxList)
	if err != nil {
		return err
	}
	if want := []string{"B", "a b", "a/", "b", "b/", "é", "財務"}; !slices.Equal(entryNames(got), want) {
		return fmt.Errorf("listed %q, want %q", entryNames(got), want)
	}
	for _, e := range got {
		folder := strings.HasSuffix(e.Name, "/")
		switch {
		case folder != (e.Kind == api.KindFolder):
			return fmt.Errorf("%q is a %s", e.Name, e.Kind)
		case folder && (e.Size != 0 || e.ETag != "" || e.Modified != nil):
			return fmt.Errorf("the folder %q has the facts of a file", e.Name)
		case !folder && (e.Kind != api.KindObject || e.Size == 0 || e.ETag == "" || e.Modified == nil):
			return fmt.Errorf("the file %q lacks facts: %+v", e.Name, e)
		}
	}
	return nil
}

func recursive(ctx context.Context, b Bed) error {
	if err := b.fill(); err != nil {
		return err
	}
	got, err := b.whole(ctx, api.ListRequest{Recursive: true}, api.MaxList)
	if err != nil {
		return err
	}
	if !slices.Equal(entryNames(got), names()) {
		return fmt.Errorf("listed %q, want %q", entryNames(got), names())
	}
	for _, e := range got {
		if e.Kind != api.KindObject {
			return fmt.Errorf("%q is a %s", e.Name, e.Kind)
		}
	}
	return nil
}

func pages(in api.ListRequest) func(context.Context, Bed) error {
	return func(ctx context.Context, b Bed) error {
		if err := b.fill(); err != nil {
			return err
		}
		want, err := b.whole(ctx, in, api.MaxList)
		if err != nil {
			return err
		}
		for _, limit := range []int{1, 2, 3, len(want)} {
			got, err := b.whole(ctx, in, limit)
			if err != nil {
				return fmt.Errorf("%d at a time: %w", limit, err)
			}
			if !slices.Equal(entryNames(got), entryNames(want)) {
				return fmt.Errorf("%d at a time gives %q, want %q", limit, entryNames(got), entryNames(want))
			}
		}
		return nil
	}
}

func cursors(ctx context.Context, b Bed) error {
	if err := b.fill(); err != nil {
		return err
	}
	in := api.ListRequest{Bucket: b.Bucket, Prefix: b.Prefix, Limit: 2}
	page, err := b.Server.List(ctx, in)
	if err != nil {
		return err
	}
	if page.Cursor == "" {
		return errors.New("a page of 2 of 7 entries has no cursor")
	}
	for name, other := range map[string]api.ListRequest{
		"made up":             {Bucket: b.Bucket, Prefix: b.Prefix, Cursor: "1"},
		"of another folder":   {Bucket: b.Bucket, Prefix: b.Prefix + "a/", Cursor: page.Cursor},
		"of another question": {Bucket: b.Bucket, Prefix: b.Prefix, Recursive: true, Cursor: page.Cursor},
	} {
		_, err := b.Server.List(ctx, other)
		if err := code(err, api.BadCursor); err != nil {
			return fmt.Errorf("a cursor that is %s: %w", name, err)
		}
	}
	return nil
}

func absent(ctx context.Context, b Bed) error {
	if err := b.fill(); err != nil {
		return err
	}
	for _, in := range []api.ListRequest{
		{Bucket: b.Bucket, Prefix: b.Prefix + "none/"},
		{Bucket: b.Bucket, Prefix: b.Prefix + "B/"},
		{Bucket: "no-such-bucket"},
	} {
		_, err := b.Server.List(ctx, in)
		if err := code(err, api.NotFound); err != nil {
			return fmt.Errorf("listing %s/%s: %w", in.Bucket, in.Prefix, err)
		}
	}
	_, err := b.Server.Stat(ctx, api.StatRequest{Bucket: b.Bucket, Key: b.Prefix + "none"})
	return code(err, api.NotFound)
}

func removed(ctx context.Context, b Bed) error {
	if err := b.fill(); err != nil {
		return err
	}
	if err := b.Remove("a/"); err != nil {
		return err
	}
	got, err := b.whole(ctx, api.ListRequest{}, api.MaxList)
	if err != nil {
		return err
	}
	if want := []string{"B", "a b", "b", "b/", "é", "財務"}; !slices.Equal(entryNames(got), want) {
		return fmt.Errorf("listed %q, want %q", entryNames(got), want)
	}
	_, err = b.Server.List(ctx, api.ListRequest{Bucket: b.Bucket, Prefix: b.Prefix + "a/"})
	if err := code(err, api.NotFound); err != nil {
		return err
	}
	_, err = b.Server.Stat(ctx, api.StatRequest{Bucket: b.Bucket, Key: b.Prefix + "a/x"})
	return code(err, api.NotFound)
}

func facts(ctx context.Context, b Bed) error {
	if err := b.fill(); err != nil {
		return err
	}
	got, err := b.whole(ctx, api.ListRequest{Recursive: true}, api.MaxList)
	if err != nil {
		return err
	}
	for _, e := range got {
		s, err := b.Server.Stat(ctx, api.StatRequest{Bucket: b.Bucket, Key: b.Prefix + e.Name})
		if err != nil {
			return fmt.Errorf("stat of %q: %w", e.Name, err)
		}
		if s.Size != e.Size || s.ETag != e.ETag || !s.Modified.Equal(*e.Modified) || s.Event == "" {
			return fmt.Errorf("%q is listed as %d %s, and is %d %s", e.Name, e.Size, e.ETag, s.Size, s.ETag)
		}
	}
	return nil
}

// starts lists a level from behind a name, in pages.
func starts(ctx context.Context, b Bed) error {
	if err := b.fill(); err != nil {
		return err
	}
	level := []string{"B", "a b", "a/", "b", "b/", "é", "財務"}
	for _, start := range []string{"A\U0010ffff", "B", "a", "a b", "a.\U0010ffff", "a0", "b/\U0010ffff", "z", "é"} {
		i, _ := slices.BinarySearch(level, start+"\x01")
		for _, limit := range []int{1, 2, api.MaxList} {
			got, err := b.whole(ctx, api.ListRequest{Start: start}, limit)
			if err != nil {
				return fmt.Errorf("behind %q, %d at a time: %w", start, limit, err)
			}
			if !slices.Equal(entryNames(got), level[i:]) {
				return fmt.Errorf("behind %q, %d at a time: listed %q, want %q", start, limit, entryNames(got), level[i:])
			}
		}
	}
	_, err := b.whole(ctx, api.ListRequest{Start: "財務\U0010ffff"}, 2)
	if !errors.Is(err, &api.Error{Code: api.NotFound}) {
		return fmt.Errorf("behind the last name: %v", err)
	}
	return nil
}

func leftOut(ctx context.Context, b Bed) error {
	for _, name := range []string{"a", "nul\x00byte", "sub/b", "sub/nul\x00byte"} {
		if err := b.Put(name, 1); err != nil {
			return fmt.Errorf("putting %q: %w", name, err)
		}
	}
	for recursive, want := range map[bool]int{false: 1, true: 2} {
		page, err := b.Server.List(ctx, api.ListRequest{Bucket: b.Bucket, Prefix: b.Prefix, Recursive: recursive})
		if err != nil {
			return err
		}
		if len(page.Entries) != 2 || page.Omitted != want {
			return fmt.Errorf("recursive %v: %q, %d left out, want %d", recursive, entryNames(page.Entries), page.Omitted, want)
		}
	}
	found, err := b.Server.Search(ctx, api.SearchRequest{Bucket: b.Bucket, Prefix: b.Prefix, Glob: "**"})
	if err == nil && (len(found.Entries) != 2 || found.Omitted != 2) {
		err = fmt.Errorf("a search finds %q, %d left out", entryNames(found.Entries), found.Omitted)
	}
	return err
}
