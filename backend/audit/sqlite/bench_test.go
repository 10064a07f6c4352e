package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/audit"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

// BenchmarkSyncFloor measures the lower bound of a durable append: one write of
// the same bytes and a sync.
func BenchmarkSyncFloor(b *testing.B) {
	for _, n := range []int{1, 250} {
		b.Run(fmt.Sprintf("%d", n), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "floor"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			var text []byte
			for _, e := range samples(0, n) {
				text = append(text, event.Canonical(e)...)
			}
			for b.Loop() {
				if _, err := f.Write(text); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/event")
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 250} {
		b.Run(fmt.Sprintf("%d", n), func(b *testing.B) {
			s := openTest(b, filepath.Join(b.TempDir(), "audit.db"))
			next := 0
			for b.Loop() {
				if err := s.Append(b.Context(), samples(next, n)); err != nil {
					b.Fatal(err)
				}
				next += n
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/event")
		})
	}
	b.Run("64 at once", func(b *testing.B) {
		s := openTest(b, filepath.Join(b.TempDir(), "audit.db"))
		var next atomic.Int64
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := s.Append(b.Context(), samples(int(next.Add(1)), 1)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

// BenchmarkQuery reads pages of 200 events from a log of 200,000.
func BenchmarkQuery(b *testing.B) {
	const events = 200_000
	s := openTest(b, filepath.Join(b.TempDir(), "audit.db"))
	for i := 0; i < events; i += 1000 {
		batch := samples(i, 1000)
		for j := range batch {
			switch k := i + j; {
			case k%2 == 0:
				batch[j].Action = event.List
			case k%997 == 0:
				batch[j].Outcome = event.Denied
			}
			if i < events/10 {
				batch[j].Bucket = "old-reports" // frequent, and only among the oldest
			}
		}
		if err := s.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	now := sample(events).Time
	for _, text := range []string{
		"", "who:person-7", "who:s-7", "who:nobody", "action:list", "action:sign-out", "outcome:allowed", "outcome:denied", "-outcome:allowed",
		"bucket:company-reports", "bucket:old-reports", "path:company-reports/annual/", "path:old-reports/annual/", "path:company-reports/annual/7/",
		"path:=company-reports/annual/7/report-150007.pdf", "session:session-7", "ip:10.4.18.7", "id:" + sample(77).ID, "request:request-777",
		"since:1h", "until:2d", "who:person-7 outcome:denied since:2026-11-01", "who:person-7 path:old-reports/", "who:person-7 who:person-8",
		"action:completed -who:person-7 path:company-reports/ outcome:failed",
	} {
		f, err := event.ParseFilter(text, now)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			slowest := time.Duration(0)
			for b.Loop() {
				begin := time.Now()
				if _, err := s.Query(b.Context(), f, audit.Page{Limit: 200}); err != nil {
					b.Fatal(err)
				}
				slowest = max(slowest, time.Since(begin))
			}
			b.ReportMetric(float64(slowest.Microseconds())/1000, "ms-max")
		})
	}
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if r, err := s.Verify(b.Context(), nil); err != nil || r.FaultCount > 0 {
				b.Fatal(r, err)
			}
		}
		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/events*1e6, "s/million")
	})
	b.Run("read and hash", func(b *testing.B) {
		for b.Loop() {
			var f tree.Frontier
			for r, err := range s.Records(b.Context(), 0) {
				if err != nil {
					b.Fatal(err)
				}
				f.Append(tree.Leaf(r.Canonical), func(int, int64, tree.Hash) {})
			}
		}
		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/events*1e6, "s/million")
	})
}
