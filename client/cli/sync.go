package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/download"
	localname "usher/client/download/name"
	"usher/client/ledger"
	"usher/client/quantity"
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
		Long: `Download the files of the folder PATH into DIR that are new or have changed there. A second sync downloads nothing. To resume an interrupted sync, run the same command again. Empty folders are not created.

usher remembers the files that a sync of the same PATH and DIR has put there. Such a file is replaced when it changes on the server. Any other file that differs, also one that you have changed since, stays and counts as an error, unless a flag chooses another action.

--delete removes the files that an earlier sync has put into DIR and that are no longer in PATH, also if you can no longer see them there. It asks first; in scripts add --yes. A file of yours, or one that you have changed, always stays. Nothing is removed after a failure.

--dry-run shows the difference of both sides and changes nothing: "+" new, "*" changed, "-" removed on the server, "!" differs and not from a sync, "?" only here.

With --json each line is as in get --json; with --dry-run its state is new, changed, removed, conflict or only_here.`,
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
	case s.yes && !s.remove:
		return usagef("--yes is for --delete.")
	case s.remove && !s.yes && !s.dryRun && (!s.InTTY || !s.ErrTTY || s.json):
		return usagef("--delete asks before it removes files, and there is no terminal for a prompt. Add --yes.")
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
	if err != nil {
		return err
	}
	err = s.sync(cmd.Context(), config, t, known)
	if cerr := known.Close(); err == nil {
		err = cerr
	}
	return err
}

