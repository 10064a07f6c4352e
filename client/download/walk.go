package download

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"usher/backend/api"
	localname "usher/client/download/name"
	"usher/client/quantity"
)

// startWalk begins to list a folder, under mu.
func (e *Engine) startWalk(t *transfer) {
	ctx, cancel := context.WithCancelCause(e.ctx)
	e.transition(t, Running, nil)
	t.phase, t.folder.walkErr, t.slot.cancel, t.slot.drops = walking, nil, cancel, false
	if t.folder.without == nil {
		t.folder.without = make(map[string]bool, len(t.req.Without))
		for _, name := range t.req.Without {
			t.folder.without[name] = true
		}
	}
	e.list.walks[t] = struct{}{}
	e.wg.Add(1)
	go e.walk(ctx, t)
}

// walk lists everything below a folder and queues it as it comes: the first
// file starts before the last name is known. One that begins again goes on
// behind the last name that it took.
func (e *Engine) walk(ctx context.Context, t *transfer) {
	defer e.wg.Done()
	err := t.unnamed()
	if err == nil && e.cfg.Lister == nil {
		err = errors.New("listing a folder: the engine has no lister")
	}
	if err == nil {
		err = e.walkPages(ctx, t)
	}
	if err == nil && t.req.Takes == nil {
		// An empty folder is a folder too.
		f, e2 := e.disk.Folder(t.req.Dir, t.segs, true)
		if err = e2; err == nil {
			e.mu.Lock()
			t.result.dest = f.Path()
			e.mu.Unlock()
			f.Release()
		}
	}
	err = mapped(err, "", false)
	if err != nil && context.Cause(ctx) == nil { // the folder fails; the names before that do not
		e.takePage(t, nil, nil, true)
	}
	e.mu.Lock()
	again := t.phase == rewalking
	t.phase, t.slot.cancel = resting, nil
	delete(e.list.walks, t)
	if again && context.Cause(ctx) == errPaused { // resumed meanwhile
		e.startWalk(t)
		e.mu.Unlock()
		return
	}
	if cause := context.Cause(ctx); cause != nil && err != nil {
		if err = nil; cause == errCancelled || t.slot.drops {
			e.finish(t, Cancelled, nil)
		} else {
			e.transition(t, Paused, t.err)
			t.folder.walkErr = cause
		}
	}
	below := t.concernsAll(err)
	switch {
	case err == nil:
	case below == "":
		t.folder.walkErr = err
	case e.halt(t, below, err):
		e.transition(t, Paused, t.err)
		t.folder.walkErr = errPaused
	default: // its files are paused: it does not end with them
		t.folder.walkErr = err
		e.finish(t, Failed, err)
	}
	e.settleParent(t)
	e.checkIdle()
	e.mu.Unlock()
	e.queue.touch(e)
	e.notify()
}

