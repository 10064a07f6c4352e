package browse

import (
	"math/bits"
	"slices"
	"strings"
	"sync"
)

// ordering identifies an order of rows.
type ordering struct {
	by, then by
	facts    *facts
}

// ranking has all rows of a listing in one order. A filter selects from it, so that the
// rows are sorted once and not at each key. Rows of later pages are merged into it. The
// copies of a listing share its ranking, and commands use it at the same time.
type ranking struct {
	mu    sync.Mutex
	order ordering
	pages int     // the rows are those of the first pages of the listing
	rows  []int32 // immutable, because views share it
}

// of returns the rows of a listing in an order. The caller must not change them.
func (k *ranking) of(l *listing, a arrangement) []int32 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if o := (ordering{a.by, a.then, a.facts}); k.order != o {
		k.order, k.pages, k.rows = o, 0, nil
	}
	if k.pages < len(l.pages) {
		k.rows, k.pages = merged(k.rows, l.sortedFrom(k.pages, a), l.comparison(a)), len(l.pages)
	}
	if k.pages == len(l.pages) {
		return k.rows
	}
	// The listing is a copy from before the last pages.
	return slices.DeleteFunc(slices.Clone(k.rows), func(r int32) bool { return int(r>>rowBits) >= len(l.pages) })
}

// sortedFrom returns the rows of the pages from a number on, in order.
func (l *listing) sortedFrom(page int, a arrangement) []int32 {
	var rows []int32
	for i := range l.pagesInOrder() {
		if int(i) < page {
			continue
		}
		for j := range l.pages[i].rows {
			rows = append(rows, i<<rowBits+int32(j))
		}
	}
	if !l.sorted {
		slices.SortStableFunc(rows, func(x, y int32) int { return strings.Compare(l.name(x), l.name(y)) })
	}
	return l.sort(rows, a)
}

// merged returns two lists of rows in the same order as one list.
func merged(old, added []int32, compare func(x, y int32) int) []int32 {
	if len(old) == 0 {
		return slices.Clip(added)
	}
	all := make([]int32, 0, len(old)+len(added))
	for _, r := range added {
		at, _ := slices.BinarySearchFunc(old, r, compare)
		all = append(append(all, old[:at]...), r)
		old = old[at:]
	}
	return append(all, old...)
}

// rowSet is a set of rows, with a bit for each row.
type rowSet []uint64

// pageWords is the length of the part of a rowSet for one page. Pages share no word, so
// that processors can fill the parts of their pages.
const pageWords = pageRows / 64

func (s rowSet) add(r int32) { s[r>>6] |= 1 << (r & 63) }

// of returns the rows of a list that are in the set, in the order of the list.
func (s rowSet) of(rows []int32) []int32 {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	found := make([]int32, n+1) // the last one is for rows that are not in the set
	n = 0
	for _, r := range rows { // without a branch, whose direction is unpredictable
		found[n] = r
		n += int(s[r>>6] >> (r & 63) & 1)
	}
	return found[:n]
}