// pass is one run of a sync.
type pass struct {
	*syncing
	known *ledger.Ledger
	root  *os.Root // nil: DIR does not exist yet
	out   *report
	from  api.Path
	names map[string]string // of the ledger, by key: the disk can require another name than the plan's

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
	p := &pass{syncing: s, known: known, out: out, from: t, names: map[string]string{}, seen: map[string]bool{}}
	for _, name := range known.Files() {
		e, _ := known.Get(name)
		p.names[e.Key] = name
	}
	root, err := os.OpenRoot(s.dest)
	switch {
	case err == nil:
		p.root = root
		defer func() { _ = root.Close() }()
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	from := &counting{from: config.Lister}
	out.counts, out.selects = from, true
	config.Lister, config.Values, config.Finished = from, ctx, p.finished
	engine, err := download.New(config)
	if err != nil {
		return err
	}
	defer func() { _ = engine.Close() }()
	if s.dryRun {
		return s.withOmitted(p.difference(ctx, engine, t), from)
	}
	return s.withOmitted(p.follow(ctx, config, engine, t), from)
}

// finished records a file that is on the disk now.
func (p *pass) finished(t download.Transfer) {
	p.out.finished(t)
	if t.State != download.Done {
		return
	}
	name, err := filepath.Rel(p.dest, t.Dest)
	info, lerr := os.Lstat(t.Dest)
	if err == nil && lerr == nil && filepath.IsLocal(name) {
		p.here(name)
		p.known.Put(name, ledger.Entry{Key: t.Key, ETag: t.Request.ETag, Mark: ledger.MarkOf(info)})
	}
}

// step is the work for one file of the server.
type step struct {
	download.Planned
	name string // below DIR
	kind stepKind
}

type stepKind string

const (
	isSame     stepKind = "same"
	isNew      stepKind = "new"
	isChanged  stepKind = "changed"
	isConflict stepKind = "conflict" // differs, and no sync has put it there
	isUnsure   stepKind = "unsure"   // the content is compared first
)

// steps compares the server with DIR, in the order of the listing.
func (p *pass) steps(ctx context.Context, engine *download.Engine, t api.Path, visit func(step) error) error {
	folder := download.Request{Bucket: t.Bucket, Key: t.Key, Folder: true, Dir: p.dest, Name: ".", Names: p.form()}
	for plan, err := range engine.Preview(ctx, folder) {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(p.dest, plan.Path)
		if err != nil || !filepath.IsLocal(name) {
			return fmt.Errorf("planning a sync: %s is not below its folder", safe(plan.Path))
		}
		r := plan.Request
		if known, ok := p.names[r.Key]; ok {
			name = known
			p.here(name)
		}
		if !p.chosen.Takes(strings.TrimPrefix(r.Key, t.Key), entryOf(r)) {
			continue
		}
		if err := visit(step{plan, name, p.judge(plan, name)}); err != nil {
			return err
		}
	}
	return nil
}

// judge decides about one file.
func (p *pass) judge(plan download.Planned, name string) stepKind {
	e, _ := p.known.Get(name)
	ours := p.root != nil && p.known.Unchanged(p.root, name)
	current := e.Key == plan.Request.Key && e.ETag == plan.Request.ETag && e.ETag != ""
	switch absent := plan.Presence == download.Absent || plan.Presence == download.HerePartial; {
	case absent && !ours:
		return isNew
	case plan.Presence == download.Here && !p.checksum:
		return isSame
	case ours && current && !p.checksum:
		return isSame
	case ours && current:
		return isUnsure
	case ours:
		return isChanged
	case plan.Presence == download.HereOther:
		return isConflict
	}
	return isUnsure
}

// request returns the request of a step.
func (p *pass) request(s step, t api.Path) download.Request {
	r := s.Request
	r.Dir, r.Base = p.dest, &t.Key
	r.Conflict, r.Checksum, r.Names = p.conflict(), p.checksum, p.form()
	if p.root != nil && p.known.Unchanged(p.root, s.name) {
		r.Conflict = download.Overwrite
	}
	return r
}

// follow downloads the files and reports progress until all have ended, and
// removes those that are gone.
func (p *pass) follow(ctx context.Context, config download.Config, engine *download.Engine, t api.Path) error {
	planning, err := download.New(config) // claims local names of its own
	if err != nil {
		return err
	}
	defer func() { _ = planning.Close() }()
	stopDrawing := p.out.draw(engine)
	err = p.steps(ctx, planning, t, func(s step) error {
		if s.kind == isSame {
			p.out.addSame()
			return nil
		}
		p.make(s.name)
		engine.Add(p.request(s, t))
		return nil
	})
	listed := err == nil
	if err == nil || ctx.Err() == nil {
		if err != nil {
			p.out.fail(err)
		}
		err = engine.Wait(ctx)
	}
	stopDrawing()
	last := engine.Snapshot()
	if cerr := engine.Close(); err == nil && cerr != nil {
		err = cerr
	}
	if err != nil || ctx.Err() != nil {
		return stoppedWhile(ctx, err, last)
	}
	err = p.out.endSync(last)
	if !p.remove {
		return err
	}
	if err != nil || !listed || p.out.counts.err() != nil {
		p.out.hint("Nothing was removed, because the sync is not complete.")
		return err
	}
	return p.clean(ctx)
}

// make records the folders that the download of a file creates.
func (p *pass) make(name string) {
	for dir := filepath.Dir(name); dir != "."; dir = filepath.Dir(dir) {
		if p.root != nil {
			if _, err := p.root.Lstat(dir); err == nil {
				return
			}
		}
		p.known.Made(dir)
	}
}

// gone returns the files of earlier syncs that are not on the server, and that are
// unchanged here. kept are those that have changed here.
func (p *pass) gone() (gone, kept []string) {
	for _, name := range p.candidates() {
		if p.onServer(name) {
			continue
		}
		if p.root != nil && p.known.Unchanged(p.root, name) {
			gone = append(gone, name)
		} else if p.root != nil {
			if _, err := p.root.Lstat(name); err == nil {
				kept = append(kept, name)
			}
		}
	}
	return gone, kept
}

// candidates returns the files that --delete may remove.
func (p *pass) candidates() []string { return p.known.Files() }

// clean implements --delete.
func (p *pass) clean(ctx context.Context) error {
	gone, kept := p.gone()
	for _, name := range kept {
		p.out.hint("%s  changed here, kept", safe(name))
	}
	if len(gone) == 0 {
		return nil
	}
	if !p.yes {
		fmt.Fprintf(p.Err, "These %s gone on the server:\n", quantity.Plural(len(gone), "file is", "files are"))
		for i, name := range gone {
			if i == 20 && len(gone) > 21 {
				fmt.Fprintf(p.Err, "  and %s more\n", quantity.Count(len(gone)-i))
				break
			}
			fmt.Fprintf(p.Err, "  %s\n", safe(name))
		}
		answer, err := p.prompt(ctx, fmt.Sprintf("Remove them from %s? [y/N] ", safe(p.dest)))
		if err != nil {
			return err
		}
		if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
			fmt.Fprintln(p.Err, "Nothing was removed.")
			return nil
		}
	}
	removed := 0
	var failed failures
	for _, name := range gone {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e, _ := p.known.Get(name)
		err := p.known.Remove(p.root, name)
		switch {
		case errors.Is(err, ledger.ErrForeign): // changed since the prompt
			p.out.hint("%s  changed here, kept", safe(name))
		case err != nil:
			failed.add(err)
		default:
			removed++
			p.removed(name, e)
		}
	}
	p.out.hint("%s removed", quantity.Plural(removed, "file was", "files were"))
	failed.total = len(gone)
	return failed.err()
}

