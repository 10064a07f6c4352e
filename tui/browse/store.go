package browse

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/keys"
)

// maxRows is the largest number of rows of one folder. A longer listing ends there,
// and the pane shows that.
const maxRows = 1_000_000

// location is a folder, raw: a bucket and a prefix that is empty or ends in "/".
// With a query, it is the result of a search below it (selection.ParseQuery). The
// zero location is the list of buckets. As a map key, a location may also be an object.
type location struct {
	bucket, prefix string
	query          string
}

func (s location) text() safetext.Text {
	if s.bucket == "" {
		return safetext.New("")
	}
	return safetext.New(s.bucket + "/" + s.prefix)
}

// base returns the folder below which a search looks, and a folder unchanged.
func (s location) base() location { return location{bucket: s.bucket, prefix: s.prefix} }

// parent returns the parent folder, and the name of this folder in it.
func (s location) parent() (up location, name string) {
	switch {
	case s.query != "":
		return s.base(), ""
	case s.prefix == "":
		return location{}, s.bucket
	}
	at := api.Path{Bucket: s.bucket, Key: s.prefix}
	return location{bucket: s.bucket, prefix: at.Parent().Key}, at.Base() + "/"
}

// child returns the folder of a row.
func (s location) child(name string, k api.Kind) location {
	if k == api.KindBucket {
		return location{bucket: name}
	}
	return location{bucket: s.bucket, prefix: s.prefix + name}
}

// chain returns the folders from the bucket to this one.
func (s location) chain() []location {
	if s.bucket == "" {
		return nil
	}
	out := []location{{bucket: s.bucket}}
	for i := 0; i < len(s.prefix); i++ {
		if s.prefix[i] == '/' {
			out = append(out, location{bucket: s.bucket, prefix: s.prefix[:i+1]})
		}
	}
	return out
}

// page holds the names and ETags of one response in one string, so that a million
// rows need a thousand allocations. It is immutable. Messages hold a pointer to it,
// so that formatting a message does not print its bytes.
type page struct {
	text string
	rows []row
}

// row is an entry: 40 bytes, with offsets into the text of its page.
type row struct {
	size, mod int64 // mod: unix milliseconds, unknown if math.MinInt64
	off       uint32
	page      uint32
	name      uint16
	etag      uint8
	kind      rowKind
	archived  bool
}

type rowKind uint8

const (
	object rowKind = iota
	folderRow
	bucketRow
)

// pack converts a response to a page. It drops an entry with a name or ETag that
// is longer than the API allows: the object could not be downloaded.
func pack(entries []api.Entry) *page {
	p := &page{rows: make([]row, 0, len(entries))}
	var b strings.Builder
	for _, e := range entries {
		if len(e.Name) > api.MaxKey || len(e.ETag) > math.MaxUint8 {
			continue
		}
		r := row{size: e.Size, mod: math.MinInt64, off: uint32(b.Len()), name: uint16(len(e.Name)), etag: uint8(len(e.ETag)), archived: e.Archived}
		if e.Modified != nil {
			r.mod = e.Modified.UnixMilli()
		}
		switch e.Kind {
		case api.KindFolder:
			r.kind = folderRow
		case api.KindBucket:
			r.kind = bucketRow
		}
		b.WriteString(e.Name)
		b.WriteString(e.ETag)
		p.rows = append(p.rows, r)
	}
	p.text = b.String()
	return p
}

// listing holds the loaded rows of one folder.
type listing struct {
	location location
	pages    []*page
	rows     []row   // of all pages, in the order of the responses
	folders  []int32 // indexes of the first maxBranch folders or buckets in rows
	next     string
	complete bool
	capped   bool
	at       time.Time // of the first page
	found    search
	version  string // of the grants at that time
	request  string // ID of the request for the first page
}

func (l *listing) add(p *page, next string) {
	n := uint32(len(l.pages))
	l.pages = append(l.pages, &page{text: p.text}) // its rows are in listing.rows
	for _, r := range p.rows {
		r.page = n
		if r.kind != object && len(l.folders) < maxBranch {
			l.folders = append(l.folders, int32(len(l.rows)))
		}
		l.rows = append(l.rows, r)
	}
	l.next, l.complete = next, next == ""
	if len(l.rows) >= maxRows && next != "" {
		l.next, l.complete, l.capped = "", true, true
	}
}

