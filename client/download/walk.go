package download

import (
	"context"
	"errors"
	"fmt"
	"time"

	"usher/backend/api"
)

// startWalk begins to list a folder, under mu.
func (e *Engine) startWalk(t *transfer) {
	ctx, cancel := context.WithCancelCause(e.ctx)
	t.state, t.err, t.walkErr = Running, nil, nil
	t.walking, t.running, t.cancel = true, true, cancel
	e.walks[t] = struct{}{}
	e.wg.Add(1)
	go e.walk(ctx, t)
}

// walk lists everything below a folder and queues it as it comes: the first
// file starts before the last name is known.
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
	req := api.ListRequest{Bucket: t.req.Bucket, Prefix: t.req.Key, Recursive: true}
	last, failures := "", 0
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
			req.Cursor, req.Start = "", last
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
		if n := len(page.Entries); n > 0 {
			last = page.Entries[n-1].Name
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
	if !errors.As(err, &ae) {
		e.mu.Lock()
		since := time.Since(t.started)
		e.mu.Unlock()
		if p := e.cfg.Patience; p > 0 && since > p {
			return netError(err)
		}
		e.set(t, WaitingNetwork, netError(err), "Waiting for the network: the server does not answer.")
		return e.sleep(ctx, e.backoff(failures))
	}
	row := api.Lookup(ae.Code)
	switch {
	case row.Exit == api.ExitSignedOut:
		e.mu.Lock()
		signedIn := e.signIn
		e.mu.Unlock()
		e.set(t, WaitingSignIn, ae, "Waiting for you to sign in again.")
		select {
		case <-signedIn:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	case row.Retry && failures <= 2*tries:
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

func (e *Engine) takePage(t *transfer, entries []api.Entry) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, entry := range entries {
		if entry.Kind != api.KindObject {
			continue
		}
		if entry.Size < 0 || len(t.req.Key)+len(entry.Name) > api.MaxKey {
			return fmt.Errorf("listing a folder: the server named an impossible object")
		}
		if entry.Name == "" { // the marker of the folder itself
			continue
		}
		r := Request{Bucket: t.req.Bucket, Key: t.req.Key + entry.Name, ETag: entry.ETag, Size: entry.Size,
			Dir: t.req.Dir, Conflict: t.req.Conflict}
		if entry.Modified != nil {
			r.Modified = *entry.Modified
		}
		segs := append(append([]string(nil), t.segs...), e.names(entry.Name)...)
		c := e.newTransfer(r, t, segs)
		if entry.Archived {
			c.state, c.err = Failed, &api.Error{Code: api.ObjectArchived}
			c.event = c.err.Error()
			e.countEnd(c, 1)
			continue
		}
		e.enqueue(c)
	}
	e.admit()
	return nil
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
