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

// testbed is the server side of a test: an S3 origin behind a proxy that injects
// faults, and a backend with one signed-in user. Origin and backend are fakes
// (fake_test.go) or real servers (realstack_test.go); a test uses both alike.
type testbed struct {
	*memory // the fakes; nil on a real stack
	t       testing.TB
	origin  origin
	user    user
	url     string // of the proxy
	root    string // "bucket/" or "bucket/prefix/": the start of every object's path
	close   func() // removes the testbed before the test ends

	mu       sync.Mutex
	objects  map[string]*object // by path
	chains   []string           // the continued event of each released object
	reported []api.CompleteItem
	releases int   // calls of Release
	released int   // objects in these calls
	sizes    []int // objects in each call
	pageURLs int   // URLs in the pages of listings
	listed   int   // calls of List that returned a page
	reports  int   // calls of Complete
	noURLs   bool  // the backend refuses pages with URLs, as an older one
	asLink   bool  // releases have the purpose "link", whose URLs sign no header

	// Faults; each may be nil. n is the number of the call, from 1.
	onGet     getHandler
	onRelease func(n int, req api.ReleaseRequest) error
	onItem    func(item *api.ReleaseItem)
	onList    func(n int) error
	onEntry   func(*api.Entry)
	gets      atomic.Int64
	lists     atomic.Int64
	sent      atomic.Int64 // body bytes that the proxy sent
	flying    atomic.Int64
	flyingMax atomic.Int64
}

// origin is an S3 server without faults.
type origin interface {
	// answer returns the correct response to a GET.
	answer(r *http.Request) (*http.Response, error)
	put(path string, data []byte, checksum string) *object
	remove(path string)
}

// user is a signed-in user of a backend.
type user interface {
	Releaser
	Lister
	revoke()              // ends the session; returns when the backend refuses it
	signIn()              // signs in again after revoke
	withdraw(path string) // removes the grant on path; returns when the backend refuses it
	env() []string        // environment of a child process that acts as this user
}

// object is an uploaded object.
type object struct {
	data     []byte
	sum      string // the checksum argument of put
	etag     string
	modified time.Time
	checksum *api.Checksum // set by the fake only
	parts    *api.Parts
}

// put uploads an object. checksum is the name of an algorithm, "" for none, or
// "CRC32C/5242880" for a composite checksum over parts of that size in bytes.
func (w *testbed) put(path string, data []byte, checksum string) *object {
	o := w.origin.put(path, data, checksum)
	o.data, o.sum = data, checksum
	w.mu.Lock()
	defer w.mu.Unlock()
	w.objects[path] = o
	return o
}

// remove deletes an object.
func (w *testbed) remove(path string) {
	w.origin.remove(path)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.objects, path)
}

func (w *testbed) object(path string) *object {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.objects[path]
}

func (w *testbed) bucket() string { return w.root[:strings.IndexByte(w.root, '/')] }

// folder returns the prefix of every key of the testbed; "": none.
func (w *testbed) folder() string { return w.root[len(w.bucket())+1:] }

func (w *testbed) host() string { return strings.TrimPrefix(w.url, "http://") }

// ServeHTTP is the proxy between client and origin. It injects the faults of
// onGet, and checks that a request carries no credential.
func (w *testbed) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	n := int(w.gets.Add(1))
	if f := w.flying.Add(1); f > w.flyingMax.Load() {
		w.flyingMax.Store(f)
	}
	defer w.flying.Add(-1)
	for _, h := range []string{"Authorization", "Cookie", "Accept-Encoding"} {
		if r.Header.Get(h) != "" {
			w.t.Errorf("the request to S3 has a header %s", h)
		}
	}
	w.mu.Lock()
	fault, o := w.onGet, w.objects[strings.TrimPrefix(r.URL.Path, "/")]
	w.mu.Unlock()
	if fault == nil || !fault(n, o, rw, r) {
		w.pass(rw, r)
	}
}

