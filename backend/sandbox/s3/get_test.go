package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

func TestRanges(t *testing.T) {
	r := newRig(t)
	r.put("ten", "0123456789")
	r.put("none", "")
	cases := []struct {
		key, spec string
		want      int
		body      string
		part      string
	}{
		{"ten", "bytes=0-3", 206, "0123", "bytes 0-3/10"},
		{"ten", "bytes=4-", 206, "456789", "bytes 4-9/10"},
		{"ten", "bytes=-3", 206, "789", "bytes 7-9/10"},
		{"ten", "bytes=-30", 206, "0123456789", "bytes 0-9/10"},
		{"ten", "bytes=8-99", 206, "89", "bytes 8-9/10"},
		{"ten", "bytes=9-9", 206, "9", "bytes 9-9/10"},
		{"ten", "bytes=0-99999999999999999999", 206, "0123456789", "bytes 0-9/10"},
		{"ten", "bytes=10-", 416, "", ""},
		{"ten", "bytes=99-100", 416, "", ""},
		{"ten", "bytes=-0", 416, "", ""},
		{"none", "bytes=0-", 416, "", ""},
		{"none", "bytes=-3", 200, "", ""},
		{"none", "bytes=-0", 416, "", ""},
		{"ten", "bytes= -3", 200, "0123456789", ""},
		{"ten", "bytes=0 -3", 200, "0123456789", ""},
		{"ten", "bytes=-99999999999999999999", 206, "0123456789", "bytes 0-9/10"},
		{"ten", "bytes=5-2", 200, "0123456789", ""},
		{"ten", "bytes=99-98", 200, "0123456789", ""},
		{"ten", "bytes=a-b", 200, "0123456789", ""},
		{"ten", "bytes=-", 200, "0123456789", ""},
		{"ten", "bytes=", 200, "0123456789", ""},
		{"ten", "items=0-3", 200, "0123456789", ""},
		{"ten", "bytes=0-1,3-4", 200, "0123456789", ""},
	}
	for _, c := range cases {
		for _, method := range []string{"GET", "HEAD"} {
			q := r.presigned(raw{method: method, path: "/box/" + c.key}, 60)
			q.header.Set("Range", c.spec) // not signed
			a := r.do(q)
			if a.StatusCode != c.want || a.Header.Get("Content-Range") != c.part || method == "GET" && c.want < 400 && a.body != c.body {
				t.Errorf("%s %s %s: %s %q %q", method, c.key, c.spec, a.Status, a.body, a.Header.Get("Content-Range"))
			}
			if c.want == 416 && method == "GET" && a.code() != "InvalidRange" {
				t.Errorf("%s %s: %s", c.key, c.spec, a.code())
			}
		}
	}
}

func TestConditions(t *testing.T) {
	r := newRig(t)
	r.put("k", "hello")
	const etag, other = `"5d41402abc4b2a76b9719d911017c592"`, `"00000000000000000000000000000000"`
	before := r.clock.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)
	after := r.clock.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	h := func(kv ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(kv); i += 2 {
			h.Set(kv[i], kv[i+1])
		}
		return h
	}
	for name, c := range map[string]struct {
		h    http.Header
		want int
	}{
		"match":                             {h("If-Match", etag), 200},
		"match without quotes":              {h("If-Match", strings.Trim(etag, `"`)), 200},
		"match any":                         {h("If-Match", "*"), 200},
		"match one of two":                  {h("If-Match", other+", "+etag), 200},
		"no match":                          {h("If-Match", other), 412},
		"range and no match":                {h("If-Match", other, "Range", "bytes=0-1"), 412},
		"range and match":                   {h("If-Match", etag, "Range", "bytes=0-1"), 206},
		"none match":                        {h("If-None-Match", etag), 304},
		"none match any":                    {h("If-None-Match", "*"), 304},
		"none match another":                {h("If-None-Match", other), 200},
		"modified since before":             {h("If-Modified-Since", before), 200},
		"modified since after":              {h("If-Modified-Since", after), 304},
		"modified since garbage":            {h("If-Modified-Since", "yesterday"), 200},
		"unmodified since before":           {h("If-Unmodified-Since", before), 412},
		"unmodified since after":            {h("If-Unmodified-Since", after), 200},
		"match beats unmodified":            {h("If-Match", etag, "If-Unmodified-Since", before), 200},
		"none match beats modified":         {h("If-None-Match", other, "If-Modified-Since", after), 200},
		"if-range of this":                  {h("If-Range", etag, "Range", "bytes=0-1"), 206},
		"if-range of another":               {h("If-Range", other, "Range", "bytes=0-1"), 200},
		"range beyond the end, and a match": {h("If-Match", etag, "Range", "bytes=9-"), 416},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			q := r.presigned(raw{method: method, path: "/box/k"}, 60)
			for k, v := range c.h {
				q.header[k] = v
			}
			if a := r.do(q); a.StatusCode != c.want {
				t.Errorf("%s %s: %s, want %d", method, name, a.Status, c.want)
			} else if c.want == 304 && (a.body != "" || a.Header.Get("ETag") != etag) {
				t.Errorf("%s: 304 with %q, ETag %q", name, a.body, a.Header.Get("ETag"))
			}
		}
	}
	// A URL with If-Match is invalid after the content changes.
	pinned := r.presigned(raw{method: "GET", path: "/box/k", header: h("If-Match", etag)}, 60)
	if a := r.do(pinned); a.StatusCode != 200 {
		t.Fatalf("pinned: %s %s", a.Status, a.body)
	}
	r.put("k", "changed")
	if a := r.do(pinned); a.StatusCode != 412 || a.code() != "PreconditionFailed" {
		t.Errorf("pinned after a change: %s %s", a.Status, a.code())
	}
}

