package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/glob"
	"usher/client/proof"
	"usher/client/quantity"
	"usher/client/selection"
)

// search finds files by name on the server.
type search struct {
	*app
	paths        pathFlags
	size         []string
	newer, older string
	long, null   bool

	scanned, matches int
	omitted          counting
	status           statusLine
}

func (a *app) searchCommand() *cobra.Command {
	s := &search{app: a, status: statusLine{app: a}}
	cmd := &cobra.Command{
		Use:        "search TEXT|GLOB [PATH...]",
		SuggestFor: []string{"locate", "grep"},
		Short:      "Find files by name",
		GroupID:    "files",
		Long: `Find files below PATH that you can see, by name; without PATH, in all buckets. TEXT matches names that contain it, in any case; a GLOB has *, ?, [a-z], {a,b} or **. Without a slash, both match the last part of a name; with one, the text below PATH.

The server reads up to 10,000 names for each page of the answer, and the search goes on with the next page. Ctrl-C stops it. The audit log records each page with the query.

Each line is a path. With --json each line is as in ls --json.`,
		Example: `
usher search balance company-reports/
usher search '*.csv' datasets/public/ --size '>1k'
usher search 'nightly/**/SHA256SUMS' builds/

# From a search to files
usher search -0 '*.md' builds/ | usher get --from - -0 -o got
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 1, -1, "search takes a TEXT or a GLOB, and the PATHs to search."); err != nil {
				return err
			}
			return s.run(cmd.Context(), args[0], args[1:])
		}),
	}
	s.paths.add(cmd, false)
	f := cmd.Flags()
	f.BoolVar(&s.paths.literal, "literal", false, "*, ?, [ and { in TEXT are ordinary characters")
	f.Var(&sizesFlag{&s.size}, "size", "only files of a size: '>100M', '<1k', or both")
	f.Var(textFlag{&s.newer, "time"}, "newer-than", "only files modified since then: 7d, 24h or 2026-11-01")
	f.Var(textFlag{&s.older, "time"}, "older-than", "only files last modified before then")
	f.BoolVarP(&s.long, "long", "l", false, "show size and time")
	f.BoolVarP(&s.null, "null", "0", false, "end paths in NUL and do not escape them, for programs")
	return cmd
}

// request returns the query of the flags.
func (s *search) request(query string) (in api.SearchRequest, err error) {
	if strings.ContainsAny(query, glob.Signs) && !s.paths.literal {
		in.Glob = query
	} else {
		in.Text = query
	}
	if strings.TrimSpace(query) == "" {
		return in, usagef("The search has no text. To find all files below a folder: usher ls -R PATH")
	}
	if !s.paths.literal && (strings.HasPrefix(query, "size:") || strings.HasPrefix(query, "modified:")) {
		return in, usagef("size: and modified: are terms of the browser. Here they are flags: usher search TEXT PATH --size '>100M' --newer-than 7d. To search for this text, add --literal.")
	}
	if len(query) > api.MaxQuery {
		return in, usagef("The query has more than %d bytes.", api.MaxQuery)
	}
	for _, limit := range s.size {
		if err := selection.LimitSize(&in.Size, limit); err != nil {
			return in, usagef("--size: %s.", safe(err.Error()))
		}
	}
	if in.Size.Min != nil && in.Size.Max != nil && *in.Size.Min > *in.Size.Max {
		return in, usagef("No file has all these sizes: --size %s.", safe(strings.Join(s.size, " --size ")))
	}
	from, until, err := timesOf(s.newer, s.older, s.Now())
	if s.newer != "" {
		from = from.UTC()
		in.Modified.From = &from
	}
	if s.older != "" {
		until = until.UTC()
		in.Modified.Until = &until
	}
	return in, err
}

func (s *search) run(ctx context.Context, query string, args []string) error {
	targets, err := s.paths.targets(args)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(targets, func(t target) bool { return t.IsRoot() }) { // all buckets
		targets = nil
	}
	in, err := s.request(query)
	if err != nil {
		return err
	}
	conn, err := s.connectFiles(ctx, proof.Every)
	if err != nil {
		return err
	}
	named := len(targets) > 0
	if !named {
		err := pages(ctx, conn.client, api.ListRequest{}, func(buckets []api.Entry) error {
			for _, b := range buckets {
				targets = append(targets, target{Path: api.Path{Bucket: b.Name}})
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(targets) == 0 {
			return usagef("%s", api.NoBucket)
		}
	}
	out := &ls{app: s.app, out: bufio.NewWriter(s.Out), whole: true, long: s.long, null: s.null}
	err = s.eachPath(ctx, targets, func(t target) error {
		err := s.below(ctx, conn, out, in, t)
		if !named && errors.Is(err, &api.Error{Code: api.NotFound}) { // an empty bucket
			return nil
		}
		return err
	})
	s.status.end()
	if ferr := out.out.Flush(); err == nil {
		err = ferr
	}
	if err == nil && s.matches == 0 && s.ErrTTY {
		s.hint("No file matches, of %s.", quantity.Plural(s.scanned, "name", "names"))
	}
	if left := s.omitted.err(); left != nil {
		s.noteOmitted(left)
	}
	return err
}

func (s *search) below(ctx context.Context, conn connection, out *ls, in api.SearchRequest, t target) error {
	if !t.IsFolder() {
		t.Key += "/"
	}
	in.Bucket, in.Prefix = t.Bucket, t.Key
	for {
		page, err := conn.client.Search(ctx, in)
		if err != nil {
			if errors.Is(err, &api.Error{Code: api.BadRequest}) && in.Glob != "" {
				return usagef("The server refuses the glob %s. It has at most %d wildcards, and each bracket and brace is closed.", shellQuote(in.Glob), api.MaxWildcards)
			}
			return err
		}
		s.omitted.add(t.Path, page.Omitted)
		s.scanned, s.matches = s.scanned+page.Scanned, s.matches+len(page.Entries)
		s.status.end()
		for _, e := range page.Entries {
			out.print(found{t.Path, e})
		}
		if err := out.flush(); err != nil {
			return err
		}
		if in.Cursor = page.Cursor; in.Cursor == "" {
			return nil
		}
		s.draw()
	}
}

// draw shows the progress on a terminal.
func (s *search) draw() {
	s.status.show(fmt.Sprintf("%s searched, %s found", quantity.Plural(s.scanned, "name", "names"), quantity.Count(s.matches)))
}

// sizesFlag is --size: limits that begin with > or <.
type sizesFlag struct{ to *[]string }

// String returns "": the list has no default.
func (*sizesFlag) String() string { return "" }

// Set appends a limit.
func (f *sizesFlag) Set(s string) error {
	if s == "" || s[0] != '>' && s[0] != '<' {
		return errors.New("a size begins with > or <, like '>100M'")
	}
	*f.to = append(*f.to, s)
	return nil
}

// Type returns the type of the value in the help.
func (*sizesFlag) Type() string { return "size" }
