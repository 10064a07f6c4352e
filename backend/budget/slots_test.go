package budget

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func take(t *testing.T, s *Slots, owners ...string) func() {
	t.Helper()
	release, err := s.Take(context.Background(), owners...)
	if err != nil {
		t.Fatalf("a slot for %v: %v", owners, err)
	}
	return release
}

// An owner with all its slots in use waits for its own slots, and leaves the
// free slots to others.
func TestOneOwnerLeavesSlotsToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSlots(SlotLimits{Total: 8, Each: []int{3, 6}, Wait: time.Second})
		var held []func()
		for range 3 {
			held = append(held, take(t, s, "ada", "address"))
		}
		got := make(chan error)
		go func() {
			release, err := s.Take(context.Background(), "ada", "address")
			if err == nil {
				release()
			}
			got <- err
		}()
		synctest.Wait()
		began := time.Now()
		take(t, s, "grace", "address")()
		if took := time.Since(began); took != 0 {
			t.Errorf("grace waited %s behind ada", took)
		}
		held[0]()
		held[0]() // a second release has no effect
		if err := <-got; err != nil {
			t.Errorf("ada's fourth, after her first: %v", err)
		}
		held[1]()
		held[2]()
		if s.used != 0 || len(s.by[0])+len(s.by[1])+len(s.queued[0])+len(s.queued[1])+len(s.waiting) != 0 {
			t.Errorf("slots are lost: %+v", s)
		}
	})
}

func TestEachLimitHolds(t *testing.T) {
	for name, c := range map[string]struct {
		limits SlotLimits
		owners func(i int) []string
		want   int
	}{
		"total":       {SlotLimits{Total: 4, Each: []int{9, 9}}, func(i int) []string { return []string{string(rune('a' + i)), string(rune('a' + i))} }, 4},
		"per person":  {SlotLimits{Total: 9, Each: []int{3, 9}}, func(i int) []string { return []string{"ada", string(rune('a' + i))} }, 3},
		"per address": {SlotLimits{Total: 9, Each: []int{9, 2}}, func(i int) []string { return []string{string(rune('a' + i)), "address"} }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewSlots(c.limits)
			got := 0
			for i := range 9 {
				if _, err := s.Take(context.Background(), c.owners(i)...); err == nil {
					got++
				} else if !errors.Is(err, ErrFull) {
					t.Error(err)
				}
			}
			if got != c.want {
				t.Errorf("%d slots, want %d", got, c.want)
			}
		})
	}
	s := NewSlots(SlotLimits{Total: 9, Each: []int{9}})
	if _, err := s.Take(context.Background()); err == nil || errors.Is(err, ErrFull) {
		t.Errorf("a slot without an owner: %v", err)
	}
}

// Take fails after the longest wait, at the end of the context, and at once
// when an owner has as many waiting requests as slots.
func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSlots(SlotLimits{Total: 9, Each: []int{1}, Wait: time.Second})
		release := take(t, s, "ada")
		began := time.Now()
		if _, err := s.Take(context.Background(), "ada"); !errors.Is(err, ErrFull) || time.Since(began) != time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if _, err := s.Take(ctx, "ada"); !errors.Is(err, ErrFull) {
			t.Error(err)
		}
		var wait sync.WaitGroup
		wait.Go(func() { _, _ = s.Take(context.Background(), "ada") })
		synctest.Wait()
		began = time.Now()
		if _, err := s.Take(context.Background(), "ada"); !errors.Is(err, ErrFull) || time.Since(began) != 0 {
			t.Errorf("a third, after %s: %v", time.Since(began), err)
		}
		wait.Wait()
		release()
		take(t, s, "ada")()
	})
}
