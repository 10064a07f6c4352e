package download

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"time"

	"usher/client/download/fetch"
	"usher/client/download/part"
	"usher/client/download/ticket"
)

// attempt is one try of a transfer: a look at the disk, a ticket, a place among
// the requests, the bytes and the final name.
func (e *Engine) attempt(ctx context.Context, t *transfer, r *retryNote) (State, error) {
	p, err := e.plan(t)
	if err == nil && !p.skip {
		err = e.admissible(t)
	}
	if err != nil || p.skip {
		return p.state, err
	}
	named := t.isSmall() && len(p.compare) == 0
	tk, err := e.ticketFor(ctx, t, named)
	if err == nil && len(p.compare) > 0 {
		p, err = e.sameContent(t, p, tk)
	}
	if err != nil || p.skip {
		return p.state, err
	}
	job := e.jobOf(t, tk, r)
	job.Object.Named = named
	job.Object.Plain = r.wholes > 0 || job.Object.Size <= smallObject && (job.Object.Size >= 0 || named)
	leave, err := e.enter(ctx, t, &job.Object)
	if err != nil {
		return Failed, err
	}
	state, err := e.fetchInto(ctx, t, job, p)
	leave(err)
	return state, err
}

// admissible returns the reason why a transfer cannot be released, or cannot be
// written where it lands.
func (e *Engine) admissible(t *transfer) error {
	if t.refused != nil {
		return t.refused
	}
	if err := e.disk.Check(t.req.Dir, t.segs[:len(t.segs)-1]); err != nil {
		return err
	}
	return e.fits(t)
}

// jobOf describes a transfer to package fetch. r is nil for a stream.
func (e *Engine) jobOf(t *transfer, tk *ticket.Ticket, r *retryNote) fetch.Job {
	size := tk.Size
	if size < 0 && t.req.ETag != "" {
		size = t.req.Size
	}
	return fetch.Job{
		Object: fetch.Object{Bucket: t.req.Bucket, Key: t.req.Key, ETag: tk.ETag, Version: tk.Version, Size: size, Modified: tk.Modified,
			Checksum: tk.Checksum, Parts: tk.Parts, Weight: t.slot.weight, Whole: r != nil && r.wholes > 0},
		Ticket:   tk,
		Source:   source{e, t},
		Progress: &t.progress,
		Notify:   func(ev fetch.Event) { e.fetched(t, ev) },
		Chain: func() (string, time.Time) {
			e.mu.Lock()
			defer e.mu.Unlock()
			return t.chain.first, t.chain.at
		},
	}
}

// source releases the URLs of one transfer.
type source struct {
	e *Engine
	t *transfer
}

func (s source) Ticket(ctx context.Context, named bool) (*ticket.Ticket, error) {
	return s.e.ticketFor(ctx, s.t, named)
}

// fetched notes an event of an attempt.
func (e *Engine) fetched(t *transfer, ev fetch.Event) {
	switch ev.Kind {
	case fetch.Checking:
		e.mu.Lock()
		t.result.verified = ev.Label // of the check that is under way
		e.report(t, Verifying, nil, ev.Text)
		e.mu.Unlock()
		e.notify()
	case fetch.Offline:
		e.set(t, WaitingNetwork, mapped(ev.Err, t.req.Key, false), ev.Text)
	default:
		e.set(t, Running, nil, ev.Text)
	}
}

// enter waits for a place among the requests under way. leave gives it back.
func (e *Engine) enter(ctx context.Context, t *transfer, o *fetch.Object) (leave func(error), err error) {
	places, weight := e.large, e.largeWeight(o.Size)
	if o.Plain && t.isSmall() {
		places, weight = e.small, e.smallWeight(o.Size)
	}
	if weight, err = places.Enter(ctx, weight); err != nil {
		return nil, err
	}
	e.set(t, Running, nil, "")
	return func(err error) {
		places.Leave(weight)
		if err == nil && places == e.small {
			places.Faster()
		}
	}, nil
}

