package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/download"
	"usher/client/quantity"
)

// get fetches files, folders and what fits patterns.
type get struct {
	*app
	paths                         pathFlags
	dest                          string
	overwrite, skip, keep, dryRun bool
	checksum                      bool
	parallel                      int
	counted                       bool // parallel was said
	limit                         string
	names                         string
}

// patience is how long a job keeps trying while the network is down. In a
// terminal a person sees it wait, and decides.
const patience = 10 * time.Minute

func (a *app) getCommand() *cobra.Command {
	g := &get{app: a}
	cmd := &cobra.Command{
		Use:        "get PATH...",
		SuggestFor: []string{"cp", "copy", "download", "fetch", "pull", "sync"},
		Short:      "Download files and folders",
		GroupID:    "files",
		Long: `Download files, whole folders (PATH ends in "/") and what fits a pattern (quoted, with *, ?, [a-z], {a,b} and ** for any number of folders). Every file is verified before it gets its name. What was interrupted goes on from where it was when the same command runs again.

A file that is here already and the same is not fetched again. One that differs is left alone, and that is an error, unless you say what to do. A file that usher fetched is known by a note that goes with it; --checksum compares its content.

-o names a folder, or for one file also the file; "-o -" writes one file to stdout, where it is verified at the end: only exit code 0 means that it is good.

With --json each finished file is a line: {"path","dest","size","state","verified","event","error"}.`,
		Example: `
usher get company-reports/annual/audited/letter.pdf
usher get company-reports/annual/ -o reports

# What fits a pattern, in a job
usher get 'datasets/public/2026-11/**/*.parquet' -o data --json

# Into a pipe
usher get builds/nightly/usher.tar.gz -o - | tar xz
`,
		RunE: a.run(g.run),
	}
	g.paths.add(cmd, true)
	f := cmd.Flags()
	f.StringVarP(&g.dest, "output", "o", "", "folder, file, or - for stdout (default: the folder you are in)")
	f.BoolVar(&g.overwrite, "overwrite", false, "fetch all, and replace the files that are here")
	f.BoolVar(&g.checksum, "checksum", false, "compare files that are here by their content")
	f.BoolVar(&g.skip, "skip-existing", false, "leave files that are here, whatever is in them")
	f.BoolVar(&g.keep, "keep-both", false, "save beside files that differ, as name (1)")
	f.BoolVar(&g.dryRun, "dry-run", false, "show what would be fetched, and fetch nothing")
	f.StringVar(&g.names, "names", "local", "local: change names only where this disk needs it; portable: where any would")
	f.IntVar(&g.parallel, "parallel", 0, "fetch at most this many files at once")
	f.StringVar(&g.limit, "limit", "", "use at most this many bytes a second, like 800k or 10M")
	return cmd
}

func (g *get) run(cmd *cobra.Command, args []string) error {
	if err := exactly(cmd, args, 1, -1, "get takes the PATH of a file or folder."); err != nil {
		return err
	}
	var targets []api.Path
	for _, arg := range args {
		t, err := parsePath(arg, g.paths.escaped)
		if err != nil {
			return err
		}
		if t.IsRoot() {
			return usagef("Name what to fetch, like bucket/folder/.")
		}
		targets = append(targets, t)
	}
	g.counted = cmd.Flags().Changed("parallel")
	config, err := g.config()
	if err != nil {
		return err
	}
	at, err := g.connect(cmd.Context())
	if err != nil {
		return err
	}
	config.Releaser, config.Lister = at.client, at.client
	config.S3Hosts, config.AllowHTTP = at.profile.Config.S3Hosts, ownMachine(at.profile)
	if g.dest == "-" {
		return g.toStdout(cmd.Context(), config, targets)
	}
	return g.fetch(cmd.Context(), config, targets)
}

// config is what the flags say about the engine.
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
		return c, usagef("-o - writes the file to stdout, where nothing else can go. Leave --json and --dry-run out.")
	}
	return c, nil
}

