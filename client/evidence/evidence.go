// Package evidence exports events of the audit log to a file that proves them, and
// reads such a file without a server.
//
// The form of the file is that of backend/audit/bundle. The package leaves the screen
// and the command line to its callers.
package evidence

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/api"
	"usher/backend/audit/bundle"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
	"usher/backend/event"
	"usher/backend/safetext"
)

// Server makes the steps of an export (*client.Client).
type Server interface {
	AuditExport(ctx context.Context, in api.AuditExportRequest) (api.AuditExportResponse, error)
}

// Config holds the parts of an export. Only Query and Progress may be empty.
type Config struct {
	Server   Server
	Key      string // public key of the log
	Query    string
	Complete bool           // all events of the range of the query's times
	Path     string         // of the new file
	Progress func(Progress) // called on the goroutine of Export
}

// Stage is a part of the work.
type Stage uint8

// The stages, in their order.
const (
	Counting Stage = iota
	Waiting        // for the checkpoint that has the record of the export
	Reading
	Writing
)

// String returns the stage for the screen.
func (s Stage) String() string {
	return [...]string{"Counting", "Waiting for the checkpoint", "Reading", "Writing"}[s]
}

// Progress is the progress of an export: Done of Total events of the log in this stage.
type Progress struct {
	Stage       Stage
	Done, Total int64
	Events      int64 // that match, as far as they are counted
}

// Done is the result of an export.
type Done struct {
	Path       string
	Query      string // with absolute times
	Matches    int64
	Events     int64 // in the file, with the record of the export
	Size       int64 // of the file, in bytes
	Checkpoint int64 // events of the log
	Event      string
}

// Error is a failed export with a sentence for people.
type Error struct {
	text string
	exit int
}

func (e *Error) Error() string { return e.text }

// Exit implements api.Failing.
func (e *Error) Exit() int { return e.exit }

// Errors of Export and OpenFile.
var (
	// ErrExists: the path exists. An export never replaces a file.
	ErrExists = &Error{"This file exists already, and an export never replaces a file. Choose another name.", api.ExitDisk}
	// ErrNoProof: the log has no checkpoints.
	ErrNoProof = &Error{"The audit log of this server has no checkpoints, so an export would prove nothing.", api.ExitNotFound}
	// ErrExpired: the retention removed events during the export.
	ErrExpired = &Error{"Events expired during the export. Export again.", api.ExitMixed}
	// ErrUnsealed: the server signs no checkpoints.
	ErrUnsealed = &Error{"The server has signed no checkpoint of its log for five minutes, so the export has no proof. Ask your administrator for the state of the log.", api.ExitUnavailable}
)

// Name returns the default name of an export.
func Name(at time.Time) string {
	return "usher-audit-" + at.UTC().Format("2006-01-02T150405Z") + ".tar"
}

// Times of the wait for a checkpoint.
const (
	firstPause  = 250 * time.Millisecond
	maxPause    = 5 * time.Second
	longestWait = 5 * time.Minute
)

