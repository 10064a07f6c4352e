package evidence_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"usher/backend/api"
	"usher/backend/audit/bundle"

	"usher/client/evidence"
	"usher/client/evidence/evidencetest"
)

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
	l := evidencetest.NewLog(t, n)
	path := filepath.Join(t.TempDir(), "e.tar")
	note, calls := live(&most), 0
	measure := func() {
		if calls++; calls%20 == 0 || n < 10_000 {
			note()
		}
	}
	done, err := evidence.Export(t.Context(), evidence.Config{
		Server: l, Key: l.Signer.Key(), Query: "who:ada", Complete: complete, Path: path, Progress: func(evidence.Progress) { measure() },
	})
	if err != nil || done.Matches != (n+2)/3 {
		t.Fatalf("%+v, %v", done, err)
	}
	note()
	r, err := evidence.Verify(t.Context(), path, bundle.Check{Key: &l.Signer.Verifier, Progress: func(int64, int64) { measure() }})
	note()
	if err != nil || r.FaultCount > 0 || r.Events != done.Events {
		t.Fatalf("%+v, %v", r, err)
	}
	return most
}

// BenchmarkExport exports and verifies all events of a log.
func BenchmarkExport(b *testing.B) {
	const n = 50_000
	l := evidencetest.NewLog(b, n)
	for b.Loop() {
		path := filepath.Join(b.TempDir(), "e.tar")
		done, err := evidence.Export(b.Context(), evidence.Config{Server: l, Key: l.Signer.Key(), Query: "who:ada", Complete: true, Path: path})
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
	l := evidencetest.NewLog(t, n)
	path := filepath.Join(t.TempDir(), "e.tar")
	if _, err := evidence.Export(t.Context(), evidence.Config{Server: l, Key: l.Signer.Key(), Query: "who:ada", Complete: true, Path: path}); err != nil {
		t.Fatal(err)
	}
	heap := func() int64 {
		var now uint64
		live(&now)()
		return int64(now)
	}
	before := heap()
	f, err := evidence.OpenFile(t.Context(), path, &l.Signer.Verifier, nil)
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
