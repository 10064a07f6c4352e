package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/difference"
	"usher/client/download"
	"usher/client/ledger"
)

// syncing makes a local folder equal to a remote one.
type syncing struct {
	*get
	remove, yes bool
}

func (a *app) syncCommand() *cobra.Command {
	s := &syncing{get: &get{app: a}}
	cmd := &cobra.Command{
		Use:        "sync PATH DIR",
		SuggestFor: []string{"mirror", "rsync"},
		Short:      "Make a local folder equal to a remote one",
		GroupID:    "files",
		Long: `Download the files of the folder PATH into DIR that are new or have changed there. A second sync downloads nothing. To resume an interrupted sync, run the same command again. Empty folders (objects whose key ends in a slash) are created as by get, but not with a selection.

usher remembers the files that a sync of the same PATH and DIR has put there. Such a file is replaced when it changes on the server, also by a folder. A folder that has become a file is replaced only with --delete; until then the file is saved as name%~. A folder is saved as name%~ too where a file has its name that the sync does not replace. Any other file that differs, also one that you have changed since, stays and counts as an error, unless a flag chooses another action.

--delete removes the files that an earlier sync has put into DIR and that are no longer in PATH, also if you can no longer see them there. A prompt comes first; in scripts add --yes. A file of yours, or one that you have changed, always stays. Nothing is removed after a failure.

--dry-run shows the difference of both sides and changes nothing: "+" new, "*" changed or unchecked (the same size, and the run compares the content first), "-" removed on the server, "!" differs and not from a sync, or can't be saved, "?" only here. It ends with the exit code of a run for the files that it can't save.

With --json each line is as in get --json; with --dry-run its state is new, changed, unchecked, differs, removed, failed or only_here.`,
		Example: `
usher sync builds/logs/ logs
usher sync builds/logs/ logs --delete --yes
usher sync --dry-run --delete builds/logs/ logs
usher sync builds/usher/ data --include '*.json' --newer-than 2026-01-01
`,
		RunE: a.run(s.run),
	}
	s.paths.add(cmd, false)
	s.sel.add(cmd)
	s.downloadFlags(cmd)
	f := cmd.Flags()
	f.BoolVar(&s.checksum, "checksum", false, "compare existing files by their content")
	f.BoolVar(&s.overwrite, "overwrite", false, "replace files that differ, also those of others")
	f.BoolVar(&s.skip, "skip-existing", false, "keep existing files that no sync has put there, whatever their content")
	f.BoolVar(&s.keep, "keep-both", false, "save next to existing files that differ, as name (1)")
	f.BoolVar(&s.dryRun, "dry-run", false, "show the difference, and change nothing")
	f.BoolVar(&s.remove, "delete", false, "remove the files of earlier syncs that are gone on the server")
	f.BoolVar(&s.yes, "yes", false, "remove without a prompt")
	return cmd
}

func (s *syncing) run(cmd *cobra.Command, args []string) error {
	if err := checkArgs(cmd, args, 2, 2, "sync takes the PATH of a folder and a local DIR."); err != nil {
		return err
	}
	t, err := parsePath(args[0], s.paths.escaped)
	if err != nil {
		return err
	}
	switch {
	case t.IsRoot():
		return usagef("Name a folder, like bucket/folder/.")
	case args[1] == "": // a variable without a value, and not the current folder
		return usagef("DIR is empty. For the current folder: usher sync %s .", shellQuote(args[0]))
	case s.yes && !s.remove:
		return usagef("--yes is for --delete.")
	case s.remove && !s.yes && !s.dryRun && (!s.InTTY || !s.ErrTTY || s.json):
		return usagef("--delete removes files after a prompt, and there is no terminal for one. Add --yes.")
	}
	if !t.IsFolder() {
		t.Key += "/"
	}
	if s.chosen, err = s.sel.selection(s.Now()); err != nil {
		return err
	}
	s.counted = cmd.Flags().Changed("parallel")
	if s.dest, err = filepath.Abs(args[1]); err != nil {
		return err
	}
	config, err := s.config()
	if err != nil {
		return err
	}
	conn, err := s.connectFiles(cmd.Context(), 0)
	if err != nil {
		return err
	}
	config.Releaser, config.Lister = conn.client, conn.client
	config.S3Hosts, config.AllowHTTP = conn.profile.Config.S3Hosts, ownMachine(conn.profile)
	dir := s.dest
	if real, err := filepath.EvalSymlinks(dir); err == nil { // one folder, one ledger
		dir = real
	}
	known, err := ledger.Open(s.Folders.State, ledger.Pair{Server: conn.profile.Server, Path: t.String(), Dir: dir})
	if errors.Is(err, ledger.ErrBusy) {
		return &failedError{text: "Another sync of the same folders is running. Wait for its end, or stop it.", exit: api.ExitDisk, cause: err}
	}
	if errors.Is(err, ledger.ErrDamaged) {
		return &failedError{text: fmt.Sprintf("The list of the files of earlier syncs can't be read (%s). Remove it to sync again: usher then treats the files in DIR as yours.", safe(err.Error())), exit: api.ExitDisk, cause: err}
	}
	if err != nil {
		return err
	}
	err = s.sync(cmd.Context(), config, t, known)
	if errors.Is(err, &api.Error{Code: api.NotFound}) && !strings.HasSuffix(args[0], "/") {
		err = s.notFolder(cmd.Context(), conn.client, args[0], err)
	}
	if cerr := known.Close(); err == nil {
		err = cerr
	}
	return err
}

