package object_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/api"
	"usher/backend/object"
	"usher/backend/object/objecttest"
)

// logged is a log in memory.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// store returns a Store on the fake storage, with the real S3 client.
func store(t *testing.T, fake *objecttest.Storage, limit time.Duration) (*object.Store, *logged) {
	t.Helper()
	log := &logged{}
	s, err := object.NewStore(object.StoreConfig{
		Client: client(fake), Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now, Limit: limit,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, log
}

func client(fake *objecttest.Storage) *s3.Client { return watched(fake.URL, nil) }

// watched returns a real S3 client. skew, if any, watches its responses.
func watched(endpoint string, skew *object.Skew) *s3.Client {
	return s3.New(s3.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(endpoint), UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "not-a-secret", ""),
	}, func(o *s3.Options) {
		if skew != nil {
			o.HTTPClient = skew.Watch(o.HTTPClient)
		}
	})
}

// all reads a listing to its end.
func all(s *object.Store, q object.ListQuery) (rows []object.Row, calls int, err error) {
	if q.Limit == 0 {
		q.Limit = 1000
	}
	for calls = 1; calls <= 1000; calls++ {
		page, err := s.List(context.Background(), q)
		if err != nil {
			return rows, calls, err
		}
		rows = append(rows, page.Rows...)
		if !page.More {
			return rows, calls, nil
		}
		q.Resume = page.Next
	}
	return rows, calls, errors.New("the listing does not end")
}

func names(rows []object.Row) (out []string) {
	for _, r := range rows {
		out = append(out, r.Name)
	}
	return out
}

// keys returns n keys in order.
func keys(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("d/%04d", i))
	}
	return out
}

