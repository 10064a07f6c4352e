package browse

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/sahilm/fuzzy"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/format"
	"usher/tui/pane"
	"usher/tui/theme"
)

// mostProposals is the largest number of proposals for a typed path.
const mostProposals = 200

// proposals are the places that a text in the field for a path can mean. A text with
// "/" is a path: its proposals begin with it. Any other text is searched in the paths
// of the known folders.
type proposals struct {
	paths []string // raw
	at    int      // index of the chosen one; -1: the text counts
	call  *completing
	names completed // of the last call
}

// completing is a pending listing for the completion of a text.
type completing struct {
	text   string
	cancel context.CancelFunc
}

// completed is the response: the names in a folder from the typed beginning on.
type completed struct {
	call  *completing
	at    location
	from  string
	names []string
	err   error
}

// split returns a typed path in parts: the scheme as typed, its folder, and the
// beginning of a name in it.
func split(text string) (scheme string, at location, name string, is form) {
	rest := text
	for _, s := range []string{"s3://", "/"} {
		if after, found := strings.CutPrefix(text, s); found {
			scheme, rest = s, after
			break
		}
	}
	i := strings.LastIndexByte(rest, '/')
	if i < 0 {
		if scheme == "" {
			return "", location{}, rest, ofWords
		}
		return scheme, location{}, rest, ofPath
	}
	where, err := api.ParsePath(rest[:i+1])
	if err != nil {
		return scheme, location{}, rest, ofMistake
	}
	return scheme, location{bucket: where.Bucket, prefix: where.Key}, rest[i+1:], ofPath
}

// form is the meaning of a typed text.
type form int

const (
	ofWords   form = iota // no "/": a search for a folder
	ofPath                // bucket/key
	ofMistake             // no valid path
)

// Known returns the paths of the folders that the person has seen or bookmarked, the
// most useful ones first.
func (p *Pane) Known() []string {
	var out []string
	have := map[string]bool{"": true}
	add := func(path string) {
		if !have[path] {
			have[path] = true
			out = append(out, path)
		}
	}
	for _, path := range p.memory.state.Ranked(p.now().at) {
		add(path)
	}
	marks := p.memory.state.Bookmarks
	for _, mark := range slices.Sorted(maps.Keys(marks)) {
		add(marks[mark])
	}
	add(p.here.location.base().path())
	p.tree.stale = true
	p.tree.build()
	for _, n := range p.tree.nodes {
		add(n.location.path())
	}
	for _, at := range p.known() {
		l := p.store[at]
		for _, i := range l.folders {
			add(at.child(l.name(i), kindIn(at)).path())
		}
	}
	return out
}

// known returns the listed folders in order.
func (p *Pane) known() []location {
	var out []location
	for at, l := range p.store {
		if at.query == "" && l.loaded() {
			out = append(out, at)
		}
	}
	slices.SortFunc(out, func(a, b location) int { return strings.Compare(a.path(), b.path()) })
	return out
}

func kindIn(at location) api.Kind {
	if at.bucket == "" {
		return api.KindBucket
	}
	return api.KindFolder
}

// propose updates the proposals after a change of the text.
func (p *Pane) propose() {
	q, text := &p.proposals, p.field.Value()
	q.paths, q.at = nil, -1
	_, at, name, is := split(text)
	switch {
	case text == "":
		q.paths = p.Known()
	case is == ofPath:
		for _, n := range p.namesIn(at, name) {
			q.paths = append(q.paths, joined(at, n))
		}
	case is == ofWords:
		if q.paths = Rank(strings.Join(strings.Fields(text), ""), p.Known()); len(q.paths) > 0 {
			q.at = 0
		}
	}
	q.paths = q.paths[:min(len(q.paths), mostProposals)]
	p.dirty()
}

func joined(at location, name string) string {
	if at.bucket == "" {
		return strings.TrimSuffix(name, "/") + "/"
	}
	return at.path() + name
}

// Rank returns the paths that have the letters of a query in order, the best first:
// with a folder of that name, with one that begins with it, with it, any.
func Rank(query string, paths []string) []string {
	type match struct {
		path string
		rank int
	}
	var found []match
	low := strings.ToLower(query)
	for _, m := range fuzzy.FindNoSort(query, paths) {
		text := strings.ToLower(strings.TrimSuffix(m.Str, "/"))
		last := text[strings.LastIndexByte(text, '/')+1:]
		rank := 4
		switch {
		case last == low:
			rank = 0
		case strings.HasPrefix(last, low):
			rank = 1
		case strings.Contains("/"+text, "/"+low):
			rank = 2
		case strings.Contains(text, low):
			rank = 3
		}
		found = append(found, match{m.Str, rank})
	}
	slices.SortStableFunc(found, func(a, b match) int { return cmp.Compare(a.rank, b.rank) })
	out := make([]string, len(found))
	for i, m := range found {
		out[i] = m.path
	}
	return out
}

// namesIn returns the known names in a folder that begin with a text. Upper and lower
// case are equal, unless a name begins with the text as it is.
func (p *Pane) namesIn(at location, name string) []string {
	var exact, folded []string
	low := strings.ToLower(name)
	add := func(n string) {
		switch {
		case strings.HasPrefix(n, name):
			exact = append(exact, n)
		case strings.HasPrefix(strings.ToLower(n), low):
			folded = append(folded, n)
		}
	}
	if l, ok := p.store[at]; ok {
		for i := range l.pagesInOrder() {
			for j := range l.pages[i].rows {
				if add(l.pages[i].name(j)); len(exact) >= mostProposals {
					return exact
				}
			}
		}
	}
	if c := p.proposals.names; c.at == at && strings.HasPrefix(name, c.from) {
		for _, n := range c.names {
			if !slices.Contains(exact, n) && !slices.Contains(folded, n) {
				add(n)
			}
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return folded
}

// complete extends the text to the beginning that all proposals share, or to the
// chosen proposal. The names in a folder that is not wholly listed come from the server.
func (p *Pane) complete() tea.Cmd {
	q := &p.proposals
	scheme, at, name, is := split(p.field.Value())
	if q.at >= 0 {
		p.take(scheme + q.paths[q.at])
		return nil
	}
	if is != ofPath {
		return nil
	}
	l, ok := p.store[at]
	whole := ok && l.complete() && l.loaded()
	if c := q.names; whole || c.at == at && strings.HasPrefix(name, c.from) && c.call != nil {
		p.extend(scheme, at)
		return nil
	}
	if q.call != nil {
		q.call.cancel()
	}
	ctx, cancel := context.WithTimeout(context.Background(), listLimit)
	call, backend := &completing{p.field.Value(), cancel}, p.Backend
	q.call = call
	in := api.ListRequest{Bucket: at.bucket, Prefix: at.prefix, Limit: api.MaxList}
	if at.bucket != "" {
		in.Start = before(name)
	}
	return func() tea.Msg {
		defer cancel()
		r, err := backend.List(ctx, in)
		m := completed{call: call, at: at, from: name, err: err}
		for _, e := range r.Entries {
			if strings.HasPrefix(e.Name, name) {
				m.names = append(m.names, e.Name)
			}
		}
		return m
	}
}

// completed completes the text with the names from the server, unless it has changed.
func (p *Pane) completed(m completed) tea.Cmd {
	q := &p.proposals
	if q.call != m.call || p.typing != going || p.field.Value() != m.call.text {
		return nil
	}
	q.call = nil
	if m.err != nil && pane.Code(m.err) != api.NotFound {
		return pane.Send(pane.Say{Text: pane.Sentence(m.err, p.Server), Tone: pane.Warning})
	}
	q.names = m
	p.propose()
	scheme, at, _, _ := split(m.call.text)
	p.extend(scheme, at)
	return nil
}

// extend sets the text to the longest beginning of all proposals, if that is longer
// or differs in case.
func (p *Pane) extend(scheme string, at location) {
	paths := p.proposals.paths
	if len(paths) == 0 || len(paths) >= mostProposals {
		return
	}
	most := paths[0]
	for _, path := range paths[1:] {
		n := 0
		for n < min(len(most), len(path)) && most[n] == path[n] {
			n++
		}
		most = most[:n]
	}
	for !utf8.ValidString(most) {
		most = most[:len(most)-1]
	}
	if len(scheme+most) >= len(p.field.Value()) {
		p.take(scheme + most)
	}
}

// take sets the text to a path. A path with characters that the field removes stays
// a proposal.
func (p *Pane) take(path string) {
	before := p.field.Value()
	if p.field.Set(path); p.field.Value() != path {
		p.field.Set(before)
		return
	}
	p.propose()
}

// before returns a name that sorts before a name, with as good as no name between
// them, for the start of a listing. It is empty for an empty name.
func before(name string) string {
	r, n := utf8.DecodeLastRuneInString(name)
	head := name[:len(name)-n]
	switch {
	case n == 0 || r <= 1 || r == utf8.RuneError:
		return head
	case r == 0xE000: // no character is a surrogate
		r = 0xD800
	}
	return head + string(r-1) + string(utf8.MaxRune)
}

// choose moves the choice among the proposals. Before the first one is the text.
func (p *Pane) choose(by int) {
	q := &p.proposals
	q.at = max(-1, min(q.at+by, len(q.paths)-1))
	p.dirty()
}

// goThere opens the chosen proposal or the typed path. A text that is no path stays in
// the field, to be corrected.
func (p *Pane) goThere() tea.Cmd {
	text := p.field.Value()
	if q := p.proposals; q.at >= 0 {
		text = q.paths[q.at]
	}
	where, err := api.ParsePath(text)
	if err != nil {
		return pane.Send(pane.Say{Text: pane.Sentence(err, p.Server), Tone: pane.Bad})
	}
	return p.goToTyped(pane.At(where), text)
}

// goToTyped opens the target of a typed path. The path returns to the field if there
// is nothing.
func (p *Pane) goToTyped(at pane.Target, text string) tea.Cmd {
	p.typing = notTyping
	cmd := p.goTo(at)
	p.wanted = text
	return cmd
}

// placesView draws the proposals, h lines of w cells.
func (p *Pane) placesView(w, h int) []string {
	t, q := p.Env.Theme, p.proposals
	lines := []string{t.Muted.Paint("   Path")}
	room := max(1, h-1)
	top := max(0, min(q.at-room/2, len(q.paths)-room))
	for i := top; i < min(len(q.paths), top+room); i++ {
		apart := format.Row{At: i, N: len(q.paths), Name: func(j int) string { return safetext.New(q.paths[j]).Distinct() }}.Start
		on, sign := t, t.Fill.Paint("   ")
		if i == q.at {
			on = t.On(theme.Cursor(true))
			sign = on.Accent.Paint(t.Glyphs.Cursor) + on.Fill.Paint("  ")
		}
		style := on.Accent
		if !strings.HasSuffix(q.paths[i], "/") {
			style = on.Text
		}
		lines = append(lines, on.Pad(sign+pane.Name(on, style, safetext.New(q.paths[i]), w-4, apart), w))
	}
	for len(lines) < h {
		lines = append(lines, "")
	}
	return lines[:h]
}
