package download

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/backend/api"
)

// startWalk begins to list a folder, under mu.
func (e *Engine) startWalk(t *transfer) {
	ctx, cancel := context.WithCancelCause(e.ctx)
	t.state, t.err, t.walkErr = Running, nil, nil
	t.walking, t.running, t.cancel = true, true, cancel
	if t.without == nil {
		t.without = make(map[string]bool, len(t.req.Without))
		for _, name := range t.req.Without {
			t.without[name] = true
		}
	}
	e.walks[t] = struct{}{}
	e.wg.Add(1)
	go e.walk(ctx, t)
}

// walk lists everything below a folder and queues it as it comes: the first
// file starts before the last name is known. One that begins again goes on
// behind the last name that it took.
func (e *Engine) walk(ctx context.Context, t *transfer) {
	defer e.wg.Done()
	err := t.nameErr
	if err == nil && e.cfg.Lister == nil {
		err = errors.New("listing a folder: the engine has no lister")
	}
	if err == nil {
		err = e.walkPages(ctx, t)
	}
	if err == nil {
		// An empty folder is a folder too.
		f, e2 := e.disk.folderAt(t.req.Dir, t.segs, true)
		if err = e2; err == nil {
			e.mu.Lock()
			t.dest = f.path
			e.mu.Unlock()
			f.release()
		}
	}
	e.mu.Lock()
	t.walking, t.running, t.cancel = false, false, nil
	delete(e.walks, t)
	if t.again && context.Cause(ctx) == errPaused { // resumed meanwhile
		t.again = false
		e.startWalk(t)
		e.mu.Unlock()
		return
	}
	t.again = false
	if cause := context.Cause(ctx); cause != nil && err != nil {
		switch cause {
		case errCancelled:
			t.state, err = Cancelled, nil
		default:
			t.state, t.walkErr, err = Paused, cause, nil
		}
	}
	if err != nil {
		t.walkErr = err
	}
	e.settleParent(t)
	e.checkIdle()
	e.mu.Unlock()
	e.queue.touch(e)
	e.notify()
}

