package groupsum_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/event"
	"usher/client/groupsum"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// events returns events with few different values, the newest first.
func events(n int) (all []event.Event) {
	r := rand.New(rand.NewPCG(7, 8))
	for i := range n {
		size := r.Int64N(1000)
		e := event.Event{
			Time: noon.Add(-time.Duration(i/3) * time.Minute), User: event.User{Sub: fmt.Sprint("s", r.IntN(5)), Username: fmt.Sprint("n", r.IntN(9))},
			Session: fmt.Sprint("x", r.IntN(40)), SourceIP: []string{"", "192.0.2.1", "2001:db8::1"}[r.IntN(3)],
			Action: []string{event.Download, event.Download, event.Completed, event.List}[r.IntN(4)], Outcome: []string{event.Allowed, event.Allowed, event.Denied}[r.IntN(3)],
			Bucket: []string{"b", "bb"}[r.IntN(2)], Key: fmt.Sprintf("d%d/file-%d", r.IntN(7), r.IntN(60)),
		}
		if r.IntN(4) > 0 {
			e.Size, e.Bytes = &size, &size
		}
		all = append(all, e)
	}
	return all
}

// pages counts events in pages.
func pages(t *testing.T, by []event.By, most int, all []event.Event) *groupsum.Count {
	t.Helper()
	c := groupsum.New(by, most)
	t.Cleanup(func() { _ = c.Close() })
	for page := range slices.Chunk(all, 101) {
		s := event.NewSums(by)
		for _, e := range page {
			s.Add(e)
		}
		if err := c.Merge(s.Groups(event.SortKey)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// list reads all groups.
func list(t *testing.T, g *groupsum.Groups) (all []event.Group) {
	t.Helper()
	for x, err := range g.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
	return all
}

// A count has the same groups in memory, in a few runs and in a run for each page: those
// of event.Sums over all events.
func TestRunsAddUp(t *testing.T) {
	all := events(2_000)
	for _, text := range []string{"who", "file", "folder", "ip", "session,who", "day", "hour,file"} {
		by, err := event.ParseBy(text)
		if err != nil {
			t.Fatal(err)
		}
		sums := event.NewSums(by)
		for _, e := range all {
			sums.Add(e)
		}
		for _, order := range event.Sorts() {
			want := sums.Groups(order)
			for i := range want {
				want[i].Objects = ""
			}
			for _, most := range []int{1, 20_000, groupsum.DefaultMost} {
				groups, err := pages(t, by, most, all).Groups(t.Context(), order)
				if err != nil {
					t.Fatal(err)
				}
				got := list(t, groups)
				if groups.Len() != len(want) || !reflect.DeepEqual(got, want) {
					t.Errorf("by %s, sorted by %s, at most %d bytes: %d groups\n%+v\nwant %d\n%+v", text, order, most, groups.Len(), first(got), len(want), first(want))
				}
				if again := list(t, groups); !reflect.DeepEqual(again, got) {
					t.Errorf("by %s, sorted by %s: the second reading differs", text, order)
				}
			}
		}
	}
}

func first(all []event.Group) []event.Group { return all[:min(3, len(all))] }

// files returns the names in the folder of temporary files.
func files(t *testing.T) (names []string) {
	t.Helper()
	all, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		names = append(names, f.Name())
	}
	return names
}

// temporary sets the folder of temporary files for a test.
func temporary(t *testing.T, dir string) {
	t.Helper()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir)
}

// A small count makes no file. The file of a large one has no name, so that nothing is
// left of a killed process; on Windows it goes with the count.
func TestTemporaryFile(t *testing.T) {
	temporary(t, t.TempDir())
	all := events(2_000)
	pages(t, []event.By{event.PerFile}, groupsum.DefaultMost, all)
	if names := files(t); len(names) > 0 {
		t.Errorf("a small count made %q", names)
	}
	c := pages(t, []event.By{event.PerFile}, 10_000, all)
	if names := files(t); len(names) > 0 && runtime.GOOS != "windows" {
		t.Errorf("a large count left %q", names)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if names := files(t); len(names) > 0 {
		t.Errorf("after the count there are %q", names)
	}
	if groups, err := c.Groups(t.Context(), event.SortKey); err == nil {
		t.Errorf("a closed count has groups: %d", groups.Len())
	}
}

// A failed write has a sentence with the folder, and the exit code of a disk.
func TestNoTemporaryFile(t *testing.T) {
	dir := t.TempDir() + "/absent\x1b[31m"
	temporary(t, dir)
	c := groupsum.New([]event.By{event.PerFile}, 1)
	err := c.Merge([]event.Group{{Keys: []string{"b/a"}, Events: 1}})
	var failing api.Failing
	if !errors.As(err, &failing) || failing.Exit() != api.ExitDisk || !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%v", err)
	}
	if text := err.Error(); !strings.Contains(text, "absent") || !strings.Contains(text, "TMPDIR") || strings.Contains(text, "\x1b") {
		t.Errorf("%q", text)
	}
}

// A canceled context ends the reading of groups with its error.
func TestCanceledReading(t *testing.T) {
	c := pages(t, []event.By{event.PerFile}, 10_000, events(2_000))
	groups, err := c.Groups(t.Context(), event.SortEvents)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, err = range groups.All(ctx) {
		if n++; n == 5 {
			cancel()
		}
	}
	if n != 6 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d groups, %v", n, err)
	}
	if _, err := c.Groups(ctx, event.SortKey); !errors.Is(err, context.Canceled) {
		t.Errorf("sorting: %v", err)
	}
}

