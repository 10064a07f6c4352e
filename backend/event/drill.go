package event

import (
	"slices"
	"strings"
	"time"
)

// Drill returns the filter for the events of a group in a count of a filter's events.
// It returns "" if no filter selects exactly these events.
func Drill(filter string, by []By, keys []string) string {
	if len(by) != len(keys) {
		return ""
	}
	words, terms, err := split(filter)
	if err != nil {
		return ""
	}
	add := ""
	for i, b := range by {
		t := b.term(keys[i])
		switch {
		case t == "", (b == PerFolder || b == PerGrant) && strings.Contains(keys[i], "*"):
			return ""
		case b == PerFolder && slices.Contains(by, PerFile): // the file implies it
			continue
		case b == PerFolder:
			var ok bool
			if words, terms, t, ok = inFolder(words, terms, keys[i], t); !ok {
				return ""
			}
		default:
			words, terms = without(words, terms, b.field())
		}
		add += " " + t
	}
	out := strings.TrimSpace(strings.Join(words, " ") + add)
	if _, err := ParseFilter(out, time.Unix(0, 0)); err != nil {
		return "" // too long, or too many terms
	}
	return out
}

// field returns the field whose value a group pins, or "".
func (b By) field() Field {
	return map[By]Field{PerWho: ByWho, PerFile: ByPath, PerIP: ByIP, PerSession: BySession, PerGrant: ByGrant, PerAgent: ByAgent}[b]
}

// split returns the terms of a filter with their texts.
func split(filter string) (words []string, terms []Term, err error) {
	p := parser{text: filter, now: time.Unix(0, 0)}
	for p.skip(); p.at < len(p.text); p.skip() {
		start := p.at
		t, err := p.term()
		if err != nil {
			return nil, nil, err
		}
		words, terms = append(words, p.text[start:p.at]), append(terms, t)
	}
	return words, terms, nil
}

// without removes the alternatives of a field. The events of the group have one value,
// which one of them selects.
func without(words []string, terms []Term, f Field) (w []string, t []Term) {
	for i := range terms {
		if terms[i].Field != f || terms[i].Not {
			w, t = append(w, words[i]), append(t, terms[i])
		}
	}
	return w, t
}

// inFolder joins the terms of a folder with the paths of a filter. Two paths are
// alternatives, so one of them goes: those of the filter if one of them is the folder
// or above it, or that of the folder if all of them are below it.
func inFolder(words []string, terms []Term, folder, own string) (w []string, t []Term, add string, ok bool) {
	paths, inside, above := 0, 0, false
	for _, x := range terms {
		if x.Field != ByPath || x.Not {
			continue
		}
		paths++
		begin, _, pattern := strings.Cut(x.Value, "*")
		pattern = pattern && !x.Exact
		if x.Exact {
			begin = x.Value
		}
		if strings.HasPrefix(begin, folder) {
			inside++
		}
		above = above || !x.Exact && !pattern && strings.HasPrefix(folder, x.Value)
	}
	switch {
	case paths == 0:
		return words, terms, own, true
	case above:
		w, t = without(words, terms, ByPath)
		return w, t, own, true
	case inside == paths:
		return words, terms, deeper(folder), true
	}
	return nil, nil, "", false
}
