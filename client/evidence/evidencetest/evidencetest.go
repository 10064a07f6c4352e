// Package evidencetest has a log with many events, for tests of exports.
package evidencetest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/audit/bundle"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

const grants = "\"allow finance company-reports/annual/\" \"\"\n"

// Log answers the steps of an export of a log with many events, and holds none of
// them. Every third event matches unless the export is complete.
type Log struct {
	Signer *checkpoint.Signer
	n      int64
	export event.Event
}

// NewLog returns a log with n events and a key.
func NewLog(t testing.TB, n int64) *Log {
	t.Helper()
	secret, public, err := checkpoint.Generate(rand.Reader, "files.example.com/audit")
	if err != nil {
		t.Fatal(err)
	}
	l := &Log{n: n}
	if l.Signer, err = checkpoint.NewSigner(secret, public); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *Log) event(i int64) event.Event {
	if i == l.n {
		return l.export
	}
	sum := sha256.Sum256([]byte(grants))
	return event.Event{
		ID: fmt.Sprintf("01K%023d", i), Time: time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 8 * time.Second), Action: event.Download, Outcome: event.Allowed,
		User:   event.User{Sub: fmt.Sprintf("00000000-0000-4000-8000-%012d", i%500), Username: []string{"ada", "grace", "=margaret"}[i%3]},
		Bucket: "company-reports", Key: fmt.Sprintf("annual/%d/report-%d.pdf", i%1000, i), Policy: hex.EncodeToString(sum[:16]), Groups: event.HashGroups([]string{"finance"}),
		Grant: "allow finance company-reports/annual/", SourceIP: "192.0.2.7", UserAgent: "usher/1.0 (linux; amd64)", Session: fmt.Sprintf("S%09d", i/100), RequestID: fmt.Sprintf("R%025d", i), Purpose: "download",
	}
}

func (l *Log) selects(i int64, complete bool) bool { return complete || i%3 == 0 || i == l.n }

const step = 1024 // events of an answer: whole blocks

// AuditExport answers a step of an export, as a server does.
func (l *Log) AuditExport(_ context.Context, in api.AuditExportRequest) (out api.AuditExportResponse, err error) {
	at := int64(-1)
	if in.Cursor != "" {
		if _, err := fmt.Sscan(in.Cursor, &at); err != nil {
			return out, err
		}
	}
	out = api.AuditExportResponse{Stage: api.StageReading, Total: l.n + 1, Event: l.export.ID, Cursor: in.Cursor}
	switch {
	case in.Policy != "":
		out.Policy = []byte(grants)
		return out, nil
	case in.Groups != "":
		out.GroupNames = []string{"finance"}
		return out, nil
	case at < 0:
		return l.begin(in)
	}
	end := min(at+step, l.n+1)
	for ; at < end; at += 256 {
		leaves := make([]tree.Hash, 0, 256)
		for i := at; i < min(at+256, end); i++ {
			line := event.Canonical(l.event(i))
			if leaves = append(leaves, tree.Leaf(line)); l.selects(i, in.Complete) {
				out.Records = append(out.Records, api.ExportRecord{Index: i, Event: string(line)})
			}
		}
		for _, n := range bundle.Bare(at, leaves, func(i int64) bool { return l.selects(i, in.Complete) }) {
			out.Nodes = append(out.Nodes, api.ExportNode{Lo: n.Lo, Hi: n.Hi, Hash: n.Hash[:]})
		}
	}
	if out.Cursor, out.Done = fmt.Sprint(end), end; end == l.n+1 {
		out.Stage = api.StageDone
	}
	return out, nil
}

// begin records the export, and signs the checkpoint.
func (l *Log) begin(in api.AuditExportRequest) (out api.AuditExportResponse, err error) {
	l.export = event.Event{
		ID: "01KE0000000000000000000000", Time: time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC), Action: event.AuditExport, Outcome: event.Allowed,
		User: event.User{Sub: "grace", Username: "grace"}, Query: in.Filter, Count: int((l.n + 2) / 3), FirstRecord: 1, LastRecord: l.n, Records: l.n,
	}
	if in.Complete {
		l.export.Reason = bundle.WithRange
	}
	var f tree.Frontier
	for i := range l.n + 1 {
		f.Append(tree.Leaf(event.Canonical(l.event(i))), func(int, int64, tree.Hash) {})
	}
	note, err := l.Signer.Sign(tree.Head{Size: l.n + 1, Root: f.Root()})
	return api.AuditExportResponse{
		Stage: api.StageReading, Total: l.n + 1, Events: int64(l.export.Count), Event: l.export.ID, Cursor: "0", Checkpoint: &api.CheckpointResponse{Checkpoint: string(note)},
	}, err
}
