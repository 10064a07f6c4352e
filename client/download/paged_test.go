package download

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client"
)

// paged plays rows on a stack the second way: the file is one of a folder, and its
// URL comes with a page of the listing.
type paged struct{ stack }

func isPaged(on stack) bool {
	_, ok := on.(paged)
	return ok
}

// add adds the trial's file, or the folder that holds it, and returns the file's ID.
func (tr *trial) add(t *testing.T) (id ID) {
	if !tr.paged {
		return tr.engine.Add(tr.request(tr.path, tr.dir))[0]
	}
	folder := tr.engine.Add(Request{Bucket: tr.bucket(), Key: path.Dir(tr.key) + "/", Folder: true, Dir: tr.top})[0]
	eventually(t, "the listing", func() bool {
		for _, found := range tr.engine.Snapshot().Transfers {
			if found.Parent == folder {
				id = found.ID
			}
		}
		return id != 0
	})
	return id
}

// pagedFaults returns the rows that are played for the file of a folder: all
// that concern S3 and the way there, and those of a page's URLs.
func pagedFaults() []fault {
	rows := slices.Concat(connectionFaults(), contentFaults(), storageFaults(), proxyFaults(), pageFaults())
	return slices.DeleteFunc(rows, func(f fault) bool { return f.key != "" || f.min > smallObject })
}

// pageFaults are faults of the URLs in a page. The last column of their checks is
// the number of objects released beside the page.
func pageFaults() []fault {
	released := func(want int) func(*trial, Transfer) error {
		return func(tr *trial, _ Transfer) error {
			tr.mu.Lock()
			defer tr.mu.Unlock()
			if tr.released != want {
				return fmt.Errorf("%d objects released beside the page, want %d", tr.released, want)
			}
			return nil
		}
	}
	// before calls act before the first GET is answered.
	before := func(act func(*trial)) func(*trial) {
		return func(tr *trial) {
			tr.script(anyGET(func(int, *object, http.ResponseWriter, *http.Request) bool { act(tr); return false }), noFault)
		}
	}
	entry := func(change func(*trial, *api.Entry)) func(*trial) {
		return func(tr *trial) { tr.onEntry = func(e *api.Entry) { change(tr, e) } }
	}
	return []fault{
		{name: "page: no fault", setup: func(*trial) {}, want: Done, check: released(0)},
		{
			name: "page: too old before its start",
			setup: func(tr *trial) {
				var listed atomic.Bool
				tr.config.Now = func() time.Time {
					if listed.Load() {
						return time.Now().Add(time.Minute)
					}
					return time.Now()
				}
				tr.onEntry = func(*api.Entry) { listed.Store(true) }
			},
			want:  Done,
			check: releasedAgain,
		},
		{
			name:  "page: refused at its start",
			setup: func(tr *trial) { tr.script(anyGET(expired), noFault) },
			want:  Done,
			check: releasedAgain,
		},
		{
			name:  "page: changed after the listing",
			min:   1,
			setup: before((*trial).change),
			want:  Failed,
			err:   ErrChanged,
			exit:  api.ExitIntegrity,
			check: partGone,
		},
		{
			name:  "page: changed, and started again",
			min:   1,
			setup: before((*trial).change),
			then: func(t *testing.T, tr *trial) {
				wait(t, tr.engine)
				tr.engine.Retry(tr.id)
			},
			want:  Done,
			check: released(1),
		},
		{
			name:  "page: deleted after the listing",
			setup: before(func(tr *trial) { tr.remove(tr.path) }),
			want:  Denied,
			err:   denied,
			exit:  api.ExitNotFound,
		},
		{
			name:  "page: without URLs",
			setup: entry(func(_ *trial, e *api.Entry) { e.Release = nil }),
			want:  Done,
			check: released(1),
		},
		{
			name:  "page: refused by an older backend",
			setup: func(tr *trial) { tr.noURLs = true },
			want:  Done,
			check: released(1),
		},
		{
			name: "page: a foreign host",
			setup: entry(func(tr *trial, e *api.Entry) {
				e.Release.URL = strings.Replace(e.Release.URL, tr.host(), "169.254.169.254", 1)
			}),
			want:  Failed,
			err:   ErrBadURL,
			check: released(0),
		},
		{
			name: "page: the URL of another object",
			setup: entry(func(_ *trial, e *api.Entry) {
				e.Release.URL = strings.Replace(e.Release.URL, "file.bin", "mine.bin", 1)
			}),
			want:  Failed,
			err:   ErrBadURL,
			check: released(0),
		},
		{
			name:  "page: the URL of another content",
			setup: entry(func(_ *trial, e *api.Entry) { e.Release.ETag = `"another"` }),
			want:  Failed,
			err:   ErrBadURL,
			check: released(0),
		},
	}
}

