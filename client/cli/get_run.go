package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"usher/backend/api"
	"usher/client/download"
	"usher/client/quantity"
)

// fetchWith runs fetch and stores the engine's last snapshot in last.
func (g *get) fetchWith(ctx context.Context, config download.Config, targets []target, last *download.Snapshot) error {
	out, end := newReport(g.app, g.stats)
	defer end()
	defer g.collectLess()()
	config.Finished, config.Values = out.finished, ctx
	from := &counting{from: config.Lister}
	config.Lister, out.counts = from, from
	engine, err := download.New(config)
	if err != nil {
		return err
	}
	defer func() { _ = engine.Close() }()
	if g.dryRun {
		return g.withOmitted(g.preview(ctx, engine, out, from, targets), from)
	}
	return g.withOmitted(g.follow(ctx, engine, out, from, targets, last), from)
}

// collectLess lets the heap grow to four times its live part until restore is
// called: small files then cost a tenth less CPU for about 30 MiB. A GOGC in the
// environment has priority.
func (a *app) collectLess() (restore func()) {
	if a.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(300)
	return func() { debug.SetGCPercent(before) }
}

// follow adds the targets and reports progress until all downloads have ended.
func (g *get) follow(ctx context.Context, engine *download.Engine, out *report, from lister, targets []target, last *download.Snapshot) error {
	out.none, out.selects = len(targets) == 0, !g.chosen.Empty()
	out.alone = len(targets) == 1
	out.single = out.alone && !targets[0].IsFolder() && !targets[0].pattern
	stopDrawing := out.draw(engine)
	targets, err := g.fetchSingle(ctx, engine, out, from, targets)
	if err == nil {
		endBatch := engine.OpenBatch() // the first files may end while the listing goes on
		err = g.plan(ctx, from, targets, func(r download.Request, _ bool) {
			out.addsFolder(r.Folder)
			engine.Add(r)
		})
		endBatch()
	}
	if err == nil {
		err = engine.Wait(ctx)
	}
	if err != nil && ctx.Err() == nil {
		out.fail(err) // the targets before it are downloaded to the end
		err = engine.Wait(ctx)
	}
	stopDrawing()
	*last = engine.Snapshot()
	if cerr := engine.Close(); err == nil && cerr != nil {
		err = cerr
	}
	if ctx.Err() != nil {
		*last = engine.Snapshot() // counts only the bytes that were kept
	}
	if err != nil || ctx.Err() != nil {
		return stoppedWhile(ctx, err, *last)
	}
	return out.end(*last)
}

// fetchSingle requests a single file without listing its folder first, which
// saves a round trip and an event. It returns the targets that still need a plan.
// These are all targets if there are several or if the destination exists, and a
// single path that is not a file, because it may be a folder.
func (g *get) fetchSingle(ctx context.Context, engine *download.Engine, out *report, from lister, targets []target) ([]target, error) {
	if len(targets) != 1 || targets[0].IsFolder() || targets[0].pattern || g.base != nil || !g.chosen.Empty() {
		return targets, nil
	}
	t := targets[0]
	r := g.request(t.Path, api.Entry{}, true)
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
	if err != nil || found[t.Path].Kind != api.KindFolder {
		out.finished(*refused)
		return nil, err
	}
	engine.Cancel(id)
	return targets, nil
}

// stoppedWhile returns the error of a command that a signal ended.
func stoppedWhile(ctx context.Context, err error, last download.Snapshot) error {
	cause := context.Cause(ctx)
	if cause == nil {
		return err
	}
	text := "Stopped."
	if last.BytesDone > 0 {
		text = "Stopped. The downloaded part is kept: run the same command to resume."
	}
	return &failedError{text: text, exit: api.ExitInterrupted, cause: cause}
}

// toStdout writes one file to stdout.
func (g *get) toStdout(ctx context.Context, config download.Config, from stater, targets []target) error {
	if len(targets) != 1 || targets[0].pattern {
		return usagef("-o - takes the PATH of one file, without wildcards.")
	}
	if g.OutTTY {
		return usagef("-o - is for pipes, but stdout is a terminal. Name a file with -o.")
	}
	if file, err := isFile(ctx, from, targets[0].Path); err != nil {
		return err
	} else if !file {
		return usagef("-o - takes the PATH of one file, and %s is a folder.", safe(targets[0].String()))
	}
	out, end := newReport(g.app, g.stats)
	defer end()
	config.Values = ctx
	if out.live() {
		config.Watch = out.watch
	}
	_, err := download.Save(ctx, config, download.Request{Bucket: targets[0].Bucket, Key: targets[0].Key, Version: g.version.id}, g.Out)
	out.stopWatching()
	var refused *api.Error
	if errors.As(err, &refused) && refused.Code == api.NotFound {
		if found, lerr := g.lookUp(ctx, config.Lister, targets); lerr == nil && found[targets[0].Path].Kind == api.KindFolder {
			return usagef("-o - takes the PATH of one file, and %s is a folder.", safe(targets[0].String()))
		}
	}
	if err != nil && ctx.Err() != nil {
		return &failedError{text: "Stopped. The output is not the complete file.", exit: api.ExitInterrupted, cause: context.Cause(ctx)}
	}
	return err
}

// preview implements --dry-run: it prints the files and their local names.
func (g *get) preview(ctx context.Context, engine *download.Engine, out *report, from lister, targets []target) error {
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
			state, note = "unfinished", " (resumes)"
		}
		line := fetched{Path: r.Bucket + "/" + r.Key, Dest: p.Path, State: state}
		if r.ETag != "" {
			line.Size = &r.Size
		}
		if p.Err != nil {
			f := explain(p.Err)
			out.failures.add(p.Err)
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
			err = &api.Error{Code: api.NotFound} // the same error as of a release, without a release
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
			already = ", " + quantity.Count(here) + " of them already here"
		}
		fmt.Fprintf(g.Err, "%s, %s%s. Nothing was downloaded.\n", quantity.Plural(files, "file", "files"), quantity.Size(bytes), already)
	}
	out.failures.total, out.failures.planned = files+out.failures.failed, true
	return out.failures.err() // the run would end with this exit code
}

// fetch runs the engine until all downloads have ended.
func (g *get) fetch(ctx context.Context, config download.Config, targets []target) error {
	return g.fetchWith(ctx, config, targets, new(download.Snapshot))
}
