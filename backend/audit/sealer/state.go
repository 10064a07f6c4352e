package sealer

import (
	"slices"
	"time"

	"usher/backend/audit/tree"
)

// State is the state item. Everything else can be computed from it, the log and
// the objects.
type State struct {
	Version int64     `json:"version"`
	Size    int64     `json:"size"`
	Root    tree.Hash `json:"root"`
	// Position: every batch of an earlier time is sealed, or is a stray.
	Position time.Time `json:"position"`
	Hours    []Hour    `json:"hours"` // that will be swept, in order
	Plan     *Plan     `json:"plan,omitempty"`
}

// Head returns the sealed size and root.
func (s State) Head() tree.Head {
	if s.Size == 0 {
		return (&tree.Frontier{}).Head()
	}
	return tree.Head{Size: s.Size, Root: s.Root}
}

// Plan is the work that every sealer carries out before any other.
type Plan struct {
	// Stray is the hour whose strays are sealed; the zero time for the batches that
	// come next.
	Stray time.Time `json:"stray,omitzero"`
	IDs   []string  `json:"ids"`
	Size  int64     `json:"size"` // with the plan's events
	Root  tree.Hash `json:"root"`
	// Position and Hours replace those of the state. The ranges of the plan's
	// events are in them.
	Position time.Time `json:"position"`
	Hours    []Hour    `json:"hours"`
}

// Sweep is the number of regular sweeps of an hour.
type Sweep int

// The sweeps of an hour.
const (
	Unswept Sweep = iota
	Closed        // swept after its end
	Final         // swept after a day
)

// Hour is an hour of the log with the events that are sealed.
type Hour struct {
	Start time.Time `json:"start"`
	// Ranges are the numbers of its events in the tree: from, to (exclusive).
	Ranges [][2]int64 `json:"ranges,omitempty"`
	Swept  Sweep      `json:"swept,omitempty"`
	Mark   string     `json:"mark,omitempty"` // the last mark that was handled
	Kept   time.Time  `json:"kept,omitzero"`  // the hour stays in the state until then
}

func (h Hour) end() time.Time { return h.Start.Add(time.Hour) }

// due reports whether a regular sweep of the hour is due.
func (h Hour) due(now time.Time) bool {
	return h.Swept == Unswept && !now.Before(h.end().Add(closed)) || h.Swept == Closed && !now.Before(h.end().Add(final))
}

// leaves reports whether the hour needs no further sweep.
func (h Hour) leaves(now time.Time) bool { return h.Swept == Final && now.After(h.Kept) }

// cloneHours returns a copy that shares nothing.
func cloneHours(hours []Hour) []Hour {
	out := slices.Clone(hours)
	for i := range out {
		out[i].Ranges = slices.Clone(out[i].Ranges)
	}
	return out
}

// hourAt returns the hour in a sorted list, which it extends.
func hourAt(hours *[]Hour, start time.Time) *Hour {
	i, found := slices.BinarySearchFunc(*hours, start, func(h Hour, t time.Time) int { return h.Start.Compare(t) })
	if !found {
		*hours = slices.Insert(*hours, i, Hour{Start: start})
	}
	return &(*hours)[i]
}

// pass adds the hours from position to to (exclusive). An hour that is a day old
// when it is passed needs no sweep: nothing can come later than that without a
// mark.
func pass(hours *[]Hour, from, to, now time.Time) {
	for start := from.Truncate(time.Hour); start.Before(to); start = start.Add(time.Hour) {
		h := hourAt(hours, start)
		if whole := !from.After(start) && !to.Before(h.end()); whole && now.After(h.end().Add(final)) {
			h.Swept = Final
		}
	}
}

// add adds the numbers of consecutive events to their hours.
func add(hours *[]Hour, events []timed, from int64) {
	for i := 0; i < len(events); {
		hour := events[i].at.Truncate(time.Hour)
		n := i
		for n < len(events) && events[n].at.Truncate(time.Hour).Equal(hour) {
			n++
		}
		h := hourAt(hours, hour)
		low, high := from+int64(i), from+int64(n)
		if last := len(h.Ranges) - 1; last >= 0 && h.Ranges[last][1] == low {
			h.Ranges[last][1] = high
		} else {
			h.Ranges = append(h.Ranges, [2]int64{low, high})
		}
		i = n
	}
}
