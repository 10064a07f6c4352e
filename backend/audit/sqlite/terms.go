package sqlite

import (
	"net/netip"
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

// hours adds hours terms. The hour of a time before 1970 is not computed.
func (w *where) hours(some []event.Term) {
	var either []string
	var args []any
	for _, t := range some {
		first, last, _ := strings.Cut(t.Value, "-")
		from, err1 := strconv.Atoi(first)
		until, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil {
			return
		}
		operator := "AND"
		if from > until {
			operator = "OR"
		}
		either = append(either, "e.time / 3600000 % 24 >= ? "+operator+" e.time / 3600000 % 24 < ?")
		args = append(args, from, until)
	}
	if len(either) > 0 {
		w.and("(e.time < 0 OR "+strings.Join(either, " OR ")+")", args...)
	}
}

// addresses adds address terms: single ones, and networks as ranges of bytes. An
// address that is a text in the index is not compared with a network.
func (w *where) addresses(some, none []event.Term) {
	var either []string
	var args []any
	networks := 0
	for _, t := range some {
		network, err := netip.ParsePrefix(t.Value)
		if err != nil {
			either, args = append(either, "e.ip = ?"), append(args, ipKey(t.Value))
			continue
		}
		networks++
		either = append(either, "e.ip BETWEEN ? AND ? OR typeof(e.ip) = 'text'")
		args = append(args, network.Masked().Addr().AsSlice(), lastOf(network))
	}
	column, name := columnOf(event.ByIP)
	if networks == 0 {
		w.equal(column, name, values(some))
	} else {
		w.and("("+strings.Join(either, " OR ")+")", args...)
	}
	var single []event.Term
	for _, t := range none {
		if _, err := netip.ParsePrefix(t.Value); err != nil {
			single = append(single, t)
		}
	}
	w.differ(column, values(single))
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
