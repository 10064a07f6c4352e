package cli

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"usher/client/proof"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/quantity"
)

// ls lists folders, all objects below a folder, single objects, and the matches
// of patterns.
type ls struct {
	*app
	paths     pathFlags
	sel       selectFlags
	recursive bool
	long      bool
	null      bool
	whole     bool
	exact     bool
	summarize bool
	order     order

	out  *bufio.Writer
	held []found // with an order: the entries of one PATH
	sum  listSum
}

func (a *app) lsCommand() *cobra.Command {
	l := &ls{app: a}
	cmd := &cobra.Command{
		Use:        "ls [PATH...]",
		SuggestFor: []string{"list", "dir", "find"},
		Short:      "List folders",
		GroupID:    "files",
		Long: `List the entries of folders that you can see; without PATH, the buckets. Folders end in "/". A PATH with *, ?, [a-z], {a,b} or ** lists its matches. With several PATHs the names are whole paths.

The output is one name a line. Control characters are escaped, like \u{1b}; get --from reads such lines, and other commands accept such a name with --escaped. With -0 names are raw and end in a NUL byte.

Sizes are decimal, times are local. The order is that of S3, by bytes, unless a flag changes it; then each PATH is listed to its end first. With --json each line is {"path","name","kind","size","modified","etag"}.`,
		Example: `
usher ls company-reports/annual/
usher ls -l company-reports/annual/

# All objects below a folder, and the matches of a pattern
usher ls -R builds/nightly/
usher ls 'company-reports/**/*.csv'

# The largest files of the last 60 days, with their sum
usher ls -R -l -S --newer-than 60d --summarize builds/

# To a list, and from the list with its folders
usher ls -R -p -0 builds/logs/ | usher get --from - -0 -o out
`,
		RunE: a.run(l.run),
	}
	l.paths.add(cmd, true)
	l.sel.add(cmd)
	l.order.add(cmd)
	f := cmd.Flags()
	f.BoolVarP(&l.recursive, "recursive", "R", false, "list every object below, without folders")
	f.BoolVarP(&l.long, "long", "l", false, "show size and time")
	f.BoolVarP(&l.whole, "paths", "p", false, "show paths instead of names")
	f.BoolVarP(&l.null, "null", "0", false, "end names in NUL and do not escape them, for programs")
	f.BoolVar(&l.exact, "bytes", false, "show sizes in bytes")
	f.BoolVar(&l.summarize, "summarize", false, "end with the number of files and the sum of their sizes")
	return cmd
}

func (l *ls) run(cmd *cobra.Command, args []string) error {
	if l.null && l.json {
		return usagef("Use only one of -0 and --json.")
	}
	if l.null && l.summarize {
		return usagef("Use only one of -0 and --summarize.")
	}
	targets, err := l.paths.targets(args)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		targets = []target{{}}
	}
	sel, err := l.sel.selection(l.Now())
	if err != nil {
		return err
	}
	conn, err := l.connectFiles(cmd.Context(), proof.Every)
	if err != nil {
		return err
	}
	l.out = bufio.NewWriter(l.Out)
	l.whole = l.whole || len(targets) > 1
	from := &counting{from: conn.client}
	o := &objects{from: from, stat: conn.client, sel: sel, recursive: l.recursive, paged: l.flush}
	err = l.eachPath(cmd.Context(), targets, func(t target) error { return l.show(cmd.Context(), o, t) })
	if err == nil && l.summarize {
		l.summary()
	}
	if ferr := l.out.Flush(); err == nil {
		err = ferr
	}
	if left := from.err(); left != nil {
		l.noteOmitted(left)
	} else if err == nil && l.sum.Files+l.sum.Folders == 0 && l.ErrTTY && !l.json && !l.quiet {
		fmt.Fprintln(l.Err, l.empty(targets[0]))
	}
	return err
}

func (l *ls) empty(t target) string {
	if t.IsRoot() {
		return api.NoBucket
	}
	return "There is nothing here that you can see."
}

// flush writes a page. It fails once stdout does, so that no further page is
// requested.
func (l *ls) flush() error {
	if err := l.out.Flush(); err != nil {
		return l.unwritten()
	}
	return nil
}

