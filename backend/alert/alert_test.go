package alert

import (
	"context"
	"errors"
	"fmt"
	"iter"
	mathrand "math/rand/v2"
	"slices"
	"testing"
	"time"

	"usher/backend/event"
)

var start = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// world is a log in memory with a clock and a stored place.
type world struct {
	events []event.Event
	place  int64
	now    time.Time
	fail   func() error // of each record and each store; nil: none
}

func (w *world) Between(_ context.Context, from, to int64) iter.Seq2[event.Record, error] {
	return func(yield func(event.Record, error) bool) {
		for i := from; i < min(to, int64(len(w.events))); i++ {
			if !yield(event.Record{Index: i, Event: w.events[i]}, nil) {
				return
			}
		}
	}
}

func (w *world) Load(context.Context) (int64, error) { return w.place, nil }

func (w *world) Store(_ context.Context, n int64) error {
	if err := w.failure(); err != nil {
		return err
	}
	w.place = n
	return nil
}

func (w *world) failure() error {
	if w.fail == nil {
		return nil
	}
	return w.fail()
}

// Record skips an event that the log has, as a store does.
func (w *world) Record(_ context.Context, events ...event.Event) error {
	if err := w.failure(); err != nil {
		return err
	}
	for _, e := range events {
		if e.Time.IsZero() {
			e.Time, e.ID = w.now, fmt.Sprintf("late%d", len(w.events))
		}
		if !slices.ContainsFunc(w.events, func(have event.Event) bool { return have.ID == e.ID }) {
			w.events = append(w.events, e)
		}
	}
	return nil
}

func (w *world) add(who string, after time.Duration) {
	w.now = w.now.Add(after)
	w.events = append(w.events, event.Event{ID: fmt.Sprintf("01K%023d", len(w.events)), Time: w.now, Action: event.Download, Outcome: event.Denied, User: event.User{Sub: who, Username: who}})
}

func (w *world) alerts() (all []event.Event) {
	for _, e := range w.events {
		if e.Action == event.Alert {
			all = append(all, e)
		}
	}
	return all
}

func newWatch(t *testing.T, w *world, rules ...Rule) *Watch {
	t.Helper()
	watch, err := New(Config{Rules: rules, Records: w, Position: w, Log: w, Now: func() time.Time { return w.now },
		Size: func(context.Context) (int64, error) { return 0, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return watch
}

func rule(t *testing.T, query string, by event.By, window time.Duration, threshold int) Rule {
	t.Helper()
	f, err := event.ParseFilter(query, start)
	if err != nil {
		t.Fatal(err)
	}
	return Rule{Name: "test", Query: query, Filter: f, By: by, Window: window, Threshold: threshold}
}

func step(t *testing.T, watch *Watch) {
	t.Helper()
	for range 2 { // the second one reads the alerts
		if _, err := watch.Step(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnAlertNeedsItsThresholdInItsWindow(t *testing.T) {
	w := &world{now: start}
	watch := newWatch(t, w, rule(t, "outcome:denied", event.PerWho, time.Hour, 3))
	for i, one := range []struct {
		who    string
		after  time.Duration
		alerts int
	}{
		{"ada", time.Minute, 0}, {"alan", time.Minute, 0}, {"ada", time.Minute, 0}, {"alan", time.Minute, 0},
		{"ada", time.Minute, 1},                                                                         // the third one of ada
		{"ada", time.Minute, 1},                                                                         // silence for an hour
		{"grace", 2 * time.Hour, 1}, {"grace", time.Hour + 2*time.Minute, 1}, {"grace", time.Minute, 1}, // two in an hour
		{"grace", time.Minute, 2},
	} {
		w.add(one.who, one.after)
		step(t, watch)
		if n := len(w.alerts()); n != one.alerts {
			t.Errorf("event %d of %s: %d alerts, want %d", i, one.who, n, one.alerts)
		}
	}
	first := w.alerts()[0]
	if first.User.Username != "ada" || first.Count != 3 || !first.From.Equal(start.Add(time.Minute)) || first.Query != "outcome:denied" || len(first.ID) != 26 {
		t.Errorf("%+v", first)
	}
}

// Kills between any two steps add no alert and lose none.
func TestRestartsAddNoAlert(t *testing.T) {
	for seed := range uint64(30) {
		play := func(kills bool) []string {
			r := mathrand.New(mathrand.NewPCG(seed, 1))
			killed := mathrand.New(mathrand.NewPCG(seed, 2))
			w := &world{now: start}
			if kills {
				w.fail = func() error {
					if killed.IntN(3) == 0 {
						return errors.New("killed")
					}
					return nil
				}
			}
			rules := []Rule{rule(t, "outcome:denied", event.PerWho, 10*time.Minute, 4), rule(t, "outcome:denied", "", time.Hour, 30)}
			rules[1].Name = "all"
			watch := newWatch(t, w, rules...)
			for range 400 {
				w.add([]string{"ada", "alan", "grace"}[r.IntN(3)], time.Duration(r.IntN(120))*time.Second)
				if r.IntN(3) > 0 {
					continue
				}
				for {
					_, err := watch.Step(context.Background())
					if err == nil {
						break
					}
					watch = newWatch(t, w, rules...) // a new process
				}
			}
			w.fail = nil
			step(t, watch)
			var all []string
			for _, e := range w.alerts() {
				all = append(all, identity(e))
			}
			slices.Sort(all)
			return all
		}
		whole, killed := play(false), play(true)
		if !slices.Equal(whole, killed) || len(whole) < 5 {
			t.Fatalf("seed %d: %d alerts without kills, %d with them\n%q\n%q", seed, len(whole), len(killed), whole, killed)
		}
	}
}

// A flood of values takes a bounded memory, and is an alert itself.
func TestManyValues(t *testing.T) {
	w := &world{now: start}
	watch := newWatch(t, w, rule(t, "outcome:denied", event.PerWho, time.Hour, 500))
	for i := range 3 * maxKeys {
		w.add(fmt.Sprint("person", i), time.Millisecond)
	}
	for range 10 {
		step(t, watch)
	}
	if n := len(watch.counts[0].keys); n > maxKeys+1 {
		t.Errorf("%d values are counted", n)
	}
	if n := len(w.alerts()); n != 1 {
		t.Errorf("%d alerts", n)
	}
	for i := range maxKeys { // much later, old values make room
		w.add(fmt.Sprint("later", i), time.Second)
	}
	for range 10 {
		step(t, watch)
	}
	if n := len(watch.counts[0].queue); n > maxKeys+1 {
		t.Errorf("%d values wait", n)
	}
}
