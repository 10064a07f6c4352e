package audit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/event"
)

var ada = event.User{Sub: "s-1", Username: "ada"}

func newLog(t *testing.T, s audit.Store) *audit.Log {
	t.Helper()
	l, err := audit.New(audit.Config{Store: s, Now: time.Now, NewID: audittest.NewID()})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func release(key string) audit.Release {
	return audit.Release{
		Event:     event.Event{User: ada, Session: "7Q4K", Bucket: "company-reports", Key: key, ETag: `"abc"`, Version: "v1"},
		CheckedAt: time.Now(),
	}
}

func denied(key string) event.Event {
	return event.Event{User: ada, Action: event.Download, Outcome: event.Denied, Bucket: "company-reports", Key: key}
}

func TestNewRefusesMissingParts(t *testing.T) {
	whole := audit.Config{Store: audittest.NewMemory(), Now: time.Now, NewID: audittest.NewID()}
	if _, err := audit.New(whole); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*audit.Config){
		"no store":               func(c *audit.Config) { c.Store = nil },
		"no clock":               func(c *audit.Config) { c.Now = nil },
		"no source of event ids": func(c *audit.Config) { c.NewID = nil },
		"deadline":               func(c *audit.Config) { c.Deadline = -1 },
		"pending":                func(c *audit.Config) { c.Pending = -1 },
	} {
		c := whole
		change(&c)
		if _, err := audit.New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReceiptsMatchTheirRecords(t *testing.T) {
	store := audittest.NewMemory()
	l := newLog(t, store)
	link := release("b.csv")
	link.Link = true
	receipts, err := l.RecordReleases(t.Context(), []audit.Release{release("a.csv"), link}, denied("c.csv"))
	if err != nil {
		t.Fatal(err)
	}
	events := store.Events()
	if len(receipts) != 2 || len(events) != 3 {
		t.Fatalf("%d receipts, %d events", len(receipts), len(events))
	}
	for i, r := range receipts {
		e := events[i+1] // behind the denied object
		if !r.Valid() || r.EventID() != e.ID || r.Bucket() != e.Bucket || r.Key() != e.Key || r.ETag() != e.ETag ||
			r.Version() != e.Version || r.CheckedAt().IsZero() || r.Link() != (i == 1) {
			t.Errorf("receipt %+v for event %+v", r, e)
		}
		if e.Action != event.Download || e.Outcome != event.Allowed || e.Time.IsZero() || e.ID == "" {
			t.Errorf("recorded %+v", e)
		}
	}
	if events[1].Purpose != "" || events[2].Purpose != "link" || events[0].Outcome != event.Denied {
		t.Errorf("recorded %+v", events)
	}
	if (audit.Receipt{}).Valid() {
		t.Error("the zero receipt is valid")
	}
}

func TestRecordReleasesRefusesInvalidReleases(t *testing.T) {
	for name, change := range map[string]func(*audit.Release){
		"no bucket":          func(r *audit.Release) { r.Event.Bucket = "" },
		"no key":             func(r *audit.Release) { r.Event.Key = "" },
		"key not UTF-8":      func(r *audit.Release) { r.Event.Key = "a\xff" },
		"no user":            func(r *audit.Release) { r.Event.User.Sub = "" },
		"never checked":      func(r *audit.Release) { r.CheckedAt = time.Time{} },
		"a denial":           func(r *audit.Release) { r.Event.Outcome = event.Denied },
		"a listing":          func(r *audit.Release) { r.Event.Action = event.List },
		"purpose, no link":   func(r *audit.Release) { r.Event.Purpose = "link" },
		"link, as a preview": func(r *audit.Release) { r.Link, r.Event.Purpose = true, "preview" },
	} {
		store := audittest.NewMemory()
		bad := release("a.csv")
		change(&bad)
		receipts, err := newLog(t, store).RecordReleases(t.Context(), []audit.Release{release("good.csv"), bad})
		if !errors.Is(err, audit.ErrNotDurable) || receipts != nil || len(store.Events()) != 0 {
			t.Errorf("%s: %v, %d receipts, %d events", name, err, len(receipts), len(store.Events()))
		}
	}
}

func TestRecordRefusesReleasesAndCompletions(t *testing.T) {
	store := audittest.NewMemory()
	l := newLog(t, store)
	for _, e := range []event.Event{
		{Action: event.Download, Outcome: event.Allowed},
		{Action: event.Completed, Outcome: event.Allowed},
		{Action: event.List},
		{Outcome: event.Denied},
	} {
		if err := l.Record(t.Context(), e); !errors.Is(err, audit.ErrNotDurable) {
			t.Errorf("%s %s: %v", e.Action, e.Outcome, err)
		}
		if _, err := l.RecordReleases(t.Context(), []audit.Release{release("a")}, e); !errors.Is(err, audit.ErrNotDurable) {
			t.Errorf("%s %s beside a release: %v", e.Action, e.Outcome, err)
		}
	}
	if n := len(store.Events()); n != 0 {
		t.Errorf("%d events were recorded", n)
	}
	if err := l.Record(t.Context(), denied("a"), event.Event{Action: event.List, Outcome: event.Allowed, ID: "named"}); err != nil {
		t.Fatal(err)
	}
	if e := store.Events(); e[1].ID != "named" || e[0].ID == "" {
		t.Errorf("%+v", e)
	}
	if err := l.Record(t.Context()); err != nil {
		t.Errorf("nothing to record: %v", err)
	}
}

// faulty is a store with its Append replaced by a test.
type faulty struct {
	*audittest.Memory
	append func(ctx context.Context, try int, write func() error) error
	tries  atomic.Int64
}

func (f *faulty) Append(ctx context.Context, events []event.Event) error {
	return f.append(ctx, int(f.tries.Add(1)), func() error { return f.Memory.Append(context.Background(), events) })
}

var errDisk = errors.New("disk")

func TestNoReceiptWithoutADurableRecord(t *testing.T) {
	hang := make(chan struct{})
	for name, test := range map[string]struct {
		append  func(ctx context.Context, try int, write func() error) error
		ok      bool
		events  int // in the log when RecordReleases returns
		elapsed time.Duration
		tries   int
	}{
		"works":        {func(_ context.Context, _ int, write func() error) error { return write() }, true, 1, 0, 1},
		"always fails": {func(context.Context, int, func() error) error { return errDisk }, false, 0, 60 * time.Millisecond, 3},
		"fails twice": {func(_ context.Context, try int, write func() error) error {
			if try < 3 {
				return errDisk
			}
			return write()
		}, true, 1, 60 * time.Millisecond, 3},
		"fails after the write, succeeds on the retry": {func(_ context.Context, try int, write func() error) error {
			err := write()
			if try == 1 {
				return errDisk
			}
			return err
		}, true, 1, 20 * time.Millisecond, 2},
		"fails after the write, each time": {func(_ context.Context, _ int, write func() error) error {
			_ = write()
			return errDisk
		}, false, 1, 60 * time.Millisecond, 3},
		"conflicts, which is not retried": {func(context.Context, int, func() error) error { return audit.ErrConflict }, false, 0, 0, 1},
		"is slow, but not too slow": {func(_ context.Context, _ int, write func() error) error {
			time.Sleep(1900 * time.Millisecond)
			return write()
		}, true, 1, 1900 * time.Millisecond, 1},
		"takes 3 s and heeds the deadline": {func(ctx context.Context, _ int, write func() error) error {
			select {
			case <-time.After(3 * time.Second):
				return write()
			case <-ctx.Done():
				return ctx.Err()
			}
		}, false, 0, 2 * time.Second, 1},
		"takes 3 s and ignores the deadline": {func(_ context.Context, _ int, write func() error) error {
			time.Sleep(3 * time.Second)
			return write()
		}, false, 0, 2 * time.Second, 1},
		"never returns": {func(context.Context, int, func() error) error { <-hang; return errDisk }, false, 0, 2 * time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hang = make(chan struct{})
				store := &faulty{Memory: audittest.NewMemory(), append: test.append}
				l := newLog(t, store)
				begin := time.Now()
				receipts, err := l.RecordReleases(t.Context(), []audit.Release{release("a.csv")})
				if took := time.Since(begin); took != test.elapsed {
					t.Errorf("took %v, want %v", took, test.elapsed)
				}
				if test.ok != (err == nil) || test.ok != (len(receipts) == 1) {
					t.Errorf("%d receipts, %v", len(receipts), err)
				}
				if err != nil && !errors.Is(err, audit.ErrNotDurable) {
					t.Errorf("%v is not ErrNotDurable", err)
				}
				if n := len(store.Events()); n != test.events {
					t.Errorf("%d events in the log, want %d", n, test.events)
				}
				close(hang)
				time.Sleep(5 * time.Second) // fake time: the store's call returns
				if tries := int(store.tries.Load()); tries != test.tries {
					t.Errorf("%d tries, want %d", tries, test.tries)
				}
			})
		})
	}
}

func TestADisconnectedClientDoesNotStopTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Memory: audittest.NewMemory(), append: func(ctx context.Context, _ int, write func() error) error {
			select {
			case <-time.After(time.Second):
				return write()
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		ctx, disconnect := context.WithCancel(t.Context())
		disconnect()
		if err := newLog(t, store).Record(ctx, denied("a.csv")); err != nil || len(store.Events()) != 1 {
			t.Errorf("%v, %d events", err, len(store.Events()))
		}
	})
}

// A store that hangs holds a bounded number of writes, and writes succeed again
// after it recovers.
func TestPendingWritesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pending = 3
		hang := make(chan struct{})
		store := &faulty{Memory: audittest.NewMemory(), append: func(_ context.Context, _ int, write func() error) error {
			<-hang
			return write()
		}}
		l, err := audit.New(audit.Config{Store: store, Now: time.Now, NewID: audittest.NewID(), Pending: pending})
		if err != nil {
			t.Fatal(err)
		}
		errs := make(chan error, pending)
		for i := range pending {
			go func() { errs <- l.Record(t.Context(), denied(fmt.Sprint(i))) }()
			synctest.Wait()
		}
		begin := time.Now()
		if err := l.Record(t.Context(), denied("one more")); !errors.Is(err, audit.ErrNotDurable) || time.Since(begin) != 0 {
			t.Errorf("one more than %d: %v after %v", pending, err, time.Since(begin))
		}
		for range pending {
			if err := <-errs; !errors.Is(err, audit.ErrNotDurable) {
				t.Error(err)
			}
		}
		close(hang)
		synctest.Wait()
		if err := l.Record(t.Context(), denied("after")); err != nil {
			t.Errorf("a write after the store recovered: %v", err)
		}
	})
}

