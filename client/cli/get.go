package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/download"
)

// get downloads files, folders and the matches of patterns.
type get struct {
	*app
	paths                         pathFlags
	dest                          string
	overwrite, skip, keep, dryRun bool
	checksum                      bool
	parallel                      int
	counted                       bool // --parallel was given
	limit                         string
	names                         string
}

// patience is the time for which a job retries while the network is down. In a
// terminal there is no limit, because a person sees the state and can stop.
const patience = 10 * time.Minute

func (a *app) getCommand() *cobra.Command {
	g := &get{app: a}
	cmd := &cobra.Command{
		Use:        "get PATH...",
		SuggestFor: []string{"cp", "copy", "download", "fetch", "pull", "sync"},
		Short:      "Download files and folders",
		GroupID:    "files",
		Long: `Download files, whole folders (PATH ends in "/") and the matches of a pattern (quoted, with *, ?, [a-z], {a,b} and ** for any number of folders). Every file is verified before it gets its name. To resume an interrupted download, run the same command again.

A file that is already here with the same content is not downloaded again. A file that differs is not changed, and counts as an error, unless a flag chooses another action. usher recognizes files that it downloaded by a note stored with them; --checksum compares the content instead.

-o names a folder, or the file for a single download; "-o -" writes one file to stdout and verifies it at the end: only exit code 0 means that the content is complete and correct.

With --json each finished file is a line: {"path","dest","size","state","verified","event","error"}.`,
		Example: `
usher get company-reports/annual/audited/letter.pdf
usher get company-reports/annual/ -o reports

# The matches of a pattern, in a job
usher get 'datasets/public/2026-11/**/*.parquet' -o data --json

# Into a pipe
usher get builds/nightly/usher.tar.gz -o - | tar xz
`,
		RunE: a.run(g.run),
	}
	g.paths.add(cmd, true)
	f := cmd.Flags()
	f.StringVarP(&g.dest, "output", "o", "", "folder, file, or - for stdout (default: the current folder)")
	f.BoolVar(&g.overwrite, "overwrite", false, "download all files, and replace existing ones")
	f.BoolVar(&g.checksum, "checksum", false, "compare existing files by their content")
	f.BoolVar(&g.skip, "skip-existing", false, "keep existing files, whatever their content")
	f.BoolVar(&g.keep, "keep-both", false, "save next to existing files that differ, as name (1)")
	f.BoolVar(&g.dryRun, "dry-run", false, "show the files that would be downloaded, and download nothing")
	f.StringVar(&g.names, "names", "local", "local: change names only as this disk requires; portable: as any system would")
	f.IntVar(&g.parallel, "parallel", 0, "download at most this many files at once")
	f.StringVar(&g.limit, "limit", "", "use at most this many bytes a second, like 800k or 10M")
	return cmd
}

func (g *get) run(cmd *cobra.Command, args []string) error {
	if err := checkArgs(cmd, args, 1, -1, "get takes the PATH of a file or folder."); err != nil {
		return err
	}
	var targets []api.Path
	for _, arg := range args {
		t, err := parsePath(arg, g.paths.escaped)
		if err != nil {
			return err
		}
		if t.IsRoot() {
			return usagef("Name a file or folder, like bucket/folder/.")
		}
		targets = append(targets, t)
	}
	g.counted = cmd.Flags().Changed("parallel")
	config, err := g.config()
	if err != nil {
		return err
	}
	if g.dest != "-" && !filepath.IsAbs(g.dest) {
		if _, err := os.Getwd(); err != nil { // the folder was deleted
			return err
		}
	}
	conn, err := g.connect(cmd.Context())
	if err != nil {
		return err
	}
	config.Releaser, config.Lister = conn.client, conn.client
	config.S3Hosts, config.AllowHTTP = conn.profile.Config.S3Hosts, ownMachine(conn.profile)
	if g.dest == "-" {
		return g.toStdout(cmd.Context(), config, conn.client, targets)
	}
	return g.fetch(cmd.Context(), config, targets)
}

