package download

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/api"
)

// world is what a test downloads from: an S3 behind a front, and a backend as
// one person meets it. Either can be told to fail, in the same words whichever
// they are: the fake ones (fake_test.go), or real ones (venue_test.go).
type world struct {
	*memory // what only the fake has; nil elsewhere
	t       testing.TB
	origin  origin
	person  person
	url     string // of the front
	place   string // where its objects are: a bucket and, maybe, a prefix
	leave   func() // ends it before the test ends

	mu       sync.Mutex
	objects  map[string]*object // what was put, by path
	chains   []string           // continues of each release that was answered
	reported []api.CompleteItem
	releases int   // calls
	released int   // objects
	sizes    []int // objects in each call
	asLink   bool  // URLs are asked for as links for people, which sign no header

	// Faults. Each may be nil.
	onGet     happening
	onRelease func(n int, req api.ReleaseRequest) error
	onItem    func(item *api.ReleaseItem)
	onList    func(n int) error
	gets      atomic.Int64
	lists     atomic.Int64
	sent      atomic.Int64 // body bytes
	flying    atomic.Int64
	flyingMax atomic.Int64
	open      atomic.Int64 // connections, of the fake
	openMax   atomic.Int64
}

// origin is an S3 that behaves.
type origin interface {
	// answer is the proper one to a GET.
	answer(r *http.Request) (*http.Response, error)
	put(path string, data []byte, checksum string) *object
	remove(path string)
}

// person is somebody to whom a backend answers.
type person interface {
	Releaser
	Lister
	revoke()              // ends the session, and returns when the backend acts on it
	signIn()              // anew, after that
	withdraw(path string) // takes the right to see it away, and returns likewise
	env() []string        // with which a child is this person
}

// object is what was put.
type object struct {
	data     []byte
	sum      string // as put was told
	etag     string
	modified time.Time
	checksum *api.Checksum // of the fake
	parts    *api.Parts
}

// put stores an object with a checksum: an algorithm's name, "" for none, or
// "CRC32C/5242880" for a composite one over parts of that size.
func (w *world) put(path string, data []byte, checksum string) *object {
	o := w.origin.put(path, data, checksum)
	o.data, o.sum = data, checksum
	w.mu.Lock()
	defer w.mu.Unlock()
	w.objects[path] = o
	return o
}

// remove deletes an object.
func (w *world) remove(path string) {
	w.origin.remove(path)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.objects, path)
}

func (w *world) object(path string) *object {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.objects[path]
}

func (w *world) bucket() string { return w.place[:strings.IndexByte(w.place, '/')] }

// folder is the prefix in the bucket under which its objects are; "": none.
func (w *world) folder() string { return w.place[len(w.bucket())+1:] }

func (w *world) host() string { return strings.TrimPrefix(w.url, "http://") }

// ServeHTTP is the front: what goes wrong between S3 and the client goes wrong
// here.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	n := int(w.gets.Add(1))
	if f := w.flying.Add(1); f > w.flyingMax.Load() {
		w.flyingMax.Store(f)
	}
	defer w.flying.Add(-1)
	for _, h := range []string{"Authorization", "Cookie", "Accept-Encoding"} {
		if r.Header.Get(h) != "" {
			w.t.Errorf("the request to S3 carries %s", h)
		}
	}
	w.mu.Lock()
	fault, o := w.onGet, w.objects[strings.TrimPrefix(r.URL.Path, "/")]
	w.mu.Unlock()
	if fault == nil || !fault(n, o, rw, r) {
		w.pass(rw, r)
	}
}

// pass answers as the origin does.
func (w *world) pass(rw http.ResponseWriter, r *http.Request) {
	resp := w.answer(r)
	defer resp.Body.Close()
	maps.Copy(rw.Header(), resp.Header)
	rw.WriteHeader(resp.StatusCode)
	n, err := io.Copy(rw, resp.Body)
	w.sent.Add(n)
	if err != nil {
		panic(http.ErrAbortHandler) // the client must not take it for the end
	}
}

// answer is the origin's, without the checksum where the object has none: a
// real S3 makes one for each object that is put today, but not long ago.
func (w *world) answer(r *http.Request) *http.Response {
	resp, err := w.origin.answer(r)
	if err != nil {
		panic(http.ErrAbortHandler) // the client is gone, or the origin
	}
	if o := w.object(strings.TrimPrefix(r.URL.Path, "/")); o != nil && (o.sum == "" || o.sum == "MD5") {
		for name := range resp.Header {
			if strings.HasPrefix(name, "X-Amz-Checksum-") {
				resp.Header.Del(name)
			}
		}
		if o.sum == "" {
			resp.Header.Set("X-Amz-Server-Side-Encryption", "aws:kms") // so that the ETag is no MD5
		}
	}
	return resp
}

// repeats is how often the client repeats a call that may be repeated.
const repeats = 8

// patiently repeats a call as the client does, where there is no client: before
// the fake, and for faults that a test makes up.
func patiently(call func() error) error {
	for n := 0; ; n++ {
		err := call()
		var ae *api.Error
		if n == repeats || !errors.As(err, &ae) || !api.Lookup(ae.Code).Retry {
			return err
		}
	}
}

// Release is the backend's.
func (w *world) Release(ctx context.Context, req api.ReleaseRequest) (api.ReleaseResponse, error) {
	var after func(*api.ReleaseItem)
	if err := patiently(func() error {
		w.mu.Lock()
		w.releases++
		n, before := w.releases, w.onRelease
		after = w.onItem
		w.mu.Unlock()
		if before == nil {
			return nil
		}
		return before(n, req)
	}); err != nil {
		return api.ReleaseResponse{}, err
	}
	w.mu.Lock()
	w.released += len(req.Objects)
	w.sizes = append(w.sizes, len(req.Objects))
	if w.asLink {
		req.Purpose = api.PurposeLink
	}
	w.mu.Unlock()
	resp, err := w.person.Release(ctx, req)
	if err == nil { // a busy machine's backend may have to be asked twice
		w.mu.Lock()
		for _, o := range req.Objects {
			w.chains = append(w.chains, o.Continues)
		}
		w.mu.Unlock()
	}
	for i := range resp.Items {
		if o := w.object(req.Objects[i].Bucket + "/" + req.Objects[i].Key); o != nil && o.sum == "" {
			resp.Items[i].Checksum = nil
		}
		if after != nil && resp.Items[i].Error == nil {
			after(&resp.Items[i])
		}
	}
	return resp, err
}

// Complete is the backend's.
func (w *world) Complete(ctx context.Context, req api.CompleteRequest) error {
	w.mu.Lock()
	w.reported = append(w.reported, req.Items...)
	w.mu.Unlock()
	return w.person.Complete(ctx, req)
}

// List is the backend's.
func (w *world) List(ctx context.Context, req api.ListRequest) (api.ListResponse, error) {
	if f := w.onList; f != nil {
		if err := patiently(func() error { return f(int(w.lists.Add(1))) }); err != nil {
			return api.ListResponse{}, err
		}
	}
	return w.person.List(ctx, req)
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
