package backend_test

import (
	"encoding/json"
	"fmt"
	mrand "math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/grant"
	"usher/backend/sandbox/s3"
)

// The keys of the comparison are near misses of each other: with and without a
// slash, empty and dot segments, letter case, percent-encodings, both encodings of
// é, a fullwidth slash, a folder's marker and an object with a folder's name.
var (
	nearKeys = []string{
		"a", "a/x", "a/b", "a/b/x", "a/b/c/x", "a//x", "a//", "a/../b/x", "a/./x", "a/ab", "ab/x", "ab/b/x", "ab", "abx", "b/x", "A/x", "a/B/x",
		"%2e/x", "%2E/x", "./x", "../x", "a%2Fx", "a\uff0fx", "\u00e9/x", "e\u0301/x", "\u00e9", "/x", "//x", "/a/x", "a b/x", "a+b/x", "a/x ",
		"a/b/", "ab/",
	}
	nearSizes   = map[string]int64{"a/b/": 0} // all others have one byte
	nearFolders = []string{
		"", "a/", "a/b/", "a/b/c/", "a//", "a/../", "a/../b/", "a/./", "ab/", "ab/b/", "b/", "A/", "a/B/", "%2e/", "%2E/", "./", "../", "\u00e9/", "e\u0301/",
		"/", "//", "/a/", "a b/", "a+b/", "none/", "a/none/",
	}
	nearBuckets = []string{"records", "records-2"}
	nearGroups  = []string{"g", "G", "gg", "h"}
)

// wire is a server with its people and the contents of its buckets.
type wire struct {
	t      *testing.T
	server string
	file   string
	clock  *stopped
	rng    *mrand.Rand
	keys   map[string]map[string]int64
	etags  map[string]string
	people []*person

	mu                                 sync.Mutex
	requested, allowed, listings, urls int
	wrong                              []string
}

// person is a signed-in person with their groups. refused counts refusals, which
// have a budget each minute.
type person struct {
	demotest.Actor
	name    string
	groups  []string
	refused int
}

func newWire(t *testing.T, w *demotest.Demo, clock *stopped, seed uint64) *wire {
	t.Helper()
	x := &wire{t: t, server: w.Server, file: w.GrantsFile, clock: clock, rng: mrand.New(mrand.NewPCG(seed, 11)), keys: map[string]map[string]int64{}, etags: map[string]string{}}
	for i, bucket := range nearBuckets {
		if err := w.Sandbox.Objects.CreateBucket(bucket, clock.Now()); err != nil {
			t.Fatal(err)
		}
		x.keys[bucket] = map[string]int64{}
		for j, key := range nearKeys {
			if i > 0 && j%3 > 0 {
				continue
			}
			body := "x"
			if n, odd := nearSizes[key]; odd {
				body = body[:n]
			}
			if err := w.Sandbox.Objects.PutContent(bucket, key, s3.Object{Content: strings.NewReader(body)}); err != nil {
				t.Fatal(err)
			}
			x.keys[bucket][key] = int64(len(body))
		}
	}
	for i, groups := range [][]string{{"g"}, {"G", "gg"}, {"h", "g"}, {"h", "gg", "G", "g"}} {
		name := fmt.Sprintf("person-%d", i)
		x.people = append(x.people, &person{Actor: w.AddPerson(t, name, groups...), name: name, groups: groups})
	}
	return x
}

// on moves the people to another server.
func (x *wire) on(server string) {
	for _, p := range x.people {
		p.Actor = at(x.t, p.Actor, server)
	}
	x.server = server
}

// draw returns a random set of grants with frequent near misses.
func (x *wire) draw() (all []grant.Grant) {
	pick := func(list []string) string { return list[x.rng.IntN(len(list))] }
	for range x.rng.IntN(12) {
		g := grant.Grant{Group: pick(nearGroups), Bucket: nearBuckets[x.rng.IntN(5)/4]}
		switch x.rng.IntN(8) {
		case 0, 1:
			g.Object = pick(nearKeys)
		case 2:
			g.Object = pick(nearFolders) + "new"
		case 3, 4:
			g.Prefix = pick(nearFolders[:3])
		default:
			g.Prefix = pick(nearFolders)
		}
		if x.rng.IntN(4) == 0 {
			g.Effect = grant.Deny
		}
		edges := []time.Duration{-time.Hour, -time.Nanosecond, 0, time.Nanosecond, time.Hour}
		if x.rng.IntN(6) == 0 {
			g.NotBefore = x.clock.Now().Add(edges[x.rng.IntN(5)])
		}
		if x.rng.IntN(6) == 0 {
			g.Expires = x.clock.Now().Add(edges[x.rng.IntN(5)])
		}
		if g.Validate() == nil && !slices.ContainsFunc(all, func(o grant.Grant) bool { return grant.Same(o, g) }) {
			all = append(all, g)
		}
	}
	return all
}