// config returns the engine's configuration by the flags.
func (g *get) config() (download.Config, error) {
	c := download.Config{Report: true, Parallel: g.parallel, Now: g.Now}
	if g.overwrite && g.skip || g.overwrite && g.keep || g.skip && g.keep {
		return c, usagef("Use only one of --overwrite, --skip-existing and --keep-both.")
	}
	if g.names != "local" && g.names != "portable" {
		return c, usagef("--names is local or portable.")
	}
	if g.parallel < 0 || g.parallel == 0 && g.counted {
		return c, usagef("--parallel is at least 1.")
	}
	if g.limit != "" {
		var err error
		if c.Limit, err = bytesOf(g.limit); err != nil {
			return c, err
		}
	}
	if !g.ErrTTY {
		c.Patience = patience
	}
	if g.dest == "-" && (g.json || g.dryRun) {
		return c, usagef("-o - writes the file to stdout, so it excludes --json and --dry-run. Leave them out.")
	}
	return c, nil
}

// destination returns the folder of a target, and its file name if -o gives one.
func (g *get) destination(alone bool) (dir, name string) {
	switch {
	case g.dest == "":
		return ".", ""
	case !alone || os.IsPathSeparator(g.dest[len(g.dest)-1]):
		return g.dest, ""
	}
	if info, err := os.Stat(g.dest); err == nil && info.IsDir() {
		return g.dest, ""
	}
	return filepath.Dir(g.dest), filepath.Base(g.dest)
}

// form returns the form of local names.
func (g *get) form() download.Names {
	if g.names == "portable" {
		return download.PortableNames
	}
	return download.LocalNames
}

func (g *get) conflict() download.Conflict {
	switch {
	case g.overwrite:
		return download.Overwrite
	case g.skip:
		return download.Skip
	case g.keep:
		return download.KeepBoth
	}
	return download.Refuse
}

// plan turns targets into requests as listings arrive. Plain paths are looked
// up first: the listing shows whether a path is a file or a folder, and its ETag
// saves a small file another lookup. A path without a listing entry is requested
// too, so that the refusal is the server's and is recorded; listed is false then.
func (g *get) plan(ctx context.Context, from lister, targets []api.Path, add func(r download.Request, listed bool)) error {
	found, err := g.lookUp(ctx, from, targets)
	if err != nil {
		return err
	}
	folder := func(t api.Path) bool { return !g.paths.pattern(t) && (t.IsFolder() || found[t].Kind == api.KindFolder) }
	// Folders first: a folder has priority over a file of the same local name.
	targets = append(slices.DeleteFunc(slices.Clone(targets), func(t api.Path) bool { return !folder(t) }),
		slices.DeleteFunc(slices.Clone(targets), folder)...)
	for _, t := range targets {
		if g.paths.pattern(t) {
			n := 0
			for r, err := range download.Expand(ctx, from, t.String()) {
				if errors.Is(err, &api.Error{Code: api.NotFound}) && n == 0 {
					break
				}
				if err != nil {
					return err
				}
				n++
				r.Dir, _ = g.destination(false)
				r.Conflict, r.Checksum, r.Names = g.conflict(), g.checksum, g.form()
				add(r, true)
			}
			if n > 0 {
				continue // without a match it is a plain name, as in a shell
			}
		}
		add(g.request(t, found[t], len(targets) == 1), found[t].Kind != "")
	}
	return nil
}

func (g *get) lookUp(ctx context.Context, from lister, targets []api.Path) (map[api.Path]api.Entry, error) {
	names := map[api.Path][]string{} // by folder
	for _, t := range targets {
		if !t.IsFolder() && !g.paths.pattern(t) {
			names[t.Parent()] = append(names[t.Parent()], t.Base())
		}
	}
	found := map[api.Path]api.Entry{}
	for folder, wanted := range names {
		entries, err := find(ctx, uncounted(from), folder.Bucket, folder.Key, wanted)
		if err != nil {
			return nil, err
		}
		for name, e := range entries {
			found[folder.Join(name)] = e
		}
	}
	return found, nil
}

func (g *get) request(t api.Path, e api.Entry, alone bool) download.Request {
	r := download.Request{Bucket: t.Bucket, Key: t.Key, Conflict: g.conflict(), Checksum: g.checksum, Names: g.form()}
	switch {
	case t.IsFolder():
		r.Folder = true
	case e.Kind == api.KindFolder:
		r.Key, r.Folder = t.Key+"/", true
	case e.ETag != "":
		r.ETag, r.Size = e.ETag, e.Size
		if e.Modified != nil {
			r.Modified = *e.Modified
		}
	}
	r.Dir, r.Name = g.destination(alone && !r.Folder)
	return r
}