// place says where one target lands: in a folder, or as a file of a name.
func (g *get) place(alone bool) (dir, name string) {
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

// form is the form of local names.
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

// plan turns targets into requests, as listings come in. Plain paths are
// looked up first: the listing says whether one is a file or a folder, and
// with its ETag a small file needs no look-up of its own. What no listing
// shows is asked for all the same, so that the refusal is the server's, and
// recorded; listed is false for it.
func (g *get) plan(ctx context.Context, from lister, targets []api.Path, add func(r download.Request, listed bool)) error {
	found, err := g.lookUp(ctx, from, targets)
	if err != nil {
		return err
	}
	folder := func(t api.Path) bool { return !g.paths.pattern(t) && (t.IsFolder() || found[t].Kind == api.KindFolder) }
	// Folders first: a file of the same local name makes way for its folder.
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
				r.Dir, _ = g.place(false)
				r.Conflict, r.Checksum, r.Names = g.conflict(), g.checksum, g.form()
				add(r, true)
			}
			if n > 0 {
				continue // else, as in a shell, it is a name
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
		entries, err := look(ctx, from, folder.Bucket, folder.Key, wanted)
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
	r.Dir, r.Name = g.place(alone && !r.Folder)
	return r
}

// fetch runs the engine until nothing is left to do.
func (g *get) fetch(ctx context.Context, config download.Config, targets []api.Path) error {
	return g.fetchWith(ctx, config, targets, new(download.Snapshot))
}

// fetchWith is fetch and stores the engine's last snapshot in last.
func (g *get) fetchWith(ctx context.Context, config download.Config, targets []api.Path, last *download.Snapshot) error {
	out, end := newReport(g.app)
	defer end()
	config.Finished = out.finished
	from := config.Lister
	engine, err := download.New(config)
	if err != nil {
		return err
	}
	defer func() { _ = engine.Close() }()
	if g.dryRun {
		return g.preview(ctx, engine, out, from, targets)
	}
	return g.follow(ctx, engine, out, from, targets, last)
}

// follow adds the targets and reports until nothing is left to do.
func (g *get) follow(ctx context.Context, engine *download.Engine, out *report, from lister, targets []api.Path, last *download.Snapshot) error {
	out.single = len(targets) == 1 && !targets[0].IsFolder() && !g.paths.pattern(targets[0])
	stopDrawing := out.draw(engine)
	targets, err := g.straight(ctx, engine, out, from, targets)
	if err == nil {
		err = g.plan(ctx, from, targets, func(r download.Request, _ bool) {
			out.addsFolder(r.Folder)
			engine.Add(r)
		})
	}
	if err == nil {
		err = engine.Wait(ctx)
	}
	if err != nil && ctx.Err() == nil {
		out.fail(err) // what was asked for before goes on to its end
		err = engine.Wait(ctx)
	}
	stopDrawing()
	*last = engine.Snapshot()
	if cerr := engine.Close(); err == nil && cerr != nil {
		err = cerr
	}
	if ctx.Err() != nil {
		*last = engine.Snapshot() // only what is kept counts
	}
	if err != nil || ctx.Err() != nil {
		return stoppedWhile(ctx, err, *last)
	}
	return out.end(*last)
}

// straight asks for a single file without a look at its folder first: one
// journey to the server less, and one event. It gives back what is still to be
// planned: all, where something is at its place already or there is more than
// one; and a path that turns out to be no file, for it may be a folder.
func (g *get) straight(ctx context.Context, engine *download.Engine, out *report, from lister, targets []api.Path) ([]api.Path, error) {
	if len(targets) != 1 || targets[0].IsFolder() || g.paths.pattern(targets[0]) {
		return targets, nil
	}
	t := targets[0]
	r := g.request(t, api.Entry{}, true)
	if engine.Local(r.Dir, []download.Request{r})[0].Presence != download.Absent {
		return targets, nil
	}
	out.unsure = t.String()
	id := engine.Add(r)[0]
	if err := engine.Wait(ctx); err != nil {
		return nil, err
	}
	refused := out.refusal()
	if refused == nil {
		return nil, nil
	}
	found, err := g.lookUp(ctx, from, targets)
	if err != nil || found[t].Kind != api.KindFolder {
		out.finished(*refused)
		return nil, err
	}
	engine.Cancel(id)
	return targets, nil
}

// stoppedWhile says what a signal left behind.
func stoppedWhile(ctx context.Context, err error, last download.Snapshot) error {
	cause := context.Cause(ctx)
	if cause == nil {
		return err
	}
	text := "Stopped."
	if last.BytesDone > 0 {
		text = "Stopped. What was fetched is kept: the same command goes on from there."
	}
	return &failedError{text: text, exit: api.ExitInterrupted, cause: cause}
}

// toStdout writes one file to stdout.
func (g *get) toStdout(ctx context.Context, config download.Config, targets []api.Path) error {
	if len(targets) != 1 || targets[0].IsFolder() || g.paths.pattern(targets[0]) {
		return usagef("-o - takes the PATH of one file, without wildcards.")
	}
	if g.OutTTY {
		return usagef("-o - is for pipes, and stdout is a terminal. Name a file with -o.")
	}
	out, end := newReport(g.app)
	defer end()
	if out.live() {
		config.Watch = out.watch
	}
	_, err := download.Save(ctx, config, download.Request{Bucket: targets[0].Bucket, Key: targets[0].Key}, g.Out)
	out.stopWatching()
	var refused *api.Error
	if errors.As(err, &refused) && refused.Code == api.NotFound {
		if found, lerr := g.lookUp(ctx, config.Lister, targets); lerr == nil && found[targets[0]].Kind == api.KindFolder {
			return usagef("-o - takes the PATH of one file, and %s is a folder.", safe(targets[0].String()))
		}
	}
	if err != nil && ctx.Err() != nil {
		return &failedError{text: "Stopped. What was written so far is not the whole file.", exit: api.ExitInterrupted, cause: context.Cause(ctx)}
	}
	return err
}

// preview is --dry-run: the files that would be fetched, and their local names.
func (g *get) preview(ctx context.Context, engine *download.Engine, out *report, from lister, targets []api.Path) error {
	var files, here int
	var bytes int64
	show := func(p download.Planned) {
		r := p.Request
		state, note := "planned", ""
		switch p.Presence {
		case download.Here:
			state, note = "here", " (here already)"
			here++
		case download.HereMaybe, download.HereOther:
			state, note = "exists", " (a file is there)"
		case download.HerePartial:
			state, note = "unfinished", " (goes on)"
		}
		line := fetched{Path: r.Bucket + "/" + r.Key, Dest: p.Path, State: state}
		if r.ETag != "" {
			line.Size = &r.Size
		}
		if p.Err != nil {
			f := explain(p.Err)
			line.State, line.Error, note = "failed", &f, " ("+f.line+")"
		} else {
			files, bytes = files+1, bytes+r.Size
		}
		if g.json {
			g.writeJSON(g.Out, line)
			return
		}
		fmt.Fprintf(g.Out, "%7s  %s → %s%s\n", quantity.Size(max(r.Size, 0)), safe(line.Path), out.near(p.Path), note)
	}
	var err error
	plan := g.plan(ctx, from, targets, func(r download.Request, listed bool) {
		if err = g.unwritten(); err != nil {
			return
		}
		if !listed && !r.Folder {
			err = &api.Error{Code: api.NotFound} // as the release would say, without asking for one
			return
		}
		for p, perr := range engine.Preview(ctx, r) {
			if perr == nil {
				show(p)
				perr = g.unwritten()
			}
			if err = perr; err != nil {
				return
			}
		}
	})
	if err = errors.Join(plan, err); err != nil {
		return err
	}
	if !g.json {
		already := ""
		if here > 0 {
			already = ", " + quantity.Count(here) + " of them here already"
		}
		fmt.Fprintf(g.Err, "%s, %s%s. Nothing was fetched.\n", quantity.Plural(files, "file", "files"), quantity.Size(bytes), already)
	}
	return nil
}
