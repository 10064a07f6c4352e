package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/proof"
	"usher/client/quantity"
)

// versionLine is one line of versions --json.
type versionLine struct {
	Path         string     `json:"path"`
	Version      string     `json:"version"`
	Latest       bool       `json:"latest"`
	Deleted      bool       `json:"deleted,omitempty"`
	Size         int64      `json:"size"`
	Modified     *time.Time `json:"modified,omitempty"`
	ETag         string     `json:"etag,omitempty"`
	StorageClass string     `json:"storage_class,omitempty"`
	Archived     bool       `json:"archived,omitempty"`
}

// versionFlag is --version of the commands that read one version of one file.
type versionFlag struct{ id string }

func (f *versionFlag) add(cmd *cobra.Command) {
	cmd.Flags().Var(textFlag{&f.id, "id"}, "version", "one version of one file, from usher versions PATH")
}

// check refuses a version of anything but the PATH of one file.
func (f *versionFlag) check(targets []target) error {
	switch {
	case f.id == "":
		return nil
	case !api.ValidVersion(f.id):
		return usagef("%s is not the id of a version. List the versions of a file: usher versions PATH", safe(f.id))
	case len(targets) != 1 || targets[0].pattern || targets[0].IsRoot() || targets[0].IsFolder():
		return usagef("--version takes the PATH of one file, without wildcards.")
	}
	return nil
}

func (a *app) versionsCommand() *cobra.Command {
	var paths pathFlags
	cmd := &cobra.Command{
		Use:        "versions PATH...",
		SuggestFor: []string{"history", "revisions"},
		Short:      "Show the versions of files",
		GroupID:    "files",
		Long: `Show the versions of files, the newest first, where the bucket keeps versions. The audit log records each file. A deleted file has a version without content, which S3 calls a delete marker.

To read a version, name its id: usher get --version ID PATH, and cat, head, stat and url take --version too.

With --json each version is a line.`,
		Example: `
usher versions company-reports/annual/audited/restated/why.md
usher versions --json builds/README.md
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 1, -1, "versions takes the PATHs of files."); err != nil {
				return err
			}
			targets, err := paths.targets(args)
			if err != nil {
				return err
			}
			return a.versions(cmd.Context(), targets)
		}),
	}
	paths.add(cmd, true)
	return cmd
}

func (a *app) versions(ctx context.Context, targets []target) error {
	conn, err := a.connectFiles(ctx, proof.Every)
	if err != nil {
		return err
	}
	titles, shown := len(targets) > 1 || targets[0].pattern, 0
	return a.eachPath(ctx, targets, func(t target) error {
		return eachFile(ctx, conn.client, t, func(p api.Path) error {
			if titles && !a.json {
				if shown++; shown > 1 {
					fmt.Fprintln(a.Out)
				}
				fmt.Fprintf(a.Out, "%s\n", safe(p.String()))
			}
			return a.versionsOf(ctx, conn, p)
		})
	})
}

// versionsOf prints the versions of one file, page by page.
func (a *app) versionsOf(ctx context.Context, conn connection, p api.Path) error {
	in, kept := api.VersionsRequest{Bucket: p.Bucket, Key: p.Key}, false
	for {
		page, err := conn.client.Versions(ctx, in)
		if err != nil {
			return err
		}
		var t table
		for _, v := range page.Versions {
			kept = kept || v.Version != api.NullVersion || !v.Latest
			line := versionLine{Path: p.String(), Version: v.Version, Latest: v.Latest, Deleted: v.Deleted, Size: v.Size,
				Modified: v.Modified, ETag: v.ETag, StorageClass: v.StorageClass, Archived: v.Archived}
			if a.json {
				a.writeJSON(a.Out, line)
			} else {
				t.add(line.cells()...)
			}
		}
		a.writeTable(&t)
		if err := a.unwritten(); err != nil {
			return err
		}
		if in.Cursor = page.Cursor; in.Cursor == "" {
			break
		}
	}
	if !kept {
		a.hint("%s keeps no versions of this file: the content above is all there is.", safe(p.Bucket))
	}
	return nil
}

// cells are the columns of a version: time, size, id and notes.
func (l versionLine) cells() []string {
	modified, size, note := "-", quantity.Size(l.Size), ""
	if l.Modified != nil {
		modified = l.Modified.Local().Format("2006-01-02 15:04:05")
	}
	switch {
	case l.Deleted:
		size, note = "-", "deleted"
	case l.Archived:
		note = "archived"
	}
	if l.Latest {
		note = "latest" + map[bool]string{true: ", " + note}[note != ""]
	}
	return []string{modified, size, safe(l.Version), note}
}
