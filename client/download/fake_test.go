package download

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/crc64nvme"

	"usher/backend/api"
)

// memory is a fake S3 and a fake backend in this process. The S3 supports
// presigned URLs that expire, ranges, If-Match and checksums.
type memory struct {
	w       *testbed
	urls    map[string]issued // by signature
	events  int
	life    int // seconds
	page    int // entries in one page of a listing
	denied  map[string]bool
	signOut bool // the session was ended
}

type issued struct {
	path, etag string
	until      time.Time
}

func newTestbed(t testing.TB) *testbed {
	w := &testbed{t: t, objects: map[string]*object{}, root: "b/"}
	w.memory = &memory{w: w, urls: map[string]issued{}, denied: map[string]bool{}, life: 60, page: 100}
	w.origin, w.user = w.memory, w.memory
	srv := httptest.NewServer(w)
	w.url, w.close = srv.URL, srv.Close
	t.Cleanup(srv.Close)
	return w
}

// fakeStack is the stack of fakes over real sockets.
type fakeStack struct{}

func (fakeStack) name() string { return "fake" }

func (fakeStack) testbed(t testing.TB, _ userOptions) *testbed { return newTestbed(t) }

// noise returns the random bytes that all objects are slices of.
var noise = sync.OnceValue(func() []byte {
	b := make([]byte, 65<<20)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
})

// random returns n bytes that differ between seeds. They are shared: a caller
// must not change them.
func random(seed uint64, n int) []byte {
	at := int(seed * 61 % (1 << 20))
	return noise()[at : at+n : at+n]
}

func (m *memory) put(_ string, data []byte, checksum string) *object {
	etag := fmt.Sprintf(`"%016x"`, crc64nvme.Checksum(data)) // shorter than an MD5, which the client would verify
	if checksum == "MD5" {
		etag = md5ETag(data)
	}
	o := &object{etag: etag, modified: time.Date(2026, 3, 14, 9, 12, 0, 0, time.UTC)}
	alg, part, composite := strings.Cut(checksum, "/")
	if composite {
		size, _ := strconv.ParseInt(part, 10, 64)
		var sums []byte
		n := 0
		for at := int64(0); at < int64(len(data)) || at == 0; at += size {
			sums = append(sums, plainSum(alg, data[at:min(at+size, int64(len(data)))])...)
			n++
		}
		o.checksum = &api.Checksum{Algorithm: alg, Type: "COMPOSITE", Value: base64.StdEncoding.EncodeToString(plainSum(alg, sums)) + "-" + strconv.Itoa(n)}
		o.parts = &api.Parts{Count: n, Size: size}
	} else if alg != "" {
		o.checksum = &api.Checksum{Algorithm: alg, Type: "FULL_OBJECT", Value: base64.StdEncoding.EncodeToString(plainSum(alg, data))}
	}
	return o
}

// md5ETag returns the ETag of an object that was uploaded in one part.
func md5ETag(data []byte) string { return fmt.Sprintf(`"%x"`, md5.Sum(data)) }

func (m *memory) remove(string) {}

func plainSum(alg string, data []byte) []byte {
	be := func(v uint64, n int) (b []byte) {
		for ; n > 0; n-- {
			b = append(b, byte(v>>(8*(n-1))))
		}
		return b
	}
	switch alg {
	case "CRC64NVME":
		return be(crc64nvme.Checksum(data), 8)
	case "CRC32C":
		return be(uint64(crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))), 4)
	case "CRC32":
		return be(uint64(crc32.ChecksumIEEE(data)), 4)
	case "SHA256":
		s := sha256.Sum256(data)
		return s[:]
	case "SHA1":
		s := sha1.Sum(data)
		return s[:]
	case "MD5":
		s := md5.Sum(data)
		return s[:]
	}
	panic(alg)
}

func (m *memory) revoke() { m.signedOut(true) }
func (m *memory) signIn() { m.signedOut(false) }

func (m *memory) signedOut(out bool) {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	m.signOut = out
}

func (m *memory) withdraw(path string) {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	m.denied[path] = true
}

func (m *memory) Release(_ context.Context, req api.ReleaseRequest) (api.ReleaseResponse, error) {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	switch {
	case m.signOut:
		return api.ReleaseResponse{}, &api.Error{Code: api.SessionRevoked}
	case len(req.Objects) == 0 || len(req.Objects) > api.MaxRelease:
		return api.ReleaseResponse{}, &api.Error{Code: api.BadRequest}
	}
	var resp api.ReleaseResponse
	for _, o := range req.Objects {
		resp.Items = append(resp.Items, m.item(o))
	}
	return resp, nil
}

// item releases one object. The caller holds the testbed's mu.
func (m *memory) item(o api.ReleaseObject) api.ReleaseItem {
	path := o.Bucket + "/" + o.Key
	obj := m.w.objects[path]
	m.events++
	if obj == nil || m.denied[path] {
		return api.ReleaseItem{Error: &api.ItemError{Code: api.NotFound}}
	}
	etag := obj.etag
	item := api.ReleaseItem{Event: fmt.Sprintf("ev-%d", m.events), Life: m.life}
	if o.ETag != "" {
		etag = o.ETag
	} else {
		size, mod := int64(len(obj.data)), obj.modified
		item.Size, item.Modified, item.Checksum, item.Parts = &size, &mod, obj.checksum, obj.parts
	}
	item.ETag = etag
	item.Headers = map[string]string{"if-match": etag, "x-amz-checksum-mode": "ENABLED"}
	sig := fmt.Sprintf("%064x", rand.Uint64())
	m.urls[sig] = issued{"/" + path, etag, time.Now().Add(time.Duration(m.life) * time.Second)}
	item.URL = m.w.url + (&url.URL{Path: "/" + path}).EscapedPath() + "?X-Amz-Expires=" + strconv.Itoa(m.life) +
		"&X-Amz-SignedHeaders=host%3Bif-match&X-Amz-Signature=" + sig + "&x-usher-event=" + item.Event
	return item
}

