package compact

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
)

// Members choose the parts of JSON objects that a dictionary may have. Of all other
// members it has the name, and never a value.
type Members struct {
	Whole []string // with their values
	Start []string // with the first bytes of their values, such as the day of a time
}

// Least is the number of texts of the sample that a part of a dictionary is in: a
// rarer one saves nothing.
const Least = 3

// startBytes is the number of bytes of a start.
const startBytes = 5

// Train returns the text of a dictionary of at most size bytes, for JSON objects like
// those of the sample. The same sample makes the same dictionary.
func Train(sample [][]byte, m Members, size int) []byte {
	phrases := map[string]int{}
	for _, text := range sample {
		var phrase []byte // adjacent members up to the first value that is left out
		for member := range split(text) {
			n := m.kept(member)
			phrase = append(phrase, member[:n]...)
			if n < len(member) {
				phrases[string(phrase)]++
				phrase = phrase[:0]
			}
		}
		phrases[string(phrase)]++
	}
	return best(phrases, min(size, MaxDictionary))
}

// kept returns the number of bytes of a member that a dictionary may have.
func (m Members) kept(member []byte) int {
	quote := bytes.IndexByte(member, '"') + 1
	name, _, _ := bytes.Cut(member[quote:], []byte(`"`))
	value := min(quote+len(name)+len(`":"`), len(member))
	switch {
	case slices.Contains(m.Whole, string(name)):
		return len(member)
	case slices.Contains(m.Start, string(name)):
		return min(value+startBytes, len(member))
	case bytes.HasPrefix(member[value-1:], []byte(`{"`)):
		return value + m.kept(member[value:])
	case member[value-1] != '"': // a number or a list
		return value - 1
	}
	return value
}

// Trained reports whether a text consists of parts that Train keeps: it has no values of
// other members.
func Trained(text []byte, m Members) bool {
	if len(text) > 0 && !bytes.HasPrefix(text, []byte(`{"`)) && !bytes.HasPrefix(text, []byte(`,"`)) {
		return false
	}
	for member := range split(text) {
		for _, part := range objects(member) {
			// Of a number or a list, the name alone is kept: a digit is cut off again.
			if m.kept(part) < len(part) && m.kept(append(slices.Clone(part), '0')) != len(part) {
				return false
			}
		}
	}
	return true
}

// objects cuts a part before each object that is no value.
func objects(part []byte) (all [][]byte) {
	for from := 1; ; {
		n := bytes.Index(part[min(from, len(part)):], []byte(`{"`))
		if n < 0 {
			return append(all, part)
		}
		at := from + n
		if part[at-1] == ':' {
			from = at + 1
			continue
		}
		all, part, from = append(all, part[:at]), part[at:], 1
	}
}

// best returns the phrases that save the most bytes.
func best(phrases map[string]int, size int) []byte {
	saves := func(phrase string) int { return phrases[phrase] * (len(phrase) - minMatch) }
	all := slices.SortedFunc(maps.Keys(phrases), func(a, b string) int {
		return cmp.Or(cmp.Compare(saves(b), saves(a)), cmp.Compare(a, b))
	})
	var text []byte
	for _, p := range all {
		if phrases[p] >= Least && len(p) > minMatch && len(text)+len(p) <= size && !bytes.Contains(text, []byte(p)) {
			text = append(text, p...)
		}
	}
	return text
}

// split returns the parts of a JSON object before each comma and name.
func split(text []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(text) > 0 {
			n := bytes.Index(text[1:], []byte(`,"`)) + 1
			if n == 0 {
				n = len(text)
			}
			if !yield(text[:n]) {
				return
			}
			text = text[n:]
		}
	}
}
