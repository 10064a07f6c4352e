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
	"usher/backend/api/shape"
)

// ListQuery selects one page of a listing. A recursive listing has no folders.
type ListQuery struct {
	Bucket, Prefix string
	Recursive      bool
	After          string // a whole name; the first page begins after it
	Limit          int    // 1..1000
	Resume         Resume // from the previous page; zero for the first page
}

// Resume is the start of the next page. It is opaque outside this package, and
// part of a sealed cursor.
type Resume struct {
	Token string `json:"t,omitempty"` // S3's continuation token
	Last  string `json:"l,omitempty"` // last name of the pages so far
	Idle  int    `json:"i,omitempty"` // number of consecutive pages without a name
}

// Page is one checked page of S3. The rows are below the prefix, unique, and in
// byte order after those of the previous page.
type Page struct {
	Rows []Row
	Next Resume
	More bool
	// Omitted has an entry for each dropped name below the prefix that no request
	// can contain: the longest folder of the name that is valid.
	Omitted []string
}

// Row is one object or folder of a listing. Name is whole, not relative.
type Row struct {
	Name     string
	Folder   bool
	Sized    bool // the listing has a valid size
	Size     int64
	Modified time.Time // UTC; zero: absent or invalid
	ETag     string    // normalized by api.ETag
	Archived bool
}

// Marker reports whether the row is a folder or the marker object of a folder.
// SPEC: S3 user guide, "Organizing objects using folders".
func (r Row) Marker() bool {
	return r.Folder || r.Sized && r.Size == 0 && strings.HasSuffix(r.Name, "/")
}

const (
	maxIdle     = 200      // consecutive pages without a name, after which a listing fails
	maxListBody = 16 << 20 // bytes of a page; 1,000 encoded names of 1,024 bytes are 4 MiB
)

// List makes one S3 call and checks the response. It drops and logs names that are
// outside the prefix, repeated or out of order. A page without progress is
// ErrUnavailable.
func (s *Store) List(ctx context.Context, q ListQuery) (Page, error) {
	const doing = "listing"
	calling, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	in := &s3.ListObjectsV2Input{
		Bucket: aws.String(q.Bucket), Prefix: aws.String(q.Prefix), MaxKeys: aws.Int32(int32(q.Limit)),
		// XML 1.0 does not allow control characters.
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
		s.causes.failure(ctx, q.Bucket, f)
		return Page{}, f
	}
	c := checker{q: q, last: q.start(), log: func(cause, name string) { s.causes.badListing(ctx, q.Bucket, cause, name) }}
	page, cause := c.page(body)
	if cause != "" {
		f := &Failure{Kind: ErrUnavailable, Doing: doing, Code: cause}
		s.causes.failure(ctx, q.Bucket, f)
		return Page{}, f
	}
	return page, nil
}

// start returns the name after which the page begins.
func (q ListQuery) start() string { return max(q.Resume.Last, q.After) }

// checker makes a Page from the response of S3.
type checker struct {
	q        ListQuery
	last     string                   // all rows must be after this name
	log      func(cause, name string) // logs a fault
	repeated bool                     // a name at or before last was dropped
	omitted  []string                 // names below the prefix that no request can contain
}

// page returns a Page, or the cause for which the response is refused.
func (c *checker) page(body listBody) (Page, string) {
	truncated, ok := body.truncated()
	if strings.TrimSpace(body.Next) == "" {
		body.Next = ""
	}
	switch {
	case !ok:
		return Page{}, "neither truncated nor complete"
	case truncated && body.Next == "":
		return Page{}, "truncated without a continuation token"
	case truncated && body.Next == c.q.Resume.Token:
		return Page{}, "the same continuation token again"
	}
	rows := c.order(c.rows(body))
	p := Page{Rows: rows, More: truncated, Next: Resume{Token: body.Next, Last: c.last}}
	if len(rows) > c.q.Limit {
		c.log("more names than requested", rows[c.q.Limit].Name)
		p.Rows, p.More, p.Next.Token = rows[:c.q.Limit], true, "" // the next page begins by name
	}
	for _, name := range c.omitted {
		if p.Next.Token != "" || !p.More || name <= p.Rows[len(p.Rows)-1].Name { // otherwise the next page has it again
			p.Omitted = append(p.Omitted, validFolder(name))
		}
	}
	if n := len(p.Rows); n > 0 {
		p.Next.Last = p.Rows[n-1].Name
		return p, ""
	}
	if !p.More {
		return p, ""
	}
	if p.Next.Idle = c.q.Resume.Idle + 1; c.repeated || p.Next.Idle > maxIdle {
		return Page{}, "pages without progress"
	}
	return p, ""
}

