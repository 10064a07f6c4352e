package download

import (
	"context"
	"errors"
	"path/filepath"

	"usher/client/download/fetch"
	"usher/client/download/part"
	"usher/client/download/ticket"
)

// object describes an order's object to package fetch.
func (o order) object(tk *ticket.Ticket) fetch.Object {
	size := tk.Size
	if size < 0 && o.etag != "" {
		size = o.listed
	}
	return fetch.Object{Bucket: o.bucket, Key: o.key, ETag: tk.ETag, Version: tk.Version, Size: size, Modified: tk.Modified,
		Checksum: tk.Checksum, Parts: tk.Parts, Weight: o.weight, Whole: o.whole, Named: o.named,
		Plain: o.whole || size <= smallObject && (size >= 0 || o.named)}
}

// enter waits for a place among the requests under way. leave gives it back.
func (e *Engine) enter(ctx context.Context, o order, object fetch.Object) (leave func(error), err error) {
	places, weight := e.large, e.largeWeight(object.Size)
	if object.Plain && o.small {
		places, weight = e.small, e.smallWeight(object.Size)
	}
	if weight, err = places.Enter(ctx, weight); err != nil {
		return nil, err
	}
	return func(err error) {
		places.Leave(weight)
		if err == nil && places == e.small {
			places.Faster()
		}
	}, nil
}

// delivered is the result of deliver.
type delivered struct {
	end      State
	dest     string // of Done
	verified string // the checksum's name
}

// deliver opens the part, fetches the missing bytes, verifies the whole and gives the
// part its name.
func (e *Engine) deliver(ctx context.Context, to target, p plan, job fetch.Job) (delivered, error) {
	failed := delivered{end: Failed}
	f, err := e.disk.Folder(to.dir, to.dirs, true)
	if err != nil {
		return failed, err
	}
	defer f.Release()
	name := part.Name(job.Object.Bucket, job.Object.Key, job.Object.ETag)
	begun := !p.fresh && dropOld(f, name, job)
	space := &claim{to: to, size: job.Object.Size}
	job.Owner = reserving{job.Owner, space, f}
	defer e.disk.Unreserve(space)
	if job.Object.Size >= 0 {
		if err := job.Owner.Sized(job.Object.Size); err != nil {
			return failed, err
		}
	}
	oneRead := job.Object.Plain && job.Object.Size >= 0 && job.Object.Size <= fetch.BufferSize
	if job.File, err = openPart(to, f, name, p, begun, oneRead); err != nil {
		return failed, err
	}
	defer job.File.Close()
	kept := job.File.Named()
	got, err := e.fetcher.Fetch(ctx, job)
	if err != nil {
		return failed, space.failure(f, err, kept && to.progress.Done.Load() > 0)
	}
	return e.publish(to, f, job.File, got)
}

// reserving is an owner that also claims the space of a size.
type reserving struct {
	fetch.Owner
	space  *claim
	folder *part.Folder
}

func (r reserving) Sized(size int64) error {
	if err := r.Owner.Sized(size); err != nil {
		return err
	}
	r.space.size = size
	return r.space.reserve(r.folder)
}

// dropOld removes the parts of other contents of the object, and reports whether
// an earlier run has begun the part called name.
func dropOld(f *part.Folder, name string, job fetch.Job) (begun bool) {
	old, _, begun := f.OldParts(job.Object.Bucket, job.Object.Key, job.Object.ETag, name)
	for _, other := range old {
		f.DropPart(other)
		job.Owner.Notify(fetch.Event{Kind: fetch.Dropped, Text: "The file changed since the last try; starting from the beginning."})
	}
	return begun
}

// openPart opens the part of an object. A new file that comes with one read needs no
// name before it is complete.
func openPart(to target, f *part.Folder, name string, p plan, begun, oneRead bool) (*part.File, error) {
	open := f.Open
	if oneRead && !begun && to.conflict != Overwrite {
		open = f.OpenNew
	}
	file, err := open(name)
	if err != nil {
		return nil, err
	}
	file.Begin(begun)
	// Another process can have finished the part that this one saw, before the lock.
	if file.Named() && file.Size() == 0 && !p.taken {
		if _, err := f.Lstat(filepath.Base(p.path)); err == nil {
			file.Remove()
			return nil, part.ErrArrived
		}
	}
	return file, nil
}

// publish gives the verified part its name.
func (e *Engine) publish(to target, f *part.Folder, file *part.File, got fetch.Result) (delivered, error) {
	out := delivered{end: Failed, verified: got.Label}
	if err := file.Resize(got.Size); err != nil { // an earlier run with another size was here
		return out, err
	}
	when := got.Modified
	if when.IsZero() {
		when = e.cfg.Now()
	}
	name := to.nameIn(f)
	used, err := file.Finish(name, when, to.conflict.taken(), part.RecordOf(got.ETag, got.Label, got.Size, when))
	if errors.Is(err, ErrExists) && file.Opened() && file.SameAs(name) {
		// Another usher was faster, between the look at the disk and the lock.
		file.Remove()
		out.end = Skipped
		return out, nil
	}
	if err != nil {
		if file.Opened() {
			got.Keep()
		}
		return out, err
	}
	out.end, out.dest = Done, filepath.Join(f.Path(), used)
	return out, nil
}
