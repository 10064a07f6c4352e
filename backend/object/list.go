package object

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"usher/backend/api"
)

// ListQuery selects one page. With Recursive there are no folders.
type ListQuery struct {
	Bucket, Prefix string
	Recursive      bool
	After          string // a whole name; the page begins behind it
	Limit          int    // 1..1000
	Resume         Resume // of the page before; zero for the first page
}

// Resume is where the next page begins. It is opaque outside this package and
// travels in a sealed cursor.
type Resume struct {
	Token string `json:"t,omitempty"` // S3's continuation token
	Last  string `json:"l,omitempty"` // the last name that a page held
	Idle  int    `json:"i,omitempty"` // pages in a row that held no name
}

// Page is one answer of S3, cleaned: rows ascend in byte order behind the page
// before, each name once, all below the prefix.
type Page struct {
	Rows []Row
	Next Resume
	More bool
}

// Row is one object or folder of a listing. Name is whole, not relative.
type Row struct {
	Name     string
	Folder   bool
	Sized    bool // the listing gave a size that can be
	Size     int64
	Modified time.Time // UTC; zero: the listing gave none that can be
	ETag     string    // as api.ETag returns it
	Archived bool
}

// Marker reports whether the row only stands for a folder.
// SPEC: S3 user guide, "Organizing objects using folders".
func (r Row) Marker() bool {
	return r.Folder || r.Sized && r.Size == 0 && strings.HasSuffix(r.Name, "/")
}

const (
	maxIdle     = 200      // pages in a row without a name before a listing is given up
	maxListBody = 16 << 20 // bytes of a page: 1,000 names of 1,024 bytes, encoded, take 4 MiB
)

// List makes one S3 call. The answer is not trusted: names outside the
// prefix, repeated or not ascending are dropped and logged; a page that does
// not lead on is ErrUnavailable.
func (s *Store) List(ctx context.Context, q ListQuery) (Page, error) {
	const doing = "listing"
	calling, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	in := &s3.ListObjectsV2Input{
		Bucket: aws.String(q.Bucket), Prefix: aws.String(q.Prefix), MaxKeys: aws.Int32(int32(q.Limit)),
		// XML 1.0 cannot carry control characters.
		EncodingType:             types.EncodingTypeUrl,
		OptionalObjectAttributes: []types.OptionalObjectAttributes{types.OptionalObjectAttributesRestoreStatus},
	}
	if !q.Recursive {
		in.Delimiter = aws.String("/")
	}
	switch {
	case q.Resume.Token != "":
		in.ContinuationToken = aws.String(q.Resume.Token)
	case q.start() != "":
		in.StartAfter = aws.String(q.start())
	}
	var body listBody
	_, err := s.s3.ListObjectsV2(calling, in, reading(&s3.ListObjectsV2Output{}, func(r *smithyhttp.Response) error {
		raw, err := io.ReadAll(io.LimitReader(r.Body, maxListBody+1))
		if err != nil {
			return fmt.Errorf("reading a page: %w", err)
		}
		if len(raw) > maxListBody {
			return fmt.Errorf("a page is longer than %d bytes", maxListBody)
		}
		body, err = parseList(raw)
		return err
	}))
	if err != nil {
		f := failed(doing, err)
		s.notes.failure(ctx, q.Bucket, f)
		return Page{}, f
	}
	c := cleaner{q: q, last: q.start(), note: func(cause, name string) { s.notes.odd(ctx, q.Bucket, cause, name) }}
	page, cause := c.page(body)
	if cause != "" {
		f := &Failure{Kind: ErrUnavailable, Doing: doing, Code: cause}
		s.notes.failure(ctx, q.Bucket, f)
		return Page{}, f
	}
	return page, nil
}

// start is the name behind which the page begins.
func (q ListQuery) start() string { return max(q.Resume.Last, q.After) }

// cleaner turns S3's answer into a Page.
type cleaner struct {
	q        ListQuery
	last     string // the name behind which rows must be
	note     func(cause, name string)
	repeated bool // a name was dropped because it does not follow the last one
}

