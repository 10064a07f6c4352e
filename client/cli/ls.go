package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/download"
	"usher/client/quantity"
)

// ls lists a folder, all objects below a folder, one object, or the matches of a
// pattern.
type ls struct {
	*app
	paths     pathFlags
	recursive bool
	long      bool
	null      bool
	whole     bool

	out   *bufio.Writer
	shown int
}

func (a *app) lsCommand() *cobra.Command {
	l := &ls{app: a}
	cmd := &cobra.Command{
		Use:        "ls [PATH]",
		SuggestFor: []string{"list", "dir"},
		Short:      "List a folder",
		GroupID:    "files",
		Long: `List the entries of a folder that you can see; without PATH, the buckets. Folders end in "/".

The output is one name a line. Control characters are escaped, like \u{1b}; get and url accept such a name with --escaped. With -0 names are raw and end in a NUL byte, for xargs -0.

Sizes are decimal, times are local. With --json each line is {"path","name","kind","size","modified","etag"}.`,
		Example: `
usher ls company-reports/annual/
usher ls -l company-reports/annual/

# All objects below a folder, and the matches of a pattern
usher ls -R builds/nightly/
usher ls 'company-reports/**/*.csv'

# For other programs
usher ls -R -p -0 builds/nightly/ | xargs -0 usher get --literal -o out
`,
		RunE: a.run(l.run),
	}
	l.paths.add(cmd, true)
	cmd.Flags().BoolVarP(&l.recursive, "recursive", "R", false, "list every object below, without folders")
	cmd.Flags().BoolVarP(&l.long, "long", "l", false, "show size and time")
	cmd.Flags().BoolVarP(&l.whole, "paths", "p", false, "show paths instead of names")
	cmd.Flags().BoolVarP(&l.null, "null", "0", false, "end names in NUL and do not escape them, for programs")
	return cmd
}

func (l *ls) run(cmd *cobra.Command, args []string) error {
	if err := checkArgs(cmd, args, 0, 1, "ls lists one PATH."); err != nil {
		return err
	}
	if l.null && l.json {
		return usagef("Use only one of -0 and --json.")
	}
	var t api.Path
	if len(args) == 1 {
		var err error
		if t, err = parsePath(args[0], l.paths.escaped); err != nil {
			return err
		}
	}
	conn, err := l.connect(cmd.Context())
	if err != nil {
		return err
	}
	l.out = bufio.NewWriter(l.Out)
	from := &counting{from: conn.client}
	err = l.show(cmd.Context(), from, t)
	if ferr := l.out.Flush(); err == nil {
		err = ferr
	}
	if left := from.err(); left != nil {
		l.noteOmitted(left)
	} else if err == nil && l.shown == 0 && l.ErrTTY && !l.json {
		fmt.Fprintln(l.Err, l.empty(t))
	}
	return err
}

func (l *ls) empty(t api.Path) string {
	if t.Bucket == "" {
		return api.NoBucket
	}
	return "There is nothing here that you can see."
}

func (l *ls) show(ctx context.Context, from lister, t api.Path) error {
	switch {
	case t.IsRoot():
		return l.root(ctx, from)
	case l.paths.pattern(t):
		if err := l.pattern(ctx, from, t); !errors.Is(err, &api.Error{Code: api.NotFound}) {
			return err
		}
		// As in a shell, a pattern without a match is a plain name.
	}
	if !t.IsFolder() {
		name := t.Base()
		found, err := find(ctx, uncounted(from), t.Bucket, t.Parent().Key, []string{name})
		if err != nil {
			return err
		}
		if e, ok := found[name]; ok && e.Kind == api.KindObject {
			l.print(t.Parent(), e.Name, e)
			return nil
		}
		t.Key += "/"
	}
	return l.folder(ctx, from, t, "")
}

// pattern prints names relative to the folder before the first wildcard.
func (l *ls) pattern(ctx context.Context, from lister, t api.Path) error {
	for r, err := range download.Expand(ctx, from, t.String()) {
		if err != nil {
			return err
		}
		base := ""
		if r.Base != nil { // nil for a pattern whose wildcards are all literal
			base = *r.Base
		}
		e := api.Entry{Name: strings.TrimPrefix(r.Key, base), Kind: api.KindObject, Size: r.Size, ETag: r.ETag}
		if !r.Modified.IsZero() {
			e.Modified = &r.Modified
		}
		l.print(api.Path{Bucket: r.Bucket, Key: base}, e.Name, e)
	}
	return nil
}

func (l *ls) root(ctx context.Context, from lister) error {
	var buckets []api.Entry
	err := pages(ctx, from, api.ListRequest{}, func(entries []api.Entry) error {
		buckets = append(buckets, entries...)
		return nil
	})
	if err != nil {
		return err
	}
	for _, b := range buckets {
		if l.recursive {
			if err := l.folder(ctx, from, api.Path{Bucket: b.Name}, b.Name+"/"); err != nil {
				return err
			}
			continue
		}
		l.print(api.Path{}, b.Name, b)
	}
	return nil
}

// folder prints pages as they arrive. Printed names start with lead.
func (l *ls) folder(ctx context.Context, from lister, at api.Path, lead string) error {
	return pages(ctx, from, api.ListRequest{Bucket: at.Bucket, Prefix: at.Key, Recursive: l.recursive}, func(entries []api.Entry) error {
		for _, e := range entries {
			if l.recursive && e.Kind == api.KindFolder {
				continue // the marker of a folder
			}
			l.print(at, lead+e.Name, e)
		}
		if err := l.out.Flush(); err != nil {
			return l.unwritten()
		}
		return nil
	})
}

// row is one line of ls --json.
type row struct {
	Path     string     `json:"path"`
	Name     string     `json:"name"`
	Kind     api.Kind   `json:"kind"`
	Size     *int64     `json:"size,omitempty"`
	Modified *time.Time `json:"modified,omitempty"`
	ETag     string     `json:"etag,omitempty"`
	Archived bool       `json:"archived,omitempty"`
}

// print writes an entry of the folder in, with the given name.
func (l *ls) print(in api.Path, name string, e api.Entry) {
	l.shown++
	path := in.Join(e.Name).String()
	if e.Kind == api.KindBucket {
		name += "/"
	}
	switch {
	case l.whole:
		name = path
	case name == "" && !l.json && !l.null: // an object with bytes whose key is the folder's
		name = "./"
	}
	switch {
	case l.json:
		r := row{Path: path, Name: name, Kind: e.Kind, Modified: e.Modified, ETag: e.ETag, Archived: e.Archived}
		if e.Kind == api.KindObject && !e.Unsized() {
			r.Size = &e.Size
		}
		l.writeJSON(l.out, r)
	case l.null:
		_, _ = io.WriteString(l.out, name+"\x00")
	case l.long:
		fmt.Fprintf(l.out, "%7s  %16s  %s\n", l.size(e), l.time(e), safe(name))
	default:
		fmt.Fprintln(l.out, safe(name))
	}
}

// size returns blanks if the listing has no size: for folders, and for an object
// with a grant of its own.
func (l *ls) size(e api.Entry) string {
	if e.Kind != api.KindObject || e.Unsized() {
		return strings.Repeat(" ", 7)
	}
	return quantity.Size(e.Size)
}

func (l *ls) time(e api.Entry) string {
	if e.Modified == nil {
		return ""
	}
	return e.Modified.Local().Format("2006-01-02 15:04")
}
