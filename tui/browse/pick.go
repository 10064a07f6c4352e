package browse

import (
	"runtime"
	"slices"
	"strings"
	"sync"
)

// arrangement is the filter and the order of the visible rows.
type arrangement struct {
	by     by
	then   by     // the second key; by name: none
	words  []word // all must match the name
	hidden bool   // hide names that begin with a dot
	facts  *facts // for the orders that need more than the listing
}

// facts is the part of an order that is not in the listing. It is immutable.
type facts struct {
	sums  map[string]int64 // counted bytes of folders, for the order by size
	local map[string]int64 // ranks of the files on this machine, for the order by Local
}

// byPage reports whether the rows have the order of the pages: that of the names, also
// while further pages are loaded.
func (a arrangement) byPage() bool { return a.by == by{} }

// pick appends the visible rows of a page.
func (l *listing) pick(view []int32, page int32, a arrangement) []int32 {
	p := l.pages[page]
	add := func(i int) {
		if !a.hidden || !strings.HasPrefix(p.name(i), ".") {
			view = append(view, page<<rowBits+int32(i))
		}
	}
	if p.plain && len(a.words) > 0 {
		p.matches(a.words, add)
		return view
	}
	for i := range p.rows {
		if len(a.words) == 0 || fits(p.name(i), a.words) {
			add(i)
		}
	}
	return view
}

// pickEach calls do with the visible rows of each page, which do must copy. Processors
// share many pages.
func (l *listing) pickEach(pages []int32, a arrangement, do func(i int, picked []int32)) {
	workers := min(runtime.GOMAXPROCS(0), 4, 1+len(pages)/50)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			var picked []int32
			for i := w * len(pages) / workers; i < (w+1)*len(pages)/workers; i++ {
				picked = l.pick(picked[:0], pages[i], a)
				do(i, picked)
			}
		})
	}
	all.Wait()
}

// pickAll returns the visible rows of pages. The rows of a page are copied twice, which
// costs less than a slice that grows.
func (l *listing) pickAll(pages []int32, a arrangement) []int32 {
	parts := make([][]int32, len(pages))
	l.pickEach(pages, a, func(i int, picked []int32) { parts[i] = slices.Clone(picked) })
	return slices.Concat(parts...)
}

// pickSet returns the visible rows as a set.
func (l *listing) pickSet(a arrangement) rowSet {
	set := make(rowSet, len(l.pages)*pageWords)
	l.pickEach(slices.Collect(l.pagesInOrder()), a, func(_ int, picked []int32) {
		for _, r := range picked {
			set.add(r)
		}
	})
	return set
}

// arrange returns the visible rows in order: folders first in a complete listing, the
// server's order in an incomplete one, with a row for each gap. The caller must not
// change them. It changes nothing but the ranking, so a command may run it on a copy.
func (l *listing) arrange(a arrangement) []int32 {
	switch {
	case a.byPage() && !l.complete():
		return l.paged(a)
	case a.by.order == byName && l.sorted:
		return l.sort(l.pickAll(slices.Collect(l.pagesInOrder()), a), a)
	}
	k := l.ranking
	if k == nil {
		k = &ranking{}
	}
	rows := k.of(l, a)
	if len(a.words) == 0 && !a.hidden {
		return rows
	}
	return l.pickSet(a).of(rows)
}

// paged returns the visible rows in the order of the pages, with the gaps.
func (l *listing) paged(a arrangement) []int32 {
	var view []int32
	for i, s := range l.segments {
		picked := l.pickAll(s.pages, a)
		if i == 0 {
			view = picked
		} else {
			view = append(view, picked...)
		}
		if len(a.words) == 0 && i+1 < len(l.segments) {
			view = append(view, gap(i))
		}
	}
	return view
}