// Only the header requests checksums, and only the whole object has one.
func TestChecksumMode(t *testing.T) {
	r := newRig(t)
	r.seed("k")
	const sum = "x-amz-checksum-crc64nvme"
	get := func(q raw) *answer {
		t.Helper()
		a := r.do(q)
		if a.StatusCode >= 400 {
			t.Fatalf("%s %s", a.Status, a.body)
		}
		return a
	}
	mode := http.Header{"X-Amz-Checksum-Mode": {"ENABLED"}}
	with := r.presigned(raw{method: "GET", path: "/box/k", header: mode}, 60)
	if a := get(with); a.Header.Get(sum) == "" || a.Header.Get("x-amz-checksum-type") != "FULL_OBJECT" {
		t.Errorf("by header: %v", a.Header)
	}
	if a := get(r.presigned(raw{method: "HEAD", path: "/box/k", header: mode}, 60)); a.Header.Get(sum) == "" {
		t.Errorf("HEAD by header: %v", a.Header)
	}
	if a := get(r.presigned(raw{method: "GET", path: "/box/k", query: "x-amz-checksum-mode=ENABLED"}, 60)); a.Header.Get(sum) != "" {
		t.Errorf("by query: %v", a.Header)
	}
	with.header = with.header.Clone()
	with.header.Set("Range", "bytes=0-0")
	if a := get(with); a.StatusCode != 206 || a.Header.Get(sum) != "" {
		t.Errorf("with a range: %s %v", a.Status, a.Header)
	}
}

func TestOverridesAndHeaders(t *testing.T) {
	r := newRig(t)
	_, err := r.client.PutObject(context.Background(), &awss3.PutObjectInput{Bucket: aws.String("box"), Key: aws.String("k"), Body: strings.NewReader("{}"),
		ContentType: aws.String("application/json"), CacheControl: aws.String("no-store"), ContentDisposition: aws.String("inline"),
		WebsiteRedirectLocation: aws.String("/elsewhere"), Metadata: map[string]string{"origin": "scanner 4"}})
	if err != nil {
		t.Fatal(err)
	}
	a := r.do(r.presigned(raw{method: "GET", path: "/box/k"}, 60))
	for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "Content-Disposition": "inline",
		"X-Amz-Website-Redirect-Location": "/elsewhere", "X-Amz-Meta-Origin": "scanner 4", "Accept-Ranges": "bytes", "Etag": `"99914b932bd37a50b983c5e7c90ae93b"`, "Server": "AmazonS3", "Content-Length": "2",
		"Last-Modified": r.clock.Now().UTC().Format(http.TimeFormat), "Date": r.clock.Now().UTC().Format(http.TimeFormat)} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a.Header.Get("x-amz-request-id") == "" {
		t.Error("no request id")
	}
	b := r.do(r.presigned(raw{method: "GET", path: "/box/k", query: "response-content-type=text%2Fplain&response-content-disposition=attachment%3B%20filename%3D%22a%0D%0AX-Evil%3A%201%22&response-cache-control=private"}, 60))
	if b.Header.Get("Content-Type") != "text/plain" || !strings.HasPrefix(b.Header.Get("Content-Disposition"), "attachment; filename=") ||
		b.Header.Get("Cache-Control") != "private" || b.Header.Get("X-Evil") != "" {
		t.Errorf("overrides: %v", b.Header)
	}
	plain := r.do(r.presigned(raw{method: "GET", path: "/box/k", query: "versionId=null"}, 60))
	if plain.StatusCode != 200 {
		t.Errorf("versionId=null: %s", plain.Status)
	}
	if a := r.do(r.presigned(raw{method: "GET", path: "/box/k", query: "versionId=abc"}, 60)); a.StatusCode != 400 {
		t.Errorf("versionId=abc: %s", a.Status)
	}
}

