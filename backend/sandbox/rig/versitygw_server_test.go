package rig

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/api"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

const (
	reports = "company-reports"
	audited = "annual/audited/" // all that external auditors see of it
	minPart = 5 << 20           // bytes; S3's smallest part but for the last
)

// The main job, with versitygw in the place of the sandbox's S3: what usher
// signs, asks and promises must hold on a server that knows nothing of it.
func TestVersitygwServer(t *testing.T) {
	t.Parallel()
	w := onGateway(t, 60)
	want := fill(t, w)
	ada, grace := w.SignIn(t, "ada"), w.SignIn(t, "grace")
	t.Run("listings", func(t *testing.T) { testListings(t, ada, grace) })
	t.Run("paging", func(t *testing.T) { testPaging(t, grace) })
	t.Run("released", func(t *testing.T) { testReleased(t, grace, want) })
	t.Run("refused", func(t *testing.T) { testRefused(t, grace) })
	t.Run("bent", func(t *testing.T) { testBent(t, w, grace) })
	t.Run("changed", func(t *testing.T) { testChanged(t, w, grace) })
	t.Run("version", func(t *testing.T) { testVersion(t, w) })
	t.Run("link", func(t *testing.T) { testLink(t, grace, want) })
	t.Run("program", func(t *testing.T) { testProgram(t, w, want) })
	t.Run("audit", func(t *testing.T) { testAudit(t, grace) })
}

