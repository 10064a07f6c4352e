package backend_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/grant"
	"usher/backend/lookahead"
	"usher/backend/object"
)

// tracedPages counts the calls of S3 and the pages that were requested ahead.
type tracedPages struct {
	backend.Pages
	objects backend.Objects

	mu           sync.Mutex
	calls, begun int
	listed       chan struct{} // has one value for each call that has ended
}

func (p *tracedPages) Begin(ctx context.Context, person string, q object.ListQuery) {
	p.mu.Lock()
	p.begun++
	p.mu.Unlock()
	p.Pages.Begin(ctx, person, q)
}

func (p *tracedPages) counts() (calls, begun int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls, p.begun
}

// storage is the source of the pages.
type storage struct{ p *tracedPages }

func (s storage) List(ctx context.Context, q object.ListQuery) (object.Page, error) {
	s.p.mu.Lock()
	s.p.calls++
	s.p.mu.Unlock()
	defer func() { s.p.listed <- struct{}{} }()
	return s.p.objects.List(ctx, q)
}

// ahead makes a backend list ahead, and returns the counts.
func ahead(t *testing.T, c *backend.Config) *tracedPages {
	t.Helper()
	p := &tracedPages{objects: c.Objects, listed: make(chan struct{}, 100)}
	pages, err := lookahead.New(lookahead.Config{Source: storage{p}, Keep: time.Hour, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	p.Pages, c.Pages = pages, p
	return p
}

// A page that S3 listed ahead is decided when it is returned: by the grants of that
// moment. Without the look-ahead the same rows come.
func TestAheadDecidesAtTheAnswer(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	var want []string
	for _, name := range []string{"a/1", "a/2", "b/1", "b/2", "c/1", "c/2"} {
		w.Put(t, "builds", "ahead/"+name, name)
		want = append(want, name)
	}
	signedIn := w.SignIn(t, "ada")
	deny := func(prefix string) grant.Grant { g := allow(prefix); g.Effect = grant.Deny; return g }
	for _, row := range []struct {
		name   string
		before []grant.Grant
		after  []grant.Grant // before the second page
		want   []string      // rows with a URL
		ends   api.Code
	}{
		{"unchanged", []grant.Grant{allow("ahead/")}, []grant.Grant{allow("ahead/")}, want, ""},
		{"a denial is added", []grant.Grant{allow("ahead/")}, []grant.Grant{allow("ahead/"), deny("ahead/b/")}, []string{"a/1", "a/2", "c/1", "c/2"}, ""},
		{"the grant is removed", []grant.Grant{allow("ahead/")}, []grant.Grant{allow("elsewhere/")}, want[:2], api.BadCursor},
	} {
		t.Run(row.name, func(t *testing.T) {
			var p *tracedPages
			ada, g, _ := withGrants(t, w, signedIn, time.Now, func(c *backend.Config) { p = ahead(t, c) }, row.before...)
			in := api.ListRequest{Bucket: "builds", Prefix: "ahead/", Recursive: true, Limit: 2, URLs: api.MaxPageURLs}
			page, err := ada.List(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the page itself, and the one ahead
				<-p.listed
			}
			g.put(t, row.after...)
			got := rows(t, page)
			for page.Cursor != "" && err == nil {
				in.Cursor = page.Cursor
				if page, err = ada.List(t.Context(), in); err == nil {
					got = append(got, rows(t, page)...)
				}
			}
			if code := codeOf(err); code != row.ends || !slices.Equal(got, row.want) {
				t.Errorf("%q, %v; want %q, %q", got, err, row.want, row.ends)
			}
			if calls, begun := p.counts(); begun == 0 || len(row.want) == len(want) && calls != 3 {
				t.Errorf("%d pages ahead, %d calls of S3 for 3 pages", begun, calls)
			}
		})
	}
}

// rows are the names of a page. Each must have a URL.
func rows(t *testing.T, page api.ListResponse) (names []string) {
	t.Helper()
	for _, e := range page.Entries {
		if e.Release == nil || e.Release.URL == "" {
			t.Errorf("%s has no URL", e.Name)
		}
		names = append(names, e.Name)
	}
	return names
}

// Only a download that takes whole pages with URLs has a page ahead, and another
// person never gets it.
func TestAheadIsForOneDownload(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	for _, name := range []string{"1", "2", "3", "4"} {
		w.Put(t, "builds", "ahead/"+name, name)
	}
	var p *tracedPages
	ada, _, server := withGrants(t, w, w.SignIn(t, "ada"), time.Now, func(c *backend.Config) { p = ahead(t, c) },
		allow("ahead/"), grant.Grant{Group: "engineering", Bucket: "builds", Prefix: "ahead/"})
	alan := at(t, w.SignIn(t, "alan"), server)
	in := api.ListRequest{Bucket: "builds", Prefix: "ahead/", Recursive: true, Limit: 2}
	for _, urls := range []int{0, 1, api.MaxPageURLs - 1} {
		in.URLs = urls
		_, err := ada.List(t.Context(), in)
		if _, begun := p.counts(); err != nil || begun != 0 {
			t.Errorf("%d URLs: %v, %d pages ahead", urls, err, begun)
		}
	}
	in.URLs = api.MaxPageURLs
	_, err := ada.List(t.Context(), in)
	if _, begun := p.counts(); err != nil || begun != 1 {
		t.Fatalf("%v, %d pages ahead", err, begun)
	}
	for range 5 { // four pages, and the one ahead
		<-p.listed
	}
	calls, _ := p.counts()
	first, err := alan.List(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	in.Cursor = first.Cursor
	if page, err := alan.List(t.Context(), in); err != nil || len(rows(t, page)) != 2 {
		t.Errorf("%+v, %v", page, err)
	}
	// One for each of the two pages; that of the second may be ahead of it, for alan.
	if now, _ := p.counts(); now < calls+2 {
		t.Errorf("another person's pages cost %d calls", now-calls)
	}
}