func TestKeysAreExactBytes(t *testing.T) {
	r := newRig(t)
	keys := []string{"a/b", "a//b", "a/../b", "a/./b", "b", "/lead", "lead", "//lead", "file", "file/child", "file/", "..", ".", "../x", "%2e%2e/x", "a+b", "a b",
		"caf\u00e9", "cafe\u0301", "nul\x00", "new\nline", "cr\r", "tab\t", "q?x=1", "h#f", "semi;colon", "back\\slash", "<&\"'>", "\xff\xfe", "ü/ö", "~tilde", strings.Repeat("k", 1024)}
	at := func(key string) string { return "/box/" + string(uriEncode(nil, key, true)) }
	for _, k := range keys {
		if a := r.do(r.signed(raw{method: "PUT", path: at(k), body: "body of " + k})); a.StatusCode != 200 {
			t.Fatalf("put %q: %s %s", k, a.Status, a.body)
		}
	}
	for _, k := range keys {
		if a := r.do(r.presigned(raw{method: "GET", path: at(k)}, 60)); a.StatusCode != 200 || a.body != "body of "+k {
			t.Errorf("get %q: %s %q", k, a.Status, a.body)
		}
	}
	if r.srv.buckets["box"].objects.n != len(keys) {
		t.Errorf("%d objects of %d keys", r.srv.buckets["box"].objects.n, len(keys))
	}
	for _, k := range keys {
		if a := r.do(r.signed(raw{method: "DELETE", path: at(k)})); a.StatusCode != 204 {
			t.Errorf("delete %q: %s %s", k, a.Status, a.body)
		}
	}
	if r.srv.buckets["box"].objects.n != 0 {
		t.Errorf("%d objects remain", r.srv.buckets["box"].objects.n)
	}
	if a := r.do(r.signed(raw{method: "PUT", path: "/box/" + strings.Repeat("k", 1025)})); a.code() != "KeyTooLongError" {
		t.Errorf("1,025 bytes: %s %s", a.Status, a.code())
	}
	for _, path := range []string{"/box/%zz", "/box/%4"} {
		if a := r.do(raw{method: "GET", path: path}); a.StatusCode != 400 {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
}

func TestMissingThings(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	_, err := r.client.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("box"), Key: aws.String("no")})
	if nsk := new(types.NoSuchKey); !errors.As(err, &nsk) {
		t.Errorf("GET: %v", err)
	}
	_, err = r.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: aws.String("box"), Key: aws.String("no")})
	if nf := new(types.NotFound); !errors.As(err, &nf) {
		t.Errorf("HEAD: %v", err)
	}
	_, err = r.client.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("nobox"), Key: aws.String("no")})
	if e := smithy.APIError(nil); !errors.As(err, &e) || e.ErrorCode() != "NoSuchBucket" {
		t.Errorf("bucket: %v", err)
	}
	for _, c := range []struct{ method, path, query, code string }{
		{"GET", "/box/k", "acl", "NoSuchKey"}, {"PUT", "/box/k", "tagging", "MalformedXML"}, {"PUT", "/box", "policy", "NotImplemented"},
		{"GET", "/box/k", "torrent", "NotImplemented"}, {"PUT", "/box", "acl", "AccessControlListNotSupported"},
		{"POST", "/box/k", "", "MethodNotAllowed"}, {"PATCH", "/box/k", "", "MethodNotAllowed"}, {"POST", "/", "", "MethodNotAllowed"},
		{"OPTIONS", "/box/k", "", "AccessForbidden"},
	} {
		if a := r.do(r.signed(raw{method: c.method, path: c.path, query: c.query})); a.code() != c.code {
			t.Errorf("%s %s?%s: %s %s, want %s", c.method, c.path, c.query, a.Status, a.code(), c.code)
		}
	}
}

// fetch GETs url b.N times over persistent connections and discards the bodies.
func fetch(b *testing.B, url string) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Get(url)
			if err != nil {
				b.Error(err)
				return
			}
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != 200 {
				b.Error(resp.Status, err)
				return
			}
		}
	})
}

func BenchmarkGetSmall(b *testing.B) {
	r := newRig(b)
	r.srv.log = nil
	r.put("k", strings.Repeat("x", 1000))
	q := r.presigned(raw{method: "GET", path: "/box/k"}, 600)
	b.ResetTimer()
	fetch(b, r.url+q.path+"?"+q.query)
}

// BenchmarkGetSmallFloor serves the same response without S3.
func BenchmarkGetSmallFloor(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1000)
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	defer ts.Close()
	fetch(b, ts.URL)
}

func BenchmarkGetLarge(b *testing.B) {
	r := newRig(b)
	const size = 64 << 20
	for name, key := range map[string]string{"stored": "file", "generated": "code"} {
		b.Run(name, func(b *testing.B) {
			if key == "code" {
				if err := r.srv.PutContent("box", key, Object{Content: zeros(size)}); err != nil {
					b.Fatal(err)
				}
			} else if _, err := r.client.PutObject(context.Background(), &awss3.PutObjectInput{Bucket: aws.String("box"), Key: aws.String(key), Body: bytes.NewReader(make([]byte, size))}); err != nil {
				b.Fatal(err)
			}
			q := r.presigned(raw{method: "GET", path: "/box/" + key}, 600)
			b.SetBytes(size)
			b.ResetTimer()
			fetch(b, r.url+q.path+"?"+q.query)
		})
	}
}

// zeros is content of zero bytes, which cost nothing to compute.
type zeros int64

func (z zeros) Size() int64 { return int64(z) }

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }
