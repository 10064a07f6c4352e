package versions

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/keys"
	"usher/tui/pane"
)

// mark marks a version, or removes its mark.
func (p *Page) mark(id string) {
	if i := slices.Index(p.marked, id); i >= 0 {
		p.marked = slices.Delete(p.marked, i, i+1)
		return
	}
	p.marked = append(p.marked, id)
}

// unmarkAbsent removes the marks of versions that a complete list does not have.
func (p *Page) unmarkAbsent() tea.Cmd {
	if p.next != "" {
		return nil
	}
	n := len(p.marked)
	p.marked = slices.DeleteFunc(p.marked, func(id string) bool {
		return !slices.ContainsFunc(p.all, func(v api.ObjectVersion) bool { return v.Version == id })
	})
	if len(p.marked) == n {
		return nil
	}
	return pane.Send(pane.Say{Text: safetext.New("A marked version is not there any more. Its mark is removed."), Tone: pane.Warning})
}

// whyNoMark returns the reason that the mark of a version cannot change.
func (p *Page) whyNoMark(v api.ObjectVersion) string {
	switch {
	case slices.Contains(p.marked, v.Version):
		return ""
	case len(p.marked) == 2:
		return "Two versions are marked: " + p.key(keys.Compare) + " compares them, " + p.key(keys.Mark) + " on one removes its mark."
	}
	return whyNoContent(v)
}

// whyNoContent returns the reason that a version has no content for a comparison.
func whyNoContent(v api.ObjectVersion) string {
	switch {
	case v.Deleted:
		return "This version is a deletion: it has no content to compare."
	case v.Archived:
		return api.Lookup(api.ObjectArchived).Sentence
	}
	return ""
}

// pair returns the indexes of the two versions of a comparison: the marked ones; with
// one mark, it and the version under the cursor; else the latter and the version before
// it. The indexes are -1 if there is no such pair.
func (p *Page) pair() (old, next int) {
	at := p.list.Cursor()
	chosen := []int{at, at + 1}
	if len(p.marked) > 0 {
		chosen = []int{at}
		for _, id := range p.marked {
			chosen = append(chosen, slices.IndexFunc(p.all, func(v api.ObjectVersion) bool { return v.Version == id }))
		}
		chosen = chosen[len(chosen)-2:]
	}
	old, next = max(chosen[0], chosen[1]), min(chosen[0], chosen[1])
	if next < 0 || old == next || old >= len(p.all) {
		return -1, -1
	}
	return old, next
}

// whyNoPair returns the reason that no comparison is possible.
func (p *Page) whyNoPair() string {
	old, next := p.pair()
	switch {
	case len(p.all) == 0:
		return p.none()
	case old < 0 && len(p.marked) == 1:
		return "One version is marked: mark another one with " + p.key(keys.Mark) + ", or move to it."
	case old < 0 && (p.next != "" || p.loading):
		return "The version before this one is not listed yet."
	case old < 0:
		return "There is no version before this one."
	case len(p.marked) == 0 && p.all[old].Deleted && !p.all[next].Deleted:
		return "The version before this one is a deletion. Mark the two versions to compare with " + p.key(keys.Mark) + "."
	}
	if why := whyNoContent(p.all[next]); why != "" {
		return why
	}
	return whyNoContent(p.all[old])
}

func (p *Page) key(a keys.Action) string { return p.Env.Keys.Shown(keys.Versions, a) }

// compare opens the comparison of two versions.
func (p *Page) compare() tea.Cmd {
	if why := p.Why(keys.Compare); !why.IsZero() {
		return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
	}
	old, next := p.pair()
	return pane.Send(pane.Open{Page: keys.Compare, On: pane.Target{Bucket: p.File.Bucket, Key: p.File.Key,
		Version: safetext.New(id(p.all[next])), Base: safetext.New(id(p.all[old]))}})
}
