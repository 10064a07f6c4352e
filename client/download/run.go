package download

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"usher/client/download/part"
	"usher/client/quantity"
)

func itoa(n int) string { return strconv.Itoa(n) }

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func waitLimit(ctx context.Context, l *rate.Limiter, n int) error {
	for n > 0 {
		m := min(n, l.Burst())
		if err := l.WaitN(ctx, m); err != nil {
			return err
		}
		n -= m
	}
	return nil
}

// carry takes one transfer from admission to its end.
func (e *Engine) carry(ctx context.Context, t *transfer) {
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
			e.settle(t, f)
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

// settle takes a small file that has its name out of the way of others, until
// the sync that it shares with them made it durable.
func (e *Engine) settle(t *transfer, f *part.Folder) {
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
			t.progress.done.Store(0)
			state, err = Failed, diskError(t.result.dest, err)
		}
		e.ended(context.Background(), t, state, err)
	})
}

// try runs a transfer until it is done or cannot go on. A mismatch is fetched
// once more.
func (e *Engine) try(ctx context.Context, t *transfer) (State, error) {
	if !e.cfg.Dotfiles {
		if err := part.GuardHome(t.req.Dir, t.segs[:len(t.segs)-1], t.segs[len(t.segs)-1]); err != nil {
			return Failed, err
		}
	}
	var r retryNote
	for {
		state, err := e.once(ctx, t, &r)
		var m *mismatch
		var held *part.HeldError
		switch {
		case errors.As(err, &m):
			if r.mismatches++; r.mismatches > 1 {
				return Failed, &Error{Kind: ErrIntegrity, Path: t.req.Key, Detail: m.what}
			}
			e.again(t, "It did not match; fetching it once more.")
		case errors.Is(err, errNoRange):
			if r.wholes++; r.wholes > maxStreak {
				return Failed, &Error{Kind: ErrNetwork, Detail: "the connection broke " + itoa(r.wholes) + " times, and the storage sends whole files only"}
			}
			e.again(t, "The storage sends whole files only; starting from the beginning.")
		case errors.As(err, &held):
			e.set(t, Waiting, nil, "Another usher is fetching this file; waiting for it.")
			if err := e.waitFree(ctx, t, held.Part); err != nil {
				return Failed, err
			}
		case errors.Is(err, part.ErrArrived): // look at what is there now
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
			return nil // the next try says what is wrong with it
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
	return e.sleep(ctx, e.backoff(r.short))
}

// retryNote is what one try tells the next.
type retryNote struct {
	mismatches int
	short      int // of descriptors, in a row
	wholes     int // times that the storage sent everything instead of a range
}

func (e *Engine) again(t *transfer, event string) {
	e.mu.Lock()
	t.progress.retries++
	t.event = event
	e.mu.Unlock()
	t.progress.done.Store(0)
	e.notify()
}

// once is one try: plan, ticket, slot, fetch, verify, rename.
func (e *Engine) once(ctx context.Context, t *transfer, r *retryNote) (State, error) {
	p, err := e.plan(t)
	if err != nil || p.skip {
		return p.state, err
	}
	if t.refused != nil {
		return Failed, t.refused
	}
	if err := e.disk.Check(t.req.Dir, t.segs[:len(t.segs)-1]); err != nil {
		return Failed, err
	}
	if err := e.fits(t); err != nil {
		return Failed, err
	}
	named := t.isSmall() && len(p.compare) == 0
	tk, err := e.ticketFor(ctx, t, named)
	if err != nil {
		return Failed, err
	}
	if len(p.compare) > 0 {
		if p, err = e.sameContent(t, p, tk); err != nil {
			return Failed, err
		}
		if p.skip {
			e.mu.Lock()
			t.result.dest = p.path
			e.mu.Unlock()
			return p.state, nil
		}
	}
	size := tk.Size
	if size < 0 && t.req.ETag != "" {
		size = t.req.Size
	}
	plain := size <= smallObject && (size >= 0 || named)
	gate, weight := e.limits.large, e.weigh(size)
	if plain && t.isSmall() {
		gate, weight = e.limits.small, e.heft(size)
	}
	weight, err = gate.enter(ctx, weight)
	if err != nil {
		return Failed, err
	}
	defer gate.leave(weight)
	e.set(t, Running, nil, "")
	j := &job{e: e, t: t, plain: plain || r.wholes > 0, named: named, noRange: r.wholes > 0, etag: tk.ETag, version: tk.Version,
		size: size, modified: tk.Modified, checksum: tk.Checksum, parts: tk.Parts, ticket: tk, request: tk.Request}
	state, err := e.fetchInto(ctx, j, p)
	if err == nil && gate == e.limits.small {
		gate.faster()
	}
	return state, err
}

// fetchInto opens the part, fetches what it lacks and finishes it.
func (e *Engine) fetchInto(ctx context.Context, j *job, p plan) (State, error) {
	t := j.t
	f, err := e.disk.Folder(t.req.Dir, t.segs[:len(t.segs)-1], true)
	if err != nil {
		return Failed, err
	}
	defer f.Release()
	name := part.Name(t.req.Bucket, t.req.Key, j.etag)
	begun := false
	if !p.fresh {
		var old []string
		old, _, begun = f.OldParts(t.req.Bucket, t.req.Key, j.etag, name)
		for _, o := range old {
			f.DropPart(o)
			e.mu.Lock()
			t.result.anew = true
			e.report(t, Running, nil, "The file changed since the last try; starting from the beginning.")
			e.mu.Unlock()
		}
	}
	j.claim = &claim{t: t, size: j.size}
	defer e.disk.Unreserve(j.claim)
	if j.size >= 0 {
		e.mu.Lock()
		e.resize(t, j.size)
		e.mu.Unlock()
		if err := j.claim.reserve(f); err != nil {
			return Failed, err
		}
	}
	open := f.Open
	if j.plain && j.size >= 0 && j.size <= bufferSize && !begun && t.req.Conflict != Overwrite {
		open = f.OpenNew
	}
	if j.file, err = open(name); err != nil {
		return Failed, err
	}
	defer j.file.Close()
	j.file.Begin(begun)
	if j.file.Named() && !j.file.Begun() && !p.taken {
		if _, err := f.Lstat(filepath.Base(p.path)); err == nil {
			j.file.Remove()
			return Failed, part.ErrArrived
		}
	}
	if err = j.prepare(); err == nil {
		err = j.fetchAll(ctx)
	}
	if err == nil {
		err = j.verify(ctx)
	}
	if err != nil {
		return Failed, j.abandon(err)
	}
	return e.deliver(j, f)
}

// deliver gives the verified part its name. The transfer is done once that is
// durable; small files wait for a sync they share.
func (e *Engine) deliver(j *job, f *part.Folder) (State, error) {
	t := j.t
	if err := j.file.Resize(j.size); err != nil { // an earlier run with another size was here
		return Failed, err
	}
	when := j.modified
	if when.IsZero() {
		when = e.cfg.Now()
	}
	label := j.want.Label()
	name := t.segs[len(t.segs)-1]
	if t.req.Name == "" {
		name = f.Claim(name, t.req.Bucket+"/"+t.req.Key)
	}
	used, err := j.file.Finish(name, when, t.req.Conflict.taken(), part.RecordOf(j.etag, label, j.size, when))
	if errors.Is(err, ErrExists) && j.file.Open() && j.file.SameAs(name) {
		// Another usher was faster, between the look at the disk and the lock.
		j.file.Remove()
		e.mu.Lock()
		t.result.verified = label
		e.mu.Unlock()
		return Skipped, nil
	}
	if err != nil {
		if j.file.Open() {
			j.note()
		}
		return Failed, err
	}
	e.mu.Lock()
	t.result.dest, t.result.verified, t.err = filepath.Join(f.Path(), used), label, nil
	e.mu.Unlock()
	return Done, nil
}
