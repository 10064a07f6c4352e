package browse

import (
	"slices"
	"time"
)

// listing holds the loaded rows of one folder.
type listing struct {
	location location
	pages    []*page // in the order of the responses
	segments []segment
	n        int     // rows
	folders  []int32 // the first maxBranch folders or buckets
	sorted   bool    // each segment is in the order of the names
	capped   bool
	at       time.Time // of the first page
	found    search
	version  string // of the grants at that time
	request  string // ID of the request for the first page
	bound    string // no name is behind it, if it is not ""
	left     int    // names that are left out, because they are not valid keys
	jumped   bool   // left can have a name twice
	ranking  *ranking
}

// segment is a part of a folder without a gap. A jump to a name begins one. The first
// segment begins at the first name.
type segment struct {
	pages []int32 // indexes in listing.pages
	start string  // of a jump: no name is between it and the first one
	next  where   // of the rows behind it; the zero where: its folder ends
}

// where is the place of a requested page: behind a cursor, behind a name, or at the
// first name. A cursor is valid with the start of its first page only.
type where struct{ cursor, start string }

func (w where) jump() bool { return w.start != "" && w.cursor == "" }

// after returns the place of the page after this one.
func (w where) after(next string) where {
	if next == "" {
		return where{}
	}
	return where{cursor: next, start: w.start}
}

// gap is the number of the row between segment i and the next one.
func gap(i int) int32 { return int32(-1 - i) }

// gapOf returns the segment before the gap of a row; ok is false for an entry.
func gapOf(r int32) (i int, ok bool) { return int(-1 - r), r < 0 }

// add adds the pages of a response at their place. It reports false for a response to
// a cursor that is not needed any more.
func (l *listing) add(pages []*page, at where, next string) bool {
	i := slices.IndexFunc(l.segments, func(s segment) bool { return s.next == at && at.cursor != "" })
	switch {
	case i >= 0:
		l.extend(i, pages, at.after(next))
	case at == (where{}) && !l.loaded():
		l.sorted = true
		l.ranking = &ranking{}
		l.segments = []segment{{}}
		l.extend(0, pages, at.after(next))
	case at.start != "" && (at.jump() || len(pages) == 0 || !l.covers(pages[0].name(0))):
		l.begin(pages, at, next)
	default:
		return false
	}
	if l.n >= maxRows && !l.complete() {
		for i := range l.segments {
			l.segments[i].next = where{}
		}
		l.capped = true
	}
	return true
}

// begin adds a segment that begins behind a name.
func (l *listing) begin(pages []*page, at where, next string) {
	start := at.start
	if len(pages) > 0 && pages[0].name(0) <= start { // a folder with keys behind the start
		pages = behind(pages, start)
	}
	if len(pages) == 0 {
		if l.bound == "" || start < l.bound {
			l.bound = start
		}
		return
	}
	i := len(l.segments)
	for i > 1 && l.first(i-1) >= pages[0].name(0) {
		i--
	}
	l.segments = slices.Insert(l.segments, i, segment{start: start})
	if i > 0 && start < l.last(i-1) { // it overlaps the one before
		pages = behind(pages, l.last(i-1))
		l.segments = slices.Delete(l.segments, i, i+1)
		i--
	}
	l.extend(i, pages, at.after(next))
}

// extend adds pages to the end of a segment. When they reach the next segment, both
// become one.
func (l *listing) extend(i int, pages []*page, next where) {
	s := &l.segments[i]
	s.next = next
	reached := false
	if i+1 < len(l.segments) {
		to := l.first(i + 1)
		reached = next == (where{}) || len(pages) > 0 && pages[len(pages)-1].last() > l.segments[i+1].start
		pages = upTo(pages, to)
	}
	for _, p := range pages {
		if n := len(s.pages); n > 0 && l.pages[s.pages[n-1]].last() > p.name(0) {
			l.sorted = false
		}
		l.sorted = l.sorted && p.sorted
		l.put(s, p)
	}
	if reached {
		s.pages = append(s.pages, l.segments[i+1].pages...)
		s.next = l.segments[i+1].next
		l.segments = slices.Delete(l.segments, i+1, i+2)
	}
}

func (l *listing) put(s *segment, p *page) {
	n := int32(len(l.pages))
	for i := range p.rows {
		if p.rows[i].kind != object && len(l.folders) < maxBranch {
			l.folders = append(l.folders, n<<rowBits+int32(i))
		}
	}
	s.pages = append(s.pages, n)
	l.pages = append(l.pages, p)
	l.n += len(p.rows)
}

// upTo returns the pages with the names before a name.
func upTo(pages []*page, name string) []*page {
	return cutPages(pages, func(n string) bool { return n < name })
}