// pass sends the origin's response.
func (w *testbed) pass(rw http.ResponseWriter, r *http.Request) {
	resp := w.answer(r)
	defer resp.Body.Close()
	maps.Copy(rw.Header(), resp.Header)
	rw.WriteHeader(resp.StatusCode)
	n, err := io.Copy(rw, resp.Body)
	w.sent.Add(n)
	if err != nil {
		panic(http.ErrAbortHandler) // a normal return would end the body correctly
	}
}

// answer returns the origin's response, without a checksum if the object was put
// without one. S3 adds a checksum to every new object, but older objects have none.
func (w *testbed) answer(r *http.Request) *http.Response {
	resp, err := w.origin.answer(r)
	if err != nil {
		panic(http.ErrAbortHandler) // client or origin closed the connection
	}
	if o := w.object(strings.TrimPrefix(r.URL.Path, "/")); o != nil && (o.sum == "" || o.sum == "MD5") {
		for name := range resp.Header {
			if strings.HasPrefix(name, "X-Amz-Checksum-") {
				resp.Header.Del(name)
			}
		}
		if o.sum == "" {
			resp.Header.Set("X-Amz-Server-Side-Encryption", "aws:kms") // the ETag is then no MD5
		}
	}
	return resp
}

// repeats is the client's number of retries of a call that may be retried.
const repeats = 8

// retryCall repeats a call as package client does. Calls of the fake, and the
// errors of onRelease and onList, do not pass through that package.
func retryCall(call func() error) error {
	for n := 0; ; n++ {
		err := call()
		var ae *api.Error
		if n == repeats || !errors.As(err, &ae) || !api.Lookup(ae.Code).Retry {
			return err
		}
	}
}

// Release injects the faults of onRelease and onItem, and counts.
func (w *testbed) Release(ctx context.Context, req api.ReleaseRequest) (api.ReleaseResponse, error) {
	var after func(*api.ReleaseItem)
	if err := retryCall(func() error {
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
	resp, err := w.user.Release(ctx, req)
	if err == nil { // a busy backend may refuse the first call
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

// Complete records the report.
func (w *testbed) Complete(ctx context.Context, req api.CompleteRequest) error {
	w.mu.Lock()
	w.reported = append(w.reported, req.Items...)
	w.reports++
	w.mu.Unlock()
	return w.user.Complete(ctx, req)
}

// List injects the faults of onList, noURLs and onEntry, and counts.
func (w *testbed) List(ctx context.Context, req api.ListRequest) (api.ListResponse, error) {
	if f := w.onList; f != nil {
		if err := retryCall(func() error { return f(int(w.lists.Add(1))) }); err != nil {
			return api.ListResponse{}, err
		}
	}
	if w.noURLs && req.URLs > 0 {
		return api.ListResponse{}, &api.Error{Code: api.BadRequest}
	}
	resp, err := w.user.List(ctx, req)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.listed++
	}
	for i := range resp.Entries {
		entry := &resp.Entries[i]
		if w.onEntry != nil {
			w.onEntry(entry)
		}
		if entry.Release != nil {
			w.pageURLs++
			w.chains = append(w.chains, "")
		}
	}
	return resp, err
}

// quick returns timeouts with pauses of milliseconds. A connection may be idle for
// longer than a test waits, so a slow machine cuts none.
func quick() Timeouts {
	return Timeouts{Idle: 4 * patience, BackoffMin: time.Millisecond,
		BackoffMax: 5 * time.Millisecond, RetryAfter: 20 * time.Millisecond, LockPoll: 5 * time.Millisecond,
		Checkpoint: time.Millisecond, ReportEvery: 5 * time.Millisecond, Tick: 5 * time.Millisecond}
}

func (w *testbed) config() Config {
	return Config{Releaser: w, Lister: w, S3Hosts: []string{w.host()}, AllowHTTP: true, Timeouts: quick(), Report: true}
}

func (w *testbed) engine(change ...func(*Config)) *Engine {
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

// request returns a request with the ETag and size that a listing returns.
func (w *testbed) request(path, dir string) Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	bucket, key, _ := strings.Cut(path, "/")
	r := Request{Bucket: bucket, Key: key, Dir: dir}
	if o := w.objects[path]; o != nil {
		r.ETag, r.Size = o.etag, int64(len(o.data))
	}
	return r
}