func TestCompletions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := audittest.NewMemory()
		l := newLog(t, store)
		size := int64(100)
		sized := release("sized.csv")
		sized.Event.Size = &size
		foreign := release("foreign.csv")
		foreign.Event.User = event.User{Sub: "s-2", Username: "ada"} // same name, different sub
		old, err := l.RecordReleases(t.Context(), []audit.Release{release("old.csv")})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(audit.CompletionWindow)
		time.Sleep(time.Second)
		r, err := l.RecordReleases(t.Context(), []audit.Release{release("a.csv"), sized, foreign, release("failed.csv"), release("cancelled.csv")}, denied("x"))
		if err != nil {
			t.Fatal(err)
		}
		before := 1 + slices.IndexFunc(store.Events(), func(e event.Event) bool { return e.Outcome == event.Denied })
		deniedID := store.Events()[before-1].ID
		id := func(i int) string { return r[i].EventID() }
		one := func(id string) audit.Completion {
			return audit.Completion{Event: id, Outcome: "done", Bytes: 100, Seconds: 1.5, Verified: "CRC64NVME"}
		}
		changed := func(id string, f func(*audit.Completion)) audit.Completion {
			c := one(id)
			f(&c)
			return c
		}
		base := event.Event{Session: "7Q4K", SourceIP: "192.0.2.7", UserAgent: "usher/1.0", RequestID: "req-9",
			Action: event.SignOut, Bucket: "elsewhere"} // action and bucket of base are not copied
		report := func(reports ...audit.Completion) []event.Event {
			t.Helper()
			n := len(store.Events())
			if err := l.RecordCompletions(t.Context(), ada, base, reports); err != nil {
				t.Fatal(err)
			}
			return store.Events()[n:]
		}
		for name, c := range map[string]audit.Completion{
			"unknown":          one("no such event"),
			"no id":            one(""),
			"foreign":          one(id(2)),
			"too old":          one(old[0].EventID()),
			"denied":           one(deniedID),
			"negative bytes":   changed(id(0), func(c *audit.Completion) { c.Bytes = -1 }),
			"absurd bytes":     changed(id(0), func(c *audit.Completion) { c.Bytes = math.MaxInt64 }),
			"NaN":              changed(id(0), func(c *audit.Completion) { c.Seconds = math.NaN() }),
			"infinite":         changed(id(0), func(c *audit.Completion) { c.Seconds = math.Inf(1) }),
			"negative seconds": changed(id(0), func(c *audit.Completion) { c.Seconds = -0.1 }),
			"another outcome":  changed(id(0), func(c *audit.Completion) { c.Outcome = "allowed" }),
			"verified prose":   changed(id(0), func(c *audit.Completion) { c.Verified = "by\x1b[2J me" }),
			"verified at length": changed(id(0), func(c *audit.Completion) {
				c.Verified = strings.Repeat("a", 33)
			}),
		} {
			if got := report(c); len(got) != 0 {
				t.Errorf("%s: recorded %+v", name, got)
			}
		}
		again, err := l.RecordReleases(t.Context(), []audit.Release{sized})
		if err != nil {
			t.Fatal(err)
		}
		got := report(one(id(0)), one(id(0)), one("no such event"), one(id(1)),
			changed(id(3), func(c *audit.Completion) { c.Outcome = "failed" }),
			changed(id(4), func(c *audit.Completion) { c.Outcome, c.Bytes, c.Seconds, c.Verified = "cancelled", 0, 0, "" }))
		if len(got) != 4 {
			t.Fatalf("%d completions recorded", len(got))
		}
		bytes, seconds := int64(100), 1.5
		want := event.Event{ID: got[1].ID, Time: got[1].Time, User: ada, Session: "7Q4K", Action: event.Completed,
			Bucket: "company-reports", Key: "sized.csv", Version: "v1", ETag: `"abc"`, Size: &size, Outcome: event.Allowed, Reason: "done",
			Continues: id(1), Bytes: &bytes, Seconds: &seconds, Verified: "CRC64NVME",
			SourceIP: "192.0.2.7", UserAgent: "usher/1.0", RequestID: "req-9"}
		if !reflect.DeepEqual(got[1], want) {
			t.Errorf("recorded %+v\nwant %+v", got[1], want)
		}
		if got[2].Outcome != event.Failed || got[2].Reason != "failed" || got[3].Outcome != event.Failed || got[3].Reason != "cancelled" {
			t.Errorf("recorded %+v", got[2:])
		}
		if beyond := report(changed(again[0].EventID(), func(c *audit.Completion) { c.Bytes = size + 1 })); len(beyond) != 1 ||
			!beyond[0].Implausible || beyond[0].Outcome != event.Failed || beyond[0].Reason != "done" || *beyond[0].Bytes != size+1 {
			t.Errorf("a report of more bytes than the object has: %+v", beyond)
		}
		if second := report(one(id(0)), one(id(3))); len(second) != 0 {
			t.Errorf("second reports were recorded: %+v", second)
		}
		if err := l.RecordCompletions(t.Context(), event.User{Username: "ada"}, base, []audit.Completion{one(id(0))}); !errors.Is(err, audit.ErrNotDurable) {
			t.Errorf("without a sub: %v", err)
		}
	})
}
