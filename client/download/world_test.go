package download

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/crc64nvme"

	"usher/backend/api"
)

// world is a backend and an S3 that behave: the S3 speaks real HTTP on
// loopback, knows presigned URLs with their life and signed headers, ranges,
// If-Match and checksums, and can be told to fail.
type world struct {
	t   testing.TB
	srv *httptest.Server

	mu       sync.Mutex
	objects  map[string]*object // bucket/key
	urls     map[string]issued  // by signature
	events   int
	chains   []string // continues of each release
	reported []api.CompleteItem
	releases int   // calls
	released int   // objects
	sizes    []int // objects in each call
	life     int   // seconds
	page     int   // entries in one page of a listing
	denied   map[string]bool

	// Faults. Each may be nil.
	onGet     func(n int, o *object, w http.ResponseWriter, r *http.Request) (handled bool)
	onRelease func(n int, req api.ReleaseRequest) error
	onItem    func(item *api.ReleaseItem)
	onList    func(n int) error
	gets      atomic.Int64
	lists     atomic.Int64
	sent      atomic.Int64 // body bytes
	flying    atomic.Int64
	flyingMax atomic.Int64
}

type object struct {
	data     []byte
	etag     string
	modified time.Time
	checksum *api.Checksum
	parts    *api.Parts
}

type issued struct {
	path, etag string
	until      time.Time
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, objects: map[string]*object{}, urls: map[string]issued{}, denied: map[string]bool{}, life: 60, page: 100}
	w.srv = httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	w.srv.Start()
	t.Cleanup(w.srv.Close)
	return w
}

// noise is what objects are made of: random bytes, made once.
var noise = sync.OnceValue(func() []byte {
	b := make([]byte, 65<<20)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
})

// random gives n bytes that differ between seeds; nobody may change them.
func random(seed uint64, n int) []byte {
	at := int(seed * 61 % (1 << 20))
	return noise()[at : at+n : at+n]
}

// put stores an object with a checksum: an algorithm's name, "" for none, or
// "CRC32C/5242880" for a composite one over parts of that size.
func (w *world) put(path string, data []byte, checksum string) *object {
	o := &object{data: data, etag: fmt.Sprintf(`"%032x"`, crc64nvme.Checksum(data)), modified: time.Date(2026, 3, 14, 9, 12, 0, 0, time.UTC)}
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
	w.mu.Lock()
	w.objects[path] = o
	w.mu.Unlock()
	return o
}

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

func (w *world) host() string { return strings.TrimPrefix(w.srv.URL, "http://") }

// Release is the backend's.
func (w *world) Release(ctx context.Context, req api.ReleaseRequest) (api.ReleaseResponse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.releases++
	if f, n := w.onRelease, w.releases; f != nil {
		w.mu.Unlock()
		err := f(n, req)
		w.mu.Lock()
		if err != nil {
			return api.ReleaseResponse{}, err
		}
	}
	if len(req.Objects) == 0 || len(req.Objects) > api.MaxRelease {
		return api.ReleaseResponse{}, &api.Error{Code: api.BadRequest}
	}
	w.released += len(req.Objects)
	w.sizes = append(w.sizes, len(req.Objects))
	var resp api.ReleaseResponse
	for _, o := range req.Objects {
		path := o.Bucket + "/" + o.Key
		obj := w.objects[path]
		w.events++
		w.chains = append(w.chains, o.Continues)
		if obj == nil || w.denied[path] {
			resp.Items = append(resp.Items, api.ReleaseItem{Error: &api.ItemError{Code: api.NotFound}})
			continue
		}
		etag := obj.etag
		item := api.ReleaseItem{Event: fmt.Sprintf("ev-%d", w.events), Life: w.life}
		if o.ETag != "" {
			etag = o.ETag
		} else {
			size, mod := int64(len(obj.data)), obj.modified
			item.Size, item.Modified, item.Checksum, item.Parts = &size, &mod, obj.checksum, obj.parts
		}
		item.ETag = etag
		item.Headers = map[string]string{"if-match": etag, "x-amz-checksum-mode": "ENABLED"}
		sig := fmt.Sprintf("%064x", rand.Uint64())
		w.urls[sig] = issued{"/" + path, etag, time.Now().Add(time.Duration(w.life) * time.Second)}
		item.URL = w.srv.URL + (&url.URL{Path: "/" + path}).EscapedPath() + "?X-Amz-Expires=" + strconv.Itoa(w.life) +
			"&X-Amz-SignedHeaders=host%3Bif-match&X-Amz-Signature=" + sig + "&x-usher-event=" + item.Event
		if w.onItem != nil {
			w.onItem(&item)
		}
		resp.Items = append(resp.Items, item)
	}
	return resp, nil
}

