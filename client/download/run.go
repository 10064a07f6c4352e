package download

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"time"

	"usher/client/download/fetch"
	"usher/client/download/part"
	"usher/client/quantity"
)

func itoa(n int) string { return strconv.Itoa(n) }

// run takes one transfer from admission to its end.
func (e *Engine) run(ctx context.Context, t *transfer) {
	defer e.wg.Done()
	e.mu.Lock()
	t.started = e.cfg.Now()
	e.mu.Unlock()
	state, err := Failed, t.unnamed()
	if err == nil {
		state, err = e.try(ctx, t)
	}
	if state == Done && err == nil && t.size < part.SyncSize {
		f, ferr := e.folderOf(ctx, t)
		if ferr == nil {
			e.awaitSync(t, f)
			return
		}
		state, err = Failed, ferr // it has its name, and is not known to be durable
	}
	e.ended(ctx, t, state, err)
}

// folderOf opens a transfer's folder again, and waits for a descriptor.
func (e *Engine) folderOf(ctx context.Context, t *transfer) (*part.Folder, error) {
	var r retryNote
	for {
		f, err := e.disk.Folder(t.req.Dir, t.segs[:len(t.segs)-1], false)
		if !part.OutOfDescriptors(err) {
			return f, diskError(t.result.dest, err)
		}
		if err := e.waitDescriptor(ctx, t, &r, err); err != nil {
			return nil, err
		}
	}
}

// awaitSync queues a renamed small file for the next shared sync.
func (e *Engine) awaitSync(t *transfer, f *part.Folder) {
	e.mu.Lock()
	e.transition(t, Verifying, nil)
	e.window.settling++
	e.leaveWindow(t)
	t.phase = syncing
	e.admit()
	e.mu.Unlock()
	e.syncer.Sync(f, func(err error) {
		state := Done
		if err != nil {
			// Not the file, which a later sync would call durable, is kept.
			_ = f.Remove(filepath.Base(t.result.dest))
			t.progress.Done.Store(0)
			state, err = Failed, diskError(t.result.dest, err)
		}
		e.ended(context.Background(), t, state, err)
	})
}

// try runs a transfer until it is done or cannot go on. A mismatch is fetched
// once more.
func (e *Engine) try(ctx context.Context, t *transfer) (State, error) {
	var r retryNote
	for {
		state, err := e.attempt(ctx, t, &r)
		var held *part.HeldError
		switch {
		case errors.Is(err, ErrIntegrity):
			if r.mismatches++; r.mismatches > 1 {
				return Failed, err
			}
			e.again(t, "It did not match; fetching it once more.")
		case errors.Is(err, fetch.ErrNoRange):
			if r.wholes++; r.wholes > maxStreak {
				return Failed, &Error{Kind: ErrNetwork, Detail: "the connection broke " + itoa(r.wholes) + " times, and the storage sends whole files only"}
			}
			e.again(t, "The storage sends whole files only; starting from the beginning.")
		case errors.As(err, &held):
			e.set(t, Waiting, nil, "Another usher is fetching this file; waiting for it.")
			e.unlead(t)
			if err := e.waitFree(ctx, t, held.Part); err != nil {
				return Failed, err
			}
		case errors.Is(err, part.ErrArrived): // look at the disk again
		case part.OutOfDescriptors(err):
			if err := e.waitDescriptor(ctx, t, &r, err); err != nil {
				return Failed, err
			}
		default:
			return state, err
		}
	}
}

// waitFree returns when no transfer holds a part any more, or with ErrBusy when
// the part has not grown for LockWait. It looks at the disk alone: a URL that
// cannot be used yet is not requested.
func (e *Engine) waitFree(ctx context.Context, t *transfer, part string) error {
	moved, seen := time.Now(), ""
	for {
		if err := e.sleep(ctx, e.cfg.Timeouts.LockPoll); err != nil {
			return err
		}
		f, err := e.disk.Folder(t.req.Dir, t.segs[:len(t.segs)-1], false)
		if err != nil {
			return nil // the next attempt returns the error
		}
		held, now := f.Held(part), f.Progress(part)
		f.Release()
		switch {
		case !held:
			return nil
		case now != seen:
			moved, seen = time.Now(), now
		case time.Since(moved) > e.cfg.Timeouts.LockWait:
			return &Error{Kind: ErrBusy, Path: filepath.Join(f.Path(), t.segs[len(t.segs)-1]), Detail: quantity.Plural(max(int(e.cfg.Timeouts.LockWait.Minutes()), 1), "minute", "minutes")}
		}
	}
}

// waitDescriptor pauses a transfer until another one has closed a file. Where
// nothing else is under way, that does not come: it fails after some pauses.
func (e *Engine) waitDescriptor(ctx context.Context, t *transfer, r *retryNote, err error) error {
	e.mu.Lock()
	others := len(e.window.active) > 1
	e.mu.Unlock()
	if r.short++; others {
		r.short = 0
	} else if r.short > maxStreak {
		return err
	}
	e.set(t, Waiting, nil, "Too many files are open; waiting for one to be closed.")
	return e.sleep(ctx, e.cfg.Timeouts.fetch().Backoff(r.short))
}

// maxStreak is the number of failures of one kind that end a transfer.
const maxStreak = 10

// retryNote counts over the attempts of one transfer.
type retryNote struct {
	mismatches int
	short      int // of descriptors, in a row
	wholes     int // times that the storage sent everything instead of a range
}

func (e *Engine) again(t *transfer, event string) {
	e.mu.Lock()
	t.progress.Retries.Add(1)
	t.event = event
	e.mu.Unlock()
	t.progress.Done.Store(0)
	e.notify()
}