func codeOf(err error) api.Code {
	var e *api.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// testListings: each group sees its subset of one bucket, and nothing else is
// there for it.
func testListings(t *testing.T, ada, grace demotest.Actor) {
	for _, c := range []struct {
		who    demotest.Actor
		prefix string
		want   []string // nil: not_found
	}{
		{ada, "", []string{"annual/", "quarterly/"}},
		{ada, "quarterly/", []string{"q1.csv"}},
		{ada, "annual/", []string{"audited/", "letter.txt"}},
		{grace, "", []string{"annual/"}},
		{grace, "annual/", []string{"audited/"}},
		{grace, audited, []string{"big.bin", "many/", "odd/", "one.csv", "sums/", "two.csv"}},
		{grace, "quarterly/", nil},
		{grace, "board-packs/", nil},
		{ada, "annualx/", nil},
		{ada, "board-packs/", nil},
	} {
		got, err := names(t.Context(), c.who, c.prefix, 0)
		slices.Sort(got)
		switch {
		case c.want == nil && codeOf(err) != api.NotFound:
			t.Errorf("%q: %q, %v, want not_found", c.prefix, got, err)
		case c.want != nil && (err != nil || !slices.Equal(got, c.want)):
			t.Errorf("%q: %q, %v, want %q", c.prefix, got, err, c.want)
		}
	}
}

// names are those of a whole listing, in pages of limit (0: as large as can be).
func names(ctx context.Context, who demotest.Actor, prefix string, limit int) ([]string, error) {
	var out []string
	in := api.ListRequest{Bucket: reports, Prefix: prefix, Limit: limit}
	for {
		page, err := who.List(ctx, in)
		if err != nil {
			return out, err
		}
		for _, e := range page.Entries {
			out = append(out, e.Name)
		}
		if in.Cursor = page.Cursor; in.Cursor == "" {
			return out, nil
		}
	}
}

// testPaging: however a listing is cut, each name comes once and in order.
func testPaging(t *testing.T, who demotest.Actor) {
	for _, c := range []struct {
		prefix string
		count  int
		limits []int
	}{{audited, 6, []int{1, 2, 5}}, {audited + "many/", 45, []int{7, 44, 45}}} {
		whole, err := names(t.Context(), who, c.prefix, 0)
		if err != nil || len(whole) != c.count {
			t.Fatalf("%q has %d names (%v), want %d", c.prefix, len(whole), err, c.count)
		}
		for _, limit := range c.limits {
			if got, err := names(t.Context(), who, c.prefix, limit); err != nil || !slices.Equal(got, whole) {
				t.Errorf("%q by %d: %q, %v, want %q", c.prefix, limit, got, err, whole)
			}
		}
	}
}

func release(ctx context.Context, who demotest.Actor, o api.ReleaseObject, purpose string) (api.ReleaseItem, error) {
	out, err := who.Release(ctx, api.ReleaseRequest{Objects: []api.ReleaseObject{o}, Purpose: purpose})
	if err != nil {
		return api.ReleaseItem{}, err
	}
	if e := out.Items[0].Error; e != nil {
		return out.Items[0], &api.Error{Code: e.Code}
	}
	return out.Items[0], nil
}

// mustRelease gives the URL of one object of the reports.
func mustRelease(t *testing.T, who demotest.Actor, key string) api.ReleaseItem {
	t.Helper()
	item, err := release(t.Context(), who, api.ReleaseObject{Bucket: reports, Key: key}, "")
	if err != nil {
		t.Fatalf("releasing %q: %v", key, err)
	}
	return item
}

// answer is what S3 said to a GET of a released URL.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// get uses a released URL as a client does, but for what change does to it.
func get(t *testing.T, item api.ReleaseItem, change func(*http.Request)) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, item.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range item.Headers {
		req.Header.Set(k, v)
	}
	if change != nil {
		change(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, body}
}

// testReleased: every object, whole, has the bytes that were put; and its
// checksum comes with the GET, or with the URL.
func testReleased(t *testing.T, who demotest.Actor, want map[string]string) {
	for key, sum := range want {
		item := mustRelease(t, who, key)
		if a := get(t, item, nil); a.status != http.StatusOK || digest(a.body) != sum {
			t.Errorf("%q: %d, %d bytes, not those that were put", key, a.status, len(a.body))
		} else if item.Checksum == nil || a.header.Get("x-amz-checksum-"+item.Checksum.Algorithm) != item.Checksum.Value {
			t.Errorf("%q: the URL's checksum %v is not that of the answer", key, item.Checksum)
		}
	}
	t.Run("range", func(t *testing.T) {
		item, body := mustRelease(t, who, audited+"big.bin"), pattern(minPart+1<<20)
		for _, c := range []struct {
			asked    string
			from, to int
		}{{"bytes=0-99", 0, 100}, {"bytes=5242870-5242889", 5242870, 5242890}, {"bytes=6291400-", 6291400, len(body)}, {"bytes=-7", len(body) - 7, len(body)}} {
			a := get(t, item, func(r *http.Request) { r.Header.Set("Range", c.asked) })
			if a.status != http.StatusPartialContent || !bytes.Equal(a.body, body[c.from:c.to]) {
				t.Errorf("%s: %d with %d bytes", c.asked, a.status, len(a.body))
			}
		}
		if a := get(t, item, func(r *http.Request) { r.Header.Set("Range", "bytes=6291456-") }); a.status != http.StatusRequestedRangeNotSatisfiable {
			t.Errorf("behind the end: %d, want 416", a.status)
		}
	})
	t.Run("parts", func(t *testing.T) {
		item := mustRelease(t, who, audited+"big.bin")
		if !strings.HasSuffix(item.ETag, `-2"`) || item.Size == nil || *item.Size != minPart+1<<20 || item.Checksum.Type != "FULL_OBJECT" {
			t.Errorf("ETag %s, size %v, checksum %v", item.ETag, item.Size, item.Checksum)
		}
	})
}

// testRefused: what is not granted has no URL, and looks like what is absent.
func testRefused(t *testing.T, grace demotest.Actor) {
	for _, key := range []string{"quarterly/q1.csv", "annual/letter.txt", "board-packs/secret.csv", audited + "absent.csv"} {
		item, err := release(t.Context(), grace, api.ReleaseObject{Bucket: reports, Key: key}, "")
		if codeOf(err) != api.NotFound || item.URL != "" {
			t.Errorf("%q: %v, want not_found", key, err)
		}
	}
	t.Run("dot segments", func(t *testing.T) {
		// To S3 these are five keys of which none exists. To a server that joins
		// keys to paths they are files that others have been granted.
		for _, key := range []string{"../letter.txt", "one.csv/../../letter.txt", "./one.csv", "/one.csv", "../../quarterly/q1.csv"} {
			item, err := release(t.Context(), grace, api.ReleaseObject{Bucket: reports, Key: audited + key}, "")
			if err != nil {
				continue
			}
			if a := get(t, item, nil); a.status == http.StatusOK {
				t.Errorf("%q was released, and versitygw took it for another object: %q", audited+key, a.body)
			}
		}
	})
}

// testBent: a URL is for one object, one method and one content, on one host.
func testBent(t *testing.T, w *demotest.Demo, who demotest.Actor) {
	item := mustRelease(t, who, audited+"one.csv")
	if strings.Contains(item.URL, w.S3SecretKey) {
		t.Error("the URL holds the secret key")
	}
	if a := get(t, item, nil); a.status != http.StatusOK || string(a.body) != "body of one.csv" {
		t.Fatalf("as released: %d %q", a.status, a.body)
	}
	for name, change := range bends() {
		t.Run(name, func(t *testing.T) {
			if a := get(t, item, change); a.status != http.StatusForbidden {
				t.Errorf("%d %s, want 403", a.status, a.body)
			}
		})
	}
	if a := get(t, item, nil); a.status != http.StatusOK {
		t.Errorf("afterwards: %d, want the object as it was", a.status)
	}
}

// bends are changes to a released URL of audited/one.csv.
func bends() map[string]func(*http.Request) {
	query := func(f func(url.Values)) func(*http.Request) {
		return func(r *http.Request) {
			q := r.URL.Query()
			f(q)
			r.URL.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
		}
	}
	path := func(old, with string) func(*http.Request) {
		return func(r *http.Request) { r.URL.Path, r.URL.RawPath = strings.Replace(r.URL.Path, old, with, 1), "" }
	}
	return map[string]func(*http.Request){
		"another key":       path("one.csv", "two.csv"),
		"another bucket":    path("company-reports", "builds"),
		"the folder":        path("one.csv", ""),
		"PUT":               func(r *http.Request) { r.Method = http.MethodPut },
		"DELETE":            func(r *http.Request) { r.Method = http.MethodDelete },
		"HEAD":              func(r *http.Request) { r.Method = http.MethodHead },
		"longer life":       query(func(q url.Values) { q.Set("X-Amz-Expires", "600") }),
		"another date":      query(func(q url.Values) { q.Set("X-Amz-Date", secondLater(q.Get("X-Amz-Date"))) }),
		"another event":     query(func(q url.Values) { q.Set("x-usher-event", "01ARZ3NDEKTSV4RRFFQ69G5FAV") }),
		"no event":          query(func(q url.Values) { q.Del("x-usher-event") }),
		"an override":       query(func(q url.Values) { q.Set("response-content-type", "text/html") }),
		"a version":         query(func(q url.Values) { q.Set("versionId", "null") }),
		"fewer headers":     query(func(q url.Values) { q.Set("X-Amz-SignedHeaders", "host") }),
		"another signature": query(func(q url.Values) { q.Set("X-Amz-Signature", strings.Repeat("0", 64)) }),
		"another host":      func(r *http.Request) { r.Host = strings.Replace(r.Host, "127.0.0.1", "localhost", 1) },
		"another If-Match":  func(r *http.Request) { r.Header.Set("If-Match", `"0123"`) },
		"no If-Match":       func(r *http.Request) { r.Header.Del("If-Match") },
	}
}

// secondLater is an X-Amz-Date a second on.
func secondLater(date string) string {
	const form = "20060102T150405Z"
	t, err := time.Parse(form, date)
	if err != nil {
		return "not a date: " + date
	}
	return t.Add(time.Second).Format(form)
}

// testChanged: the ETag of a listing is signed into the URL, so the caller gets
// that content or none.
func testChanged(t *testing.T, w *demotest.Demo, who demotest.Actor) {
	key := audited + "changing.csv"
	w.Put(t, reports, key, "before")
	page, err := who.List(t.Context(), api.ListRequest{Bucket: reports, Prefix: audited})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(page.Entries, func(e api.Entry) bool { return e.Name == "changing.csv" })
	if i < 0 {
		t.Fatal("it is not listed")
	}
	item, err := release(t.Context(), who, api.ReleaseObject{Bucket: reports, Key: key, ETag: page.Entries[i].ETag}, "")
	if err != nil {
		t.Fatal(err)
	}
	ranged := func(r *http.Request) { r.Header.Set("Range", "bytes=0-2") }
	if a := get(t, item, ranged); a.status != http.StatusPartialContent || string(a.body) != "bef" {
		t.Errorf("before: %d %q", a.status, a.body)
	}
	w.Put(t, reports, key, "after!")
	for name, change := range map[string]func(*http.Request){"whole": nil, "range": ranged} {
		if a := get(t, item, change); a.status != http.StatusPreconditionFailed {
			t.Errorf("%s, after the object changed: %d, want 412", name, a.status)
		}
	}
	if _, err := w.S3().DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(reports), Key: &key}); err != nil {
		t.Fatal(err)
	}
}