// page returns the cause for which the answer cannot be used, or "".
func (c *cleaner) page(body listBody) (Page, string) {
	truncated, ok := body.truncated()
	if strings.TrimSpace(body.Next) == "" {
		body.Next = ""
	}
	switch {
	case !ok:
		return Page{}, "neither truncated nor whole"
	case truncated && body.Next == "":
		return Page{}, "truncated without a continuation token"
	case truncated && body.Next == c.q.Resume.Token:
		return Page{}, "the same continuation token again"
	}
	rows := c.order(c.rows(body))
	p := Page{Rows: rows, More: truncated, Next: Resume{Token: body.Next, Last: c.last}}
	if len(rows) > c.q.Limit {
		c.note("more names than asked for", rows[c.q.Limit].Name)
		p.Rows, p.More, p.Next.Token = rows[:c.q.Limit], true, "" // the next page begins by name
	}
	if n := len(p.Rows); n > 0 {
		p.Next.Last = p.Rows[n-1].Name
		return p, ""
	}
	if !p.More {
		return p, ""
	}
	if p.Next.Idle = c.q.Resume.Idle + 1; c.repeated || p.Next.Idle > maxIdle {
		return Page{}, "pages that do not lead on"
	}
	return p, ""
}

// rows reads the names of the answer, in its order.
func (c *cleaner) rows(body listBody) []Row {
	rows := make([]Row, 0, len(body.Contents)+len(body.Folders))
	rolled := ""
	for i := range body.Contents {
		o := &body.Contents[i]
		name, ok := c.name(body, o.Key)
		if !ok {
			continue
		}
		if cut := strings.IndexByte(name[len(c.q.Prefix):], '/'); cut >= 0 && !c.q.Recursive {
			c.note("a name that is not rolled up at the delimiter", name)
			if name = name[:len(c.q.Prefix)+cut+1]; name != rolled {
				rows, rolled = append(rows, Row{Name: name, Folder: true}), name
			}
			continue
		}
		rows = append(rows, c.object(name, o))
	}
	for _, f := range body.Folders {
		name, ok := c.name(body, f.Prefix)
		if !ok {
			continue
		}
		cut := strings.IndexByte(name[len(c.q.Prefix):], '/')
		if cut < 0 || c.q.Recursive {
			c.note("a common prefix that is no folder", name)
			continue
		}
		rows = append(rows, Row{Name: name[:len(c.q.Prefix)+cut+1], Folder: true})
	}
	return rows
}

// name decodes a name and refuses one that no request can name, or that was
// not asked for.
func (c *cleaner) name(body listBody, text string) (string, bool) {
	name, ok := body.decode(text)
	switch {
	case !ok || name == "" || len(name) > api.MaxKey || !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0:
		c.note("a name that usher cannot carry", text)
		return "", false
	case !strings.HasPrefix(name, c.q.Prefix):
		c.note("a name outside the prefix", name)
		return "", false
	}
	return name, true
}

// object reads one object. A fact that cannot be is left out.
func (c *cleaner) object(name string, o *listObject) Row {
	row := Row{Name: name, ETag: api.ETag(o.ETag), Archived: archivedClass(o.StorageClass) && !o.restored()}
	if row.ETag == "" {
		c.note("an ETag that cannot be held to", name)
	}
	var err error
	if row.Size, err = strconv.ParseInt(strings.TrimSpace(o.Size), 10, 64); err != nil || row.Size < 0 {
		c.note("a size that is none", name)
		// Without a size the object is looked up before it is fetched.
		row.Size, row.ETag = 0, ""
	} else {
		row.Sized = true
	}
	var ok bool
	if row.Modified, ok = instant(time.RFC3339, o.Modified); !ok {
		c.note("a date that is none", name)
	}
	return row
}

// order sorts, and drops a name that repeats or does not follow the last one.
// S3 gives keys and common prefixes apart, each ascending.
func (c *cleaner) order(rows []Row) []Row {
	byName := func(a, b Row) int { return strings.Compare(a.Name, b.Name) }
	slices.SortStableFunc(rows, byName)
	kept := rows[:0]
	for _, r := range rows {
		switch {
		case len(kept) > 0 && kept[len(kept)-1].Name == r.Name:
			c.note("a name twice", r.Name)
		case c.last != "" && r.Name <= c.last && !c.within(r):
			c.repeated = true
			if r.Name != c.last || c.q.Resume.Token != "" {
				c.note("a name that does not follow the last one", r.Name)
			}
		default:
			kept = append(kept, r)
		}
	}
	return kept
}

// within reports whether a folder holds the name behind which the first page
// begins: it has more behind that name.
func (c *cleaner) within(r Row) bool {
	return r.Folder && c.q.Resume.Last == "" && r.Name != c.last && strings.HasPrefix(c.last, r.Name)
}

// instant reads a time between 1970 and 9999, which JSON can carry.
func instant(layout, text string) (time.Time, bool) {
	t, err := time.Parse(layout, strings.TrimSpace(text))
	if t = t.UTC(); err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}, false
	}
	return t, true
}

func archivedClass(class string) bool {
	class = strings.ToUpper(strings.TrimSpace(class))
	return class == string(types.StorageClassGlacier) || class == string(types.StorageClassDeepArchive)
}