func (l *listing) name(i int32) string {
	r := &l.rows[i]
	return l.pages[r.page].text[r.off : r.off+uint32(r.name)]
}

func (l *listing) etag(i int32) string {
	r := &l.rows[i]
	from := r.off + uint32(r.name)
	return l.pages[r.page].text[from : from+uint32(r.etag)]
}

// lastName returns the name of the last loaded row.
func (l *listing) lastName() string {
	if len(l.rows) == 0 {
		return ""
	}
	return l.name(int32(len(l.rows) - 1))
}

// Entry is one row, for display.
type Entry struct {
	Bucket   safetext.Text
	Key      safetext.Text // the full key; of a folder, its prefix
	Name     safetext.Text // relative to the open folder
	Kind     api.Kind
	Size     int64
	Modified time.Time // zero if unknown
	ETag     safetext.Text
	Archived bool
}

// Unsized reports whether the listing has no size. The server lists an object with
// a grant of its own by name only, without a request to S3.
func (e Entry) Unsized() bool {
	known := api.Entry{Kind: e.Kind, Size: e.Size, ETag: e.ETag.Raw()}
	if !e.Modified.IsZero() {
		known.Modified = &e.Modified
	}
	return known.Unsized()
}

func (l *listing) entry(i int32) Entry {
	r, name := &l.rows[i], l.name(i)
	e := Entry{
		Bucket: safetext.New(l.location.bucket), Key: safetext.New(l.location.prefix + name), Name: safetext.New(name),
		Kind: api.KindObject, Size: r.size, ETag: safetext.New(l.etag(i)), Archived: r.archived,
	}
	switch r.kind {
	case folderRow:
		e.Kind = api.KindFolder
	case bucketRow:
		e.Kind, e.Bucket, e.Key = api.KindBucket, safetext.New(name), safetext.New("")
	}
	if r.mod != math.MinInt64 {
		e.Modified = time.UnixMilli(r.mod)
	}
	return e
}

// order is how rows are sorted.
type order int

const (
	byName order = iota
	bySize
	byModified
	byKind
)

// orders are the orders of the actions of the sort menu.
var orders = map[keys.Action]order{keys.ByName: byName, keys.BySize: bySize, keys.ByModified: byModified, keys.ByKind: byKind}

// arrangement is the filter and the order of the visible rows.
type arrangement struct {
	order   order
	reverse bool
	words   []word           // all must match the name
	hidden  bool             // hide names that begin with a dot
	sums    map[string]int64 // counted bytes of folders, for the order by size
}

// pick appends the visible rows of an arrangement, from index from on.
func (l *listing) pick(view []int32, from int, a arrangement) []int32 {
	for i := from; i < len(l.rows); i++ {
		name := l.name(int32(i))
		if a.hidden && strings.HasPrefix(name, ".") {
			continue
		}
		if len(a.words) > 0 && !fits(name, a.words) {
			continue
		}
		view = append(view, int32(i))
	}
	return view
}

// arrange returns the visible rows in order: folders first in a complete listing,
// the server's byte order in an incomplete one. It does not change the listing, so
// a command may run it on a copy.
func (l *listing) arrange(a arrangement) []int32 {
	view := l.pick(make([]int32, 0, len(l.rows)), 0, a)
	if !l.complete && a.order == byName && !a.reverse {
		return view
	}
	slices.SortStableFunc(view, func(x, y int32) int {
		p, q := &l.rows[x], &l.rows[y]
		if (p.kind == object) != (q.kind == object) {
			return cmp.Compare(boolInt(p.kind == object), boolInt(q.kind == object))
		}
		by := 0
		switch a.order {
		case bySize:
			by = cmp.Compare(q.size, p.size)
			if p.kind != object {
				by = cmp.Compare(a.sums[l.name(y)], a.sums[l.name(x)])
			}
		case byModified:
			by = cmp.Compare(q.mod, p.mod)
		case byKind:
			if p.kind == object {
				by = strings.Compare(kindOf(l.name(x)), kindOf(l.name(y)))
			}
		}
		if by == 0 {
			by = strings.Compare(l.name(x), l.name(y))
		}
		if a.reverse {
			return -by
		}
		return by
	})
	return view
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