// behind returns the pages with the names after a name.
func behind(pages []*page, name string) []*page {
	return cutPages(pages, func(n string) bool { return n > name })
}

func cutPages(pages []*page, keep func(name string) bool) []*page {
	var out []*page
	for _, p := range pages {
		c := &page{names: p.names, low: p.low, etags: p.etags, sorted: p.sorted, plain: p.plain}
		for i := range p.rows {
			if keep(p.name(i)) {
				c.rows = append(c.rows, p.rows[i])
			}
		}
		if len(c.rows) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// copied returns a copy that does not change when pages are added.
func (l *listing) copied() *listing {
	c := *l
	c.segments = slices.Clone(l.segments)
	return &c
}

// head returns a copy with about n rows of the first segment.
func (l *listing) head(n int) *listing {
	c := *l
	c.segments, c.ranking = []segment{{}}, nil
	for _, i := range l.segments[0].pages {
		if n -= len(l.pages[i].rows); n < 0 {
			break
		}
		c.segments[0].pages = append(c.segments[0].pages, i)
	}
	return &c
}

// loaded reports whether the listing has a response.
func (l *listing) loaded() bool { return len(l.segments) > 0 }

// complete reports whether all rows are loaded, or as many as a listing can have.
func (l *listing) complete() bool {
	return l.loaded() && !slices.ContainsFunc(l.segments, func(s segment) bool { return s.next != (where{}) })
}

// end ends a listing that is not complete.
func (l *listing) end() {
	for i := range l.segments {
		l.segments[i].next = where{}
	}
}

// next returns the place of the first rows that are not loaded.
func (l *listing) next() where {
	for _, s := range l.segments {
		if s.next != (where{}) {
			return s.next
		}
	}
	return where{}
}

func (l *listing) first(i int) string {
	if p := l.segments[i].pages; len(p) > 0 {
		return l.pages[p[0]].name(0)
	}
	return ""
}

func (l *listing) last(i int) string {
	if p := l.segments[i].pages; len(p) > 0 {
		return l.pages[p[len(p)-1]].last()
	}
	return ""
}

// covers reports whether the place of a name is loaded.
func (l *listing) covers(name string) bool {
	for i, s := range l.segments {
		if (i == 0 || s.start < name) && (s.next == (where{}) || name <= l.last(i)) {
			return true
		}
	}
	return l.bound != "" && name > l.bound
}

// from returns the first loaded row with this name or a later one; ok is false without
// one.
func (l *listing) from(name string) (found int32, ok bool) {
	for i := range l.pagesInOrder() {
		p := l.pages[i]
		if l.sorted && p.last() < name {
			continue
		}
		for j := range p.rows {
			if p.name(j) >= name {
				return i<<rowBits + int32(j), true
			}
		}
	}
	return 0, false
}

// pagesInOrder returns the indexes of the pages in the order of their segments.
func (l *listing) pagesInOrder() func(yield func(int32) bool) {
	return func(yield func(int32) bool) {
		for _, s := range l.segments {
			for _, i := range s.pages {
				if !yield(i) {
					return
				}
			}
		}
	}
}

// ids returns the rows in the order of their names.
func (l *listing) ids(yield func(int32) bool) {
	for p := range l.pagesInOrder() {
		for i := range l.pages[p].rows {
			if !yield(p<<rowBits + int32(i)) {
				return
			}
		}
	}
}

func (l *listing) row(i int32) *row { return &l.pages[i>>rowBits].rows[i&(pageRows-1)] }

func (l *listing) name(i int32) string { return l.pages[i>>rowBits].name(int(i & (pageRows - 1))) }

func (l *listing) etag(i int32) string {
	r := l.row(i)
	return l.pages[i>>rowBits].etags[r.tag : r.tag+uint32(r.etag)]
}

// has returns the row of a name.
func (l *listing) has(name string) (int32, bool) {
	i, ok := l.from(name)
	if ok && l.sorted {
		return i, l.name(i) == name
	}
	for i := range l.pagesInOrder() {
		for j := range l.pages[i].rows {
			if l.pages[i].name(j) == name {
				return i<<rowBits + int32(j), true
			}
		}
	}
	return 0, false
}

// indexIn returns the index of a name in a view, -1 without it. It compares numbers of
// rows, because the names of a large view are all over the memory.
func (l *listing) indexIn(view []int32, name string) int {
	row, ok := l.has(name)
	if !ok {
		return -1
	}
	return slices.Index(view, row)
}

// lastName returns the name of the last row before the first gap.
func (l *listing) lastName() string {
	if !l.loaded() {
		return ""
	}
	return l.last(0)
}
