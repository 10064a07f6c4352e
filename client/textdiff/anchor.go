package textdiff

import "slices"

// anchor is a line of both texts, by its indexes.
type anchor struct{ old, next int }

// occurrences counts a line in two ranges.
type occurrences struct {
	old, next int
	first     int // of its places in the new text
	placed    int
}

// anchors returns the longest sequence of lines that have the same order in both texts,
// of those that occur equally often in both, at most so many times. The first occurrence
// of a line is paired with the first one, and so on.
func anchors(old, next []rune, most int) []anchor {
	at := make(map[rune]int, len(old)) // line → index in all
	all := make([]occurrences, 0, len(old))
	for _, line := range old {
		i, known := at[line]
		if !known {
			i = len(all)
			at[line], all = i, append(all, occurrences{})
		}
		all[i].old++
	}
	for _, line := range next {
		if i, known := at[line]; known {
			all[i].next++
		}
	}
	total := 0
	for i := range all {
		o := &all[i]
		if o.old != o.next || o.old > most {
			o.next = 0
			continue
		}
		o.first, total = total, total+o.next
	}
	places := make([]int, total) // in the new text, by line
	for i, line := range next {
		if n, known := at[line]; known && all[n].next > 0 {
			places[all[n].first+all[n].placed] = i
			all[n].placed++
		}
	}
	pairs := make([]anchor, 0, total)
	for i, line := range old {
		if o := &all[at[line]]; o.next > 0 {
			pairs = append(pairs, anchor{i, places[o.first+o.next-o.placed]})
			o.placed--
		}
	}
	return ascending(pairs)
}

// ascending returns the longest subsequence with ascending positions in the new text,
// of anchors that ascend in the old one.
func ascending(all []anchor) []anchor {
	var ends []int                  // ends[n] is the anchor with the least end of a sequence of n+1
	before := make([]int, len(all)) // the anchor before each one in its sequence
	for i, a := range all {
		n, _ := slices.BinarySearchFunc(ends, a.next, func(end, next int) int { return all[end].next - next })
		if before[i] = -1; n > 0 {
			before[i] = ends[n-1]
		}
		if n == len(ends) {
			ends = append(ends, i)
		} else {
			ends[n] = i
		}
	}
	out := make([]anchor, len(ends))
	if len(ends) == 0 {
		return out
	}
	for n, i := len(ends)-1, ends[len(ends)-1]; n >= 0; n, i = n-1, before[i] {
		out[n] = all[i]
	}
	return out
}