// testVersion: in a bucket with versions the URL is for the version that was
// there, and for no other.
func testVersion(t *testing.T, w *demotest.Demo) {
	alan := w.SignIn(t, "alan")
	w.Put(t, "builds", "app.txt", "first")
	item, err := release(t.Context(), alan, api.ReleaseObject{Bucket: "builds", Key: "app.txt"}, "")
	if err != nil || item.Version == "" {
		t.Fatalf("version %q, %v", item.Version, err)
	}
	w.Put(t, "builds", "app.txt", "second")
	if a := get(t, item, nil); a.status != http.StatusOK || string(a.body) != "first" {
		t.Errorf("after a second version: %d %q, want the first", a.status, a.body)
	}
	if a := get(t, item, func(r *http.Request) {
		r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "versionId="+url.QueryEscape(item.Version)+"&", "", 1)
	}); a.status != http.StatusForbidden {
		t.Errorf("without its version: %d, want 403", a.status)
	}
}

// testLink: a link needs no header at all, so that any browser can use it.
func testLink(t *testing.T, who demotest.Actor, want map[string]string) {
	for _, key := range []string{audited + "one.csv", audited + "odd/00 " + oddNames()[0]} {
		item, err := release(t.Context(), who, api.ReleaseObject{Bucket: reports, Key: key}, api.PurposeLink)
		if err != nil || len(item.Headers) > 0 {
			t.Fatalf("%q: %v with headers %v", key, err, item.Headers)
		}
		if a := get(t, item, nil); a.status != http.StatusOK || digest(a.body) != want[key] {
			t.Errorf("%q: %d", key, a.status)
		}
	}
}

