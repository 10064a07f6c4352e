package browse

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"usher/tui/keys"
)

// order is how rows are sorted.
type order int

const (
	byName order = iota
	bySize
	byModified
	byKind
	byLocal
)

// orders are the orders of the actions of the sort menu.
var orders = map[keys.Action]order{keys.ByName: byName, keys.BySize: bySize, keys.ByModified: byModified, keys.ByKind: byKind, keys.ByLocal: byLocal}

// by is an order, usual or reversed. The usual one begins with the largest size and the
// newest time.
type by struct {
	order   order
	reverse bool
}

// word returns the order in words.
func (b by) word() string {
	if b.reverse {
		return orderWords[b.order] + ", reversed"
	}
	return orderWords[b.order]
}

// chosen returns the orders after the choice of one: the present order is reversed, and
// another one has the present order as its second key. Names are unique, so an order by
// name has no second key, and is none itself.
func (a arrangement) chosen(o order) (first, second by) {
	switch {
	case o == a.by.order:
		return by{o, !a.by.reverse}, a.then
	case o == byName:
		return by{}, by{}
	case a.by.order == byName:
		return by{order: o}, by{}
	}
	return by{order: o}, a.by
}

// needs reports whether an order is the first or the second key.
func (a arrangement) needs(o order) bool { return a.by.order == o || a.then.order == o }

// sortKey is a row with its ranks in both orders. The place is that in the order of
// names.
type sortKey struct {
	rank, then int64
	place      int32
	row        int32
}

// sort sorts rows that are in the order of their names: folders first, then by both
// orders, then by name.
func (l *listing) sort(view []int32, a arrangement) []int32 {
	var folders, files []int32
	files = view[:0]
	for _, r := range view {
		if l.row(r).kind == object {
			files = append(files, r)
		} else {
			folders = append(folders, r)
		}
	}
	if len(folders) > 0 {
		files = slices.Clone(files) // both go to the view
	}
	at := copy(view, l.ordered(folders, a))
	copy(view[at:], l.ordered(files, a))
	return view
}

// ordered sorts folders, or files, that are in the order of their names.
func (l *listing) ordered(rows []int32, a arrangement) []int32 {
	if a.by.order == byName || len(rows) == 0 {
		if a.by.reverse {
			slices.Reverse(rows)
		}
		return rows
	}
	rank, then := l.ranks(a, a.by), l.ranks(a, a.then)
	keys := make([]sortKey, len(rows))
	for i, r := range rows {
		keys[i] = sortKey{rank: rank(r), then: then(r), place: int32(i), row: r}
		if a.by.reverse {
			keys[i].place = -keys[i].place
		}
	}
	slices.SortFunc(keys, func(x, y sortKey) int {
		return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(x.then, y.then), cmp.Compare(x.place, y.place))
	})
	for i, k := range keys {
		rows[i] = k.row
	}
	return rows
}

// comparison returns the function that compares two rows in an order.
func (l *listing) comparison(a arrangement) func(x, y int32) int {
	rank, then := l.ranks(a, a.by), l.ranks(a, a.then)
	group := func(r int32) int {
		if l.row(r).kind == object {
			return 1
		}
		return 0
	}
	return func(x, y int32) int {
		if c := cmp.Or(group(x)-group(y), cmp.Compare(rank(x), rank(y)), cmp.Compare(then(x), then(y))); c != 0 {
			return c
		}
		if a.by.reverse {
			x, y = y, x
		}
		return strings.Compare(l.name(x), l.name(y))
	}
}

// ranks returns the function that gives the rank of a row in an order.
func (l *listing) ranks(a arrangement, b by) func(int32) int64 {
	rank := l.usual(a.facts, b.order)
	if b.reverse {
		return func(r int32) int64 { return ^rank(r) }
	}
	return rank
}

// usual returns the function that gives the rank of a row in an order that is not
// reversed.
func (l *listing) usual(known *facts, o order) func(int32) int64 {
	if known == nil {
		known = &facts{}
	}
	switch o {
	case bySize: // largest first
		return func(r int32) int64 {
			if l.row(r).kind != object {
				return -known.sums[l.name(r)]
			}
			return -l.row(r).size
		}
	case byModified: // newest first
		return func(r int32) int64 { return ^l.row(r).mod }
	case byLocal:
		return func(r int32) int64 { return -known.local[l.name(r)] }
	case byKind:
		return func(r int32) int64 {
			if l.row(r).kind != object {
				return 0
			}
			return kindRank(kindOf(l.name(r)))
		}
	}
	return func(int32) int64 { return 0 }
}

// kindRank returns the first eight letters of a kind as a number in alphabetical order.
// The column of the table has no more.
func kindRank(kind string) int64 {
	var b [8]byte
	copy(b[:], kind)
	return int64(binary.BigEndian.Uint64(b[:]))
}

// sortNote describes the second key of a new order, the present order.
func (p *Pane) sortNote() string {
	if p.arr.by.order == byName {
		return ""
	}
	return ", then by " + p.arr.by.word() + "; the same key reverses"
}
