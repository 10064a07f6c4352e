package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"usher/client/proof"
	"usher/client/quantity"
)

// tree draws folders and files as a tree.
type tree struct {
	*app
	paths   pathFlags
	sel     selectFlags
	folders bool
	long    bool

	out *bufio.Writer
}

func (a *app) treeCommand() *cobra.Command {
	t := &tree{app: a}
	cmd := &cobra.Command{
		Use:     "tree [PATH...]",
		Short:   "Draw folders as a tree",
		GroupID: "files",
		Long: `Draw the folders and files below a folder that you can see as a tree; without PATH, of all buckets. The tree is read to its end before it is drawn; --max-depth limits what is read of one level, and what is drawn of more.

The last line counts the folders and files. With --json each line is an entry as in ls -R --json.`,
		Example: `
usher tree builds/nightly/
usher tree --folders company-reports/
usher tree --max-depth 2 -l builds/
`,
		RunE: a.run(t.run),
	}
	t.paths.add(cmd, true)
	t.sel.add(cmd)
	cmd.Flags().BoolVar(&t.folders, "folders", false, "draw folders only")
	cmd.Flags().BoolVarP(&t.long, "long", "l", false, "show the sizes of files")
	return cmd
}

func (t *tree) run(cmd *cobra.Command, args []string) error {
	targets, err := t.paths.targets(args)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		targets = []target{{}}
	}
	sel, err := t.sel.selection(t.Now())
	if err != nil {
		return err
	}
	conn, err := t.connectFiles(cmd.Context(), proof.Every)
	if err != nil {
		return err
	}
	t.out = bufio.NewWriter(t.Out)
	from := &counting{from: conn.client}
	o := &objects{from: from, stat: conn.client, sel: sel, recursive: true, paged: t.unwritten}
	err = t.eachPath(cmd.Context(), targets, func(p target) error { return t.show(cmd.Context(), o, p) })
	if ferr := t.out.Flush(); err == nil {
		err = ferr
	}
	return t.withOmitted(err, from)
}

// branch is a folder or a file of the tree, in the order of the listing.
type branch struct {
	name   string
	size   int64
	folder bool
	below  []*branch
}

// child returns the folder of a name. Its files follow each other in a listing, so
// that the last branch is the only candidate.
func (b *branch) child(name string) *branch {
	for i := len(b.below) - 1; i >= 0; i-- {
		if b.below[i].folder && b.below[i].name == name {
			return b.below[i]
		}
		if b.below[i].folder {
			break
		}
	}
	c := &branch{name: name, folder: true}
	b.below = append(b.below, c)
	return c
}

func (t *tree) show(ctx context.Context, o *objects, p target) error {
	if t.json {
		l := &ls{app: t.app, out: t.out, recursive: true}
		return l.show(ctx, o, p)
	}
	top := &branch{name: p.String(), folder: true}
	if p.IsRoot() {
		top.name = "all buckets"
	}
	err := o.each(ctx, p, func(f found) error {
		at := top
		name := f.entry.Name
		for {
			folder, rest, deep := strings.Cut(name, "/")
			if !deep || rest == "" && f.object() {
				break
			}
			if at, name = at.child(folder), rest; rest == "" {
				return nil
			}
		}
		if !t.folders {
			at.below = append(at.below, &branch{name: name, size: f.entry.Size})
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(t.out, safe(top.name))
	folders, files := t.draw(top, "")
	fmt.Fprintf(t.out, "\n%s, %s\n", quantity.Plural(folders, "folder", "folders"), quantity.Plural(files, "file", "files"))
	return t.out.Flush()
}

// draw draws the content of a folder and returns the numbers of folders and files.
func (t *tree) draw(b *branch, lead string) (folders, files int) {
	for i, c := range b.below {
		mark, next := "├── ", "│   "
		if i == len(b.below)-1 {
			mark, next = "└── ", "    "
		}
		name := safe(c.name)
		if c.folder {
			name += "/"
		} else if t.long {
			name = fmt.Sprintf("%7s  %s", quantity.Size(c.size), name)
		}
		fmt.Fprintf(t.out, "%s%s%s\n", lead, mark, name)
		if !c.folder {
			files++
			continue
		}
		d, f := t.draw(c, lead+next)
		folders, files = folders+d+1, files+f
	}
	return folders, files
}