// runPaged plays the rows of pagedFaults on a stack.
func runPaged(t *testing.T, on stack) {
	r := runMatrix(t, paged{on}, pagedFaults(), hooks{})
	for _, c := range r.complaints {
		t.Error(c)
	}
	t.Logf("PAGED world=%s rows=%d cases=%d sha_bad=%d wrong_final_seen=%d outside_dest=%d overwritten=%d",
		on.name(), len(r.rows), r.cases, r.shaBad, r.wrongFinal, r.outside, r.overwritten)
	if r.bad() > 0 || r.cases < 60 || len(r.rows) < 40 {
		t.Errorf("%d rows, %d cases; %d files have wrong bytes or a wrong path", len(r.rows), r.cases, r.bad())
	}
}

// TestFaultsOfAPage plays the matrix for a file whose URL comes with the listing.
func TestFaultsOfAPage(t *testing.T) { runPaged(t, fakeStack{}) }

// fill puts n small files into the folder f/.
func (w *testbed) fill(n int) {
	for i := range n {
		w.put(fmt.Sprintf("%sf/%05d", w.root, i), []byte(fmt.Sprint(i)), "CRC64NVME")
	}
}

// getFolder downloads the folder f/ and checks its n files.
func (w *testbed) getFolder(n int) {
	w.t.Helper()
	dir := scratch(w.t)
	e := w.engine(func(c *Config) { c.Timeouts = Timeouts{} })
	id := e.Add(Request{Bucket: w.bucket(), Key: w.folder() + "f/", Folder: true, Dir: dir})[0]
	wait(w.t, e)
	if tr := find(w.t, e, id); tr.State != Done || tr.FilesDone != n {
		w.t.Fatalf("%v, %d files%s", tr.State, tr.FilesDone, failures(e))
	}
	for i := range n {
		mustEqual(w.t, filepath.Join(dir, "f", fmt.Sprintf("%05d", i)), []byte(fmt.Sprint(i)))
	}
	must(w.t, e.Close())
}

// TestRequestsOfAFolder checks that a folder costs at most two requests to the
// backend for 1,000 small files. The control is a backend without URLs in pages.
func TestRequestsOfAFolder(t *testing.T) {
	files := floorOf(2000, 1000)
	for _, old := range []bool{false, true} {
		w := newTestbed(t)
		w.page, w.noURLs = api.MaxList, old
		w.fill(files)
		w.getFolder(files)
		n := w.listed + w.releases + w.reports
		if over := n > 2*files/1000; over != old {
			t.Errorf("older backend %v: %d requests for %d files: %d listings, %d releases, %d reports", old, n, files, w.listed, w.releases, w.reports)
		}
		if len(w.reported) != files {
			t.Errorf("%d files reported", len(w.reported))
		}
	}
}

// TestPagePartlyWithURLs checks that the files without a URL are released, and the
// others are not.
func TestPagePartlyWithURLs(t *testing.T) {
	w := newTestbed(t)
	w.page = api.MaxList
	w.fill(600)
	n := 0
	w.onEntry = func(e *api.Entry) {
		if n++; n%3 == 0 {
			e.Release = nil
		}
	}
	w.getFolder(600)
	if w.pageURLs != 400 || w.released != 200 {
		t.Errorf("%d URLs with the page, %d released", w.pageURLs, w.released)
	}
}

// TestExistingFilesTakeNoURL checks that the pages of files that are here are
// requested without URLs, and that of absent files with them.
func TestExistingFilesTakeNoURL(t *testing.T) {
	w := newTestbed(t)
	w.page = 50
	w.fill(100)
	dir := scratch(t)
	get := func() {
		t.Helper()
		e := w.engine()
		id := e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: dir})[0]
		wait(t, e)
		if tr := find(t, e, id); tr.State != Done {
			t.Fatalf("%v%s", tr.State, failures(e))
		}
		must(t, e.Close())
	}
	get()
	if w.pageURLs != 100 {
		t.Errorf("%d URLs for 100 absent files", w.pageURLs)
	}
	get()
	if w.pageURLs != 100 {
		t.Errorf("%d URLs for 100 existing files", w.pageURLs-100)
	}
	for i := 100; i < 250; i++ {
		w.put(fmt.Sprintf("b/f/%05d", i), []byte(fmt.Sprint(i)), "CRC64NVME")
	}
	get()
	if w.pageURLs != 200 || w.released != 50 { // the page after an absent file has URLs
		t.Errorf("%d URLs with pages and %d others for 150 absent files", w.pageURLs-100, w.released)
	}
}

