package cli

import (
	"bufio"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"usher/client/proof"
	"usher/client/quantity"
	sums "usher/client/usage"
)

// du sums the sizes of objects by folder, in constant memory.
type du struct {
	*app
	paths pathFlags
	sel   selectFlags
	depth int
	exact bool

	out *bufio.Writer
}

func (a *app) duCommand() *cobra.Command {
	d := &du{app: a}
	cmd := &cobra.Command{
		Use:     "du [PATH...]",
		Short:   "Sum the sizes of files by folder",
		GroupID: "files",
		Long: `Sum the sizes of the files below a folder that you can see: a line for each subfolder and a last one for PATH; without PATH, for all buckets. A folder's sum has everything below it.

Each line is SIZE, FILES and PATH. With --json each line is {"path","files","bytes"}.`,
		Example: `
usher du builds/
usher du -d 0 builds/logs/ builds/usher/

# The large old files of two levels of folders
usher du -d 2 --older-than 30d --min-size 1M --bytes builds/
`,
		RunE: a.run(d.run),
	}
	d.paths.add(cmd, true)
	d.sel.add(cmd)
	cmd.Flags().VarP(&countFlag{&d.depth, 0}, "depth", "d", "lines for this many levels of folders; 0: for PATH alone (1)")
	d.depth = 1
	cmd.Flags().BoolVar(&d.exact, "bytes", false, "show sizes in bytes")
	return cmd
}

func (d *du) run(cmd *cobra.Command, args []string) error {
	targets, err := d.paths.targets(args)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		targets = []target{{}}
	}
	sel, err := d.sel.selection(d.Now())
	if err != nil {
		return err
	}
	conn, err := d.connectFiles(cmd.Context(), proof.Every)
	if err != nil {
		return err
	}
	d.out = bufio.NewWriter(d.Out)
	from := &counting{from: conn.client}
	o := &objects{from: from, stat: conn.client, sel: sel, recursive: true, paged: d.unwritten}
	err = d.eachPath(cmd.Context(), targets, func(t target) error { return d.sum(cmd.Context(), o, t) })
	if ferr := d.out.Flush(); err == nil {
		err = ferr
	}
	return d.withOmitted(err, from)
}

// usage is one line of du.
type usage struct {
	Path  string `json:"path"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

func (d *du) print(u usage) {
	if d.json {
		d.writeJSON(d.out, u)
		return
	}
	size := fmt.Sprintf("%7s", quantity.Size(u.Bytes))
	if d.exact {
		size = fmt.Sprintf("%15d", u.Bytes)
	}
	path := u.Path
	if path == "" {
		path = "all buckets"
	}
	fmt.Fprintf(d.out, "%s  %10s  %s\n", size, quantity.Count(u.Files), safe(path))
}

// sum prints the sums of one PATH.
func (d *du) sum(ctx context.Context, o *objects, t target) error {
	var total sums.Sum
	folders := sums.NewFolders(d.depth, func(path string, s sums.Sum) { d.print(usage{path, s.Files, s.Bytes}) })
	err := o.each(ctx, t, func(f found) error {
		if f.object() {
			folders.Add(f.at, f.entry.Name, f.entry)
			total.Add(f.entry.Name, f.entry)
		}
		return nil
	})
	if err != nil {
		return err
	}
	folders.End()
	path := t.String()
	if !t.pattern && !t.IsFolder() && total.Files != 1 { // a folder without its slash
		path += "/"
	}
	d.print(usage{path, total.Files, total.Bytes})
	return nil
}

// countFlag is a whole number with a least value.
type countFlag struct {
	to    *int
	least int
}

// String returns "": the help names the default.
func (*countFlag) String() string { return "" }

// Set stores the number.
func (c *countFlag) Set(s string) (err error) {
	*c.to, err = atLeast(s, c.least)
	return err
}

// Type returns the type of the value in the help.
func (*countFlag) Type() string { return "n" }
