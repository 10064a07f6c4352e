package browse

import (
	"math"
	"slices"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/safetext"
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

// page holds the names and ETags of at most pageRows entries in a few strings, so that a
// million rows need few allocations. It is immutable. Messages hold a pointer to it, so
// that formatting a message does not print its bytes.
type page struct {
	names  string // each with separator behind it
	low    string // names in lower case
	etags  string
	rows   []row
	sorted bool // by name
	plain  bool // names have printable ASCII characters only
}

// separator is no part of a plain name, and of no word of a filter.
const separator = "\x00"

// pageRows is the largest number of rows of a page. A row's number is that of its page
// times pageRows, plus its index there: it stays when rows are added.
const (
	rowBits  = 10
	pageRows = 1 << rowBits
)

// row is an entry: 32 bytes, with offsets into the strings of its page.
type row struct {
	size, mod int64  // mod: unix milliseconds, unknown if math.MinInt64
	off       uint32 // of the name
	tag       uint32 // offset of the ETag
	name      uint16
	etag      uint8
	kind      rowKind
	archived  bool
	plain     bool // the name has printable ASCII characters only
}

type rowKind uint8

const (
	object rowKind = iota
	folderRow
	bucketRow
)

// pack converts a response to pages. It drops an entry with a name or ETag that is
// longer than the API allows: the object could not be downloaded.
func pack(entries []api.Entry) []*page {
	var pages []*page
	for some := range slices.Chunk(entries, pageRows) {
		if p := packed(some); len(p.rows) > 0 {
			pages = append(pages, p)
		}
	}
	return pages
}

func packed(entries []api.Entry) *page {
	p := &page{rows: make([]row, 0, len(entries)), sorted: true, plain: true}
	var names, tags strings.Builder
	last := ""
	for _, e := range entries {
		if len(e.Name) > api.MaxKey || len(e.ETag) > math.MaxUint8 {
			continue
		}
		r := row{size: e.Size, mod: math.MinInt64, off: uint32(names.Len()), tag: uint32(tags.Len()), name: uint16(len(e.Name)), etag: uint8(len(e.ETag)), archived: e.Archived}
		if e.Modified != nil {
			r.mod = e.Modified.UnixMilli()
		}
		switch e.Kind {
		case api.KindFolder:
			r.kind = folderRow
		case api.KindBucket:
			r.kind = bucketRow
		}
		r.plain = ascii(e.Name) && safetext.Line(e.Name) == e.Name
		p.plain = p.plain && r.plain
		p.sorted = p.sorted && last <= e.Name
		last = e.Name
		names.WriteString(e.Name)
		names.WriteString(separator)
		tags.WriteString(e.ETag)
		p.rows = append(p.rows, r)
	}
	p.names, p.etags = names.String(), tags.String()
	if p.plain {
		p.low = strings.ToLower(p.names) // the same string, if it has no upper case
	}
	return p
}

func (p *page) name(i int) string {
	r := &p.rows[i]
	return p.names[r.off : r.off+uint32(r.name)]
}

// lower returns a plain name in lower case.
func (p *page) lower(i int) string {
	r := &p.rows[i]
	return p.low[r.off : r.off+uint32(r.name)]
}

func (p *page) last() string { return p.name(len(p.rows) - 1) }

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
	r, name := l.row(i), l.name(i)
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
