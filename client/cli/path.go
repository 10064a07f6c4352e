package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/backend/safetext"
)

// parsePath reads a PATH. With escaped it is written as usher prints names.
func parsePath(s string, escaped bool) (api.Path, error) {
	if escaped {
		raw, err := safetext.Unescape(s)
		if err != nil {
			return api.Path{}, usagef("%s is not a path as usher prints it. Leave --escaped out to give it byte for byte.", safe(s))
		}
		s = raw
	}
	return api.ParsePath(s)
}

// pathFlags are those of all commands that take a PATH.
type pathFlags struct{ escaped, literal bool }

func (f *pathFlags) add(cmd *cobra.Command, globs bool) {
	cmd.Flags().BoolVar(&f.escaped, "escaped", false, `PATH is written as usher prints it, with \u{1b} for an escape character`)
	if globs {
		cmd.Flags().BoolVar(&f.literal, "literal", false, "*, ?, [ and { in PATH are ordinary characters")
	}
}

const globSigns = "*?[{"

// pattern says whether a key is to be matched against what is there.
func (f *pathFlags) pattern(t api.Path) bool {
	return !f.literal && strings.ContainsAny(t.Key, globSigns)
}

// lister is what finding things asks of the server.
type lister interface {
	List(ctx context.Context, req api.ListRequest) (api.ListResponse, error)
}

// pages shows every page of a listing to visit, as they come.
func pages(ctx context.Context, l lister, req api.ListRequest, visit func([]api.Entry) error) error {
	for {
		page, err := l.List(ctx, req)
		if err != nil {
			return err
		}
		if err := visit(page.Entries); err != nil {
			return err
		}
		if page.Cursor == "" {
			return nil
		}
		req.Cursor = page.Cursor
	}
}

// look finds names in one folder, each as an object or, where there is no
// object, as a folder. Listings are in byte order, so it reads only where the
// names can be. A folder that cannot be listed holds nothing.
func look(ctx context.Context, l lister, bucket, prefix string, names []string) (map[string]api.Entry, error) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	found := map[string]api.Entry{}
	req := api.ListRequest{Bucket: bucket, Prefix: prefix, Start: before(names[0])}
	for {
		page, err := l.List(ctx, req)
		if errors.Is(err, &api.Error{Code: api.NotFound}) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		last := ""
		for _, e := range page.Entries {
			last = e.Name
			name := strings.TrimSuffix(e.Name, "/")
			if _, wanted := slices.BinarySearch(names, name); !wanted {
				continue
			}
			if _, have := found[name]; !have || e.Kind == api.KindObject {
				found[name] = e
			}
		}
		for len(names) > 0 && names[0]+"/" <= last {
			names = names[1:]
		}
		if page.Cursor == "" || len(names) == 0 {
			return found, nil
		}
		req.Cursor = page.Cursor
		if start := before(names[0]); start > last {
			req.Start, req.Cursor = start, ""
		}
	}
}

// before is a name that sorts before this one and, mostly, close to it.
func before(name string) string {
	_, n := utf8.DecodeLastRuneInString(name)
	return name[:len(name)-n]
}
