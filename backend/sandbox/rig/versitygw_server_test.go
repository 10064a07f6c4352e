package rig

import (
	"bytes"
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
	audited = "annual/audited/" // the prefix of external auditors
	minPart = 5 << 20           // bytes; minimum size of a part except the last
)

// The main job with versitygw in place of the sandbox's S3. Usher's signatures,
// requests and promises must be valid on an independent server.
func TestVersitygwServer(t *testing.T) {
	t.Parallel()
	w := onGateway(t, 60)
	want := fill(t, w)
	ada, grace := w.SignIn(t, "ada"), w.SignIn(t, "grace")
	t.Run("listings", func(t *testing.T) { testListings(t, ada, grace) })
	t.Run("paging", func(t *testing.T) { testPaging(t, grace) })
	t.Run("released", func(t *testing.T) { testReleased(t, grace, want) })
	t.Run("refused", func(t *testing.T) { testRefused(t, grace) })
	t.Run("tampered", func(t *testing.T) { testTampered(t, w, grace) })
	t.Run("changed", func(t *testing.T) { testChanged(t, w, grace) })
	t.Run("version", func(t *testing.T) { testVersion(t, w) })
	t.Run("link", func(t *testing.T) { testLink(t, grace, want) })
	t.Run("program", func(t *testing.T) { testProgram(t, w, want) })
	t.Run("audit", func(t *testing.T) { testAudit(t, grace) })
}

// testListings checks that each group can list its part of one bucket, and that
// everything else is not found.
func testListings(t *testing.T, ada, grace demotest.Actor) {
	for _, c := range []struct {
		person demotest.Actor
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
		got, err := names(t.Context(), c.person, c.prefix, 0)
		slices.Sort(got)
		switch {
		case c.want == nil && codeOf(err) != api.NotFound:
			t.Errorf("%q: %q, %v, want not_found", c.prefix, got, err)
		case c.want != nil && (err != nil || !slices.Equal(got, c.want)):
			t.Errorf("%q: %q, %v, want %q", c.prefix, got, err, c.want)
		}
	}
}

// testPaging checks that, for every page size, each name is listed once and in
// order.
func testPaging(t *testing.T, person demotest.Actor) {
	for _, c := range []struct {
		prefix string
		count  int
		limits []int
	}{{audited, 6, []int{1, 2, 5}}, {audited + "many/", 45, []int{7, 44, 45}}} {
		whole, err := names(t.Context(), person, c.prefix, 0)
		if err != nil || len(whole) != c.count {
			t.Fatalf("%q has %d names (%v), want %d", c.prefix, len(whole), err, c.count)
		}
		for _, limit := range c.limits {
			if got, err := names(t.Context(), person, c.prefix, limit); err != nil || !slices.Equal(got, whole) {
				t.Errorf("%q by %d: %q, %v, want %q", c.prefix, limit, got, err, whole)
			}
		}
	}
}

// testReleased checks the bytes of every object, and that the response of GET or
// the release contains its checksum.
func testReleased(t *testing.T, person demotest.Actor, want map[string]string) {
	for key, sum := range want {
		item := mustRelease(t, person, key)
		if a := demotest.Get(t, item, nil); a.Status != http.StatusOK || digest(a.Body) != sum {
			t.Errorf("%q: %d, %d bytes, not the stored ones", key, a.Status, len(a.Body))
		} else if item.Checksum == nil || a.Header.Get("x-amz-checksum-"+item.Checksum.Algorithm) != item.Checksum.Value {
			t.Errorf("%q: the release's checksum %v is not that of the response", key, item.Checksum)
		}
	}
	t.Run("range", func(t *testing.T) {
		item, body := mustRelease(t, person, audited+"big.bin"), pattern(minPart+1<<20)
		for _, c := range []struct {
			asked    string
			from, to int
		}{{"bytes=0-99", 0, 100}, {"bytes=5242870-5242889", 5242870, 5242890}, {"bytes=6291400-", 6291400, len(body)}, {"bytes=-7", len(body) - 7, len(body)}} {
			a := demotest.Get(t, item, func(r *http.Request) { r.Header.Set("Range", c.asked) })
			if a.Status != http.StatusPartialContent || !bytes.Equal(a.Body, body[c.from:c.to]) {
				t.Errorf("%s: %d with %d bytes", c.asked, a.Status, len(a.Body))
			}
		}
		if a := demotest.Get(t, item, func(r *http.Request) { r.Header.Set("Range", "bytes=6291456-") }); a.Status != http.StatusRequestedRangeNotSatisfiable {
			t.Errorf("beyond the end: %d, want 416", a.Status)
		}
	})
	t.Run("parts", func(t *testing.T) {
		item := mustRelease(t, person, audited+"big.bin")
		if !strings.HasSuffix(item.ETag, `-2"`) || item.Size == nil || *item.Size != minPart+1<<20 || item.Checksum.Type != "FULL_OBJECT" {
			t.Errorf("ETag %s, size %v, checksum %v", item.ETag, item.Size, item.Checksum)
		}
	})
}

// testRefused checks that an object without a grant has no URL, and has the error
// of an absent object.
func testRefused(t *testing.T, grace demotest.Actor) {
	for _, key := range []string{"quarterly/q1.csv", "annual/letter.txt", "board-packs/secret.csv", audited + "absent.csv"} {
		item, err := release(t.Context(), grace, api.ReleaseObject{Bucket: reports, Key: key}, "")
		if codeOf(err) != api.NotFound || item.URL != "" {
			t.Errorf("%q: %v, want not_found", key, err)
		}
	}
	t.Run("dot segments", func(t *testing.T) {
		// In S3 these are five absent keys. On a server that joins keys to paths,
		// they are files of other grants.
		for _, key := range []string{"../letter.txt", "one.csv/../../letter.txt", "./one.csv", "/one.csv", "../../quarterly/q1.csv"} {
			item, err := release(t.Context(), grace, api.ReleaseObject{Bucket: reports, Key: audited + key}, "")
			if err != nil {
				continue
			}
			if a := demotest.Get(t, item, nil); a.Status == http.StatusOK {
				t.Errorf("%q was released, and versitygw returned another object: %q", audited+key, a.Body)
			}
		}
	})
}