// TestStoppedFolderListsNoMore checks that a folder that is paused or canceled
// requests no page beside the one under way, and that its unused URLs are not fetched.
func TestStoppedFolderListsNoMore(t *testing.T) {
	for name, stop := range map[string]func(*Engine, ID){
		"paused": (*Engine).Pause, "canceled": (*Engine).Cancel, "quit": func(e *Engine, _ ID) { must(t, e.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newTestbed(t)
			w.page = 10
			w.fill(100)
			reached, resume := make(chan struct{}), make(chan struct{})
			w.onList = func(n int) error {
				if n == 3 {
					close(reached)
					<-resume
				}
				return nil
			}
			held := make(chan struct{})
			w.onGet = func(_ int, _ *object, _ http.ResponseWriter, r *http.Request) bool {
				select {
				case <-held:
				case <-r.Context().Done():
				}
				return false
			}
			e := w.engine(func(c *Config) { c.Parallel = 2 })
			id := e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: scratch(t)})[0]
			<-reached
			eventually(t, "two requests", func() bool { return w.gets.Load() == 2 })
			ended := make(chan struct{})
			go func() { defer close(ended); stop(e, id) }()
			eventually(t, "the end of the work", func() bool { e.mu.Lock(); defer e.mu.Unlock(); return len(e.window.active) == 0 })
			close(resume)
			<-ended
			eventually(t, "the end of the walk", func() bool { e.mu.Lock(); defer e.mu.Unlock(); return len(e.list.walks) == 0 })
			if w.lists.Load() != 3 || w.gets.Load() != 2 || w.released != 0 {
				t.Errorf("%d listings, %d GETs, %d releases", w.lists.Load(), w.gets.Load(), w.released)
			}
			close(held)
			if name == "paused" { // the URLs at hand are still good
				e.Resume(id)
				wait(t, e)
				if tr := find(t, e, id); tr.State != Done || tr.FilesDone != 100 {
					t.Errorf("resumed: %v, %d files%s", tr.State, tr.FilesDone, failures(e))
				}
			}
		})
	}
}

// requests checks that the download of a folder of 1,000 small files sends two requests
// to the backend, counted by a proxy before it.
func (v *realStack) requests(t *testing.T) {
	const files = 1000
	w := v.testbed(t, userOptions{exclusive: true})
	defer w.close()
	w.fill(files)
	backend, err := url.Parse(v.usher.Server)
	must(t, err)
	var paths sync.Map // path → *atomic.Int64
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(backend) }}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		n, _ := paths.LoadOrStore(r.URL.Path, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(srv.Close)
	m := w.user.(*realUser)
	m.Client, err = client.New(client.Config{Server: srv.URL, Tokens: m.Session})
	must(t, err)
	w.getFolder(files)
	paths.Range(func(path, n any) bool {
		want := map[any]int64{"/v1/list": 1, "/v1/complete": 1}[path]
		if got := n.(*atomic.Int64).Load(); got != want {
			t.Errorf("%s: %d requests for %d files, want %d", path, got, files, want)
		}
		return true
	})
}

// TestURLsOfAPage checks the number of URLs that a page is requested with: those of the
// files that can start in time, less the files that wait.
func TestURLsOfAPage(t *testing.T) {
	for name, row := range map[string]struct {
		rate    float64       // files a second; 0: not measured
		life    time.Duration // of the URLs; 0: not known
		size    int64         // of the waiting files
		waiting int
		want    int
	}{
		"nothing is known":            {want: api.MaxPageURLs},
		"tiny files":                  {size: 4096, waiting: 1, want: api.MaxPageURLs},
		"files of 1 MiB":              {size: 1 << 20, waiting: 1, want: 15}, // 16 MiB in 30 s
		"a fast link":                 {rate: 5000, size: 4096, waiting: 500, want: api.MaxPageURLs},
		"a slow link":                 {rate: 10, size: 4096, waiting: 100, want: 200},
		"a slow link with short URLs": {rate: 10, life: 20 * time.Second, size: 4096, waiting: 20, want: 80},
		"a slow link, all wait":       {rate: 2, size: 4096, waiting: 100, want: 0},
	} {
		t.Run(name, func(t *testing.T) {
			e := newTestbed(t).engine()
			e.mu.Lock()
			defer e.mu.Unlock()
			defer e.window.waitSmall.Init()
			for range row.waiting {
				e.window.waitSmall.PushBack(&transfer{req: Request{Size: row.size}})
			}
			e.window.life, e.sums.meter.files, e.sums.meter.warm = row.life, row.rate, row.rate > 0
			if got := e.pageURLs(); got != row.want {
				t.Errorf("%d URLs, want %d", got, row.want)
			}
		})
	}
}
