package download

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"usher/backend/api"
	"usher/client/glob"
)

// Expand turns typed text, paths "bucket/key" and globs such as
// company-reports/annual/**/*.pdf, into requests, as the listings arrive.
// A path without glob characters is unchanged: a folder if it is a bucket
// or ends in "/", else an object; the backend is not called for it.
// A literal glob character has a backslash before it. A glob matches objects and
// folders. Folders below the part without glob characters are kept: Base is set to
// it, and is "" where the first segment has one. A glob without a match yields
// api.NotFound. The caller sets Dir and Conflict.
func Expand(ctx context.Context, lister Lister, patterns ...string) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		for _, pattern := range patterns {
			if !expandOne(ctx, lister, pattern, yield) {
				return
			}
		}
	}
}

func expandOne(ctx context.Context, lister Lister, pattern string, yield func(Request, error) bool) bool {
	bucket, key, _ := strings.Cut(pattern, "/")
	switch {
	case bucket == "" || strings.ContainsAny(bucket, glob.Signs+`\`):
		return yield(Request{}, &Error{Kind: ErrPattern, Path: pattern, Detail: "it begins with the name of a bucket, without wildcards"})
	case key == "":
		return yield(Request{Bucket: bucket, Folder: true}, nil)
	}
	if text, ok := glob.Literal(key); ok {
		return yield(Request{Bucket: bucket, Key: text, Folder: strings.HasSuffix(text, "/")}, nil)
	}
	var names sorter
	var base string
	give := func(ready []sorted) bool {
		for _, found := range ready {
			r := childOf(Request{Bucket: bucket, Key: base}, found)
			r.Base, r.Folder = &base, found.entry.Kind == api.KindFolder
			if !yield(r, nil) {
				return false
			}
		}
		return true
	}
	for match, err := range glob.Find(ctx, lister, bucket, key) {
		switch {
		case errors.Is(err, glob.ErrPattern):
			return yield(Request{}, &Error{Kind: ErrPattern, Path: pattern, Detail: err.Error()})
		case errors.Is(err, &api.Error{Code: api.NotFound}):
			return yield(Request{}, err)
		case err != nil:
			return yield(Request{}, fmt.Errorf("listing for a wildcard: %w", err))
		}
		base = match.Base
		if !give(names.add(match.Entry, nil)) {
			return false
		}
	}
	return give(names.rest())
}