// Complete is the backend's.
func (w *world) Complete(_ context.Context, req api.CompleteRequest) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reported = append(w.reported, req.Items...)
	return nil
}

// List is the backend's: recursive, in pages of w.page.
func (w *world) List(_ context.Context, req api.ListRequest) (api.ListResponse, error) {
	if f := w.onList; f != nil {
		if err := f(int(w.lists.Add(1))); err != nil {
			return api.ListResponse{}, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	start, index, _ := strings.Cut(req.Cursor, "\x00")
	if req.Cursor != "" {
		req.Start = start
	}
	var names []string
	for path := range w.objects {
		if name, ok := strings.CutPrefix(path, req.Bucket+"/"+req.Prefix); ok && name > req.Start {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	at, _ := strconv.Atoi(index)
	var resp api.ListResponse
	for i := at; i < len(names) && i < at+w.page; i++ {
		o := w.objects[req.Bucket+"/"+req.Prefix+names[i]]
		mod := o.modified
		resp.Entries = append(resp.Entries, api.Entry{Name: names[i], Kind: api.KindObject, Size: int64(len(o.data)), Modified: &mod, ETag: o.etag})
	}
	if at+w.page < len(names) {
		resp.Cursor = req.Start + "\x00" + strconv.Itoa(at+w.page)
	}
	return resp, nil
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	n := int(w.gets.Add(1))
	if f := w.flying.Add(1); f > w.flyingMax.Load() {
		w.flyingMax.Store(f)
	}
	defer w.flying.Add(-1)
	refuse := func(status int, code, message string) {
		rw.WriteHeader(status)
		fmt.Fprintf(rw, `<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, message)
	}
	for _, h := range []string{"Authorization", "Cookie", "Accept-Encoding"} {
		if r.Header.Get(h) != "" {
			w.t.Errorf("the request to S3 carries %s", h)
		}
	}
	w.mu.Lock()
	u, ok := w.urls[r.URL.Query().Get("X-Amz-Signature")]
	o := w.objects[strings.TrimPrefix(u.path, "/")]
	fault := w.onGet
	w.mu.Unlock()
	switch {
	case !ok || u.path != r.URL.Path || r.Method != http.MethodGet:
		refuse(403, "SignatureDoesNotMatch", "no")
		return
	case time.Now().After(u.until):
		refuse(403, "AccessDenied", "Request has expired")
		return
	}
	if fault != nil && fault(n, o, rw, r) {
		return
	}
	if o == nil {
		refuse(404, "NoSuchKey", "gone")
		return
	}
	if m := r.Header.Get("If-Match"); m != "" && m != o.etag {
		refuse(412, "PreconditionFailed", "changed")
		return
	}
	w.send(rw, r, o, o.data)
}

// send answers with data, or the range of it that was asked.
func (w *world) send(rw http.ResponseWriter, r *http.Request, o *object, data []byte) {
	h := rw.Header()
	h.Set("ETag", o.etag)
	h.Set("Last-Modified", o.modified.Format(http.TimeFormat))
	status := http.StatusOK
	if spec := r.Header.Get("Range"); spec != "" {
		var from, to int
		if _, err := fmt.Sscanf(spec, "bytes=%d-%d", &from, &to); err != nil || from >= len(data) {
			rw.WriteHeader(416)
			return
		}
		to = min(to+1, len(data))
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(data)))
		data, status = data[from:to], http.StatusPartialContent
	} else if o.checksum != nil && r.Header.Get("X-Amz-Checksum-Mode") != "" && o.checksum.Algorithm != "MD5" {
		h.Set("X-Amz-Checksum-"+o.checksum.Algorithm, o.checksum.Value)
		h.Set("X-Amz-Checksum-Type", o.checksum.Type)
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	rw.WriteHeader(status)
	m, _ := rw.Write(data)
	w.sent.Add(int64(m))
}

// cutAfter sends the proper answer, but only n bytes of its body, and ends the
// connection: with a reset, or in order.
func (w *world) cutAfter(n int, reset bool) func(int, *object, http.ResponseWriter, *http.Request) bool {
	return func(_ int, o *object, rw http.ResponseWriter, r *http.Request) bool {
		rec := httptest.NewRecorder()
		w.send(rec, r, o, o.data)
		conn, buf, err := rw.(http.Hijacker).Hijack()
		if err != nil {
			w.t.Error(err)
			return true
		}
		fmt.Fprintf(buf, "HTTP/1.1 %d x\r\n", rec.Code)
		rec.Header().Write(buf)
		buf.WriteString("\r\n")
		body := rec.Body.Bytes()
		buf.Write(body[:min(n, len(body))])
		buf.Flush()
		if reset {
			conn.(*net.TCPConn).SetLinger(0)
		}
		conn.Close()
		return true
	}
}

// quick are timeouts under which pauses take milliseconds.
func quick() Timeouts {
	return Timeouts{Idle: 5 * time.Second, BackoffMin: time.Millisecond,
		BackoffMax: 5 * time.Millisecond, RetryAfter: 20 * time.Millisecond, LockPoll: 5 * time.Millisecond,
		Checkpoint: time.Millisecond, ReportEvery: 5 * time.Millisecond, Tick: 5 * time.Millisecond}
}

func (w *world) config() Config {
	return Config{Releaser: w, Lister: w, S3Hosts: []string{w.host()}, AllowHTTP: true, Timeouts: quick(), Report: true}
}

func (w *world) engine(change ...func(*Config)) *Engine {
	w.t.Helper()
	c := w.config()
	for _, f := range change {
		f(&c)
	}
	e, err := New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { e.Close() })
	return e
}

// request names an object as a listing would.
func (w *world) request(path, dir string) Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	bucket, key, _ := strings.Cut(path, "/")
	r := Request{Bucket: bucket, Key: key, Dir: dir}
	if o := w.objects[path]; o != nil {
		r.ETag, r.Size = o.etag, int64(len(o.data))
	}
	return r
}

func wait(t testing.TB, e *Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := e.Wait(ctx); err != nil {
		t.Fatalf("waiting: %v; %s", err, states(e))
	}
}

func states(e *Engine) string {
	var b strings.Builder
	for _, t := range e.Snapshot().Transfers {
		fmt.Fprintf(&b, "\n%d %q %v done=%d/%d err=%v event=%q retries=%d", t.ID, t.Key, t.State, t.Done, t.Size, t.Err, t.Event, t.Retries)
	}
	return b.String()
}

// failures lists what did not end well.
func failures(e *Engine) string {
	var b strings.Builder
	for _, line := range strings.Split(states(e), "\n") {
		if !strings.Contains(line, " done ") && !strings.Contains(line, " skipped ") {
			b.WriteString("\n" + line)
		}
	}
	return b.String()
}

func find(t testing.TB, e *Engine, id ID) Transfer {
	t.Helper()
	for _, tr := range e.Snapshot().Transfers {
		if tr.ID == id {
			return tr
		}
	}
	t.Fatalf("transfer %d is not on the list", id)
	return Transfer{}
}

// eventually polls until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
		<-time.After(time.Millisecond)
	}
}

func mustEqual(t testing.TB, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Fatalf("%s holds %d wrong bytes of %d", path, len(got), len(want))
	}
}

// scratch is a directory to download into: in memory where there is such, so
// that the tests do not measure somebody's disk.
func scratch(t testing.TB) string {
	t.Helper()
	if info, err := os.Stat("/dev/shm"); err != nil || !info.IsDir() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "usher-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// leftovers lists what usher left beside the files it finished.
func leftovers(t testing.TB, dir string) (found []string) {
	t.Helper()
	filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), partMark) {
			found = append(found, p)
		}
		return nil
	})
	return found
}

var _ io.Writer = (*ordered)(nil)