// testAudit: what was done against somebody else's S3 is on record like
// anything else.
func testAudit(t *testing.T, auditor demotest.Actor) {
	for filter, least := range map[string]int{
		"who:ada action:list outcome:allowed":               3,
		"who:ada action:list outcome:denied":                2,
		"who:grace action:download outcome:denied":          3,
		"who:grace action:download outcome:failed":          1,
		"who:grace action:completed outcome:allowed":        3,
		`path:="company-reports/annual/audited/one.csv"`:    2,
		"who:alan bucket:builds action:download":            1,
		"who:grace action:download path:=company-reports/x": 0,
	} {
		out, err := auditor.AuditQuery(t.Context(), api.AuditQueryRequest{Filter: filter, Limit: 1000})
		if err != nil || len(out.Events) < least || least == 0 && len(out.Events) > 0 {
			t.Errorf("%s: %d events, %v, want at least %d", filter, len(out.Events), err, least)
		}
	}
	out, err := auditor.AuditQuery(t.Context(), api.AuditQueryRequest{Filter: "who:alan action:download"})
	if err != nil || len(out.Events) == 0 || out.Events[0].Version == "" || out.Events[0].Action != event.Download {
		t.Errorf("the version is not on record: %v, %v", out.Events, err)
	}
}

// A URL ends when it says so, whatever is done with it until then. It takes as
// long as the shortest life that can be configured.
func TestVersitygwServerExpiry(t *testing.T) {
	t.Parallel()
	w := onGateway(t, 15)
	if _, err := w.S3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(reports)}); err != nil {
		t.Fatal(err)
	}
	w.Put(t, reports, audited+"one.csv", "one")
	item := mustRelease(t, w.SignIn(t, "grace"), audited+"one.csv")
	released := time.Now()
	for {
		asked := time.Since(released)
		a := get(t, item, nil)
		switch {
		case a.status == http.StatusForbidden && time.Since(released) > 10*time.Second && bytes.Contains(a.body, []byte("expired")):
			return
		case a.status != http.StatusOK:
			t.Fatalf("after %v: %d %s", asked, a.status, a.body)
		case asked > 16*time.Second:
			t.Fatalf("after %v it still works", asked)
		}
		<-time.After(250 * time.Millisecond)
	}
}
