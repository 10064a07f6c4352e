package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"usher/backend/audit/checkpoint"
	"usher/backend/event"
)

// plainLog is SQLite without a proof: the rows of records and events with the same
// indexes, the same settings, and one commit for all appends that wait.
type plainLog struct {
	db       *sql.DB
	conn     *sql.Conn
	queue    chan *pending
	stopped  chan struct{}
	seq      int64
	begin    *sql.Stmt
	end      *sql.Stmt
	records  *sql.Stmt
	events   *sql.Stmt
	person   map[event.User]int64
	failures error
}

func openPlain(t testing.TB, path string) *plainLog {
	t.Helper()
	ctx := context.Background()
	p := &plainLog{queue: make(chan *pending, maxGroup), stopped: make(chan struct{}), person: map[event.User]int64{}}
	_, missing := os.Stat(path)
	var err error
	if p.db, err = sql.Open("sqlite", dsn(path, "_txlock=immediate", "_pragma=synchronous(FULL)",
		"_pragma=wal_autocheckpoint(4000)", "_pragma=journal_size_limit(67108864)", "_pragma=cache_size(-16000)")); err != nil {
		t.Fatal(err)
	}
	p.db.SetMaxOpenConns(1)
	if p.conn, err = p.db.Conn(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := p.conn.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		t.Fatal(err)
	}
	if missing != nil {
		if _, err := p.conn.ExecContext(ctx, schema); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.conn.QueryRowContext(ctx, "SELECT coalesce(max(seq), -1) FROM records").Scan(&p.seq); err != nil {
		t.Fatal(err)
	}
	for text, to := range map[string]**sql.Stmt{"BEGIN IMMEDIATE": &p.begin, "COMMIT": &p.end} {
		if *to, err = p.conn.PrepareContext(ctx, text); err != nil {
			t.Fatal(err)
		}
	}
	if p.records, err = p.conn.PrepareContext(ctx, "INSERT INTO records (seq, event) VALUES (?, ?)"); err != nil {
		t.Fatal(err)
	}
	if p.events, err = p.conn.PrepareContext(ctx, `INSERT INTO events (seq, id, time, person, session, action, outcome, bucket, object, ip, request, continues)
		VALUES `+tuples(1, 12)); err != nil {
		t.Fatal(err)
	}
	go p.run()
	t.Cleanup(func() {
		close(p.queue)
		<-p.stopped
		if err := errors.Join(p.failures, p.begin.Close(), p.end.Close(), p.records.Close(), p.events.Close(), p.conn.Close(), p.db.Close()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *plainLog) Append(_ context.Context, events []event.Event) error {
	w := &pending{events: events, done: make(chan error, 1)}
	for _, e := range events {
		w.canonical = append(w.canonical, event.Canonical(e))
	}
	p.queue <- w
	return <-w.done
}

func (p *plainLog) run() {
	defer close(p.stopped)
	for first := range p.queue {
		group := []*pending{first}
	more:
		for len(group) < maxGroup {
			select {
			case w, ok := <-p.queue:
				if !ok {
					break more
				}
				group = append(group, w)
			default:
				break more
			}
		}
		err := p.commit(group)
		for _, w := range group {
			w.done <- err
		}
	}
}

func (p *plainLog) commit(group []*pending) error {
	ctx := context.Background()
	if _, err := p.begin.ExecContext(ctx); err != nil {
		return err
	}
	for _, w := range group {
		for i, e := range w.events {
			p.seq++
			n, known := p.person[e.User]
			if !known {
				n = int64(len(p.person))
				p.person[e.User] = n
			}
			c := columnsOf(e)
			if _, err := p.events.ExecContext(ctx, p.seq, idKey(e.ID), c.time, n, sessionKey(e.Session), c.action, c.outcome,
				c.bucket, []byte(c.object), ipKey(e.SourceIP), idKey(e.RequestID), idKey(e.Continues)); err != nil {
				return err
			}
			if _, err := p.records.ExecContext(ctx, p.seq, w.canonical[i]); err != nil {
				return err
			}
		}
	}
	_, err := p.end.ExecContext(ctx)
	return err
}

// costs are the costs of appends.
type costs struct{ cpu, wall time.Duration }

func used() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// appends appends events of many writers, n each, and returns the costs.
func appends(t testing.TB, to func(context.Context, []event.Event) error, next *atomic.Int64, writers, n int) costs {
	began, before := time.Now(), used()
	var wait sync.WaitGroup
	for range writers {
		wait.Go(func() {
			for range n {
				if err := to(context.Background(), recent(int(next.Add(1)), 1)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	return costs{used() - before, time.Since(began)}
}

// median returns the median of each cost: other work on the disk delays a few appends
// by much.
func median(all []costs) costs {
	middle := func(of func(costs) time.Duration) time.Duration {
		slices.SortFunc(all, func(a, b costs) int { return cmp.Compare(of(a), of(b)) })
		return of(all[len(all)/2])
	}
	return costs{middle(func(c costs) time.Duration { return c.cpu }), middle(func(c costs) time.Duration { return c.wall })}
}

// BenchmarkAppendBesidePlain appends to a log and to plain SQLite in turns, and prints
// the medians of the costs as ratios: of the elapsed time, and of the CPU time, which
// does not have the sync of the disk. USHER_BENCH_DIR is a folder on the disk to measure.
// Both begin empty, or as copies of the log of USHER_LOG with its key (TestVerifyFigures
// makes them).
func BenchmarkAppendBesidePlain(b *testing.B) {
	dir := b.TempDir()
	if parent := os.Getenv("USHER_BENCH_DIR"); parent != "" {
		var err error
		if dir, err = os.MkdirTemp(parent, "append"); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = os.RemoveAll(dir) })
	}
	log, other := filepath.Join(dir, "audit.db"), filepath.Join(dir, "plain.db")
	signer := newSigner(b)
	if from := os.Getenv("USHER_LOG"); from != "" {
		secret, err := os.ReadFile(from + ".key")
		if err != nil {
			b.Fatal(err)
		}
		public, err := os.ReadFile(from + ".pub")
		if err != nil {
			b.Fatal(err)
		}
		if signer, err = checkpoint.NewSigner(string(secret), strings.TrimSpace(string(public))); err != nil {
			b.Fatal(err)
		}
		copyFile(b, from, log)
		copyFile(b, from+".head", log+".head")
		copyFile(b, from, other)
	}
	ours, plain := openSigned(b, log, signer), openPlain(b, other)
	var first, second atomic.Int64
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("%d writers", writers), func(b *testing.B) {
			var a, p []costs
			n := max(1, 32/writers)
			for b.Loop() {
				for range 8 {
					a = append(a, appends(b, ours.Append, &first, writers, n))
					p = append(p, appends(b, plain.Append, &second, writers, n))
				}
			}
			x, y, each := median(a), median(p), float64(writers*n)
			b.ReportMetric(float64(x.wall)/float64(y.wall), "wall-ratio")
			b.ReportMetric(float64(x.cpu)/float64(y.cpu), "CPU-ratio")
			b.ReportMetric(float64(x.wall.Microseconds())/each, "µs/event")
			b.ReportMetric(float64(y.wall.Microseconds())/each, "plain-µs/event")
		})
	}
}