func (e *Engine) walkPages(ctx context.Context, t *transfer) error {
	for t.taken < len(t.req.Listed) && ctx.Err() == nil { // all at once: it is in memory, and counts
		page := t.req.Listed[t.taken:min(t.taken+api.MaxList, len(t.req.Listed))]
		if err := e.takePage(t, page); err != nil {
			return err
		}
		t.taken += len(page)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e.mu.Lock()
	t.req.Listed, t.taken = nil, 0 // they are transfers now
	e.mu.Unlock()
	if t.req.ListedAll {
		return nil
	}
	req := api.ListRequest{Bucket: t.req.Bucket, Prefix: t.req.Key, Recursive: true, Start: t.walkedTo}
	failures := 0
	for {
		if err := e.waitRoom(ctx, t); err != nil {
			return err
		}
		page, err := e.cfg.Lister.List(ctx, req)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var ae *api.Error
		if errors.As(err, &ae) && ae.Code == api.BadCursor && req.Cursor != "" {
			// The cursor grew too old while files were fetched.
			req.Cursor, req.Start = "", t.walkedTo
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
		if err := e.takePage(t, page.Entries); err != nil {
			return err
		}
		if page.Cursor == "" {
			return nil
		}
		req.Cursor, req.Start = page.Cursor, ""
	}
}

// troubled notes when a folder's troubles began.
func (e *Engine) troubled(t *transfer) {
	e.mu.Lock()
	t.started = time.Now()
	e.mu.Unlock()
}

// judgeList decides what follows from a listing that failed.
func (e *Engine) judgeList(ctx context.Context, t *transfer, err error, failures int) error {
	var ae *api.Error
	if !errors.As(err, &ae) && !api.SignedOut(err) {
		e.mu.Lock()
		since := time.Since(t.started)
		e.mu.Unlock()
		if p := e.cfg.Patience; p > 0 && since > p {
			return netError(err)
		}
		e.set(t, WaitingNetwork, netError(err), "Waiting for the network: the server does not answer.")
		return e.sleep(ctx, e.backoff(failures))
	}
	switch {
	case api.SignedOut(err):
		e.mu.Lock()
		signedIn := e.signIn
		e.mu.Unlock()
		e.set(t, WaitingSignIn, err, "Waiting for you to sign in again.")
		select {
		case <-signedIn:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	case api.Lookup(ae.Code).Retry && failures <= 2*tries:
		return e.sleep(ctx, e.backoff(failures))
	}
	return ae
}

// waitRoom holds a walk back while enough files wait, or while it is paused.
func (e *Engine) waitRoom(ctx context.Context, t *transfer) error {
	stop := context.AfterFunc(ctx, func() {
		e.mu.Lock()
		e.room.Broadcast()
		e.mu.Unlock()
	})
	defer stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	for ctx.Err() == nil && e.waitSmall.Len()+e.waitLarge.Len() >= maxPending {
		e.room.Wait()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// takePage queues what a page of a listing holds, and makes the folders that
// are there only for themselves.
func (e *Engine) takePage(t *transfer, entries []api.Entry) error {
	e.mu.Lock()
	var markers []Request
	for _, entry := range entries {
		t.walkedTo = max(t.walkedTo, entry.Name)
		if entry.Size < 0 || len(t.req.Key)+len(entry.Name) > api.MaxKey {
			e.mu.Unlock()
			return fmt.Errorf("listing a folder: the server named an impossible object")
		}
		if entry.Name == "" || t.without[entry.Name] { // the marker of the folder itself, or not wanted
			continue
		}
		r := Request{Bucket: t.req.Bucket, Key: t.req.Key + entry.Name, ETag: entry.ETag, Size: entry.Size,
			Dir: t.req.Dir, Conflict: t.req.Conflict}
		if entry.Modified != nil {
			r.Modified = *entry.Modified
		}
		switch {
		case entry.Kind == api.KindFolder, isMarker(entry.Name, entry.Size):
			markers = append(markers, r)
		case entry.Archived:
			e.failChild(t, r, &api.Error{Code: api.ObjectArchived})
		default:
			e.enqueue(e.newTransfer(r, t, e.below(t, r)))
		}
	}
	e.admit()
	e.mu.Unlock()
	for _, r := range markers {
		segs := e.below(t, r)
		f, err := e.disk.folderAt(r.Dir, segs[:len(segs)-1], true)
		if err == nil {
			f.release()
			continue
		}
		e.mu.Lock()
		e.failChild(t, r, err)
		e.mu.Unlock()
	}
	return nil
}

// isMarker tells whether an object only stands for a folder (S3 user guide,
// "Organizing objects using folders": an empty object whose key ends in "/").
func isMarker(key string, size int64) bool { return size == 0 && strings.HasSuffix(key, "/") }

// below is the local path of an object in a folder that is walked.
func (e *Engine) below(t *transfer, r Request) []string {
	return append(slices.Clone(t.segs), e.names(strings.TrimPrefix(r.Key, t.req.Key))...)
}

// failChild notes what cannot be fetched in a folder, under mu.
func (e *Engine) failChild(t *transfer, r Request, err error) {
	c := e.newTransfer(r, t, e.below(t, r))
	c.state, c.err, c.event = Failed, err, err.Error()
	e.countEnd(c, 1)
}

// settleParent gives a folder its final state once nothing in it is left, under mu.
func (e *Engine) settleParent(p *transfer) {
	if p.walking || p.children > 0 || p.state == Paused || p.state == Cancelled {
		return
	}
	switch {
	case p.walkErr != nil:
		p.state, p.err = Failed, p.walkErr
		var ae *api.Error
		if errors.As(p.walkErr, &ae) && ae.Code == api.NotFound {
			p.state, p.event = Denied, "No longer available."
		}
	case p.files.failed > 0:
		p.state, p.err = Failed, p.firstErr
		p.event = fmt.Sprintf("%d of %d files failed.", p.files.failed, p.files.files)
	default:
		p.state, p.err, p.event = Done, nil, ""
	}
}
