package evidence_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/audit/bundle"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
	"usher/backend/event"

	"usher/client/evidence"
)

const largeGrants = "\"allow finance company-reports/annual/\" \"\"\n"

// largeLog answers the steps of an export of a log with many events, and holds none of
// them. Every third event matches unless the export is complete.
type largeLog struct {
	signer *checkpoint.Signer
	n      int64
	export event.Event
}

func newLargeLog(t testing.TB, n int64) *largeLog {
	t.Helper()
	secret, public, err := checkpoint.Generate(rand.Reader, "files.example.com/audit")
	if err != nil {
		t.Fatal(err)
	}
	l := &largeLog{n: n}
	if l.signer, err = checkpoint.NewSigner(secret, public); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *largeLog) event(i int64) event.Event {
	if i == l.n {
		return l.export
	}
	sum := sha256.Sum256([]byte(largeGrants))
	return event.Event{
		ID: fmt.Sprintf("01K%023d", i), Time: time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 8 * time.Second), Action: event.Download, Outcome: event.Allowed,
		User:   event.User{Sub: fmt.Sprintf("00000000-0000-4000-8000-%012d", i%500), Username: []string{"ada", "grace", "=margaret"}[i%3]},
		Bucket: "company-reports", Key: fmt.Sprintf("annual/%d/report-%d.pdf", i%1000, i), Policy: hex.EncodeToString(sum[:16]), Groups: event.HashGroups([]string{"finance"}),
		Grant: "allow finance company-reports/annual/", SourceIP: "192.0.2.7", UserAgent: "usher/1.0 (linux; amd64)", Session: fmt.Sprintf("S%09d", i/100), RequestID: fmt.Sprintf("R%025d", i), Purpose: "download",
	}
}

func (l *largeLog) selects(i int64, complete bool) bool { return complete || i%3 == 0 || i == l.n }

const largeStep = 1024 // events of an answer: whole blocks

func (l *largeLog) AuditExport(_ context.Context, in api.AuditExportRequest) (out api.AuditExportResponse, err error) {
	at := int64(-1)
	if in.Cursor != "" {
		if _, err := fmt.Sscan(in.Cursor, &at); err != nil {
			return out, err
		}
	}
	out = api.AuditExportResponse{Stage: api.StageReading, Total: l.n + 1, Event: l.export.ID, Cursor: in.Cursor}
	switch {
	case in.Policy != "":
		out.Policy = []byte(largeGrants)
		return out, nil
	case in.Groups != "":
		out.GroupNames = []string{"finance"}
		return out, nil
	case at < 0:
		return l.begin(in)
	}
	end := min(at+largeStep, l.n+1)
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
func (l *largeLog) begin(in api.AuditExportRequest) (out api.AuditExportResponse, err error) {
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
	note, err := l.signer.Sign(tree.Head{Size: l.n + 1, Root: f.Root()})
	return api.AuditExportResponse{
		Stage: api.StageReading, Total: l.n + 1, Events: int64(l.export.Count), Event: l.export.ID, Cursor: "0", Checkpoint: &api.CheckpointResponse{Checkpoint: string(note)},
	}, err
}

// live returns a function that notes the greatest live heap of its calls.
func live(most *uint64) func() {
	return func() {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		*most = max(*most, m.HeapAlloc)
	}
}

// The memory of an export and of its verification does not grow with its events. The
// test is not parallel: it measures the heap. The soak exports a million.
func TestExportTakesConstantMemory(t *testing.T) {
	many := int64(30_000)
	switch {
	case os.Getenv("USHER_SOAK") != "":
		many = 1_000_000
	case testing.Short():
		many = 20_000
	}
	for _, complete := range []bool{false, true} {
		few, most := largeExport(t, 3_000, complete), largeExport(t, many, complete)
		t.Logf("complete %v: live heap of %d events %d KiB, of 3,000 %d KiB", complete, many, most>>10, few>>10)
		if most > few+512<<10 {
			t.Errorf("complete %v: %d events take %d KiB, and 3,000 take %d KiB", complete, many, most>>10, few>>10)
		}
	}
}

// largeExport exports and verifies n events, and returns the greatest live heap.
func largeExport(t testing.TB, n int64, complete bool) (most uint64) {
	t.Helper()
	l := newLargeLog(t, n)
	path := filepath.Join(t.TempDir(), "e.tar")
	note, calls := live(&most), 0
	measure := func() {
		if calls++; calls%20 == 0 || n < 10_000 {
			note()
		}
	}
	done, err := evidence.Export(t.Context(), evidence.Config{
		Server: l, Key: l.signer.Key(), Query: "who:ada", Complete: complete, Path: path, Progress: func(evidence.Progress) { measure() },
	})
	if err != nil || done.Matches != (n+2)/3 {
		t.Fatalf("%+v, %v", done, err)
	}
	note()
	r, err := evidence.Verify(t.Context(), path, bundle.Check{Key: &l.signer.Verifier, Progress: func(int64, int64) { measure() }})
	note()
	if err != nil || r.FaultCount > 0 || r.Events != done.Events {
		t.Fatalf("%+v, %v", r, err)
	}
	return most
}

// BenchmarkExport exports and verifies all events of a log.
func BenchmarkExport(b *testing.B) {
	const n = 50_000
	l := newLargeLog(b, n)
	for b.Loop() {
		path := filepath.Join(b.TempDir(), "e.tar")
		done, err := evidence.Export(b.Context(), evidence.Config{Server: l, Key: l.signer.Key(), Query: "who:ada", Complete: true, Path: path})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(done.Size)/n, "B/event")
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
}

// An open export keeps 40 bytes for an event, and its slice of them is allocated once;
// the answers to queries keep none. The test is not parallel: it measures the heap.
func TestAnOpenExportKeepsLittle(t *testing.T) {
	const n, slack = 20_000, 256 << 10
	l := newLargeLog(t, n)
	path := filepath.Join(t.TempDir(), "e.tar")
	if _, err := evidence.Export(t.Context(), evidence.Config{Server: l, Key: l.signer.Key(), Query: "who:ada", Complete: true, Path: path}); err != nil {
		t.Fatal(err)
	}
	heap := func() int64 {
		var now uint64
		live(&now)()
		return int64(now)
	}
	before := heap()
	f, err := evidence.OpenFile(t.Context(), path, &l.signer.Verifier, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	opened, events, cursor := heap(), 0, ""
	for {
		page, err := f.AuditQuery(t.Context(), api.AuditQueryRequest{Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		events += len(page.Events)
		if cursor = page.Cursor; cursor == "" {
			break
		}
	}
	after := heap()
	t.Logf("%d bytes an event, %d KiB more after all pages", (opened-before)/n, (after-opened)>>10)
	if events != n+1 || opened-before > 44*n+slack || after-opened > slack {
		t.Errorf("%d events: %d KiB opened, %d KiB more after all pages", events, (opened-before)>>10, (after-opened)>>10)
	}
	runtime.KeepAlive(f)
}
