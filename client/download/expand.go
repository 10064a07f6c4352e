package download

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"usher/backend/api"
)

// Expand turns typed text, paths "bucket/key" and globs such as
// company-reports/annual/**/*.pdf, into requests, as the listings come in.
// A path without glob characters is taken as it is: a folder if it is a bucket
// or ends in "/", else an object; nothing is asked of the backend for it.
// A glob character that is meant literally has a backslash before it. Folders
// below the part without glob characters are kept: Base is set to it, and is ""
// where the first segment has one. A glob
// that matches nothing yields api.NotFound. The caller sets Dir and Conflict.
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
	bucket, glob, slash := strings.Cut(pattern, "/")
	switch {
	case bucket == "" || strings.ContainsAny(bucket, `*?[{\`):
		return yield(Request{}, &Error{Kind: ErrPattern, Path: pattern, Detail: "it begins with the name of a bucket, without wildcards"})
	case !slash, glob == "":
		return yield(Request{Bucket: bucket, Folder: true}, nil)
	case !strings.ContainsAny(glob, `*?[{\`):
		return yield(Request{Bucket: bucket, Key: glob, Folder: strings.HasSuffix(glob, "/")}, nil)
	case !doublestar.ValidatePattern(glob):
		return yield(Request{}, &Error{Kind: ErrPattern, Path: pattern, Detail: "a bracket or brace is not closed"})
	}
	if key := unescapeGlob(glob); !strings.ContainsRune(key, 0) {
		return yield(Request{Bucket: bucket, Key: key, Folder: strings.HasSuffix(key, "/")}, nil)
	}
	base := globBase(glob)
	var names sorter
	give := func(ready []sorted) bool {
		for _, found := range ready {
			r := childOf(Request{Bucket: bucket, Key: base}, found)
			r.Base = &base
			if !yield(r, nil) {
				return false
			}
		}
		return true
	}
	req := api.ListRequest{Bucket: bucket, Prefix: base, Recursive: true}
	found := false
	for {
		page, err := lister.List(ctx, req)
		if err != nil {
			return yield(Request{}, fmt.Errorf("listing for a wildcard: %w", err))
		}
		for _, entry := range page.Entries {
			key := base + entry.Name
			if isMarker(key, entry) {
				continue
			}
			if ok, err := doublestar.Match(glob, key); err != nil || !ok {
				continue
			}
			found = true
			if !give(names.add(entry, nil)) {
				return false
			}
		}
		if page.Cursor == "" {
			break
		}
		req.Cursor = page.Cursor
	}
	if !give(names.rest()) {
		return false
	}
	if !found {
		return yield(Request{}, &api.Error{Code: api.NotFound})
	}
	return true
}

// globBase is the folder above the first wildcard, without its backslashes.
func globBase(glob string) string {
	plain := unescapeGlob(glob)
	if i := strings.IndexByte(plain, 0); i >= 0 {
		plain = plain[:i]
	}
	return plain[:strings.LastIndexByte(plain, '/')+1]
}

// unescapeGlob takes backslashes away and puts a NUL, which no key holds, in
// the place of each wildcard.
func unescapeGlob(glob string) string {
	var b strings.Builder
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case c == '\\' && i+1 < len(glob):
			i++
			b.WriteByte(glob[i])
		case strings.IndexByte("*?[{", c) >= 0:
			b.WriteByte(0)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
