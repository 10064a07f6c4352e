package groupsum

import (
	"cmp"
	"container/heap"
	"context"
	"iter"
	"slices"

	"usher/backend/event"
)

// merged returns the groups of runs in their order. Groups with the same keys are
// added up; those of earlier runs come first, as they have the newer events.
func merged(ctx context.Context, f *file, runs []run, order event.Sort) iter.Seq2[event.Group, error] {
	return func(yield func(event.Group, error) bool) {
		h := &readers{order: order}
		for i, r := range runs {
			if err := h.add(newReader(f, r, i)); err != nil {
				yield(event.Group{}, err)
				return
			}
		}
		for len(h.all) > 0 {
			g, err := h.next()
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			if !yield(g, err) || err != nil {
				return
			}
		}
	}
}

// readers is a heap of runs, by their present groups.
type readers struct {
	order event.Sort
	all   []*reader
}

// Len implements heap.Interface.
func (h *readers) Len() int { return len(h.all) }

// Less implements heap.Interface.
func (h *readers) Less(i, j int) bool {
	a, b := h.all[i], h.all[j]
	return cmp.Or(h.order.Compare(a.group, b.group), cmp.Compare(a.number, b.number)) < 0
}

// Swap implements heap.Interface.
func (h *readers) Swap(i, j int) { h.all[i], h.all[j] = h.all[j], h.all[i] }

// Push implements heap.Interface.
func (h *readers) Push(r any) { h.all = append(h.all, r.(*reader)) }

// Pop implements heap.Interface.
func (h *readers) Pop() any {
	last := len(h.all) - 1
	r := h.all[last]
	h.all = h.all[:last]
	return r
}

// add reads the next group of a run, and adds the run unless it has ended.
func (h *readers) add(r *reader) error {
	more, err := r.next()
	if more {
		heap.Push(h, r)
	}
	return err
}

// next returns the sum of the groups with the least keys.
func (h *readers) next() (event.Group, error) {
	same := []*reader{heap.Pop(h).(*reader)}
	g := same[0].group
	for len(h.all) > 0 && slices.Equal(h.all[0].group.Keys, g.Keys) {
		r := heap.Pop(h).(*reader)
		same = append(same, r)
		g.Join(r.group)
		g.Files = max(g.Files, r.group.Files) // of a count by file, which has no hashes
	}
	different, err := countDifferent(same)
	if different > 0 {
		g.Files = different
	}
	for _, r := range same {
		if err == nil {
			err = h.add(r)
		}
	}
	return g, err
}

// countDifferent reads the hashes of the present groups of runs, which are ascending, and
// returns the number of different ones.
func countDifferent(same []*reader) (n int, err error) {
	var last uint64
	for {
		var least *reader
		for _, r := range same {
			if r.hashed && (least == nil || r.hash < least.hash) {
				least = r
			}
		}
		if least == nil {
			return n, nil
		}
		if n == 0 || least.hash != last {
			n, last = n+1, least.hash
		}
		if err := least.nextHash(); err != nil {
			return n, err
		}
	}
}
