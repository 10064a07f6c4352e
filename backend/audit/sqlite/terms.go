package sqlite

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"usher/backend/event"
)

// paths adds path terms as ranges of bytes, which need no escaping.
func (w *where) paths(some, none []event.Term) {
	var either []string
	var args []any
	for _, t := range some {
		c, a := pathRange(t)
		either, args = append(either, c), append(args, a...)
	}
	if len(some) > 0 {
		w.and("("+strings.Join(either, " OR ")+")", args...)
	}
	if len(some) == 1 {
		t := some[0]
		if literal, _, pattern := strings.Cut(t.Value, "*"); pattern && !t.Exact {
			t.Value = literal
		}
		if t.Value != "" {
			c, a := pathRange(t)
			w.indexes = append(w.indexes, index{name: "events_object", condition: c, args: a, ordered: t.Exact})
		}
	}
	for _, t := range none {
		if t.Exact || !strings.Contains(t.Value, "*") {
			c, a := pathRange(t)
			w.and("NOT ("+c+")", a...)
		}
	}
}

// pathRange returns the condition of a path term. That of a pattern has its texts in
// any order.
func pathRange(t event.Term) (string, []any) {
	low := []byte(t.Value)
	if t.Exact {
		return "e.object = ?", []any{low}
	}
	if literal, rest, pattern := strings.Cut(t.Value, "*"); pattern {
		condition, args := "1", []any(nil)
		if literal != "" {
			condition, args = pathRange(event.Term{Field: event.ByPath, Value: literal})
		}
		for text := range strings.SplitSeq(rest, "*") {
			if text != "" {
				condition, args = condition+" AND instr(e.object, ?) > 0", append(args, []byte(text))
			}
		}
		return condition, args
	}
	high := []byte(t.Value)
	for len(high) > 0 && high[len(high)-1] == 0xff {
		high = high[:len(high)-1]
	}
	if len(high) == 0 {
		return "e.object >= ?", []any{low}
	}
	high[len(high)-1]++
	return "e.object >= ? AND e.object < ?", []any{low, high}
}

// listings adds touched terms: the events of their paths and of the folders above.
func (w *where) listings(some []event.Term) {
	var paths []any
	for _, t := range some {
		for _, p := range t.Listings() {
			paths = append(paths, []byte(p))
		}
	}
	if len(paths) > 0 {
		condition := "e.object IN (" + placeholders(len(paths)) + ")"
		w.and(condition, paths...)
		w.indexes = append(w.indexes, rangeOf("events_object", condition, paths...))
	}
}

// hourOfDay is the hour of an event in UTC, before 1970 too: a million days are added.
const hourOfDay = "(e.time + 86400000000000) / 3600000 % 24"

// hours adds hours terms. Those from 19 until 07 are all but those from 07 until 19.
func (w *where) hours(some, none []event.Term) {
	condition := func(t event.Term) (string, []any) {
		first, last, _ := strings.Cut(t.Value, "-")
		from, err1 := strconv.Atoi(first)
		until, err2 := strconv.Atoi(last)
		switch {
		case err1 != nil || err2 != nil || from == until:
			return "0", nil
		case from > until:
			return hourOfDay + " NOT BETWEEN ? AND ?", []any{until, from - 1}
		}
		return hourOfDay + " BETWEEN ? AND ?", []any{from, until - 1}
	}
	w.eachOf(some, none, condition)
}

// eachOf adds terms by their conditions.
func (w *where) eachOf(some, none []event.Term, condition func(event.Term) (string, []any)) {
	var either []string
	var args []any
	for _, t := range some {
		c, a := condition(t)
		either, args = append(either, c), append(args, a...)
	}
	if len(either) > 0 {
		w.and("("+strings.Join(either, " OR ")+")", args...)
	}
	for _, t := range none {
		c, a := condition(t)
		w.and("NOT ("+c+")", a...)
	}
}

// addresses adds address terms: single ones, and networks as ranges of bytes. An
// address that is a text in the index is not compared with a network.
func (s reader) addresses(ctx context.Context, w *where, some, none []event.Term) error {
	column, name := columnOf(event.ByIP)
	isNetwork := func(t event.Term) bool { return strings.Contains(t.Value, "/") }
	if !slices.ContainsFunc(slices.Concat(some, none), isNetwork) {
		w.equal(column, name, values(some))
		w.differ(column, values(none))
		return nil
	}
	// A text is before all bytes. An event without an address has the empty text.
	const texts = "SELECT count(*) FROM (SELECT 1 FROM events AS e INDEXED BY events_ip WHERE e.ip > '' AND e.ip < x'' LIMIT 1)"
	n, err := s.number(ctx, texts)
	if err != nil {
		return err
	}
	known := n == 0
	w.exact = w.exact && known
	condition := func(t event.Term) (string, []any) {
		network, err := netip.ParsePrefix(t.Value)
		if err != nil {
			return "e.ip = ?", []any{ipKey(t.Value)}
		}
		first := network.Masked().Addr().AsSlice()
		return "e.ip BETWEEN ? AND ? AND length(e.ip) = ?", []any{first, lastOf(network), len(first)}
	}
	if known && len(some) == 1 && isNetwork(some[0]) {
		c, a := condition(some[0])
		w.indexes = append(w.indexes, rangeOf(name, c, a...))
	}
	if !known { // those events are tested
		either := condition
		condition = func(t event.Term) (string, []any) {
			c, a := either(t)
			switch {
			case !isNetwork(t):
				return c, a
			case t.Not:
				return "0", nil
			}
			return c + " OR typeof(e.ip) = 'text'", a
		}
	}
	w.eachOf(some, none, condition)
	return nil
}

// lastOf returns the bytes of the last address of a network.
func lastOf(network netip.Prefix) []byte {
	raw := network.Addr().AsSlice()
	for i := range raw {
		for bit := range 8 {
			if i*8+bit >= network.Bits() {
				raw[i] |= 0x80 >> bit
			}
		}
	}
	return raw
}