// Groups of another form are refused.
func TestMalformedGroups(t *testing.T) {
	for _, g := range []event.Group{{Keys: []string{"a", "b"}}, {Keys: []string{"a"}, Objects: "AAA="}, {Keys: []string{"a"}, Objects: "?"}} {
		if err := groupsum.New([]event.By{event.PerWho}, 1).Merge([]event.Group{g}); err == nil {
			t.Errorf("%+v was merged", g)
		}
	}
}

// The memory of a count does not grow with its groups, or with the different files of
// one group. The test is not parallel: it measures the heap. The soak has a million.
func TestMemoryIsBounded(t *testing.T) {
	n := 60_000
	if os.Getenv("USHER_SOAK") != "" {
		n = 1_000_000
	}
	const most, bound = 1 << 20, 6 << 20 // bytes; the bound is of the live heap beyond that of an empty count
	for _, by := range []event.By{event.PerFile, event.PerWho} {
		var m runtime.MemStats
		heap := func() int {
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int(m.HeapAlloc)
		}
		before, high := heap(), 0
		c := groupsum.New([]event.By{by}, most)
		for from := 0; from < n; from += 1000 {
			s := event.NewSums([]event.By{by})
			for i := range 1000 {
				s.Add(event.Event{Time: noon, User: event.User{Sub: "s1"}, Action: event.Download, Outcome: event.Allowed, Bucket: "b", Key: fmt.Sprintf("annual/2026/report-%07d.pdf", from+i)})
			}
			if err := c.Merge(s.Groups(event.SortKey)); err != nil {
				t.Fatal(err)
			}
			if from%10_000 == 0 {
				high = max(high, heap()-before)
			}
		}
		groups, err := c.Groups(t.Context(), event.SortEvents)
		if err != nil {
			t.Fatal(err)
		}
		high = max(high, heap()-before)
		seen, total := 0, 0
		for g, err := range groups.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			total += g.Files
			if seen++; seen%10_000 == 1 {
				high = max(high, heap()-before)
			}
		}
		t.Logf("by %s: %d groups of %d files, at most %d KiB of live heap", by, groups.Len(), total, high>>10)
		if want := map[event.By]int{event.PerFile: n, event.PerWho: 1}[by]; groups.Len() != want || seen != want || total != n {
			t.Errorf("by %s: %d groups, %d seen, %d files", by, groups.Len(), seen, total)
		}
		if high > bound {
			t.Errorf("by %s: %d KiB of live heap, more than %d", by, high>>10, bound>>10)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func ExampleCount() {
	by := []event.By{event.PerWho}
	c := groupsum.New(by, groupsum.DefaultMost)
	for _, page := range [][]event.Group{{{Keys: []string{"s2"}, Name: "grace", Events: 2}}, {{Keys: []string{"s1"}, Name: "ada", Events: 1}, {Keys: []string{"s2"}, Name: "grace", Events: 3}}} {
		if err := c.Merge(page); err != nil {
			fmt.Println(err)
		}
	}
	all, err := c.List(context.Background(), event.SortEvents)
	for _, g := range all {
		fmt.Println(g.Name, g.Events)
	}
	fmt.Println(err)
	// Output:
	// grace 5
	// ada 1
	// <nil>
}