// rows returns the valid rows of the response, in its order.
func (c *checker) rows(body listBody) []Row {
	rows := make([]Row, 0, len(body.Contents)+len(body.Folders))
	rolled := "" // last folder made from a key
	for i := range body.Contents {
		o := &body.Contents[i]
		name, ok := c.name(body, o.Key)
		if !ok {
			continue
		}
		if cut := strings.IndexByte(name[len(c.q.Prefix):], '/'); cut >= 0 && !c.q.Recursive {
			c.log("a name that is not rolled up at the delimiter", name)
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
			c.log("a common prefix that is not a folder", name)
			continue
		}
		rows = append(rows, Row{Name: name[:len(c.q.Prefix)+cut+1], Folder: true})
	}
	return rows
}

// name decodes a name. It refuses names that no request can contain, and names
// outside the prefix.
func (c *checker) name(body listBody, text string) (string, bool) {
	name, ok := body.decode(text)
	switch {
	case !ok || name == "" || shape.KeyProblem(name) != "":
		c.log("a name that usher refuses", text)
		if ok && strings.HasPrefix(name, c.q.Prefix) && name > c.last {
			c.omitted = append(c.omitted, name)
		}
		return "", false
	case !strings.HasPrefix(name, c.q.Prefix):
		c.log("a name outside the prefix", name)
		return "", false
	}
	return name, true
}

// validFolder returns the longest folder of a name that a request can contain.
func validFolder(name string) string {
	end := min(len(name), api.MaxKey)
	for i, r := range name[:end] {
		if _, n := utf8.DecodeRuneInString(name[i:]); r == 0 || r == utf8.RuneError && n == 1 {
			end = i
			break
		}
	}
	return name[:strings.LastIndexByte(name[:end], '/')+1]
}

// object returns the row of one object. It leaves out invalid facts.
func (c *checker) object(name string, o *listObject) Row {
	row := Row{Name: name, ETag: api.ETag(o.ETag), Archived: archivedClass(o.StorageClass) && !o.restored()}
	if row.ETag == "" {
		c.log("an ETag that is not usable", name)
	}
	var err error
	if row.Size, err = strconv.ParseInt(strings.TrimSpace(o.Size), 10, 64); err != nil || row.Size < 0 {
		c.log("an invalid size", name)
		// Without an ETag the release calls HEAD, which returns the size.
		row.Size, row.ETag = 0, ""
	} else {
		row.Sized = true
	}
	var ok bool
	if row.Modified, ok = instant(time.RFC3339, o.Modified); !ok {
		c.log("an invalid date", name)
	}
	return row
}

// order sorts the rows. It drops repeated names, and names at or before last. S3
// sends keys and common prefixes as two lists, each in order.
func (c *checker) order(rows []Row) []Row {
	byName := func(a, b Row) int { return strings.Compare(a.Name, b.Name) }
	slices.SortStableFunc(rows, byName)
	kept := rows[:0]
	for _, r := range rows {
		switch {
		case len(kept) > 0 && kept[len(kept)-1].Name == r.Name:
			c.log("a repeated name", r.Name)
		case c.last != "" && r.Name <= c.last && !c.within(r):
			c.repeated = true
			if r.Name != c.last || c.q.Resume.Token != "" {
				c.log("a name that does not follow the last one", r.Name)
			}
		default:
			kept = append(kept, r)
		}
	}
	return kept
}

// within reports whether a folder of the first page contains the start name. Such
// a folder has more names after the start.
func (c *checker) within(r Row) bool {
	return r.Folder && c.q.Resume.Last == "" && r.Name != c.last && strings.HasPrefix(c.last, r.Name)
}

// instant parses a time between the years 1970 and 9999, the range of JSON times.
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