// testTampered checks that a URL is valid for one object, one method, one content
// and one host.
func testTampered(t *testing.T, w *demotest.Demo, person demotest.Actor) {
	item := mustRelease(t, person, audited+"one.csv")
	if strings.Contains(item.URL, w.S3SecretKey) {
		t.Error("the URL contains the secret key")
	}
	if a := demotest.Get(t, item, nil); a.Status != http.StatusOK || string(a.Body) != "body of one.csv" {
		t.Fatalf("as released: %d %q", a.Status, a.Body)
	}
	for name, change := range tampering() {
		t.Run(name, func(t *testing.T) {
			if a := demotest.Get(t, item, change); a.Status != http.StatusForbidden {
				t.Errorf("%d %s, want 403", a.Status, a.Body)
			}
		})
	}
	if a := demotest.Get(t, item, nil); a.Status != http.StatusOK {
		t.Errorf("afterwards: %d, want the unchanged object", a.Status)
	}
}

// tampering returns changes to a released URL of audited/one.csv.
func tampering() map[string]func(*http.Request) {
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

// secondLater returns an X-Amz-Date one second later.
func secondLater(date string) string {
	const form = "20060102T150405Z"
	t, err := time.Parse(form, date)
	if err != nil {
		return "not a date: " + date
	}
	return t.Add(time.Second).Format(form)
}

// testChanged checks that the ETag of a listing is signed into the URL: after a
// change of the object the URL is refused.
func testChanged(t *testing.T, w *demotest.Demo, person demotest.Actor) {
	key := audited + "changing.csv"
	w.Put(t, reports, key, "before")
	page, err := person.List(t.Context(), api.ListRequest{Bucket: reports, Prefix: audited})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(page.Entries, func(e api.Entry) bool { return e.Name == "changing.csv" })
	if i < 0 {
		t.Fatal("the object is not listed")
	}
	item, err := release(t.Context(), person, api.ReleaseObject{Bucket: reports, Key: key, ETag: page.Entries[i].ETag}, "")
	if err != nil {
		t.Fatal(err)
	}
	ranged := func(r *http.Request) { r.Header.Set("Range", "bytes=0-2") }
	if a := demotest.Get(t, item, ranged); a.Status != http.StatusPartialContent || string(a.Body) != "bef" {
		t.Errorf("before: %d %q", a.Status, a.Body)
	}
	w.Put(t, reports, key, "after!")
	for name, change := range map[string]func(*http.Request){"whole": nil, "range": ranged} {
		if a := demotest.Get(t, item, change); a.Status != http.StatusPreconditionFailed {
			t.Errorf("%s, after a change of the object: %d, want 412", name, a.Status)
		}
	}
	if _, err := w.S3().DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(reports), Key: &key}); err != nil {
		t.Fatal(err)
	}
}

// testVersion checks that, in a bucket with versions, a URL is valid for the
// version at its release only.
func testVersion(t *testing.T, w *demotest.Demo) {
	alan := w.SignIn(t, "alan")
	w.Put(t, "builds", "app.txt", "first")
	item, err := release(t.Context(), alan, api.ReleaseObject{Bucket: "builds", Key: "app.txt"}, "")
	if err != nil || item.Version == "" {
		t.Fatalf("version %q, %v", item.Version, err)
	}
	w.Put(t, "builds", "app.txt", "second")
	if a := demotest.Get(t, item, nil); a.Status != http.StatusOK || string(a.Body) != "first" {
		t.Errorf("after a second version: %d %q, want the first", a.Status, a.Body)
	}
	if a := demotest.Get(t, item, func(r *http.Request) {
		r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "versionId="+url.QueryEscape(item.Version)+"&", "", 1)
	}); a.Status != http.StatusForbidden {
		t.Errorf("without its version: %d, want 403", a.Status)
	}
}

// testLink checks that a link requires no header, so that a browser can open it.
func testLink(t *testing.T, person demotest.Actor, want map[string]string) {
	for _, key := range []string{audited + "one.csv", audited + "odd/00 " + oddNames()[0]} {
		item, err := release(t.Context(), person, api.ReleaseObject{Bucket: reports, Key: key}, api.PurposeLink)
		if err != nil || len(item.Headers) > 0 {
			t.Fatalf("%q: %v with headers %v", key, err, item.Headers)
		}
		if a := demotest.Get(t, item, nil); a.Status != http.StatusOK || digest(a.Body) != want[key] {
			t.Errorf("%q: %d", key, a.Status)
		}
	}
}

// testAudit checks the audit log of the preceding tests.
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
		t.Errorf("the log does not contain the version: %v, %v", out.Events, err)
	}
}

// A URL expires at its time, however often it was used before. The test takes as
// long as the shortest configurable life.
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
		a := demotest.Get(t, item, nil)
		switch {
		case a.Status == http.StatusForbidden && time.Since(released) > 10*time.Second && bytes.Contains(a.Body, []byte("expired")):
			return
		case a.Status != http.StatusOK:
			t.Fatalf("after %v: %d %s", asked, a.Status, a.Body)
		case asked > 16*time.Second:
			t.Fatalf("the URL is still valid after %v", asked)
		}
		<-time.After(250 * time.Millisecond)
	}
}
