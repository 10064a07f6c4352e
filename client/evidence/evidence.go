// Package evidence exports events of the audit log to a file that proves them, and
// reads such a file without a server.
//
// The form of the file is that of backend/audit/bundle. The package leaves the screen
// and the command line to its callers.
package evidence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
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
	spool, err := newSpool(filepath.Dir(c.Path))
	if err != nil {
		return Done{}, diskError("creating a folder for the export", err)
	}
	defer spool.remove()
	x := &export{Config: c, spool: spool, key: key, content: bundle.Content{Policies: map[string]bundle.Source{}, Groups: bundle.Groups{}}, sessions: map[string][]string{}, stated: map[string][]string{}, last: -1}
	done, err := x.run(ctx)
	if ctx.Err() != nil {
		return Done{}, context.Cause(ctx)
	}
	return done, err
}

// export is one run of Export.
type export struct {
	Config
	spool *spool
	key   *checkpoint.Verifier

	content  bundle.Content
	sessions map[string][]string // newest sessions by the hash of their groups
	stated   map[string][]string // names of groups in the events of the export, by their hash
	events   *outlet
	index    *outlet
	nodes    nodeFile
	last     int64 // index of the last event; -1: none
	head     tree.Head
	answer   api.AuditExportResponse
	shown    time.Time
}

// The files of a spool.
const (
	eventsFile = "events"
	indexFile  = "index"
	nodesFile  = "nodes"
	proofFile  = "proof"
	sheetFile  = "sheet"
	tarFile    = "export.tar"
)

func (x *export) run(ctx context.Context) (Done, error) {
	err := x.create()
	if err != nil {
		err = diskError("writing the export", err)
	} else {
		err = x.steps(ctx)
	}
	if ferr := errors.Join(x.events.close(), x.index.close(), x.nodes.close()); err == nil && ferr != nil {
		err = diskError("writing the export", ferr)
	}
	if err == nil {
		err = x.grants(ctx)
	}
	if err != nil {
		return Done{}, err
	}
	return x.finish(ctx)
}

func (x *export) create() (err error) {
	for name, to := range map[string]**outlet{eventsFile: &x.events, indexFile: &x.index, nodesFile: &x.nodes.outlet} {
		if *to, err = x.spool.create(name); err != nil {
			return err
		}
	}
	return nil
}

// steps makes all steps of the export, and writes the events.
func (x *export) steps(ctx context.Context) error {
	pause, waited := firstPause, time.Duration(0)
	for {
		answer, err := x.ask(ctx, api.AuditExportRequest{})
		if err != nil {
			return err
		}
		x.answer = answer
		if answer.Checkpoint != nil {
			if err := x.opened(*answer.Checkpoint); err != nil {
				return err
			}
		}
		if err := x.take(answer); err != nil {
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

// ask sends a request of this export.
func (x *export) ask(ctx context.Context, in api.AuditExportRequest) (api.AuditExportResponse, error) {
	in.Filter, in.Complete, in.Cursor = x.Query, x.Complete, x.answer.Cursor
	return x.Server.AuditExport(ctx, in)
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

// errOrder: events or hashes are not in the order of the log.
var errOrder = errors.New("the server's answers are not in the order of the log")

// take takes the events and hashes of an answer.
func (x *export) take(answer api.AuditExportResponse) error {
	var line []byte
	for _, r := range answer.Records {
		if r.Index <= x.last {
			return errOrder
		}
		x.last = r.Index
		e, err := event.Parse([]byte(r.Event))
		if err != nil {
			return x.unproven(fmt.Sprintf("record %d is no event", r.Index+1))
		}
		x.note(e)
		line = append(append(line[:0], r.Event...), '\n')
		_, err = x.events.Write(line)
		if err == nil {
			line = bundle.AppendLeaf(line[:0], bundle.Leaf{Index: r.Index, Hash: tree.Leaf([]byte(r.Event))})
			_, err = x.index.Write(line)
		}
		if err != nil {
			return diskError("writing the export", err)
		}
	}
	for _, n := range answer.Nodes {
		h, err := hash(n.Hash)
		if err != nil {
			return err
		}
		err = x.nodes.add(bundle.Node{Lo: n.Lo, Hi: n.Hi, Hash: h})
		if err != nil && !errors.Is(err, errOrder) {
			err = diskError("writing the export", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// note notes the record of the export, and the grants and groups of a decision.
func (x *export) note(e event.Event) {
	if len(e.GroupNames) > 0 && event.HashGroups(e.GroupNames) == e.Groups {
		x.stated[e.Groups] = e.GroupNames
	}
	switch {
	case e.ID == x.answer.Event:
		x.content.Export = e
	case e.Policy != "":
		x.content.Policies[e.Policy] = bundle.Source{}
		x.content.Groups[e.Groups] = nil
		newest := append(slices.DeleteFunc(x.sessions[e.Groups], func(s string) bool { return s == e.Session }), e.Session)
		x.sessions[e.Groups] = newest[max(0, len(newest)-maxSessions):]
	}
}

// maxSessions is the number of sessions whose events are searched for the names of
// groups. The retention removes the oldest events first.
const maxSessions = 8

// grants reads the versions of the grants that decided, and the names of the groups.
func (x *export) grants(ctx context.Context) error {
	for version := range x.content.Policies {
		answer, err := x.ask(ctx, api.AuditExportRequest{Policy: version})
		if err != nil {
			return err
		}
		// The text has the hash that names it, so this name is no path.
		sum := sha256.Sum256(answer.Policy)
		if name := hex.EncodeToString(sum[:len(sum)/2]); name != version {
			return x.unproven("the server has other grants than those that decided")
		}
		err = os.WriteFile(x.spool.path(version), answer.Policy, 0o600)
		if err == nil {
			x.content.Policies[version], err = x.spool.source(version)
		}
		if err != nil {
			return diskError("writing the export", err)
		}
	}
	for groups := range x.content.Groups {
		names, err := x.names(ctx, groups)
		if err != nil {
			return err
		}
		x.content.Groups[groups] = names
	}
	return nil
}

// names returns the names of groups, or nil if the log has lost them.
func (x *export) names(ctx context.Context, groups string) ([]string, error) {
	if groups == event.HashGroups(nil) {
		return []string{}, nil
	}
	if names := x.stated[groups]; names != nil {
		return names, nil
	}
	for _, session := range slices.Backward(x.sessions[groups]) {
		if groups == "" || session == "" {
			continue
		}
		answer, err := x.ask(ctx, api.AuditExportRequest{Groups: groups, Session: session})
		if err != nil {
			return nil, err
		}
		if answer.GroupNames == nil {
			continue
		}
		if event.HashGroups(answer.GroupNames) != groups {
			return nil, x.unproven("the server has other groups than those that decided")
		}
		return answer.GroupNames, nil
	}
	return nil, nil
}

// unproven returns the error of a log that does not prove its events.
func (x *export) unproven(cause string) error {
	return &Error{fmt.Sprintf("The server's events do not belong to its checkpoint (%s). Nothing was written. Tell your security team: verify the log on the server.", cause), api.ExitIntegrity}
}
