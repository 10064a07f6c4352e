package event

import (
	"bytes"
	"strings"
)

// Probe is a fast test of canonical bytes. It passes the bytes of every event that
// the filter selects, and of others.
type Probe struct{ fields [][][]byte } // of each set, one text must occur

// Probe returns the test of a filter.
func (f Filter) Probe() Probe {
	var p Probe
	for _, field := range []Field{ByGroup, ByGrant, ByPurpose, ByAgent, BySize} {
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
	return true
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
	case BySize:
		return texts(`"size":`)
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
