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
	"usher/client/glob"
)

// parsePath parses a PATH. With escaped, s is in the form in which usher prints
// names.
func parsePath(s string, escaped bool) (api.Path, error) {
	if escaped {
		raw, err := safetext.Unescape(s)
		if err != nil {
			return api.Path{}, usagef("%s is not a path in the form that usher prints. To pass it byte for byte, leave --escaped out.", safe(s))
		}
		s = raw
	}
	return api.ParsePath(s)
}

// pathFlags are the flags of all commands with a PATH.
type pathFlags struct{ escaped, literal bool }

func (f *pathFlags) add(cmd *cobra.Command, globs bool) {
	cmd.Flags().BoolVar(&f.escaped, "escaped", false, `PATH is in the form that usher prints, with \u{1b} for an escape character`)
	if globs {
		cmd.Flags().BoolVar(&f.literal, "literal", false, "*, ?, [ and { in PATH are ordinary characters")
	}
}

// target is a PATH of the command line or of a list.
type target struct {
	api.Path
	pattern bool
}

// target parses a PATH.
func (f *pathFlags) target(arg string) (target, error) {
	t, err := parsePath(arg, f.escaped)
	return target{t, !f.literal && strings.ContainsAny(t.Key, glob.Signs)}, err
}

// targets parses PATHs.
func (f *pathFlags) targets(args []string) ([]target, error) {
	var all []target
	for _, arg := range args {
		t, err := f.target(arg)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// lister lists folders; *client.Client implements it.
type lister interface {
	List(ctx context.Context, req api.ListRequest) (api.ListResponse, error)
}

// pages calls visit with each page of a listing as it arrives.
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

// find finds names in one folder, each as an object or else as a folder.
// Listings are in byte order, so find reads only the ranges that can have the
// names. A folder that cannot be listed counts as empty.
func find(ctx context.Context, l lister, bucket, prefix string, names []string) (map[string]api.Entry, error) {
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

// before returns a name that sorts before this one and usually close to it.
func before(name string) string {
	_, n := utf8.DecodeLastRuneInString(name)
	return name[:len(name)-n]
}
