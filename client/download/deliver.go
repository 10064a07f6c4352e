package download

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"

	"usher/client/download/fetch"
	"usher/client/download/part"
)

// target is the local place of one object, in plain values.
type target struct {
	bucket, key, etag string
	listed            int64    // bytes in the listing; without an ETag unknown
	size              int64    // bytes; -1: unknown
	dir               string   // the destination
	dirs              []string // folders below it
	name              string
	given             bool // the request has the name
	conflict          Conflict
	content           bool // compare contents, and not the notes on files
	progress          *fetch.Progress
}

func (t *transfer) target() target {
	last := len(t.segs) - 1
	return target{bucket: t.req.Bucket, key: t.req.Key, etag: t.req.ETag, listed: t.req.Size, size: t.size,
		dir: t.req.Dir, dirs: t.segs[:last], name: t.segs[last], given: t.req.Name != "",
		conflict: t.req.Conflict, content: t.req.Checksum, progress: &t.progress}
}

// below is the target's path below dir.
func (to target) below(dir string) string {
	return filepath.Join(append(append([]string{dir}, to.dirs...), to.name)...)
}

// nameIn is the target's name in its folder.
func (to target) nameIn(f *part.Folder) string {
	if to.given {
		return to.name
	}
	return f.Claim(to.name, to.bucket+"/"+to.key)
}

// saved is the result of save.
type saved struct {
	end      State
	dest     string // of Done
	verified string // the checksum's name
}

// save opens the part, fetches the missing bytes and gives the part its name.
// changed is called before the first byte if an earlier run had begun another
// content.
func (e *Engine) save(ctx context.Context, to target, job fetch.Job, p plan, changed func()) (saved, error) {
	f, err := e.disk.Folder(to.dir, to.dirs, true)
	if err != nil {
		return saved{end: Failed}, err
	}
	defer f.Release()
	begun := !p.fresh && dropOld(f, job.Object, changed)
	space := &claim{to: to, size: job.Object.Size}
	defer e.disk.Unreserve(space)
	known := job.Sized
	job.Sized = func(size int64) error {
		if err := known(size); err != nil {
			return err
		}
		space.size = size
		return space.reserve(f)
	}
	if job.Object.Size >= 0 {
		if err := job.Sized(job.Object.Size); err != nil {
			return saved{end: Failed}, err
		}
	}
	if job.File, err = openPart(to, f, job.Object, p, begun); err != nil {
		return saved{end: Failed}, err
	}
	defer job.File.Close()
	kept := job.File.Named()
	got, err := e.fetcher.Fetch(ctx, job)
	if err != nil {
		return saved{end: Failed}, space.failure(f, err, kept && to.progress.Done.Load() > 0)
	}
	return e.publish(to, f, job, got)
}

// failure maps an error of a fetch.
func (c *claim) failure(f *part.Folder, err error, kept bool) error {
	path := filepath.Join(f.Path(), c.to.name)
	switch {
	case errors.Is(err, fetch.ErrMismatch):
		path = c.to.key
	case full(err):
		return &Error{Kind: ErrDisk, Path: path, Needed: max(c.Remaining(), 1), Free: max(f.Free(), 0), kept: kept, cause: err}
	}
	return mapped(err, path, kept)
}

// full reports whether the disk has no space left.
func full(err error) bool {
	return errors.Is(err, fetch.ErrDisk) && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT))
}

// dropOld removes the parts of other contents of the object, and reports whether
// an earlier run has begun this one.
func dropOld(f *part.Folder, o fetch.Object, changed func()) (begun bool) {
	old, _, begun := f.OldParts(o.Bucket, o.Key, o.ETag, part.Name(o.Bucket, o.Key, o.ETag))
	for _, name := range old {
		f.DropPart(name)
		changed()
	}
	return begun
}

// openPart opens the part of an object. A small new file needs no name before it
// is complete.
func openPart(to target, f *part.Folder, o fetch.Object, p plan, begun bool) (*part.File, error) {
	open := f.Open
	if o.Plain && o.Size >= 0 && o.Size <= fetch.BufferSize && !begun && to.conflict != Overwrite {
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

// publish gives the verified part its name.
func (e *Engine) publish(to target, f *part.Folder, job fetch.Job, got fetch.Result) (saved, error) {
	out := saved{end: Failed, verified: got.Label}
	if err := job.File.Resize(got.Size); err != nil { // an earlier run with another size was here
		return out, err
	}
	when := got.Modified
	if when.IsZero() {
		when = e.cfg.Now()
	}
	name := to.nameIn(f)
	used, err := job.File.Finish(name, when, to.conflict.taken(), part.RecordOf(job.Object.ETag, got.Label, got.Size, when))
	if errors.Is(err, ErrExists) && job.File.Opened() && job.File.SameAs(name) {
		// Another usher was faster, between the look at the disk and the lock.
		job.File.Remove()
		out.end = Skipped
		return out, nil
	}
	if err != nil {
		if job.File.Opened() {
			got.Keep()
		}
		return out, err
	}
	out.end, out.dest = Done, filepath.Join(f.Path(), used)
	return out, nil
}
