package download

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"usher/backend/api"
)

// page is one page of a folder's listing that was requested with URLs.
type page struct {
	got     time.Time // before the page was requested: the URLs' lives are counted from here
	request string    // the id of the request, as ticket.Ticket.Request
}

// offer is a URL that came with a page, and is not checked yet.
type offer struct {
	item *api.ReleaseItem // nil: there is none, or it was taken
	page *page
}

// The time within which the URLs of a page are used, and the work that is left
// when the next page is requested.
const (
	startTime = 30 * time.Second
	pageAhead = 5 * time.Second
)

// pageConns is the number of connections opened while the first page is on its way.
const pageConns = 32

// startable is the number of small files that can start within d, under mu: at the
// measured rate, or, before there is one, at a rate of aheadBytes in aheadTime. -1:
// neither the rate nor a size is known.
func (e *Engine) startable(d time.Duration) int {
	if m := e.sums.meter; m.warm && m.files >= 1 { // less: the first files are still under way
		return int(m.files * d.Seconds())
	}
	next := e.window.waitSmall.Front()
	if next == nil {
		return -1
	}
	mean := max(next.Value.(*transfer).req.Size, 1)
	return int(min(float64(aheadBytes)/float64(mean)*d.Seconds()/aheadTime.Seconds(), maxPending))
}

// pageURLs is the number of URLs that the next page is requested with, under mu:
// that of the files that can start within startTime, or within half of the life of a
// URL, less those that wait already.
func (e *Engine) pageURLs() int {
	within := startTime
	if life := e.window.life; life > 0 {
		within = min(within, life/2)
	}
	n := e.startable(within)
	if n < 0 {
		return api.MaxPageURLs
	}
	return min(max(n-e.window.waitSmall.Len(), 0), api.MaxPageURLs)
}

// pageDue reports whether a walk may request its next page, under mu. A walk with
// URLs runs ahead of the files by one or two full pages, and by less where the URLs
// would grow too old.
func (e *Engine) pageDue(urls bool) bool {
	small := e.window.waitSmall.Len()
	switch {
	case small+e.window.waitLarge.Len() >= maxPending:
		return false
	case !urls || small == 0 || e.pageURLs() == api.MaxPageURLs:
		return true
	}
	return small <= e.startable(pageAhead)
}

// listPage requests one page. A server that refuses a request with URLs gets it again
// without.
func (e *Engine) listPage(ctx context.Context, t *transfer, req api.ListRequest) (api.ListResponse, *page, error) {
	e.mu.Lock()
	if t.folder.urls && !e.window.pagesPlain {
		if req.URLs = e.pageURLs(); e.fetcher.Moved() == 0 {
			e.warmUpTo(pageConns, req.Bucket)
		}
	}
	e.mu.Unlock()
	from := &page{got: e.cfg.Now()}
	resp, err := e.cfg.Lister.List(ctx, req)
	if req.URLs > 0 && errors.Is(err, &api.Error{Code: api.BadRequest}) {
		req.URLs = 0
		if resp, err = e.cfg.Lister.List(ctx, req); err == nil {
			e.mu.Lock()
			e.window.pagesPlain = true
			e.mu.Unlock()
		}
	}
	from.request = resp.RequestID
	return resp, from, err
}

// expect notes whether the files of a folder's next page are expected to be fetched, so that their URLs are of use: the last name of the page before is not
// here, or, before the first page, nothing is. A wrong guess costs requests or unused
// URLs. No URL is requested for a destination that cannot be written or is full.
func (e *Engine) expect(t *transfer, last *api.Entry) {
	urls := t.req.Takes == nil && e.fetches(t, last)
	e.mu.Lock()
	t.folder.urls = urls
	e.mu.Unlock()
}

func (e *Engine) fetches(t *transfer, last *api.Entry) bool {
	segs, name := t.segs, ""
	if last != nil {
		all := e.below(t.req, t.segs, childOf(t.req, sorted{entry: *last}))
		segs, name = all[:len(all)-1], all[len(all)-1]
	}
	if e.disk.Check(t.req.Dir, t.segs) != nil || !e.spacious(t.req.Dir) {
		return false
	}
	f, err := e.disk.Folder(t.req.Dir, segs, false)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer f.Release()
	if t.req.Conflict == Overwrite && t.req.Consider == nil {
		return true
	}
	if name == "" {
		return f.Empty()
	}
	_, err = f.Lstat(name)
	return errors.Is(err, fs.ErrNotExist)
}