// put replaces the grants file and waits until it is active.
func (x *wire) put(all []grant.Grant) {
	var text strings.Builder
	text.WriteString("grants: [")
	for _, g := range all {
		fmt.Fprintf(&text, "\n  {group: %s, bucket: %s", g.Group, g.Bucket)
		if g.Object != "" {
			text.WriteString(", object: " + strconv.QuoteToASCII(g.Object))
		} else {
			text.WriteString(", prefix: " + strconv.QuoteToASCII(g.Prefix))
		}
		if g.Effect != "" {
			text.WriteString(", effect: " + string(g.Effect))
		}
		if !g.NotBefore.IsZero() {
			text.WriteString(", not_before: " + g.NotBefore.Format(time.RFC3339Nano))
		}
		if !g.Expires.IsZero() {
			text.WriteString(", expires: " + g.Expires.Format(time.RFC3339Nano))
		}
		text.WriteString("},")
	}
	text.WriteString("]\n")
	x.pause()
	replace(x.t, x.file, text.String(), x.clock.Now())
	if h := health(x.t, x.server); h.GrantsError != "" {
		x.t.Fatalf("the grants were refused:\n%s", text.String())
	}
}

// replace replaces a file by rename, as editors do. Its modification time is 1 s
// before now.
func replace(t *testing.T, path, text string, now time.Time) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path+".new", now, now.Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func health(t *testing.T, server string) api.Health {
	t.Helper()
	res, err := http.Get(server + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var h api.Health
	if err := json.NewDecoder(res.Body).Decode(&h); err != nil {
		t.Fatal(err)
	}
	return h
}

// compare sends all requests for one set of grants, as all people at once.
func (x *wire) compare(all []grant.Grant) {
	now := x.clock.Now()
	var work sync.WaitGroup
	for i, p := range x.people {
		n := naive{grants: all, groups: p.groups, now: now, keys: x.keys}
		rng := mrand.New(mrand.NewPCG(x.rng.Uint64(), uint64(i)))
		work.Go(func() {
			x.releases(p, n, rng)
			x.lists(p, n, rng)
		})
	}
	work.Wait()
}

func (x *wire) disagree(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.wrong = append(x.wrong, fmt.Sprintf(format, args...))
}

// releases requests every key and some absent keys. With an ETag there is no HEAD,
// and the response is the decision alone.
func (x *wire) releases(p *person, n naive, rng *mrand.Rand) {
	var in api.ReleaseRequest
	etag := `"0123456789abcdef0123456789abcdef"`
	if rng.IntN(16) == 0 {
		etag = ""
	}
	for bucket, keys := range x.keys {
		for key := range keys {
			in.Objects = append(in.Objects, api.ReleaseObject{Bucket: bucket, Key: key, ETag: etag})
		}
	}
	for _, g := range n.grants {
		key := g.Prefix + g.Object + "new"
		if g.Object != "" && rng.IntN(2) == 0 {
			key = g.Object
		}
		in.Objects = append(in.Objects, api.ReleaseObject{Bucket: g.Bucket, Key: key, ETag: etag})
	}
	out, err := p.Release(x.t.Context(), in)
	if err != nil {
		x.disagree("a release of %d objects: %v", len(in.Objects), err)
		return
	}
	allowed := 0
	for i, o := range in.Objects {
		may, item := n.may(o.Bucket, o.Key), out.Items[i]
		if !may {
			p.refused++
		}
		_, present := x.keys[o.Bucket][o.Key]
		u, uerr := url.Parse(item.URL)
		switch {
		case may && (present || etag != "") && (item.URL == "" || uerr != nil || u.Path != "/"+o.Bucket+"/"+o.Key):
			x.disagree("%s %v: %s/%q may be read, and the response is %+v %q", p.name, p.groups, o.Bucket, o.Key, item.Error, item.URL)
		case (!may || !present && etag == "") && (item.URL != "" || item.Error == nil || item.Error.Code != api.NotFound):
			x.disagree("%s %v: %s/%q may not be read, and the response is %+v with a URL: %t", p.name, p.groups, o.Bucket, o.Key, item.Error, item.URL != "")
		case may:
			allowed++
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.requested, x.allowed = x.requested+len(in.Objects), x.allowed+allowed
}

// lists lists each level from the root to a random folder, visible or not, and one
// folder recursively.
func (x *wire) lists(p *person, n naive, rng *mrand.Rand) {
	x.list(p, n, api.ListRequest{})
	folder := nearFolders[rng.IntN(len(nearFolders))]
	bucket := nearBuckets[rng.IntN(5)/4]
	for i := range len(folder) + 1 {
		if i == 0 || folder[i-1] == '/' {
			x.list(p, n, api.ListRequest{Bucket: bucket, Prefix: folder[:i]})
		}
	}
	x.list(p, n, api.ListRequest{Bucket: bucket, Prefix: nearFolders[rng.IntN(3)*rng.IntN(len(nearFolders))/2], Recursive: true, Limit: 5 * rng.IntN(3), URLs: rng.IntN(2) * api.MaxPageURLs})
}

func (x *wire) list(p *person, n naive, in api.ListRequest) {
	want, code := n.list(in.Bucket, in.Prefix, in.Recursive)
	urls := 0
	rows, got, err := readAll(x.t, p.Actor, in, func(e api.Entry) {
		small := in.URLs > 0 && e.Kind == api.KindObject && e.ETag != "" // all objects of this storage are small
		if small != (e.Release != nil) {
			x.disagree("%s: listing %s/%q with %d URLs: %q has a URL: %t", p.name, in.Bucket, in.Prefix, in.URLs, e.Name, !small)
		}
		if e.Release == nil {
			return
		}
		urls++
		key := in.Prefix + e.Name
		if u, err := url.Parse(e.Release.URL); err != nil || u.Path != "/"+in.Bucket+"/"+key || !n.may(in.Bucket, key) {
			x.disagree("%s %v: %s/%q may be read: %t, and the page has the URL %q", p.name, p.groups, in.Bucket, key, n.may(in.Bucket, key), e.Release.URL)
		}
	})
	if got == api.NotFound && code == api.NotFound {
		p.refused++
	}
	slices.Sort(rows)
	if err != nil && got == "" || got != code || !slices.Equal(rows, want) {
		x.disagree("%s %v: listing %s/%q (recursive: %t, %d a page): %v\n got %q %q\nwant %q %q", p.name, p.groups, in.Bucket, in.Prefix, in.Recursive, in.Limit, err, rows, got, want, code)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.listings, x.urls = x.listings+1, x.urls+urls
}

// readAll follows the cursors of a listing to its end. The names must be in byte
// order, without repetition.
func readAll(t *testing.T, a demotest.Actor, in api.ListRequest, each func(api.Entry)) (rows []string, code api.Code, err error) {
	last := ""
	for page := 0; ; page++ {
		out, err := a.List(t.Context(), in)
		if err != nil {
			return nil, codeOf(err), err
		}
		for _, e := range out.Entries {
			if len(rows) > 0 && e.Name <= last {
				return rows, "", fmt.Errorf("page %d: %q comes after %q", page, e.Name, last)
			}
			last, rows = e.Name, append(rows, string(e.Kind)+" "+e.Name)
			each(e)
		}
		if in.Cursor = out.Cursor; in.Cursor == "" {
			return rows, "", nil
		}
		if page > 100 {
			return rows, "", fmt.Errorf("more than 100 pages")
		}
	}
}

// pause moves the clock for the next set of grants: the server reads the file
// again, and no person is over a budget.
func (x *wire) pause() {
	pause := 400 * time.Millisecond
	for _, p := range x.people {
		if p.refused > 200 {
			pause = 61 * time.Second
		}
	}
	if pause > time.Minute {
		for _, p := range x.people {
			p.refused = 0
		}
	}
	x.clock.Pass(pause)
}

// The server applies the grants file exactly: for 500 random sets of grants and 4
// people, each listing and each URL agrees with a second authorizer that is
// independent of the code.
func TestGrantsOverTheWire(t *testing.T) {
	sets := 500
	if testing.Short() {
		sets = 25
	}
	clock := newStopped()
	w := demotest.Start(t, demo.Options{AccessTokenLife: 24 * time.Hour})
	x := newWire(t, w, clock, 1)
	server, _ := rebuilt(t, w, clock.Now, nil) // only this clock is ahead: AWS signatures need the true time
	x.on(server)
	began := time.Now()
	for range sets {
		all := x.draw()
		x.put(all)
		x.compare(all)
		if len(x.wrong) > 0 {
			t.Fatalf("with the grants\n%v\n%s", all, strings.Join(x.wrong, "\n"))
		}
	}
	t.Logf("AUTHZ world=http cases=%d objects=%d allow=%d deny=%d listings=%d page_urls=%d disagreements=%d (%.1fs)",
		sets*len(x.people), x.requested, x.allowed, x.requested-x.allowed, x.listings, x.urls, len(x.wrong), time.Since(began).Seconds())
	if x.allowed*20 < x.requested || x.allowed*20 > 19*x.requested {
		t.Error("over 95% of the decisions are equal: the random cases are too uniform")
	}
}