// A faulty page yields the correct rows or a failure, and never an incomplete
// listing without an error.
func TestBadListings(t *testing.T) {
	for name, c := range map[string]struct {
		change func(l *objecttest.Listing)
		flat   bool
		want   []string // nil: all keys
		err    error
		calls  int // greatest number of calls
		log    string
	}{
		"no fault": {change: func(*objecttest.Listing) {}},
		"truncated without a token": {change: func(l *objecttest.Listing) { l.Token = "" },
			err: object.ErrUnavailable, calls: 1, log: "without a continuation token"},
		"the same token forever": {change: func(l *objecttest.Listing) {
			if l.Truncated == "true" {
				l.Token = "T:d/0009"
			}
		}, err: object.ErrUnavailable, calls: 3, log: "same continuation token"},
		"two tokens in turn": {change: func(l *objecttest.Listing) {
			if l.Truncated == "true" {
				l.Token = map[bool]string{true: "T:d/0004", false: "T:d/0009"}[l.Query.Get("continuation-token") == "T:d/0009"]
			}
		}, err: object.ErrUnavailable, calls: 4, log: "without progress"},
		"empty pages and new tokens forever": {change: func(l *objecttest.Listing) {
			l.Rows, l.Truncated, l.Token = nil, "true", "T:"+strconv.FormatInt(time.Now().UnixNano(), 10)
		}, err: object.ErrUnavailable, calls: 300, log: "without progress"},
		"some empty pages": {change: func(l *objecttest.Listing) {
			if !strings.HasPrefix(l.Query.Get("continuation-token"), "T:") {
				l.Rows, l.Truncated, l.Token = nil, "true", "T:"
			}
		}},
		"keys outside the prefix": {change: func(l *objecttest.Listing) {
			l.Rows = append(l.Rows, objecttest.Row{Name: "secret/salaries.csv", Size: "100"}, objecttest.Row{Name: "d", Size: "1"})
			l.Rows = append(l.Rows, objecttest.Row{Name: "e/", Folder: true})
		}, log: "outside the prefix"},
		"every key twice": {change: func(l *objecttest.Listing) { l.Rows = append(l.Rows, l.Rows...) }, log: "a repeated name"},
		"the last key again on the next page": {change: func(l *objecttest.Listing) {
			if l.Query.Get("continuation-token") != "" {
				l.Rows = append([]objecttest.Row{{Name: "d/0000", Size: "1", ETag: `"x"`, Modified: "2026-11-01T00:00:00Z"}}, l.Rows...)
			}
		}, log: "does not follow"},
		"not in order":        {change: func(l *objecttest.Listing) { slices.Reverse(l.Rows) }},
		"more than requested": {change: func(l *objecttest.Listing) { flood(l, 25) }, log: "more names than requested"},
		"names not encoded":   {change: func(l *objecttest.Listing) { l.Encoded, l.SayNone = false, true }},
		"the delimiter ignored": {change: func(l *objecttest.Listing) {
			l.Rows = append(l.Rows, objecttest.Row{Name: "d/z/deep", Size: "1", ETag: `"x"`})
		}, want: append(keys(25), "d/z/"), log: "not rolled up"},
		"folders without a slash": {change: func(l *objecttest.Listing) { l.Rows = append(l.Rows, objecttest.Row{Name: "d/z", Folder: true}) }, log: "not a folder"},
		"folders in a flat list":  {change: func(l *objecttest.Listing) { l.Rows = append(l.Rows, objecttest.Row{Name: "d/z/", Folder: true}) }, flat: true, log: "not a folder"},
		"a NUL in a name":         {change: func(l *objecttest.Listing) { l.Rows = append(l.Rows, objecttest.Row{Name: "d/a\x00b", Size: "1"}) }, log: "that usher refuses"},
		"a name of 2,000 bytes": {change: func(l *objecttest.Listing) {
			l.Rows = append(l.Rows, objecttest.Row{Name: "d/" + strings.Repeat("n", 2000)})
		}, log: "that usher refuses"},
		"not UTF-8":      {change: func(l *objecttest.Listing) { l.Rows = append(l.Rows, objecttest.Row{Name: "d/\xff", Size: "1"}) }, log: "that usher refuses"},
		"half an escape": {change: raw(func(x string) string { return strings.Replace(x, "<Key>d/0000", "<Key>d/%4", 1) }), want: keys(25)[1:], log: "that usher refuses"},
		"control characters": {change: func(l *objecttest.Listing) {
			l.Encoded, l.SayNone = false, true
			l.Rows = append(l.Rows, objecttest.Row{Name: "d/\x01", Size: "1"}, objecttest.Row{Name: "d/z\xff", Size: "1"})
		}, log: "that usher refuses"},
		"garbage":          {change: raw(func(string) string { return "\x00\x01 no XML" }), err: object.ErrUnavailable, log: "unreadable response"},
		"a page of HTML":   {change: raw(func(string) string { return "<!doctype html><html><body>Sign in</body></html>" }), err: object.ErrUnavailable, log: "unreadable response"},
		"cut off":          {change: raw(func(x string) string { return x[:len(x)/2] }), err: object.ErrUnavailable, log: "unreadable response"},
		"nothing":          {change: raw(func(string) string { return " " }), err: object.ErrUnavailable, log: "unreadable response"},
		"a page too long":  {change: raw(func(x string) string { return x + strings.Repeat(" ", 17<<20) }), err: object.ErrUnavailable, log: "longer than"},
		"truncated: maybe": {change: func(l *objecttest.Listing) { l.Truncated = "maybe" }, err: object.ErrUnavailable, log: "neither truncated"},
		"truncated: left out": {change: raw(func(x string) string {
			return strings.NewReplacer("<IsTruncated>true</IsTruncated>", "", "<IsTruncated>false</IsTruncated>", "").Replace(x)
		})},
		"refused": {change: func(l *objecttest.Listing) {
			refuse(l, 403, "AccessDenied", "not authorized to perform: s3:ListBucket")
		}, err: object.ErrRefused, log: "s3:ListBucket"},
		"no such bucket":   {change: func(l *objecttest.Listing) { refuse(l, 404, "NoSuchBucket", "") }, err: object.ErrRefused, log: "NoSuchBucket"},
		"another region":   {change: func(l *objecttest.Listing) { refuse(l, 301, "PermanentRedirect", "") }, err: object.ErrRefused, log: "PermanentRedirect"},
		"slow down":        {change: func(l *objecttest.Listing) { refuse(l, 503, "SlowDown", "") }, err: object.ErrUnavailable, log: "SlowDown"},
		"a broken storage": {change: func(l *objecttest.Listing) { refuse(l, 500, "InternalError", "") }, err: object.ErrUnavailable, log: "InternalError"},
	} {
		t.Run(name, func(t *testing.T) {
			fake := objecttest.New(t)
			for _, key := range keys(25) {
				fake.Put("lab", key, objecttest.Object{Body: key})
			}
			fake.SetHooks(c.change, nil, nil)
			s, log := store(t, fake, 0)
			rows, calls, err := all(s, object.ListQuery{Bucket: "lab", Prefix: "d/", Recursive: c.flat, Limit: 10})
			want := c.want
			if want == nil {
				want = keys(25)
			}
			switch {
			case c.err != nil && !errors.Is(err, c.err):
				t.Errorf("%v, want %v", err, c.err)
			case c.err == nil && (err != nil || !slices.Equal(names(rows), want)):
				t.Errorf("%q, %v", names(rows), err)
			case c.calls != 0 && calls > c.calls:
				t.Errorf("%d calls", calls)
			case !strings.Contains(log.String(), c.log) || c.log == "" && log.String() != "":
				t.Errorf("the log: %s", log)
			}
			if n := strings.Count(log.String(), "\n"); n > 3 {
				t.Errorf("%d lines in the log:\n%s", n, log)
			}
		})
	}
}