// fetchInto opens the part, fetches the missing bytes and gives the part its name.
func (e *Engine) fetchInto(ctx context.Context, t *transfer, job fetch.Job, p plan) (State, error) {
	f, err := e.disk.Folder(t.req.Dir, t.segs[:len(t.segs)-1], true)
	if err != nil {
		return Failed, err
	}
	defer f.Release()
	begun := !p.fresh && e.dropOld(t, f, job.Object)
	space := &claim{t: t, size: job.Object.Size}
	defer e.disk.Unreserve(space)
	job.Sized = func(size int64) error {
		e.mu.Lock()
		e.resize(t, size)
		e.mu.Unlock()
		space.size = size
		return space.reserve(f)
	}
	if job.Object.Size >= 0 {
		if err := job.Sized(job.Object.Size); err != nil {
			return Failed, err
		}
	}
	if job.File, err = e.openPart(t, f, job.Object, p, begun); err != nil {
		return Failed, err
	}
	defer job.File.Close()
	kept := job.File.Named()
	got, err := e.fetcher.Fetch(ctx, job)
	if err == nil {
		return e.deliver(t, f, job, got)
	}
	e.mu.Lock()
	t.result.verified = ""
	e.mu.Unlock()
	path := filepath.Join(f.Path(), t.segs[len(t.segs)-1])
	if errors.Is(err, fetch.ErrMismatch) {
		path = t.req.Key
	}
	if full(err) {
		return Failed, &Error{Kind: ErrDisk, Path: path, Needed: max(space.Remaining(), 1), Free: max(f.Free(), 0),
			kept: kept && t.progress.Done.Load() > 0, cause: err}
	}
	return Failed, mapped(err, path, kept && t.progress.Done.Load() > 0)
}

// full reports whether the disk has no space left.
func full(err error) bool {
	return errors.Is(err, fetch.ErrDisk) && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT))
}

// dropOld removes the parts of other contents of the object, and reports whether
// an earlier run has begun this one.
func (e *Engine) dropOld(t *transfer, f *part.Folder, o fetch.Object) (begun bool) {
	old, _, begun := f.OldParts(o.Bucket, o.Key, o.ETag, part.Name(o.Bucket, o.Key, o.ETag))
	for _, name := range old {
		f.DropPart(name)
		e.mu.Lock()
		t.result.anew = true
		e.report(t, Running, nil, "The file changed since the last try; starting from the beginning.")
		e.mu.Unlock()
	}
	return begun
}

// openPart opens the part of an object. A small new file needs no name before it
// is complete.
func (e *Engine) openPart(t *transfer, f *part.Folder, o fetch.Object, p plan, begun bool) (*part.File, error) {
	open := f.Open
	if o.Plain && o.Size >= 0 && o.Size <= fetch.BufferSize && !begun && t.req.Conflict != Overwrite {
		open = f.OpenNew
	}
	file, err := open(part.Name(o.Bucket, o.Key, o.ETag))
	if err != nil {
		return nil, err
	}
	file.Begin(begun)
	if file.Named() && !file.Begun() && !p.taken {
		if _, err := f.Lstat(filepath.Base(p.path)); err == nil {
			file.Remove()
			return nil, part.ErrArrived
		}
	}
	return file, nil
}

// deliver gives the verified part its name. The transfer is done once that is
// durable; small files wait for a sync they share.
func (e *Engine) deliver(t *transfer, f *part.Folder, job fetch.Job, got fetch.Result) (State, error) {
	if err := job.File.Resize(got.Size); err != nil { // an earlier run with another size was here
		return Failed, err
	}
	when := got.Modified
	if when.IsZero() {
		when = e.cfg.Now()
	}
	name := t.segs[len(t.segs)-1]
	if t.req.Name == "" {
		name = f.Claim(name, t.req.Bucket+"/"+t.req.Key)
	}
	used, err := job.File.Finish(name, when, t.req.Conflict.taken(), part.RecordOf(job.Object.ETag, got.Label, got.Size, when))
	if errors.Is(err, ErrExists) && job.File.Opened() && job.File.SameAs(name) {
		// Another usher was faster, between the look at the disk and the lock.
		job.File.Remove()
		e.mu.Lock()
		t.result.verified = got.Label
		e.mu.Unlock()
		return Skipped, nil
	}
	if err != nil {
		if job.File.Opened() {
			got.Keep()
		}
		return Failed, err
	}
	e.mu.Lock()
	t.result.dest, t.result.verified, t.err = filepath.Join(f.Path(), used), got.Label, nil
	e.mu.Unlock()
	return Done, nil
}