// Export writes the events that match a query to a new file, with their proof, and
// verifies the file. Without a complete, verified file there is none: on any error and
// at the end of ctx, the temporary files are removed.
func Export(ctx context.Context, c Config) (Done, error) {
	if c.Server == nil || c.Path == "" {
		return Done{}, errors.New("evidence: an export needs a server and a path")
	}
	if c.Key == "" {
		return Done{}, ErrNoProof
	}
	key, err := checkpoint.NewVerifier(c.Key)
	if err != nil {
		return Done{}, err
	}
	if _, err := os.Lstat(c.Path); !errors.Is(err, fs.ErrNotExist) {
		return Done{}, exists(err)
	}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	dir, err := os.MkdirTemp(filepath.Dir(c.Path), ".usher-export-*")
	if err != nil {
		return Done{}, diskError("creating a folder for the export", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	x := &export{Config: c, dir: dir, key: key}
	done, err := x.run(ctx)
	if ctx.Err() != nil {
		return Done{}, context.Cause(ctx)
	}
	return done, err
}

func exists(err error) error {
	if err != nil {
		return diskError("looking for the file", err)
	}
	return ErrExists
}

// diskError returns a failure of this machine's disk.
func diskError(doing string, err error) error {
	return &Error{fmt.Sprintf("%s failed: %s.", upper(doing), safetext.Line(err.Error())), api.ExitDisk}
}

func upper(s string) string { return string(s[0]-'a'+'A') + s[1:] }

// export is one run of Export.
type export struct {
	Config
	dir string
	key *checkpoint.Verifier

	content bundle.Content
	nodes   []bundle.Node
	head    tree.Head
	last    api.AuditExportResponse
	shown   time.Time
}

func (x *export) run(ctx context.Context) (Done, error) {
	events, err := os.Create(x.eventsFile())
	if err != nil {
		return Done{}, diskError("writing the export", err)
	}
	out := bufio.NewWriterSize(events, 256<<10)
	err = x.steps(ctx, out)
	if ferr := errors.Join(out.Flush(), events.Close()); err == nil && ferr != nil {
		err = diskError("writing the export", ferr)
	}
	if err == nil {
		err = x.policies(ctx)
	}
	if err != nil {
		return Done{}, err
	}
	return x.finish(ctx)
}

func (x *export) eventsFile() string { return filepath.Join(x.dir, "events") }

// steps makes all steps of the export, and writes the events.
func (x *export) steps(ctx context.Context, out *bufio.Writer) error {
	pause, waited := firstPause, time.Duration(0)
	for {
		req := api.AuditExportRequest{Filter: x.Query, Complete: x.Complete, Cursor: x.last.Cursor}
		answer, err := x.Server.AuditExport(ctx, req)
		if err != nil {
			return err
		}
		x.last = answer
		if answer.Checkpoint != nil {
			if err := x.opened(*answer.Checkpoint); err != nil {
				return err
			}
		}
		if err := x.take(answer, out); err != nil {
			return err
		}
		switch answer.Stage {
		case api.StageCounting:
			x.show(Progress{Counting, answer.Done, answer.Total, answer.Events})
		case api.StageWaiting:
			x.show(Progress{Waiting, 0, 0, answer.Events})
			if waited += pause; waited > longestWait {
				return ErrUnsealed
			}
			if err := sleep(ctx, pause); err != nil {
				return err
			}
			pause = min(2*pause, maxPause)
		default:
			x.show(Progress{Reading, answer.Done, answer.Total, answer.Events})
		}
		if answer.Stage == api.StageDone {
			return nil
		}
	}
}

func sleep(ctx context.Context, pause time.Duration) error {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// showEvery is the least time between two calls of Progress in a stage.
const showEvery = 100 * time.Millisecond

func (x *export) show(p Progress) {
	if now := time.Now(); now.Sub(x.shown) >= showEvery || p.Done == p.Total {
		x.shown = now
		x.Progress(p)
	}
}

// opened takes the checkpoint of the export.
func (x *export) opened(c api.CheckpointResponse) (err error) {
	if x.head, err = x.key.Open([]byte(c.Checkpoint)); err != nil {
		return x.unproven(err.Error())
	}
	x.content.Key, x.content.Checkpoint = x.Key, []byte(c.Checkpoint)
	if c.Cosigned == "" || c.Witnesses == "" {
		return nil
	}
	if x.content.Witnesses, err = checkpoint.ParsePolicy(c.Witnesses); err != nil {
		return fmt.Errorf("reading the policy of the witnesses: %w", err)
	}
	x.content.Cosigned = []byte(c.Cosigned)
	for _, raw := range c.CosignedProof {
		h, err := hash(raw)
		if err != nil {
			return err
		}
		x.content.CosignedProof = append(x.content.CosignedProof, h)
	}
	return nil
}

func hash(raw []byte) (tree.Hash, error) {
	if len(raw) != tlog.HashSize {
		return tree.Hash{}, errors.New("the server's answer has a hash of another size")
	}
	return tree.Hash(raw), nil
}

// take takes the events and hashes of an answer.
func (x *export) take(answer api.AuditExportResponse, out *bufio.Writer) error {
	for _, r := range answer.Records {
		if n := len(x.content.Leaves); n > 0 && r.Index <= x.content.Leaves[n-1].Index {
			return errors.New("the server's answers are not in the order of the log")
		}
		x.content.Leaves = append(x.content.Leaves, bundle.Leaf{Index: r.Index, Hash: tree.Leaf([]byte(r.Event))})
		x.content.EventsSize += int64(len(r.Event)) + 1
		e, err := event.Parse([]byte(r.Event))
		if err != nil {
			return x.unproven(fmt.Sprintf("record %d is no event", r.Index+1))
		}
		if e.ID == x.last.Event {
			x.content.Export = e
		} else if e.Policy != "" {
			if x.content.Policies == nil {
				x.content.Policies = map[string][]byte{}
			}
			x.content.Policies[e.Policy] = nil
		}
		_, err = out.WriteString(r.Event + "\n")
		if err != nil {
			return diskError("writing the export", err)
		}
	}
	for _, n := range answer.Nodes {
		h, err := hash(n.Hash)
		if err != nil {
			return err
		}
		x.nodes = append(x.nodes, bundle.Node{Lo: n.Lo, Hi: n.Hi, Hash: h})
	}
	return nil
}

// policies reads the versions of the grants that decided.
func (x *export) policies(ctx context.Context) error {
	for version := range x.content.Policies {
		answer, err := x.Server.AuditExport(ctx, api.AuditExportRequest{Filter: x.Query, Complete: x.Complete, Cursor: x.last.Cursor, Policy: version})
		if err != nil {
			return err
		}
		x.content.Policies[version] = answer.Policy
	}
	return nil
}

// unproven returns the error of a log that does not prove its events.
func (x *export) unproven(cause string) error {
	return &Error{fmt.Sprintf("The server's events do not belong to its checkpoint (%s). Nothing was written. Tell your security team: verify the log on the server.", cause), api.ExitIntegrity}
}

// finish writes the file, verifies it and gives it its name.
func (x *export) finish(ctx context.Context) (Done, error) {
	c := &x.content
	if len(c.Leaves) == 0 || c.Leaves[len(c.Leaves)-1].Hash != tree.Leaf(event.Canonical(c.Export)) {
		return Done{}, x.unproven("the record of the export is missing")
	}
	x.Progress(Progress{Stage: Writing, Events: x.last.Events})
	indexes := make([]int64, len(c.Leaves))
	for i, l := range c.Leaves {
		indexes[i] = l.Index
	}
	var err error
	if c.Proof, err = bundle.Prove(x.head.Size, indexes, x.nodes); err != nil {
		return Done{}, x.unproven(err.Error())
	}
	c.Events = x.events
	temp := filepath.Join(x.dir, "export.tar")
	if err := x.write(temp); err != nil {
		return Done{}, err
	}
	report, err := Verify(ctx, temp, bundle.Check{Key: x.key, Progress: func(done, bytes int64) {
		x.show(Progress{Writing, done, bytes, x.last.Events})
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
	if slices.ContainsFunc(r.Faults, func(f bundle.Fault) bool { return f.Kind == bundle.FaultQuery && f.Record == 0 }) && r.Matches < x.last.Events {
		return ErrExpired
	}
	return x.unproven(r.Faults[0].String())
}

// events yields the lines of the events' file.
func (x *export) events() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f, err := os.Open(x.eventsFile())
		if err != nil {
			yield(nil, err)
			return
		}
		defer func() { _ = f.Close() }()
		lines := bufio.NewReaderSize(f, 256<<10)
		for range x.content.Leaves {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(line[:len(line)-1], nil) {
				return
			}
		}
	}
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

// Verify verifies the bundle at path.
func Verify(ctx context.Context, path string, check bundle.Check) (bundle.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return bundle.Report{}, diskError("opening the export", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return bundle.Report{}, diskError("opening the export", err)
	}
	return bundle.Verify(ctx, f, info.Size(), check)
}

// IsBundle reports whether the file at path begins like an export.
func IsBundle(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return bundle.Is(f)
}