// flood puts all names on one page, above the limit of the request.
func flood(l *objecttest.Listing, n int) {
	after := max(l.Query.Get("start-after"), strings.TrimPrefix(l.Query.Get("continuation-token"), "T:"))
	l.Rows, l.Truncated, l.Token = nil, "false", ""
	for _, key := range keys(n) {
		if key > after {
			l.Rows = append(l.Rows, objecttest.Row{Name: key, Size: "6", ETag: `"x"`, Modified: "2026-11-01T00:00:00Z"})
		}
	}
}

func raw(change func(string) string) func(*objecttest.Listing) {
	return func(l *objecttest.Listing) { l.Change = change }
}

func refuse(l *objecttest.Listing, status int, code, message string) {
	l.Status = status
	l.Body = "<Error><Code>" + code + "</Code><Message>" + message + "</Message></Error>"
}

// An invalid fact is left out. Its row and its folder stay.
func TestOddFacts(t *testing.T) {
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		row  objecttest.Object
		want object.Row
	}{
		"quoted":          {objecttest.Object{ETag: `"abc"`}, object.Row{ETag: `"abc"`}},
		"without quotes":  {objecttest.Object{ETag: `abc`}, object.Row{ETag: `"abc"`}},
		"weak":            {objecttest.Object{ETag: `W/"abc"`}, object.Row{}},
		"spaces around":   {objecttest.Object{ETag: "  \"abc\"\n"}, object.Row{ETag: `"abc"`}},
		"a space inside":  {objecttest.Object{ETag: `"a c"`}, object.Row{}},
		"empty quotes":    {objecttest.Object{ETag: `""`}, object.Row{}},
		"no ETag":         {objecttest.Object{ETag: objecttest.Absent}, object.Row{}},
		"a very long one": {objecttest.Object{ETag: `"` + strings.Repeat("e", 500) + `"`}, object.Row{}},
		"not ASCII":       {objecttest.Object{ETag: `"é"`}, object.Row{}},
		"invalid date":    {objecttest.Object{ETag: `"a"`, Modified: "yesterday"}, object.Row{ETag: `"a"`, Modified: time.Time{}}},
		"no date":         {objecttest.Object{ETag: `"a"`, Modified: objecttest.Absent}, object.Row{ETag: `"a"`}},
		"year 10000":      {objecttest.Object{ETag: `"a"`, Modified: "9999-12-31T23:59:59-01:00"}, object.Row{ETag: `"a"`}},
		"year 1":          {objecttest.Object{ETag: `"a"`, Modified: "0001-01-01T00:00:00Z"}, object.Row{ETag: `"a"`}},
		"negative size":   {objecttest.Object{ETag: `"a"`, Size: "-5"}, object.Row{}},
		"no size":         {objecttest.Object{ETag: `"a"`, Size: objecttest.Absent}, object.Row{}},
		"size of words":   {objecttest.Object{ETag: `"a"`, Size: "many"}, object.Row{}},
		"size beyond":     {objecttest.Object{ETag: `"a"`, Size: "99999999999999999999"}, object.Row{}},
		"unknown class":   {objecttest.Object{ETag: `"a"`, Class: "<TAPE>"}, object.Row{ETag: `"a"`}},
		"archived":        {objecttest.Object{ETag: `"a"`, Class: "GLACIER"}, object.Row{ETag: `"a"`, Archived: true}},
		"instant archive": {objecttest.Object{ETag: `"a"`, Class: "GLACIER_IR"}, object.Row{ETag: `"a"`}},
		"being restored":  {objecttest.Object{ETag: `"a"`, Class: "DEEP_ARCHIVE", Restore: `ongoing-request="true"`}, object.Row{ETag: `"a"`, Archived: true}},
		"restored":        {objecttest.Object{ETag: `"a"`, Class: "DEEP_ARCHIVE", Restore: `ongoing-request="false", expiry-date="Fri, 21 Dec 2027 00:00:00 GMT"`}, object.Row{ETag: `"a"`}},
	} {
		t.Run(name, func(t *testing.T) {
			fake := objecttest.New(t)
			fake.Put("lab", "d/a", objecttest.Object{Body: "before"})
			fake.Put("lab", "d/b", c.row)
			fake.Put("lab", "d/c", objecttest.Object{Body: "after"})
			s, _ := store(t, fake, 0)
			rows, _, err := all(s, object.ListQuery{Bucket: "lab", Prefix: "d/", Recursive: true})
			if err != nil || !slices.Equal(names(rows), []string{"d/a", "d/b", "d/c"}) {
				t.Fatalf("%q, %v", names(rows), err)
			}
			got := rows[1]
			if got.ETag != c.want.ETag || got.Archived != c.want.Archived || got.Size != 0 {
				t.Errorf("%+v, want %+v", got, c.want)
			}
			if plain := c.row.Modified == ""; plain != got.Modified.Equal(at) || !plain && !got.Modified.IsZero() {
				t.Errorf("modified %v", got.Modified)
			}
			if got.Sized != (c.row.Size == "") {
				t.Errorf("sized: %v", got.Sized)
			}
		})
	}
}

