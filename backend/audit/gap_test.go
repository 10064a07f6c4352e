package audit_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/event"
)

// failing is a store with one kind of failure, while it is set.
type failing struct {
	*audittest.Memory
	mu   sync.Mutex
	kind string
}

func (f *failing) set(kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kind = kind
}

func (f *failing) now() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kind
}

func (f *failing) Check(context.Context) error {
	if f.now() != "" {
		return errors.New("still failing")
	}
	return nil
}

func (f *failing) Append(ctx context.Context, events []event.Event) error {
	switch f.now() {
	case "full":
		return errors.New("the disk is full")
	case "slow":
		<-ctx.Done()
		return ctx.Err()
	case "ambiguous":
		if err := f.Memory.Append(ctx, events); err != nil {
			return err
		}
		return errors.New("the response is lost")
	}
	return f.Memory.Append(ctx, events)
}

func gaps(s *failing) (all []event.Event) {
	for _, e := range s.Events() {
		if e.Action == event.AuditGap {
			all = append(all, e)
		}
	}
	return all
}

// Each outage has one event, with the number of refused records and their times. No
// receipt is given meanwhile.
func TestAGapIsRecordedOnce(t *testing.T) {
	for _, kind := range []string{"full", "slow", "ambiguous"} {
		for _, end := range []string{"a request", "no request"} {
			t.Run(kind+", then "+end, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &failing{Memory: audittest.NewMemory()}
					l := newLog(t, s)
					for outage := 1; outage <= 2; outage++ {
						s.set(kind)
						began := time.Now()
						for range 3 {
							if receipts, err := l.RecordReleases(t.Context(), []audit.Release{release("a.csv")}); err == nil || len(receipts) > 0 {
								t.Fatalf("%d receipts, %v", len(receipts), err)
							}
							time.Sleep(time.Second)
						}
						ended := time.Now()
						l.Resume(t.Context()) // too early
						if err := l.Record(audit.Beside(t.Context()), denied("background")); err == nil {
							t.Fatal("the background record succeeded")
						}
						time.Sleep(time.Minute)
						s.set("")
						if end == "a request" {
							if err := l.Record(t.Context(), denied("after")); err != nil {
								t.Fatal(err)
							}
						}
						for range 3 {
							l.Resume(t.Context())
						}
						all := gaps(s)
						if len(all) != outage {
							t.Fatalf("%d gaps after %d outages", len(all), outage)
						}
						e := all[outage-1]
						if e.Count != 3 || e.From == nil || e.Until == nil || e.From.Before(began.Truncate(time.Millisecond)) || e.Until.After(ended) || !e.From.Before(*e.Until) || e.Outcome != event.Failed {
							t.Errorf("%d from %v to %v, between %v and %v", e.Count, e.From, e.Until, began, ended)
						}
					}
				})
			})
		}
	}
}

// A gap whose own record fails keeps its event, so an ambiguous response does not
// double it.
func TestAGapSurvivesItsOwnFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &failing{Memory: audittest.NewMemory()}
		l := newLog(t, s)
		s.set("full")
		if err := l.Record(t.Context(), denied("a")); err == nil {
			t.Fatal("recorded")
		}
		s.set("")
		ok := &once{failing: s}
		l2 := newLog(t, ok)
		s.set("full")
		_ = l2.Record(t.Context(), denied("b"))
		s.set("")
		ok.arm()
		for range 3 {
			if err := l2.Record(t.Context(), denied("c")); err != nil {
				t.Fatal(err)
			}
		}
		if all := gaps(s); len(all) != 1 || all[0].Count != 1 {
			t.Errorf("%+v", all)
		}
	})
}

// once loses the responses of the first gap event.
type once struct {
	*failing
	armed atomic.Bool
}

func (o *once) arm() { o.armed.Store(true) }

func (o *once) Append(ctx context.Context, events []event.Event) error {
	err := o.failing.Append(ctx, events)
	if err == nil && events[0].Action == event.AuditGap && o.armed.CompareAndSwap(true, false) {
		if deadline, ok := ctx.Deadline(); ok {
			time.Sleep(time.Until(deadline)) // no retry
		}
		return errors.New("the response is lost")
	}
	return err
}