// env makes a child process call the fake backend of this process.
func (m *memory) env() []string { return []string{"USHER_TEST_CHILD_SERVER=" + m.w.backend().URL} }

func (m *memory) Complete(context.Context, api.CompleteRequest) error { return nil }

// List lists recursively, in pages of m.page entries, with as many URLs as requested.
func (m *memory) List(_ context.Context, req api.ListRequest) (api.ListResponse, error) {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	start, index, _ := strings.Cut(req.Cursor, "\x00")
	if req.Cursor != "" && req.Start != start { // a cursor belongs to one query
		return api.ListResponse{}, &api.Error{Code: api.BadCursor}
	}
	var names []string
	for path := range m.w.objects {
		if name, ok := strings.CutPrefix(path, req.Bucket+"/"+req.Prefix); ok && name > req.Start {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	if !req.Recursive {
		for i, name := range names { // folders in place of the names below them
			if folder, _, deep := strings.Cut(name, "/"); deep {
				names[i] = folder + "/"
			}
		}
		names = slices.Compact(names)
	}
	at, _ := strconv.Atoi(index)
	var resp api.ListResponse
	for i := at; i < len(names) && i < at+m.page; i++ {
		if !req.Recursive && strings.HasSuffix(names[i], "/") {
			resp.Entries = append(resp.Entries, api.Entry{Name: names[i], Kind: api.KindFolder})
			continue
		}
		o := m.w.objects[req.Bucket+"/"+req.Prefix+names[i]]
		mod := o.modified
		entry := api.Entry{Name: names[i], Kind: api.KindObject, Size: int64(len(o.data)), Modified: &mod, ETag: o.etag}
		if req.URLs > 0 && entry.Size <= api.SmallObject {
			if item := m.item(api.ReleaseObject{Bucket: req.Bucket, Key: req.Prefix + entry.Name, ETag: entry.ETag}); item.Error == nil {
				entry.Release, req.URLs = &item, req.URLs-1
			}
		}
		resp.Entries = append(resp.Entries, entry)
	}
	if at+m.page < len(names) {
		resp.Cursor = req.Start + "\x00" + strconv.Itoa(at+m.page)
	}
	return resp, nil
}

func (m *memory) answer(r *http.Request) (*http.Response, error) {
	m.w.mu.Lock()
	u, ok := m.urls[r.URL.Query().Get("X-Amz-Signature")]
	o := m.w.objects[strings.TrimPrefix(u.path, "/")]
	m.w.mu.Unlock()
	match := r.Header.Get("If-Match")
	switch {
	case !ok || u.path != r.URL.Path || r.Method != http.MethodGet:
		return refusal(403, "SignatureDoesNotMatch", "no"), nil
	case time.Now().After(u.until):
		return refusal(403, "AccessDenied", "Request has expired"), nil
	case o == nil:
		return refusal(404, "NoSuchKey", "gone"), nil
	case match != "" && match != o.etag:
		return refusal(412, "PreconditionFailed", "changed"), nil
	}
	return content(r, o, o.data), nil
}

// content returns a response with data or the requested range of it.
func content(r *http.Request, o *object, data []byte) *http.Response {
	h := http.Header{"Etag": {o.etag}, "Last-Modified": {o.modified.Format(http.TimeFormat)}}
	status := http.StatusOK
	if spec := r.Header.Get("Range"); spec != "" {
		var from, to int
		if _, err := fmt.Sscanf(spec, "bytes=%d-%d", &from, &to); err != nil || from >= len(data) {
			return refusal(416, "InvalidRange", "no")
		}
		to = min(to+1, len(data))
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(data)))
		data, status = data[from:to], http.StatusPartialContent
	} else if o.checksum != nil && r.Header.Get("X-Amz-Checksum-Mode") != "" && o.checksum.Algorithm != "MD5" {
		h.Set("X-Amz-Checksum-"+o.checksum.Algorithm, o.checksum.Value)
		h.Set("X-Amz-Checksum-Type", o.checksum.Type)
	}
	return respond(status, h, data)
}

func refusal(status int, code, message string) *http.Response {
	return respond(status, http.Header{"Content-Type": {"application/xml"}},
		fmt.Appendf(nil, `<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, message))
}

func respond(status int, h http.Header, body []byte) *http.Response {
	h.Set("Content-Length", strconv.Itoa(len(body)))
	return &http.Response{StatusCode: status, Header: h, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}
}

// send sends data or the requested range of it.
func (w *testbed) send(rw http.ResponseWriter, r *http.Request, o *object, data []byte) {
	resp := content(r, o, data)
	for k, v := range resp.Header {
		rw.Header()[k] = v
	}
	rw.WriteHeader(resp.StatusCode)
	n, _ := io.Copy(rw, resp.Body)
	w.sent.Add(n)
}
