package evidence

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"

	"usher/backend/audit/bundle"
	"usher/backend/audit/tree"
)

// finish writes the file, verifies it and gives it its name.
func (x *export) finish(ctx context.Context) (Done, error) {
	c := &x.content
	if c.Export.ID == "" || c.Export.ID != x.answer.Event {
		return Done{}, x.unproven("the record of the export is missing")
	}
	x.Progress(Progress{Stage: Writing, Events: x.answer.Events})
	if err := x.prove(ctx); err != nil {
		return Done{}, err
	}
	temp := x.spool.path(tarFile)
	if err := x.write(temp); err != nil {
		return Done{}, err
	}
	report, err := Verify(ctx, temp, bundle.Check{Key: x.key, Progress: func(done, bytes int64) {
		x.show(Progress{Writing, done, bytes, x.answer.Events})
	}})
	if err != nil {
		return Done{}, err
	}
	if err := x.checked(report); err != nil {
		return Done{}, err
	}
	if ctx.Err() != nil {
		return Done{}, context.Cause(ctx)
	}
	if err := publish(temp, x.Path); err != nil {
		return Done{}, err
	}
	done := Done{Path: x.Path, Query: report.Manifest.Query, Matches: report.Matches, Events: report.Events, Checkpoint: x.head.Size, Event: c.Export.ID}
	if info, err := os.Stat(x.Path); err == nil {
		done.Size = info.Size()
	}
	return done, nil
}

// checked returns the error of an export with faults.
func (x *export) checked(r bundle.Report) error {
	if r.FaultCount == 0 {
		return nil
	}
	if slices.ContainsFunc(r.Faults, func(f bundle.Fault) bool { return f.Kind == bundle.FaultQuery && f.Record == 0 }) && r.Matches < x.answer.Events {
		return ErrExpired
	}
	return x.unproven(r.Faults[0].String())
}

// prove writes the proof and the sheet.
func (x *export) prove(ctx context.Context) error {
	index, err := os.Open(x.spool.path(indexFile))
	if err != nil {
		return diskError("reading the export", err)
	}
	defer func() { _ = index.Close() }()
	nodes, err := os.Open(x.spool.path(nodesFile))
	if err != nil {
		return diskError("reading the export", err)
	}
	defer func() { _ = nodes.Close() }()
	events, err := os.Open(x.spool.path(eventsFile))
	if err != nil {
		return diskError("reading the export", err)
	}
	defer func() { _ = events.Close() }()
	err = x.spooled(proofFile, func(w io.Writer) error {
		var line []byte
		leaves := bundle.Leaves(index)
		return bundle.Prove(x.head.Size, func() (bundle.Leaf, bool, error) {
			if ctx.Err() != nil {
				return bundle.Leaf{}, false, context.Cause(ctx)
			}
			return leaves()
		}, x.nodes.merged(nodes), func(h tree.Hash) error {
			line = bundle.AppendHash(line[:0], h)
			_, err := w.Write(line)
			return err
		})
	})
	if errors.Is(err, bundle.ErrIncomplete) {
		return x.unproven(err.Error())
	}
	if err == nil {
		err = x.spooled(sheetFile, func(w io.Writer) error {
			if _, err := index.Seek(0, io.SeekStart); err != nil {
				return err
			}
			return bundle.Sheet(w, x.content.Export, index, events)
		})
	}
	c := &x.content
	for name, to := range map[string]*bundle.Source{eventsFile: &c.Events, indexFile: &c.Index, proofFile: &c.Proof, sheetFile: &c.Sheet} {
		if err == nil {
			*to, err = x.spool.source(name)
		}
	}
	if err != nil {
		return diskError("writing the export", err)
	}
	return nil
}

// spooled writes a file of the spool.
func (x *export) spooled(name string, write func(w io.Writer) error) error {
	out, err := x.spool.create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(out), out.close())
}

// write writes the durable file.
func (x *export) write(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return diskError("writing the export", err)
	}
	buffered := bufio.NewWriterSize(f, 256<<10)
	if err = bundle.Write(buffered, x.content); err == nil {
		err = errors.Join(buffered.Flush(), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return diskError("writing the export", err)
	}
	return nil
}

// publish gives a file its name, and replaces no other file.
func publish(temp, path string) error {
	err := os.Link(temp, path)
	if errors.Is(err, fs.ErrExist) {
		return ErrExists
	}
	if err == nil {
		return nil
	}
	// The file system has no hard links.
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return exists(err)
	}
	if err := os.Rename(temp, path); err != nil {
		return diskError("writing the export", err)
	}
	return nil
}
