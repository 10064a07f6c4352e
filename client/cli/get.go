package cli

import (
	"os"
	"path/filepath"
	"time"
	"usher/client/proof"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/download"
	"usher/client/selection"
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
	stats                         stats
	names                         string
	sel                           selectFlags
	from                          fromFlags
	version                       versionFlag

	chosen *selection.Selection
	base   *api.Path // folders below it are kept; nil: by the rule of each PATH
}

// patience is the time for which a job retries while the network is down. In a
// terminal there is no limit, because a person sees the state and can stop.
const patience = 10 * time.Minute

func (a *app) getCommand() *cobra.Command {
	g := &get{app: a}
	cmd := &cobra.Command{
		Use:        "get PATH...",
		SuggestFor: []string{"cp", "copy", "download", "fetch", "pull"},
		Short:      "Download files and folders",
		GroupID:    "files",
		Long: `Download files, whole folders (PATH ends in "/") and the matches of a pattern (quoted, with *, ?, [a-z], {a,b} and ** for any number of folders; it matches folders too). Every file is verified before it gets its name. To resume an interrupted download, run the same command again.

A file that is already here with the same content is not downloaded again. A file that differs is not changed, and counts as an error, unless a flag chooses another action. usher recognizes files that it downloaded by a note stored with them; --checksum compares the content instead.

--include and --exclude take patterns of gitignore, relative to the folder of the PATH. The last rule that matches a file, or a folder above it, decides; without a match a file is taken, unless the first rule is an include. --from reads a list; with a folder as PATH its lines are names in that folder. --set takes a set of marks that the browser or "usher marks" has saved.

-o names a folder, or the file for a single download; "-o -" writes one file to stdout and verifies it at the end: only exit code 0 means that the content is complete and correct.

With --json each finished file is a line: {"path","dest","size","state","verified","event","error"}.`,
		Example: `
usher get company-reports/annual/audited/restated/why.md
usher get company-reports/annual/audited/restated/ -o reports

# The matches of a pattern, in a job
usher get 'datasets/public/2026-09/**/*-01.parquet' -o data --json

# The new large logs of a folder, without the temporary ones
usher get builds/logs/ --newer-than 60d --exclude 'tmp/' -o out

# A list, with its folders
usher ls -R -p builds/logs/ | usher get --from - -o out

# The oldest version
usher get builds/README.md -o first.md --version \
  "$(usher versions builds/README.md --jq .version | tail -n 1)"

# Into a pipe
usher get builds/usher/1.4.0/build.log -o - | gzip > build.log.gz
`,
		RunE: a.run(g.run),
	}
	g.paths.add(cmd, true)
	g.sel.add(cmd)
	g.from.add(cmd)
	g.version.add(cmd)
	f := cmd.Flags()
	f.VarP(textFlag{&g.dest, "file"}, "output", "o", "folder, file, or - for stdout (default: the current folder, or that of usher config)")
	f.BoolVar(&g.overwrite, "overwrite", false, "download all files, and replace existing ones")
	f.BoolVar(&g.checksum, "checksum", false, "compare existing files by their content")
	f.BoolVar(&g.skip, "skip-existing", false, "keep existing files, whatever their content")
	f.BoolVar(&g.keep, "keep-both", false, "save next to existing files that differ, as name (1)")
	f.BoolVar(&g.dryRun, "dry-run", false, "show the files that would be downloaded, and download nothing")
	g.downloadFlags(cmd)
	return cmd
}

// downloadFlags are the flags of all commands that save files.
func (g *get) downloadFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&g.names, "names", "local", "local: change names only as this disk requires; portable: as any system would")
	f.IntVar(&g.parallel, "parallel", 0, "download at most this many files at once")
	f.Var(textFlag{&g.limit, "rate"}, "limit", "use at most this many bytes a second, like 800k or 10M")
	f.Var(&g.stats, "stats", "time between lines about the progress where no line is painted; 0: none (1m, 10s on a terminal)")
	f.Var(&g.stats.form, "progress", "auto: painted lines on a terminal, --stats without one, with TERM=dumb and for screen readers; json: one JSON line a second, or each --stats; off")
}

func (g *get) run(cmd *cobra.Command, args []string) error {
	targets, err := g.targets(cmd, args)
	if err != nil {
		return err
	}
	if g.chosen, err = g.sel.selection(g.Now()); err != nil {
		return err
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
	age := proof.Every
	if len(targets) != 1 || targets[0].IsFolder() || targets[0].pattern {
		age = beforeLong
	}
	conn, err := g.connectFiles(cmd.Context(), age)
	if err != nil {
		return err
	}
	defer g.watchLog(cmd.Context(), conn)()
	gate := conn.watch.Gate(conn.client)
	config.Releaser, config.Lister = gate, gate
	config.S3Hosts, config.AllowHTTP = conn.profile.Config.S3Hosts, ownMachine(conn.profile)
	if g.dest == "-" {
		return g.toStdout(cmd.Context(), config, conn.client, targets)
	}
	return g.fetch(cmd.Context(), config, targets)
}

// targets returns the PATHs of the command line or of the list.
func (g *get) targets(cmd *cobra.Command, args []string) ([]target, error) {
	if g.from.set != "" {
		return g.marked(cmd, args)
	}
	if g.from.file == "" {
		if g.from.null {
			return nil, usagef("-0 is the form of a list. Add --from FILE, or --from - for stdin.")
		}
		if err := checkArgs(cmd, args, 1, -1, "get takes the PATH of a file or folder."); err != nil {
			return nil, err
		}
	} else if err := checkArgs(cmd, args, 0, 1, "With --from, get takes at most one PATH, the folder of the names."); err != nil {
		return nil, err
	}
	all, err := g.paths.targets(args)
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		if t.IsRoot() {
			return nil, usagef("Name a file or folder, like bucket/folder/.")
		}
	}
	if g.from.file != "" {
		var folder *api.Path
		if len(all) == 1 {
			if folder = &all[0].Path; !folder.IsFolder() {
				folder.Key += "/"
			}
			if g.from.base == "" {
				g.from.base = folder.String()
			}
		}
		if all, err = g.from.read(cmd.Context(), g.In, folder); err != nil {
			return nil, err
		}
	}
	if err := g.version.check(all); err != nil {
		return nil, err
	}
	if g.base, err = g.from.baseOf(all); err == nil && len(all) == 0 {
		g.hint("The list has no paths.")
	}
	return all, err
}

// marked returns the PATHs of a set of marks.
func (g *get) marked(cmd *cobra.Command, args []string) (all []target, err error) {
	if len(args) > 0 || g.from.file != "" || g.from.null {
		return nil, usagef("--set names the files, so it excludes PATHs, --from and -0. Leave them out.")
	}
	store, err := g.marks(cmd.Context())
	if err != nil {
		return nil, err
	}
	paths, err := setNamed(store, g.from.set)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		p, err := api.ParsePath(path)
		if err != nil {
			return nil, err
		}
		all = append(all, target{Path: p})
	}
	if err := g.version.check(all); err != nil {
		return nil, err
	}
	g.base, err = g.from.baseOf(all)
	return all, err
}

// config returns the engine's configuration by the flags.
func (g *get) config() (download.Config, error) {
	preset, err := g.inForce()
	if err != nil {
		return download.Config{}, err
	}
	if g.dest == "" && preset.Output != "" {
		g.dest = preset.Output + string(os.PathSeparator)
	}
	if g.limit == "" {
		g.limit = preset.Limit
	}
	c := download.Config{Report: true, Parallel: g.parallel, Now: g.Now, Wrap: g.traced()}
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