func (p *pass) removed(name string, e ledger.Entry) {
	path := filepath.Join(p.dest, name)
	switch {
	case p.json:
		p.out.writeJSON(p.out.Out, fetched{Path: p.from.Bucket + "/" + e.Key, Dest: path, State: "removed"})
	case !p.OutTTY && !p.quiet:
		fmt.Fprintf(p.out.Out, "%s  removed\n", p.out.near(path))
	}
}

// local returns the files below DIR, without the unfinished parts of downloads.
func (p *pass) local() map[string]fs.FileInfo {
	all := map[string]fs.FileInfo{}
	if p.root == nil {
		return all
	}
	_ = fs.WalkDir(p.root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || localname.HasFoldPrefix(d.Name(), localname.PartMark) {
			return nil
		}
		if info, err := d.Info(); err == nil {
			all[filepath.FromSlash(path)] = info
		}
		return nil
	})
	return all
}

// difference implements --dry-run.
func (p *pass) difference(ctx context.Context, engine *download.Engine, t api.Path) error {
	marks := map[stepKind]string{isNew: "+", isChanged: "*", isConflict: "!", isUnsure: "*"}
	counts, bytes := map[stepKind]int{}, int64(0)
	there := map[string]bool{}
	show := func(mark, state, path, name string, size *int64) error {
		dest := filepath.Join(p.dest, name)
		if p.json {
			p.writeJSON(p.Out, fetched{Path: path, Dest: dest, Size: size, State: state})
		} else {
			text := "       "
			if size != nil {
				text = fmt.Sprintf("%7s", quantity.Size(*size))
			}
			fmt.Fprintf(p.Out, "%s %s  %s\n", mark, text, p.out.near(dest))
		}
		return p.unwritten()
	}
	err := p.steps(ctx, engine, t, func(s step) error {
		there[s.name] = true
		counts[s.kind]++
		if s.kind == isSame {
			return nil
		}
		size := s.Request.Size
		if bytes += size; s.kind == isUnsure {
			s.kind = isChanged
		}
		return show(marks[s.kind], string(s.kind), t.Bucket+"/"+s.Request.Key, s.name, &size)
	})
	if err != nil {
		return err
	}
	gone, _ := p.gone()
	isGone := map[string]bool{}
	for _, name := range gone {
		isGone[name] = true
		e, _ := p.known.Get(name)
		if err := show("-", "removed", t.Bucket+"/"+e.Key, name, nil); err != nil {
			return err
		}
	}
	only := 0
	for _, name := range sortedKeys(p.local()) {
		if there[name] || isGone[name] || p.onServer(name) {
			continue
		}
		only++
		if err := show("?", "only_here", "", name, nil); err != nil {
			return err
		}
	}
	changed := counts[isChanged] + counts[isUnsure]
	p.hint("%s new, %s changed, %s the same, %s gone on the server, %s differ and not from a sync, %s only here; %s to fetch. Nothing was changed.",
		quantity.Count(counts[isNew]), quantity.Count(changed), quantity.Count(counts[isSame]), quantity.Count(len(gone)), quantity.Count(counts[isConflict]), quantity.Count(only), quantity.Size(bytes))
	return nil
}