// Invalid facts of a HEAD are left out too.
func TestOddHeads(t *testing.T) {
	head := func(name, value string) http.Header { return http.Header{name: {value}} }
	for name, c := range map[string]struct {
		object objecttest.Object
		check  func(object.Facts) bool
	}{
		"MD5":                {objecttest.Object{Body: "x"}, func(f object.Facts) bool { return f.Checksum.Algorithm == "MD5" && f.Size == 1 }},
		"KMS":                {objecttest.Object{Body: "x", Header: head("X-Amz-Server-Side-Encryption", "aws:kms")}, func(f object.Facts) bool { return f.Checksum == nil }},
		"a customer's key":   {objecttest.Object{Body: "x", Header: head("X-Amz-Server-Side-Encryption-Customer-Algorithm", "AES256")}, func(f object.Facts) bool { return f.Checksum == nil }},
		"no date":            {objecttest.Object{Body: "x", Header: head("Last-Modified", "yesterday")}, func(f object.Facts) bool { return f.Modified.IsZero() && f.Size == 1 }},
		"ETag unquoted":      {objecttest.Object{Body: "x", ETag: "abc"}, func(f object.Facts) bool { return f.ETag == `"abc"` }},
		"ETag weak":          {objecttest.Object{Body: "x", ETag: `W/"abc"`}, func(f object.Facts) bool { return f.ETag == "" }},
		"invalid checksum":   {objecttest.Object{Body: "x", Header: head("X-Amz-Checksum-Sha256", "!!")}, func(f object.Facts) bool { return f.Checksum.Algorithm == "MD5" }},
		"a version not text": {objecttest.Object{Body: "x", Header: head("X-Amz-Version-Id", "\xff")}, func(f object.Facts) bool { return f.Version == "" }},
		"archived":           {objecttest.Object{Body: "x", Class: "GLACIER"}, func(f object.Facts) bool { return f.Archived }},
		"restored": {objecttest.Object{Body: "x", Class: "GLACIER", Restore: `ongoing-request="false", expiry-date="Fri, 21 Dec 2027 00:00:00 GMT"`},
			func(f object.Facts) bool { return !f.Archived }},
		"an archive tier": {objecttest.Object{Body: "x", Header: head("X-Amz-Archive-Status", "DEEP_ARCHIVE_ACCESS")}, func(f object.Facts) bool { return f.Archived }},
	} {
		t.Run(name, func(t *testing.T) {
			fake := objecttest.New(t)
			fake.Put("lab", "k", c.object)
			s, log := store(t, fake, 0)
			facts, err := s.Head(t.Context(), "lab", "k", "", "01EVENT")
			if err != nil || !c.check(facts) {
				t.Errorf("%+v %+v, %v (%s)", facts, facts.Checksum, err, log)
			}
		})
	}
}