// pass is one run of a sync.
type pass struct {
	*syncing
	known *ledger.Ledger
	copy  *difference.Copy // DIR
	root  *os.Root         // of it; nil: DIR does not exist yet
	out   *report
	from  api.Path
	later map[string]download.Request // by name: files whose name a folder has that --delete removes
	freed map[string]bool             // of --dry-run: files that the run replaces by a folder

	engine func() (*download.Engine, error)
	names  map[string]string // of the ledger, by key: the disk can require another name than the plan's

	mu   sync.Mutex
	seen map[string]bool // names of the ledger that are on the server
}

// here records that a file of DIR is on the server.
func (p *pass) here(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[name] = true
}

// onServer reports whether a file of DIR is on the server.
func (p *pass) onServer(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[name]
}

func (s *syncing) sync(ctx context.Context, config download.Config, t api.Path, known *ledger.Ledger) error {
	out, end := newReport(s.app, s.stats)
	defer end()
	p := &pass{syncing: s, known: known, out: out, from: t, names: map[string]string{}, seen: map[string]bool{}, later: map[string]download.Request{}, freed: map[string]bool{}}
	for _, name := range known.Files() {
		e, _ := known.Get(name)
		p.names[e.Key] = name
	}
	local, err := difference.Open(s.dest)
	if err != nil {
		return err
	}
	defer func() { _ = local.Close() }()
	p.copy, p.root = local, local.Root()
	from := &counting{from: config.Lister}
	out.counts, out.selects = from, !s.chosen.Empty()
	config.Lister, config.Values, config.Finished = from, ctx, p.finished
	config.ExactFolders = s.skip // a file with the name of a folder stays, and the folder is left out
	defer s.collectLess()()
	p.engine = func() (*download.Engine, error) { return download.New(config) }
	engine, err := p.engine()
	if err != nil {
		return err
	}
	defer func() { _ = engine.Close() }()
	if s.dryRun {
		return s.withOmitted(p.difference(ctx, engine, t), from)
	}
	return s.withOmitted(p.follow(ctx, engine, t), from)
}

// finished records a file that is on the disk now.
func (p *pass) finished(t download.Transfer) {
	if t.State == download.Skipped && !t.Differs {
		p.out.addSame()
		return
	}
	p.out.finished(t)
	if t.State != download.Done || t.Folder {
		return
	}
	name, err := filepath.Rel(p.dest, t.Dest)
	info, lerr := os.Lstat(t.Dest)
	if err == nil && lerr == nil && filepath.IsLocal(name) {
		p.here(name)
		p.known.Put(name, ledger.Entry{Key: t.Key, ETag: t.Request.ETag, Mark: ledger.MarkOf(info)})
	}
}

// folder returns the request for the folder of the server.
func (p *pass) folder(t api.Path) download.Request {
	r := download.Request{Bucket: t.Bucket, Key: t.Key, Folder: true, Dir: p.dest, Name: ".",
		Conflict: p.conflict(), Checksum: p.checksum, Names: p.form(), Consider: p.consider}
	if !p.chosen.Empty() {
		r.Takes = func(name string, e api.Entry) bool {
			p.onBoth(t.Key + name)
			return p.chosen.Takes(name, e)
		}
	}
	return r
}

// onBoth returns the name in DIR of a file that a sync has put there. It records
// that the file is on the server.
func (p *pass) onBoth(key string) (name string, known bool) {
	if name, known = p.names[key]; known {
		p.here(name)
	}
	return name, known
}

// ours reports whether a sync has put the file there, and nothing changed it since.
func (p *pass) ours(name string) bool {
	return p.root != nil && p.known.Unchanged(p.root, name)
}

// current reports whether the ledger has the present version of an object.
func (p *pass) current(name string, r download.Request) bool {
	e, _ := p.known.Get(name)
	return e.Key == r.Key && e.ETag == r.ETag && e.ETag != ""
}

// follow downloads the files and reports progress until all have ended, and
// removes those that are gone.
func (p *pass) follow(ctx context.Context, engine *download.Engine, t api.Path) error {
	err := p.transfer(ctx, engine, p.folder(t))
	if !p.remove || ctx.Err() != nil {
		return err
	}
	if err != nil || p.out.counts.err() != nil {
		p.out.hint("Nothing was removed, because the sync is not complete.")
		return err
	}
	if err := p.clean(ctx); err != nil || len(p.later) == 0 {
		return err
	}
	return p.followLater(ctx)
}

// transfer downloads requests and reports progress until all have ended. It closes the
// engine.
func (p *pass) transfer(ctx context.Context, engine *download.Engine, requests ...download.Request) error {
	stopDrawing := p.out.draw(engine)
	engine.Add(requests...)
	err := engine.Wait(ctx)
	stopDrawing()
	last := engine.Snapshot()
	if cerr := engine.Close(); err == nil && cerr != nil {
		err = cerr
	}
	if err != nil || ctx.Err() != nil {
		return stoppedWhile(ctx, err, last)
	}
	return p.out.endSync(last, len(p.later))
}

// make records the folders that the download of a file creates.
func (p *pass) make(name string) {
	for dir := filepath.Dir(name); dir != "." && !p.dryRun; dir = filepath.Dir(dir) {
		if p.root != nil {
			if _, err := p.root.Lstat(dir); err == nil {
				return
			}
		}
		p.known.Made(dir)
	}
}