func (e *Engine) walkPages(ctx context.Context, t *transfer) error {
	for t.folder.taken < len(t.req.Listed) && ctx.Err() == nil { // all at once: it is in memory, and counts
		page := t.req.Listed[t.folder.taken:min(t.folder.taken+api.MaxList, len(t.req.Listed))]
		t.folder.taken += len(page)
		e.takePage(t, page, nil, t.req.ListedAll && t.folder.taken == len(t.req.Listed))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e.mu.Lock()
	t.req.Listed, t.folder.taken = nil, 0 // they are transfers now
	e.mu.Unlock()
	if t.req.ListedAll {
		return nil
	}
	req := api.ListRequest{Bucket: t.req.Bucket, Prefix: t.req.Key, Recursive: true, Start: t.folder.walkedTo}
	failures := 0
	e.expect(t, nil)
	for {
		if err := e.waitRoom(ctx, t); err != nil {
			return err
		}
		resp, from, err := e.listPage(ctx, t, req)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var ae *api.Error
		if errors.As(err, &ae) && ae.Code == api.BadCursor && req.Cursor != "" {
			// The cursor grew too old while files were fetched.
			req.Cursor, req.Start = "", t.folder.walkedTo
			continue
		}
		if err != nil {
			if failures++; failures == 1 {
				e.troubled(t)
			}
			if err := e.judgeList(ctx, t, err, failures); err != nil {
				return err
			}
			continue
		}
		if failures > 0 {
			failures = 0
			e.set(t, Running, nil, "")
		}
		if n := len(resp.Entries); n > 0 {
			e.expect(t, &resp.Entries[n-1]) // before this run fetches it
		}
		e.mu.Lock()
		t.folder.omitted += resp.Omitted
		e.mu.Unlock()
		e.takePage(t, resp.Entries, from, resp.Cursor == "")
		if resp.Cursor == "" {
			return nil
		}
		req.Cursor = resp.Cursor // belongs to the same Start
	}
}

// troubled notes when a folder's troubles began.
func (e *Engine) troubled(t *transfer) {
	e.mu.Lock()
	t.started = time.Now()
	e.mu.Unlock()
}

// judgeList waits after a listing that failed, or returns the error that ends the walk.
func (e *Engine) judgeList(ctx context.Context, t *transfer, err error, failures int) error {
	var ae *api.Error
	if refusedHere(err) {
		return err
	}
	if !errors.As(err, &ae) && !api.SignedOut(err) {
		e.mu.Lock()
		since := time.Since(t.started)
		e.mu.Unlock()
		if p := e.cfg.Patience; p > 0 && since > p {
			return netError(err)
		}
		e.set(t, WaitingNetwork, netError(err), "Waiting for the network: the server does not answer.")
		return e.sleep(ctx, e.cfg.Timeouts.fetch().Backoff(failures))
	}
	if !api.SignedOut(err) {
		return ae // the client has repeated the call where that can help
	}
	e.mu.Lock()
	signedIn := e.wake.signIn
	e.mu.Unlock()
	e.set(t, WaitingSignIn, err, "Waiting for you to sign in again.")
	select {
	case <-signedIn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// waitRoom holds a walk back until its next page is due.
func (e *Engine) waitRoom(ctx context.Context, t *transfer) error {
	stop := context.AfterFunc(ctx, func() {
		e.mu.Lock()
		e.wake.room.Broadcast()
		e.mu.Unlock()
	})
	defer stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	for ctx.Err() == nil && !e.pageDue(t.folder.urls) {
		e.wake.room.Wait()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// takePage queues the files of a page, with the URLs that came with it, and makes the
// folders that have a marker.
// At the end of the listing it queues the entries that the sorter still holds.
func (e *Engine) takePage(t *transfer, entries []api.Entry, from *page, end bool) {
	var ready []sorted
	for _, entry := range entries {
		t.folder.walkedTo = max(t.folder.walkedTo, entry.Name)
		if !t.req.takes(entry) {
			continue
		}
		ready = append(ready, t.folder.names.add(entry, from)...)
	}
	if end {
		ready = append(ready, t.folder.names.rest()...)
	}
	ready = e.considered(t.req, t.segs, ready)
	var markers []Request
	e.mu.Lock()
	for _, found := range ready {
		entry := found.entry
		if t.folder.without[entry.Name] {
			continue
		}
		r := childOf(t.req, found)
		if isMarker(r.Key, entry) {
			markers = append(markers, r)
			continue
		}
		c := e.newTransfer(r, t, e.below(t.req, t.segs, r))
		c.refused = refusalOf(r, entry)
		if entry.Release != nil && found.page != nil && c.isSmall() {
			c.chain.offer = offer{entry.Release, found.page}
			e.window.life = time.Duration(entry.Release.Life) * time.Second
		}
		e.enqueue(c)
	}
	e.admit()
	e.mu.Unlock()
	for _, r := range markers {
		segs := e.below(t.req, t.segs, r)
		f, err := e.disk.Folder(r.Dir, segs[:len(segs)-1], true)
		if err == nil {
			f.Release()
			continue
		}
		e.mu.Lock()
		e.finish(e.newTransfer(r, t, segs), Failed, mapped(err, "", false))
		e.mu.Unlock()
	}
}

// considered calls the Consider of a folder, and returns the entries that it keeps.
func (e *Engine) considered(folder Request, path []string, ready []sorted) []sorted {
	if folder.Consider == nil {
		return ready
	}
	kept := ready[:0]
	for _, found := range ready {
		r := childOf(folder, found)
		segs := e.below(folder, path, r)
		if isMarker(r.Key, found.entry) {
			segs = segs[:len(segs)-1]
		}
		if folder.Consider(&r, filepath.Join(segs...)) {
			found.conflict = &r.Conflict
			kept = append(kept, found)
		}
	}
	return kept
}

// takes reports whether an entry of a folder is selected. A selection has no
// folders without files.
func (r Request) takes(entry api.Entry) bool {
	return r.Takes == nil || !isMarker(r.Key+entry.Name, entry) && r.Takes(entry.Name, entry)
}

// childOf is the request for an entry of a folder's listing.
func childOf(folder Request, found sorted) Request {
	entry := found.entry
	r := Request{Bucket: folder.Bucket, Key: folder.Key + entry.Name, ETag: entry.ETag, Size: entry.Size, Mark: entry.Mark,
		Dir: folder.Dir, Conflict: folder.Conflict, Checksum: folder.Checksum, Names: folder.Names, FolderToo: found.folderToo}
	if entry.Modified != nil {
		r.Modified = *entry.Modified
	}
	if found.conflict != nil {
		r.Conflict = *found.conflict
	}
	return r
}

// refusalOf is the reason why an object of a listing cannot be released, known
// without a request; nil: none.
func refusalOf(r Request, entry api.Entry) error {
	if err := r.impossible(); err != nil {
		return err
	}
	switch {
	case entry.Size < 0:
		return &Error{Kind: ErrName, Path: r.Key, Detail: "the server lists it with an impossible size"}
	case entry.Archived:
		return &api.Error{Code: api.ObjectArchived}
	}
	return nil
}

// below is the local path of an object in a folder that is walked.
func (e *Engine) below(folder Request, path []string, r Request) []string {
	segs := append(slices.Clone(path), e.names(folder, strings.TrimPrefix(r.Key, folder.Key))...)
	if r.FolderToo {
		segs[len(segs)-1] += localname.ClashMark
	}
	return segs
}

// settleParent gives a folder its final state once nothing in it is left, under mu.
func (e *Engine) settleParent(p *transfer) {
	if p.phase.lists() || p.folder.children > 0 || p.state == Paused || p.state == Cancelled {
		return
	}
	switch p.event = ""; {
	case p.folder.walkErr != nil:
		e.finish(p, Failed, p.folder.walkErr)
	case p.folder.files.failed > 0:
		p.event = fmt.Sprintf("%d of %d files failed.", p.folder.files.failed, p.folder.files.files)
		e.finish(p, Failed, p.folder.firstErr)
	default:
		if n := p.folder.omitted; n > 0 {
			p.event = "Not complete: the server left out " + quantity.Plural(n, "name that is no valid object key", "names that are no valid object keys") + ". Tell your administrator."
		}
		e.finish(p, Done, nil)
	}
}