// Absent, archived, refused and unreachable are four kinds of failure. The cause
// of the last two is logged once.
func TestFailedHeads(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		code    string
		message string
		want    error
		log     string
	}{
		"denied, absent": {403, "AccessDenied", "", object.ErrAbsent, ""},
		"absent":         {404, "NoSuchKey", "", object.ErrAbsent, ""},
		"KMS":            {403, "AccessDenied", "not authorized to perform: kms:Decrypt", object.ErrRefused, "kms:Decrypt"},
		"archived":       {403, "InvalidObjectState", "", object.ErrArchived, ""},
		"customer's key": {400, "InvalidRequest", "The object was stored using a form of Server Side Encryption", object.ErrRefused, "Server Side Encryption"},
		"other region":   {301, "PermanentRedirect", "", object.ErrRefused, "PermanentRedirect"},
		"not allowed":    {405, "MethodNotAllowed", "", object.ErrRefused, "MethodNotAllowed"},
		"slow down":      {503, "SlowDown", "", object.ErrUnavailable, "503"},
		"too many":       {429, "TooManyRequests", "", object.ErrUnavailable, "429"},
		"broken":         {500, "InternalError", "", object.ErrUnavailable, "500"},
	} {
		t.Run(name, func(t *testing.T) {
			fake := objecttest.New(t)
			hook := func(w http.ResponseWriter, r *http.Request, _, _ string) bool {
				objecttest.Refuse(w, r, c.status, c.code, c.message)
				return true
			}
			fake.SetHooks(nil, hook, hook)
			fake.Put("lab", "k.longer", objecttest.Object{Body: "x"})
			if name != "denied, absent" {
				fake.Put("lab", "k", objecttest.Object{Body: "x"})
			}
			s, log := store(t, fake, 0)
			for range 3 {
				_, err := s.Head(t.Context(), "lab", "k", "", "01EVENT")
				if !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
			}
			if !strings.Contains(log.String(), c.log) || c.log == "" && log.String() != "" {
				t.Errorf("the log: %q", log)
			}
			if n := strings.Count(log.String(), "\n"); n > 1 {
				t.Errorf("%d lines for one cause", n)
			}
			for _, line := range fake.Seen() {
				if strings.HasPrefix(line, "GET") && !strings.Contains(line, "x-usher-event=01EVENT") {
					t.Errorf("a request without an event: %s", line)
				}
			}
		})
	}
}

// A call of a storage that does not respond ends at its limit.
func TestHangingStorage(t *testing.T) {
	fake := objecttest.New(t)
	hang := make(chan struct{})
	fake.SetHooks(func(*objecttest.Listing) { <-hang }, func(http.ResponseWriter, *http.Request, string, string) bool { <-hang; return true }, nil)
	defer close(hang)
	s, _ := store(t, fake, 200*time.Millisecond)
	if _, err := s.List(t.Context(), object.ListQuery{Bucket: "lab", Limit: 10}); !errors.Is(err, object.ErrUnavailable) {
		t.Errorf("listing: %v", err)
	}
	if _, err := s.Head(t.Context(), "lab", "k", "", "e"); !errors.Is(err, object.ErrUnavailable) {
		t.Errorf("looking up: %v", err)
	}
}

// FuzzETag checks that api.ETag returns a valid entity tag in normal form.
func FuzzETag(f *testing.F) {
	for _, s := range []string{`"a"`, `a`, `W/"a"`, `""`, ` "a b" `, `"a"b"`, "\"\u00e9\"", `"`, "W/", strings.Repeat("x", 200)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tag := api.ETag(s)
		if tag == "" {
			return
		}
		if tag != api.ETag(tag) || len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' || strings.ContainsAny(tag[1:len(tag)-1], "\" \r\n") {
			t.Errorf("%q becomes %q", s, tag)
		}
	})
}
