package event

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// Probe is a fast test of canonical bytes. It passes the bytes of every event that
// the filter selects, and of others.
type Probe struct {
	fields [][][]byte // of each set, one text must occur
	sizes  []string   // one of these must hold; none: any size
}

// Probe returns the test of a filter.
func (f Filter) Probe() Probe {
	var p Probe
	for _, t := range f.Terms {
		if t.Field == BySize && !t.Not {
			p.sizes = append(p.sizes, t.Value)
		}
	}
	for _, field := range []Field{ByGroup, ByGrant, ByPurpose, ByAgent} {
		var texts [][]byte
		every := true
		for _, t := range f.Terms {
			if t.Field == field && !t.Not {
				some := t.texts()
				every = every && len(some) > 0
				texts = append(texts, some...)
			}
		}
		if every && len(texts) > 0 {
			p.fields = append(p.fields, texts)
		}
	}
	return p
}

// Passes reports whether the event with these canonical bytes can match.
func (p Probe) Passes(canonical []byte) bool {
	for _, texts := range p.fields {
		if !containsAny(canonical, texts) {
			return false
		}
	}
	return len(p.sizes) == 0 || p.sized(canonical)
}

// sized reports whether the size in canonical bytes can be one of the probe's. A quote
// inside a text is escaped, so these bytes are the name of the member.
func (p Probe) sized(canonical []byte) bool {
	_, after, found := bytes.Cut(canonical, []byte(`"size":`))
	if !found {
		return false
	}
	end := 0
	for end < len(after) && (after[end] == '-' || after[end] >= '0' && after[end] <= '9') {
		end++
	}
	size, err := strconv.ParseInt(string(after[:end]), 10, 64)
	return err != nil || slices.ContainsFunc(p.sizes, func(value string) bool { return sizeHolds(value, size) })
}

func containsAny(canonical []byte, texts [][]byte) bool {
	for _, t := range texts {
		if bytes.Contains(canonical, t) {
			return true
		}
	}
	return false
}

// texts returns texts of which the canonical bytes of each matching event contain
// one, or nil.
func (t Term) texts() [][]byte {
	if t.Value == "" {
		return nil // an empty field is absent
	}
	value := string(bytes.Trim(appendString(nil, t.Value), `"`))
	if strings.HasPrefix(t.Value, `"`) || strings.HasSuffix(t.Value, `"`) {
		return nil // its quotes are not those of the JSON text
	}
	texts := func(all ...string) (out [][]byte) {
		for _, s := range all {
			out = append(out, []byte(s))
		}
		return out
	}
	switch t.Field {
	case ByGroup:
		return texts(" "+value+" ", " "+value+`"`, `"`+value+`"`)
	case ByGrant:
		if !isPattern(t.Value) {
			return texts(`"grant":"` + value + `"`)
		}
	case ByAgent:
		switch {
		case t.Exact:
			return texts(`"user_agent":"` + value + `"`)
		case !isPattern(t.Value):
			return texts(`"user_agent":"` + value)
		}
	case ByPurpose:
		if t.Value != PurposeDownload { // a download without a purpose is one too
			return texts(`"purpose":"` + value + `"`)
		}
		return nil
	}
	longest := ""
	for part := range strings.SplitSeq(value, "*") {
		if len(part) > len(longest) {
			longest = part
		}
	}
	if longest == "" {
		return nil
	}
	return texts(longest)
}