func (l *ls) show(ctx context.Context, o *objects, t target) error {
	err := o.each(ctx, t, func(f found) error {
		l.sum.count(f)
		if l.order.by != inListing {
			l.held = append(l.held, f)
			return nil
		}
		l.print(f)
		return nil
	})
	l.order.sort(l.held)
	for _, f := range l.held {
		l.print(f)
	}
	l.held = nil
	return err
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

// listSum is the last line of ls --summarize --json.
type listSum struct {
	Files   int   `json:"files"`
	Folders int   `json:"folders"`
	Bytes   int64 `json:"bytes"`
}

func (s *listSum) count(f found) {
	if f.entry.Kind != api.KindObject {
		s.Folders++
		return
	}
	s.Files++
	s.Bytes += f.entry.Size
}

func (l *ls) summary() {
	if l.json {
		l.writeJSON(l.out, l.sum)
		return
	}
	text := quantity.Plural(l.sum.Files, "file", "files")
	if l.sum.Folders > 0 {
		text += ", " + quantity.Plural(l.sum.Folders, "folder", "folders")
	}
	fmt.Fprintf(l.out, "%s, %s\n", text, l.bytes(l.sum.Bytes))
}

// print writes an entry.
func (l *ls) print(f found) {
	e, name := f.entry, f.entry.Name
	path := f.path().String()
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
		fmt.Fprintf(l.out, "%*s  %16s  %s\n", l.columns(), l.size(e), l.time(e), safe(name))
	default:
		fmt.Fprintln(l.out, safe(name))
	}
}

// columns is the width of sizes.
func (l *ls) columns() int {
	if l.exact {
		return 15
	}
	return 7
}

func (l *ls) bytes(n int64) string {
	if l.exact {
		return fmt.Sprintf("%d bytes", n)
	}
	return quantity.Size(n)
}

// size returns "" if the listing has no size: for folders, and for an object with
// a grant of its own.
func (l *ls) size(e api.Entry) string {
	switch {
	case e.Kind != api.KindObject || e.Unsized():
		return ""
	case l.exact:
		return fmt.Sprint(e.Size)
	}
	return quantity.Size(e.Size)
}

func (l *ls) time(e api.Entry) string {
	if e.Modified == nil {
		return ""
	}
	return e.Modified.Local().Format("2006-01-02 15:04")
}

// by is a key of an order.
type by string

const (
	inListing by = ""
	byName    by = "name"
	bySize    by = "size"
	byTime    by = "time"
)

// order is the order of a list.
type order struct {
	by                    by
	byTime, bySize, turns bool
}

func (o *order) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVarP(&o.byTime, "time", "t", false, "newest first (--sort time)")
	f.BoolVarP(&o.bySize, "size", "S", false, "largest first (--sort size)")
	f.BoolVarP(&o.turns, "reverse", "r", false, "reverse the order")
	f.Var(&o.by, "sort", "order by name, size or time (default: as S3 lists)")
	next := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if o.byTime {
			o.by = byTime
		}
		if o.bySize {
			o.by = bySize
		}
		if o.turns && o.by == inListing {
			o.by = byName
		}
		if next != nil {
			return next(cmd, args)
		}
		return nil
	}
}

// String returns the current value.
func (b *by) String() string { return string(*b) }

// Set stores a key.
func (b *by) Set(s string) error {
	if !slices.Contains([]by{byName, bySize, byTime}, by(s)) {
		return fmt.Errorf("it is name, size or time")
	}
	*b = by(s)
	return nil
}

// Type returns the type of the value in the help.
func (*by) Type() string { return "key" }

// sort orders entries; equal ones by name.
func (o *order) sort(all []found) {
	slices.SortStableFunc(all, func(a, b found) int {
		c := 0
		switch o.by {
		case bySize:
			c = cmp.Compare(b.entry.Size, a.entry.Size)
		case byTime:
			c = modified(b).Compare(modified(a))
		}
		if c == 0 {
			c = strings.Compare(a.path().String(), b.path().String())
		}
		if o.turns {
			c = -c
		}
		return c
	})
}

func modified(f found) time.Time {
	if f.entry.Modified == nil {
		return time.Time{}
	}
	return *f.entry.Modified
}
